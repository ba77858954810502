#!/bin/sh
# Installs mtls-run for the user who runs this. See `sh install.sh --help`.
#
# POSIX sh. Nothing runs before the last line, so a half-downloaded copy does nothing.
set -eu

newline='
'
# Ends the line in an rc file that is ours; the second where the file ended in no newline before.
mark='# mtls-run: added by install.sh'
mark_open='# mtls-run: added by install.sh, with the newline before'

usage() {
  cat <<'EOF'
Usage: sh install.sh [--python PYTHON] [--wheel FILE] [--find-links DIR]
                     [--rc] [--shell NAME] [--shims]
       sh install.sh --uninstall

Installs mtls-run for you alone: a virtual environment of its own below
${XDG_DATA_HOME:-~/.local/share}/mtls-run, and a link ~/.local/bin/mtls-run.
Without --wheel, what is installed is the clone that this script lies in.
Run it again to upgrade. No sudo; no shell configuration is edited unless you
say --rc, or yes where it asks at a terminal.

  --python PYTHON   the Python to use, 3.9 or newer
  --wheel FILE      install this wheel of mtls-run
  --find-links DIR  take every package from this folder of wheels; use no network
  --rc              add one line to what your shell reads when it starts, which
                    makes pip and uv go through mtls-run there
  --shell NAME      bash, zsh, fish or sh, where it is not the one in $SHELL;
                    without --rc, only show the line
  --shims           also put shims for pip, pip3, uv and uvx into a directory, and
                    with --rc that directory on PATH
  --uninstall       take away all of that, its line too, and nothing else
  --help            show this

Exit status: 0 if all went well, 1 if not; an earlier installation then stays.
EOF
}

say() {
  printf '%s\n' "$1"
}

# die FACT [HINT...]
die() {
  printf 'mtls-run: error: %s\n' "$1" >&2
  shift
  for hint; do
    printf 'mtls-run: hint: %s\n' "$hint" >&2
  done
  exit 1
}

