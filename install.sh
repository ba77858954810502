#!/bin/sh
# Installs mtls-run for the user who runs this. See `sh install.sh --help`.
#
# POSIX sh. Nothing runs before the last line, so a half-downloaded copy does nothing.
set -eu

usage() {
  cat <<'EOF'
Usage: sh install.sh [--python PYTHON] [--wheel FILE] [--find-links DIR]
       sh install.sh --uninstall

Installs mtls-run for you alone: a virtual environment of its own below
${XDG_DATA_HOME:-~/.local/share}/mtls-run, and a link ~/.local/bin/mtls-run.
Without --wheel, what is installed is the clone that this script lies in.
Run it again to upgrade. No sudo, and no shell configuration is edited.

  --python PYTHON   the Python to use, 3.9 or newer
  --wheel FILE      install this wheel of mtls-run
  --find-links DIR  take every package from this folder of wheels; use no network
  --uninstall       remove the environment and the link, and nothing else
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
  [ -z "$new" ] || rm -rf -- "$new"
  rmdir -- "$data" 2>/dev/null || true
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
# shuts them out. Where the kernel does not take the line whole (a space in it; more than 127
# bytes on Linux before 5.1), the file is a shell script first, as pip does it in that case: what
# sh reads as a command, Python reads as a string.
write_launcher() {
  case $new in
  *[\"\$\`\\]*) return 0 ;; # no quoting is right for both readers: pip's launcher stays
  esac
  head="#!$new/bin/python -I"
  length=$(($(printf %s "$head" | wc -c)))
  case $new in
  *[[:space:]]*) length=128 ;;
  esac
  if [ "$length" -gt 127 ]; then
    head="#!/bin/sh
'''exec' \"$new/bin/python\" -I \"\$0\" \"\$@\"
' '''"
  fi
  cat >"$new/bin/mtls-run" <<EOF
$head
import sys

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
  new=
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
  say "Installed $installed as $link"
  say_how_to_reach_it
  say "See it at work: $link demo"
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
  remove_environments
  if [ -L "$current" ]; then
    rm -f -- "$current"
  fi
  # Not with -r: anything that this script did not put there stays.
  rmdir -- "$data" 2>/dev/null || true
  say "Removed the environment in $data"
  say 'Left: your configuration, the cache of CA bundles, shims and shell code that you set up,'
  say 'and passphrases in the keyring (service "mtls-run")'
}

main() {
  # What the caller's Python is told concerns another program.
  unset PYTHONHOME PYTHONPATH PYTHONINSPECT
  action=install
  python=
  wheel=
  links=
  while [ $# -gt 0 ]; do
    option=$1
    shift
    case $option in
    --python | --wheel | --find-links)
      [ -n "${1:-}" ] || die "$option needs a value" 'see: sh install.sh --help'
      option=$option=$1
      shift
      ;;
    esac
    case $option in
    --python=?*) python=${option#*=} ;;
    --wheel=?*) wheel=${option#*=} ;;
    --find-links=?*) links=${option#*=} ;;
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
