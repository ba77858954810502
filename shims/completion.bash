# mtls-run: completion of its own words; after TOOL, what completes that tool.
# shellcheck shell=bash
# shellcheck disable=SC2207 # bash 3.2, which macOS has, lacks mapfile

# Offers what an option or an argument of this kind can be.
function _mtls_run_offer {
  local IFS=$'\n'
  case $1 in
  file | directory)
    COMPREPLY=($(compgen -"${1:0:1}" -- "$cur"))
    compopt -o filenames 2>/dev/null
    ;;
  profile) COMPREPLY=($(compgen -W "$(__mtls_run profile list --names 2>/dev/null)" -- "$cur")) ;;
  text | '') ;;
  *) COMPREPLY=($(IFS=' ' && compgen -W "$1" -- "$cur")) ;;
  esac
}

# Offers the words and the arguments of a command, or the value of the option before the cursor.
function _mtls_run_command {
  local command=$1 words='' takes='' option=${COMP_WORDS[COMP_CWORD - 1]}
  # --profile=NAME is three words to bash.
  if [[ $cur == '=' ]]; then
    cur=''
  elif [[ $option == '=' ]]; then
    option=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  _mtls_run_takes "$command $option"
  if [[ -n $takes ]]; then
    _mtls_run_offer "$takes"
    return
  fi
  _mtls_run_words "$command"
  if [[ $cur == -* || $words != -* ]]; then
    _mtls_run_offer "$words"
  else
    _mtls_run_takes "$command"
    _mtls_run_offer "$takes"
  fi
}

# Completes as if the line began with the word of this number, which is a tool.
function _mtls_run_tool {
  local index word spec='' tool options
  for ((index = 0; index < $1; index++)); do
    word=${COMP_LINE#*"${COMP_WORDS[index]}"}
    ((COMP_POINT -= ${#COMP_LINE} - ${#word}))
    COMP_LINE=$word
  done
  word=${COMP_LINE#"${COMP_LINE%%[![:space:]]*}"}
  ((COMP_POINT -= ${#COMP_LINE} - ${#word}))
  COMP_LINE=$word
  COMP_WORDS=("${COMP_WORDS[@]:$1}")
  ((COMP_CWORD -= $1))
  tool=${COMP_WORDS[0]}
  if ! spec=$(complete -p -- "${tool##*/}" 2>/dev/null); then
    # bash-completion reads most of what it knows when it is first asked for.
    if declare -F _comp_load >/dev/null; then
      _comp_load -- "${tool##*/}"
    elif declare -F _completion_loader >/dev/null; then
      _completion_loader "${tool##*/}"
    fi
    spec=$(complete -p -- "${tool##*/}" 2>/dev/null) || spec='complete -o default tool'
  fi
  options=${spec#complete }
  options=${options% *}
  if [[ $spec == *' -F '* ]]; then
    word=${spec#* -F }
    "${word%% *}" "$tool" "$cur" "${COMP_WORDS[COMP_CWORD - 1]}"
  else
    local IFS=$'\n'
    COMPREPLY=($(eval "compgen $options -- \"\$cur\"" 2>/dev/null))
    IFS=$' \t\n'
  fi
  while [[ $options == *'-o '* ]]; do
    options=${options#*-o }
    compopt -o "${options%% *}" 2>/dev/null
  done
}

function _mtls_run {
  local cur=${COMP_WORDS[COMP_CWORD]} at=1 any='' first words='' takes=''
  COMPREPLY=()
  if [[ ${COMP_WORDS[COMP_CWORD - 1]} == *[\<\>] ]]; then
    _mtls_run_offer file
    return
  fi
  while ((at < COMP_CWORD)) && [[ ${COMP_WORDS[at]} == -* ]]; do
    if [[ ${COMP_WORDS[at]} == -- ]]; then
      any=yes
      ((at += 1))
      break
    fi
    _mtls_run_takes " ${COMP_WORDS[at]}"
    if [[ -n $takes && ${COMP_WORDS[at + 1]} == '=' ]]; then
      ((at += 3))
    elif [[ -n $takes ]]; then
      ((at += 2))
    else
      ((at += 1))
    fi
  done
  first=${COMP_WORDS[at]-}
  if ((at > COMP_CWORD)); then
    _mtls_run_command ''
  elif ((at == COMP_CWORD)); then
    if [[ -n $any ]]; then
      COMPREPLY=($(compgen -c -- "$cur"))
    elif [[ $cur == -* ]]; then
      _mtls_run_words ''
      _mtls_run_offer "$words"
    elif [[ $cur == */* ]]; then
      _mtls_run_offer file
    else
      _mtls_run_words first
      _mtls_run_offer "$words"
    fi
  else
    _mtls_run_words "$first"
    if [[ -n $any || -z $words ]]; then
      _mtls_run_tool "$at"
      return
    fi
    if [[ $words != -* ]] && ((at + 1 < COMP_CWORD)); then
      first="$first ${COMP_WORDS[at + 1]}"
    fi
    _mtls_run_command "$first"
  fi
}

complete -F _mtls_run mtls-run