# Sets where things go: $data holds the environments, $link is the command on PATH.
#
# An environment cannot be renamed: its scripts name it. So each installation makes a new
# $data/venv-N, and the link $data/venv turns to it in one step when it is complete.
locate() {
  case ${HOME:-} in
  /*) ;;
  '') die 'HOME is not set' 'set HOME to your home directory' ;;
  *) die "HOME is not an absolute path: $HOME" ;;
  esac
  [ -d "$HOME" ] || die "the home directory is not there: $HOME" 'set HOME to your home directory'
  # The XDG base directory specification says to ignore a relative path.
  case ${XDG_DATA_HOME:-} in
  /*) data=$XDG_DATA_HOME/mtls-run ;;
  *) data=$HOME/.local/share/mtls-run ;;
  esac
  current=$data/venv
  bin=$HOME/.local/bin
  link=$bin/mtls-run
  target=$current/bin/mtls-run
  # What uninstalling has to know, a line each: `folder`, `file` or `line`, and a path.
  records=$data/installed
}

record() {
  grep -qxF "$1 $2" "$records" 2>/dev/null || printf '%s %s\n' "$1" "$2" >>"$records"
}

# Sets $missing to the directories on the way to $1 that are not there, the outermost last.
find_missing() {
  missing=
  directory=$1
  while [ ! -d "$directory" ]; do
    missing=$missing$directory$newline
    directory=$(dirname -- "$directory")
  done
}

# each_line COMMAND LINES: runs the command once for each of the lines; fails where one failed.
each_line() {
  failed=
  while IFS= read -r item; do
    [ -z "$item" ] || "$1" "$item" || failed=yes
  done <<EOF
$2
EOF
  [ -z "$failed" ]
}

record_folder() {
  record folder "$1"
}

# Nothing that has something in it: that is somebody's.
remove_empty() {
  rmdir -- "$1" 2>/dev/null || true
}

is_there() {
  [ -e "$1" ] || [ -L "$1" ]
}

link_is_ours() {
  [ -L "$link" ] && [ "$(readlink "$link")" = "$target" ]
}

# Prints the version of a Python as MAJOR.MINOR, or fails. A command of that name may be no Python:
# pyenv, for one, puts a stand-in on PATH for each version that it knows.
python_version() {
  "$1" -c 'import sys; sys.stdout.write("%d.%d" % sys.version_info[:2])' 2>/dev/null </dev/null
}

# Sets $unfit to why this Python cannot be used, or to nothing; $remedy to what may mend it.
examine_python() {
  unfit=
  remedy=
  if ! command -v "$1" >/dev/null 2>&1; then
    unfit="$1 is not there"
  elif ! version=$(python_version "$1"); then
    unfit="$1 does not start"
  elif ! "$1" -c 'import sys; sys.exit(sys.version_info < (3, 9))'; then
    unfit="$1 is Python $version, and mtls-run needs 3.9 or newer"
  elif ! "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    unfit="$1 (Python $version) has no venv module with pip"
    remedy="on Debian and Ubuntu: sudo apt install python$version-venv (or python3-venv)"
  fi
}

# Sets $python: the one that was asked for, or the first on PATH that will do.
find_python() {
  if [ -n "$python" ]; then
    examine_python "$python"
    [ -z "$unfit" ] || die "$unfit" ${remedy:+"$remedy"}
    return
  fi
  found=
  for candidate in python3 python3.15 python3.14 python3.13 python3.12 python3.11 python3.10 \
    python3.9 python; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    examine_python "$candidate"
    if [ -z "$unfit" ]; then
      python=$candidate
      return
    fi
    # The first is the one that a user means by "Python"; the others are a second thought.
    [ -n "$found" ] || {
      found=$unfit
      found_remedy=$remedy
    }
  done
  [ -n "$found" ] || die 'there is no Python on PATH' \
    'install Python 3.9 or newer, or name one: --python PYTHON'
  die "no Python on PATH will do: $found" ${found_remedy:+"$found_remedy"} \
    'install Python 3.9 or newer, or name one: --python PYTHON'
}

# Sets $source: what pip is told to install.
find_source() {
  here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
  if [ -n "$wheel" ]; then
    [ -f "$wheel" ] || die "--wheel: there is no file $wheel"
    source=$wheel
  elif [ -f "$0" ] && grep -q '^name = "mtls-run"' "$here/pyproject.toml" 2>/dev/null; then
    source=$here
  elif [ -n "$links" ]; then
    source=mtls-run
  else
    die 'this script lies in no clone of mtls-run' 'name a wheel: --wheel FILE'
  fi
  # pip takes a bare word for the name of a package.
  case $source in
  mtls-run | /*) ;;
  *) source=./$source ;;
  esac
}

# Sets $new: an empty directory for an environment, which nobody else uses.
make_directory() {
  find_missing "$data"
  made=$missing
  find_missing "$bin"
  made=$made$missing
  mkdir -p -- "$data" "$bin" 2>/dev/null || die "$data or $bin cannot be made" \
    "check that $HOME is yours and writable"
  number=1
  until mkdir -- "$data/venv-$number" 2>/dev/null; do
    is_there "$data/venv-$number" || die "$data is not writable" "check who owns $data"
    number=$((number + 1))
  done
  new=$data/venv-$number
}

# Runs in a trap: a way out before the end leaves what was there before.
abandon() {
  if [ -n "$new" ]; then
    rm -rf -- "$new"
    each_line remove_empty "$made"
  fi
}

# fail_with_log FACT [HINT...]: shows the end of the log first.
fail_with_log() {
  tail -n 15 -- "$new/install.log" >&2
  die "$@"
}

fill_environment() {
  "$python" -m venv "$new" >"$new/install.log" 2>&1 </dev/null ||
    fail_with_log "$python could not make a virtual environment"
  # The user's pip settings stay: they may be the only way to an index. But not those that say
  # where packages go, or that this is to be no installation at all.
  unset PIP_DRY_RUN PIP_NO_DEPS PIP_PREFIX PIP_PYTHON PIP_REQUIREMENT PIP_ROOT PIP_TARGET
  PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    "$new/bin/python" -I -m pip install --no-input ${links:+--no-index --find-links "$links"} \
    "$source" >>"$new/install.log" 2>&1 </dev/null || {
    if [ -n "$links" ]; then
      fail_with_log 'pip could not install mtls-run' \
        "$links needs a wheel of everything that mtls-run depends on, for this Python"
    fi
    fail_with_log 'pip could not install mtls-run' \
      'where the index itself asks for a certificate: --find-links DIR, a folder of wheels'
  }
  rm -f -- "$new/install.log"
}

# pip's own launcher starts Python as the caller's environment says, so PYTHONPATH or the
# user's site could put other code into the process that holds the unlocked key. -I (isolated)
# shuts them out, and -S leaves out `site`, a quarter of Python's start: what it is needed for, the
# place of the packages, the launcher says by itself. Where the kernel does not take the line whole
# (a space in it; more than 127 bytes on Linux before 5.1), the file is a shell script first, as pip
# does it in that case: what sh reads as a command, Python reads as a string.
write_launcher() {
  case $new in
  *[\"\$\`\\]*) return 0 ;; # no quoting is right for both readers: pip's launcher stays
  esac
  packages=$("$new/bin/python" -I -c 'import sysconfig
paths = map(sysconfig.get_path, ("purelib", "platlib"))
print(ascii(list(dict.fromkeys(paths))))') || die "$new/bin/python cannot tell where its packages are"
  head="#!$new/bin/python -IS"
  length=$(($(printf %s "$head" | wc -c)))
  case $new in
  *[[:space:]]*) length=128 ;;
  esac
  if [ "$length" -gt 127 ]; then
    head="#!/bin/sh
'''exec' \"$new/bin/python\" -IS \"\$0\" \"\$@\"
' '''"
  fi
  cat >"$new/bin/mtls-run" <<EOF
$head
import sys

sys.path += $packages
from mtls_run.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
EOF
  chmod 755 "$new/bin/mtls-run"
}

# Turns $current to $new and removes older environments. Not mv: it would move the new link into
# the directory that the old one leads to, and the option against that has no standard name.
switch_over() {
  "$new/bin/python" -I - "${new##*/}" "$current" <<'EOF' || die "$current cannot be replaced"
