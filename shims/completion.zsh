# mtls-run: completion of its own words; after TOOL, what completes that tool.

function _mtls_run_profiles {
  local -a names
  names=(${(f)"$(__mtls_run profile list --names 2>/dev/null)"})
  compadd -a names
}

function _mtls_run_first {
  local -a subcommands
  _mtls_run_commands ''
  _alternative \
    "tools:tool:($_mtls_run_tools)" \
    'commands:subcommand:((${(q)subcommands}))' \
    'files:program:_path_files -g "*(*)"'
}

function _mtls_run {
  local at=2 any='' command
  local -a specs subcommands # `commands` is zsh's own
  while ((at < CURRENT)); do
    case $words[at] in
      --)
        any=yes
        ((at += 1))
        break
        ;;
      -*) ((at += ${_mtls_run_valued[(I)$words[at]]} ? 2 : 1)) ;;
      *) break ;;
    esac
  done
  if ((at == CURRENT)) && [[ -n $any ]]; then
    _command_names -e
    return
  elif ((at >= CURRENT)); then
    _mtls_run_specs ''
    _arguments -s -S : $specs '1:tool or subcommand:_mtls_run_first'
    return
  fi
  shift $((at - 1)) words
  ((CURRENT -= at - 1))
  command=$words[1]
  _mtls_run_specs "$command"
  if [[ -n $any ]] || ((!$#specs)); then
    _normal
    return
  fi
  _mtls_run_commands "$command"
  if (($#subcommands)); then
    if ((CURRENT == 2)); then
      _describe -t commands subcommand subcommands
      return
    fi
    command="$command $words[2]"
    shift words
    ((CURRENT -= 1))
    _mtls_run_specs "$command"
  fi
  _arguments -s -S : $specs
}

# compinit may come later in the file that evaluates this.
function _mtls_run_register {
  if typeset -f compdef >/dev/null; then
    compdef _mtls_run mtls-run
    add-zsh-hook -d precmd _mtls_run_register
  fi
}
autoload -Uz add-zsh-hook
add-zsh-hook precmd _mtls_run_register
_mtls_run_register