import os, sys

name, current = sys.argv[1:]
os.symlink(name, current + ".new")
os.replace(current + ".new", current)
EOF
  kept=$new
  new=
  remove_environments "$kept"
}

# remove_environments [KEEP]
remove_environments() {
  for directory in "$data"/venv-[0-9]*; do
    if [ -d "$directory" ] && [ ! -L "$directory" ] && [ "$directory" != "${1:-}" ]; then
      rm -rf -- "$directory"
    fi
  done
}

say_how_to_reach_it() {
  case :${PATH:-}: in
  *:"$bin":*)
    first=$(command -v mtls-run || true)
    if [ -n "$first" ] && [ "$first" != "$link" ]; then
      printf 'mtls-run: hint: another mtls-run comes first on PATH: %s\n' "$first" >&2
    fi
    return 0
    ;;
  esac
  # shellcheck disable=SC2016 # the line is the user's, for the shell to expand
  case ${SHELL:-} in
  */fish) advice='fish_add_path ~/.local/bin' ;;
  */zsh) advice='add to ~/.zshrc: export PATH="$HOME/.local/bin:$PATH"' ;;
  */bash) advice='add to ~/.bashrc: export PATH="$HOME/.local/bin:$PATH"' ;;
  *) advice='add to ~/.profile: export PATH="$HOME/.local/bin:$PATH"' ;;
  esac
  printf 'mtls-run: hint: %s is not on PATH; %s\n' "$bin" "$advice" >&2
}

install() {
  if is_there "$link" && ! link_is_ours; then
    die "$link is there and was not made by this script" 'move it away, then run this again'
  fi
  if is_there "$current" && [ ! -L "$current" ]; then
    die "$current is there and was not made by this script" 'move it away, then run this again'
  fi
  find_source
  find_python
  choose_shell
  new=
  made=
  trap abandon EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  make_directory
  say "Making an environment in $new with $python ($version)"
  say "Installing mtls-run from $source"
  fill_environment
  write_launcher
  installed=$("$new/bin/mtls-run" --version 2>&1 </dev/null) ||
    die "the installed mtls-run does not start: $installed"
  rm -f -- "$current.new"
  switch_over
  link_is_ours || ln -s -- "$target" "$link"
  each_line record_folder "$made"
  record_cache
  say "Installed $installed as $link"
  offer
  set_up_shell
  say "See it at work: $link demo"
}

# Sets $shell and $rc: what is to be set up, and the file that it reads when it starts.
choose_shell() {
  asked_for=$shell
  [ -n "$shell" ] || shell=${SHELL:-sh}
  shell=${shell##*/}
  case $shell in
  bash)
    rc=$HOME/.bashrc
    # Terminals on macOS start login shells, and bash then reads this one alone.
    [ "$(uname -s)" != Darwin ] || rc=$HOME/.bash_profile
    ;;
  zsh) rc=${ZDOTDIR:-$HOME}/.zshrc ;;
  fish)
    case ${XDG_CONFIG_HOME:-} in
    /*) rc=$XDG_CONFIG_HOME/fish/config.fish ;;
    *) rc=$HOME/.config/fish/config.fish ;;
    esac
    ;;
  *)
    case $asked_for in
    '' | sh | dash | ash | ksh | busybox) ;;
    *) die "--shell: there is nothing to set up for $asked_for" 'one of: bash, zsh, fish, sh' ;;
    esac
    shell='sh'
    rc=$HOME/.profile
    ;;
  esac
  if [ "$shell" = sh ] && [ -z "$shims" ] && [ -n "$edit$asked_for" ]; then
    die 'a plain sh has no functions for pip and uv: shims are what it can have' \
      'add --shims, or name a shell: --shell bash'
  fi
}

# Asks at a terminal what no option has said. Who is not there after a minute has said no.
offer() {
  if [ -n "$asked_for$edit$shims" ] || [ "$shell" = sh ] || [ ! -t 0 ] || [ ! -t 2 ]; then
    return 0
  fi
  if yes "Let pip and uv go through mtls-run in $shell, by one line in $rc?"; then
    edit=yes
    if yes 'Have shims on PATH too, for scripts, Makefiles and editors?'; then
      shims=yes
    fi
  fi
}

yes() {
  printf '%s [y/N] ' "$1" >&2
  "$current/bin/python" -I -c '
import select, sys

if not select.select([sys.stdin], [], [], 60)[0]:
    sys.exit("")
sys.exit(sys.stdin.readline().strip().lower() not in ("y", "yes"))'
}

set_up_shell() {
  if [ -n "$shims" ]; then
    folder=$(program_says 'from mtls_run.shells import folder; print(folder())') ||
      die 'the directory of the shims cannot be told' "see: $link shims install"
    find_missing "$folder"
    each_line record_folder "$missing"
    record shims "$folder"
    "$link" -q shims install >/dev/null || die 'the shims could not be installed'
    say "Installed shims for pip, pip3, uv and uvx in $folder"
  fi
  make_line
  if [ -n "$edit" ]; then
    add_line
    say "Added a line to $rc; it counts in shells that start from now on"
  elif [ -n "$asked_for$shims" ]; then
    say "To have it in every shell, add to $rc (--rc does that):"
    say "  $line"
  else
    say_how_to_reach_it
    if [ "$shell" != sh ]; then
      say "To have pip and uv go through it in $shell: sh install.sh --rc, or add to $rc:"
      say "  $line"
    fi
  fi
}

# program_says CODE: what Python prints for this code, with mtls-run to import.
program_says() {
  "$current/bin/python" -I -c "$1" 2>/dev/null </dev/null
}

# Sets $line: one line, which does nothing where mtls-run is gone, and nothing twice.
# shellcheck disable=SC2016 # the line is for the shell that starts to expand
make_line() {
  program='"$HOME/.local/bin/mtls-run"'
  add_bin='case ":$PATH:" in *":$HOME/.local/bin:"*) ;; *) export PATH="$HOME/.local/bin:$PATH" ;; esac'
  case $shell in
  fish)
    line="if test -x $program; contains -- \"\$HOME/.local/bin\" \$PATH; or set -gx PATH"
    line="$line \"\$HOME/.local/bin\" \$PATH; $program init fish${shims:+ --shims} | source; end"
    ;;
  sh)
    line="if [ -x $program ]; then $add_bin; fi"
    if [ -n "$shims" ]; then
      folder=$(printf '%s' "$folder" | sed "s/'/'\\\\''/g")
      line="if [ -x $program ]; then $add_bin; case \":\$PATH:\" in *:'$folder':*) ;;"
      line="$line *) export PATH='$folder':\"\$PATH\" ;; esac; fi"
    fi
    ;;
  *)
    line="if [ -x $program ]; then $add_bin;"
    line="$line eval \"\$($program init $shell${shims:+ --shims})\"; fi"
    ;;
  esac
}

add_line() {
  if [ -L "$rc" ] && [ ! -e "$rc" ]; then
    die "$rc is a link that leads nowhere" "add this line yourself: $line"
  fi
  find_missing "$(dirname -- "$rc")"
  each_line record_folder "$missing"
  mkdir -p -- "$(dirname -- "$rc")" 2>/dev/null || die "$(dirname -- "$rc") cannot be made"
  is_there "$rc" || record file "$rc"
  remove_line "$rc" || die "$rc cannot be written" "add this line yourself: $line"
  record line "$rc"
  ends_in_newline "$rc" || line=$newline$line' '$mark_open
  case $line in
  *"$mark_open") ;;
  *) line="$line $mark" ;;
  esac
  printf '%s\n' "$line" 2>/dev/null >>"$rc" || die "$rc cannot be written"
}

# Whether there is nothing that a line would be appended to.
ends_in_newline() {
  [ ! -s "$1" ] || [ -z "$(tail -c 1 -- "$1")" ]
}

# remove_line FILE: takes our line out of it and leaves every other byte, its mode and its links.
remove_line() {
  grep -qF "$mark" "$1" 2>/dev/null || return 0
  real=$(readlink -f -- "$1" 2>/dev/null) || real=$1
  copy=$real.mtls-run.$$
  last=newline
  ends_in_newline "$real" || last=none
  cp -p -- "$real" "$copy" || return 1
  # Bytes, whatever the locale is; the last line may lack its newline, with our line or without.
  if LC_ALL=C awk -v mark="$mark" -v mark_open="$mark_open" -v last="$last" '
    function ends_in(end) { return substr($0, length($0) - length(end) + 1) == end }
    ends_in(mark_open) { bare = 1; kept = 0; next }
    ends_in(mark) { kept = 0; next }
    { printf "%s%s", count++ ? "\n" : "", $0; bare = 0; kept = 1 }
    END { if (count && !bare && !(kept && last == "none")) printf "\n" }
  ' "$real" >"$copy" && mv -f -- "$copy" "$real"; then
    return 0
  fi
  rm -f -- "$copy"
  return 1
}

# The cache is public matter that mtls-run makes anew; where its home was missing, that goes too.
record_cache() {
  cache=$(program_says '
import platformdirs
print(platformdirs.user_cache_dir("mtls-run", appauthor=False))') || return 0
  find_missing "$cache"
  each_line record_folder "$missing"
  record cache "$cache"
}

uninstall() {
  if ! link_is_ours && ! is_there "$current"; then
    say 'mtls-run is not installed by this script; nothing is removed'
    return 0
  fi
  if link_is_ours; then
    rm -f -- "$link"
    say "Removed $link"
  elif is_there "$link"; then
    say "Left $link, which was not made by this script"
  fi
  status=0
  each_line undo "$(recorded)" || status=1
  remove_environments
  if [ -L "$current" ]; then
    rm -f -- "$current"
  fi
  folders=$(sed -n 's/^folder //p' "$records" 2>/dev/null | LC_ALL=C sort -r)
  rm -f -- "$records"
  # Not with -r: anything that this script did not put there stays.
  remove_empty "$data"
  each_line remove_empty "$folders"
  say "Removed the environment in $data"
  say 'Left: your configuration, what you allowed, and passphrases in the keyring (service "mtls-run")'
  return "$status"
}

# Prints what was recorded, but for the directories: they go last.
recorded() {
  grep -v '^folder ' "$records" 2>/dev/null | LC_ALL=C sort -r
}

# undo RECORD: takes back one thing that an installation did.
undo() {
  path=${1#* }
  case $1 in
  'line '*)
    if grep -qF "$mark" "$path" 2>/dev/null; then
      remove_line "$path" || {
        printf 'mtls-run: error: %s cannot be written\n' "$path" >&2
        printf 'mtls-run: hint: remove the line in it that ends in: %s\n' "$mark" >&2
        return 1
      }
      say "Removed the line in $path"
    fi
    ;;
  'shims '*)
    for shim in "$path"/*; do
      # By what stands in it: anything else stays.
      if [ -f "$shim" ] && head -n 2 -- "$shim" | grep -q '^# mtls-run shim:'; then
        rm -f -- "$shim"
        say "Removed $shim"
      fi
    done
    remove_empty "$path"
    ;;
  'cache '*/mtls-run) rm -rf -- "$path" ;;
  'file '*) [ -s "$path" ] || rm -f -- "$path" ;;
  esac
}

main() {
  # What the caller's Python is told concerns another program.
  unset PYTHONHOME PYTHONPATH PYTHONINSPECT
  action=install
  python=
  wheel=
  links=
  shell=
  shims=
  edit=
  while [ $# -gt 0 ]; do
    option=$1
    shift
    case $option in
    --python | --wheel | --find-links | --shell)
      [ -n "${1:-}" ] || die "$option needs a value" 'see: sh install.sh --help'
      option=$option=$1
      shift
      ;;
    esac
    case $option in
    --python=?*) python=${option#*=} ;;
    --wheel=?*) wheel=${option#*=} ;;
    --find-links=?*) links=${option#*=} ;;
    --shell=?*) shell=${option#*=} ;;
    --shims) shims=yes ;;
    --rc) edit=yes ;;
    --uninstall) action=uninstall ;;
    -h | --help)
      usage
      return 0
      ;;
    *) die "unknown option $option" 'see: sh install.sh --help' ;;
    esac
  done
  [ -z "$links" ] || [ -d "$links" ] || die "--find-links: there is no directory $links"
  locate
  "$action"
}

main "$@"
