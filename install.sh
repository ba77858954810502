#!/bin/sh
# Install mtls-run for the current user. See `sh install.sh --help`.
#
# POSIX sh. Nothing runs before the last line, so a half-downloaded copy does nothing.
set -eu

newline='
'
# Our line in an rc file ends in one of these. The second says that the file had no newline at its end.
mark='# mtls-run: added by install.sh'
mark_open='# mtls-run: added by install.sh, with the newline before'

usage() {
  cat <<'EOF'
Usage: sh install.sh [--python PYTHON] [--wheel FILE] [--unpinned | --find-links DIR]
                     [--rc] [--shell NAME] [--shims]
       sh install.sh --uninstall

Install mtls-run for the current user: a virtual environment below
${XDG_DATA_HOME:-~/.local/share}/mtls-run, and a link ~/.local/bin/mtls-run.
Without --wheel, the script installs the clone that it lies in. Run it again to
upgrade. It needs no sudo. It edits your shell's configuration only with --rc, or
if you answer yes at a terminal.

The dependencies are the versions in requirements/run.lock, checked by hash. If
that file is not beside this script, pip chooses the versions, and the script says so.

  --python PYTHON   use this Python, 3.9 or newer
  --wheel FILE      install this wheel of mtls-run
  --unpinned        let pip choose the newest versions that mtls-run admits
  --find-links DIR  install only wheels from this directory, whatever their
                    versions; use no network
  --rc              add a line to your shell's startup file, so that pip and uv go
                    through mtls-run
  --shell NAME      set up bash, zsh, fish or sh instead of $SHELL; without --rc,
                    only print the line
  --shims           install shims for pip, pip3, uv and uvx; with --rc, also put
                    them on PATH
  --uninstall       remove everything that this script installed, and its line
  --help            show this help

Exit status: 0 on success, 1 on failure. After a failure, an earlier installation
still works.

Example: sh install.sh --rc --shims
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

# Set the paths: $data holds the environments, $link is the command on PATH.
#
# An environment cannot be renamed, because its scripts name it. Each installation makes a new
# $data/venv-N. When that is complete, the link $data/venv is pointed to it in one step.
locate() {
  case ${HOME:-} in
  /*) ;;
  '') die 'HOME is not set' 'set HOME to your home directory' ;;
  *) die "HOME is not an absolute path: $HOME" ;;
  esac
  [ -d "$HOME" ] || die "the home directory does not exist: $HOME" 'set HOME to your home directory'
  # The XDG base directory specification says to ignore a relative path.
  case ${XDG_DATA_HOME:-} in
  /*) data=$XDG_DATA_HOME/mtls-run ;;
  *) data=$HOME/.local/share/mtls-run ;;
  esac
  current=$data/venv
  bin=$HOME/.local/bin
  link=$bin/mtls-run
  target=$current/bin/mtls-run
  # What --uninstall removes, one a line: `folder`, `file`, `line`, `shims` or `cache`, and a path.
  records=$data/installed
}

record() {
  grep -qxF "$1 $2" "$records" 2>/dev/null || printf '%s %s\n' "$1" "$2" >>"$records"
}

# Set $missing to the directories on the way to $1 that do not exist, the outermost last.
find_missing() {
  missing=
  directory=$1
  while [ ! -d "$directory" ]; do
    missing=$missing$directory$newline
    directory=$(dirname -- "$directory")
  done
}

# each_line COMMAND LINES: run the command once for each line; fail if one call failed.
each_line() {
  command=$1
  failed=
  # Not by `read`: in a trap after a signal, it never returns in busybox 1.38.
  fields=$IFS
  IFS=$newline
  set -f
  # shellcheck disable=SC2086 # a word for each line
  set -- $2
  set +f
  IFS=$fields
  for item; do
    "$command" "$item" || failed=yes
  done
  [ -z "$failed" ]
}

record_folder() {
  record folder "$1"
}

# A directory that is not empty stays: its contents are not ours.
remove_empty() {
  rmdir -- "$1" 2>/dev/null || true
}

exists() {
  [ -e "$1" ] || [ -L "$1" ]
}

link_is_ours() {
  [ -L "$link" ] && [ "$(readlink "$link")" = "$target" ]
}

# Print the version of a Python as MAJOR.MINOR, or fail. A command named python3.12 need not work:
# pyenv puts one on PATH for each version that it knows.
python_version() {
  "$1" -c 'import sys; sys.stdout.write("%d.%d" % sys.version_info[:2])' 2>/dev/null </dev/null
}

# Set $unfit to the reason why this Python cannot be used, or to nothing; $remedy to a hint.
examine_python() {
  unfit=
  remedy=
  if ! command -v "$1" >/dev/null 2>&1; then
    unfit="$1: not found"
  elif ! version=$(python_version "$1"); then
    unfit="$1 does not start"
  elif ! "$1" -c 'import sys; sys.exit(sys.version_info < (3, 9))'; then
    unfit="$1 is Python $version, and mtls-run needs 3.9 or newer"
  elif ! "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    unfit="$1 (Python $version) has no venv module with pip"
    remedy="on Debian and Ubuntu: sudo apt install python$version-venv (or python3-venv)"
  fi
}

# Set $python to the one that --python names, or to the first on PATH that can be used.
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
    # Report on the first: it is what the user calls Python.
    [ -n "$found" ] || {
      found=$unfit
      found_remedy=$remedy
    }
  done
  [ -n "$found" ] || die 'no Python on PATH' \
    'install Python 3.9 or newer, or name one: --python PYTHON'
  die "no Python on PATH can be used: $found" ${found_remedy:+"$found_remedy"} \
    'install Python 3.9 or newer, or name one: --python PYTHON'
}

# Set $source to what pip installs, and $locks to the directory of the lock files, or to nothing.
find_source() {
  here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
  if [ -n "$wheel" ]; then
    [ -f "$wheel" ] || die "--wheel: no such file: $wheel"
    source=$wheel
  elif [ -f "$0" ] && grep -q '^name = "mtls-run"' "$here/pyproject.toml" 2>/dev/null; then
    source=$here
  elif [ -n "$links" ]; then
    source=mtls-run
  else
    die 'this script is not in a clone of mtls-run' 'name a wheel: --wheel FILE'
  fi
  # pip takes a bare word for the name of a package.
  case $source in
  mtls-run | /*) ;;
  *) source=./$source ;;
  esac
  locks=$here/requirements
  if [ -n "$unpinned$links" ]; then
    locks=
  elif ! grep -q 'mtls-run (pyproject.toml)' "$locks/run.lock" 2>/dev/null; then
    locks=
    printf 'mtls-run: notice: %s\n' \
      'requirements/run.lock is not beside this script: pip chooses the versions of dependencies' >&2
  fi
}

# Set $new to a new directory for an environment.
make_directory() {
  find_missing "$data"
  made=$missing
  find_missing "$bin"
  made=$made$missing
  mkdir -p -- "$data" "$bin" 2>/dev/null || die "cannot make $data or $bin" \
    "check that you can write to $HOME"
  number=1
  until mkdir -- "$data/venv-$number" 2>/dev/null; do
    exists "$data/venv-$number" || die "cannot write to $data" "check its owner: ls -ld $data"
    number=$((number + 1))
  done
  new=$data/venv-$number
}

# Remove the unfinished environment. This runs in a trap.
abandon() {
  if [ -n "$new" ]; then
    rm -rf -- "$new"
    each_line remove_empty "$made"
  fi
}

# fail_with_log FACT [HINT...]: show the end of the log first.
fail_with_log() {
  tail -n 15 -- "$new/install.log" >&2
  die "$@"
}

# pip_install ARGUMENT...
pip_install() {
  PIP_USER=0 PIP_REQUIRE_HASHES=0 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    "$new/bin/python" -I -m pip install --no-input "$@" >>"$new/install.log" 2>&1 </dev/null
}

# Install the versions in run.lock, then mtls-run alone, built with the versions in build.lock.
install_pinned() {
  pip_install --require-hashes --requirement "$locks/run.lock" || return
  case $source in
  *.whl) pip_install --no-deps "$source" || return ;;
  *)
    pip_install --target "$new/build" --require-hashes --requirement "$locks/build.lock" || return
    # pip itself runs isolated; only the Python that it builds with reads PYTHONPATH.
    (
      PYTHONPATH=$new/build
      export PYTHONPATH
      pip_install --no-deps --no-build-isolation "$source"
    ) || return
    rm -rf -- "$new/build"
    ;;
  esac
  "$new/bin/python" -I -m pip check >>"$new/install.log" 2>&1 </dev/null ||
    fail_with_log "mtls-run does not fit the versions in $locks/run.lock" \
      'let pip choose the versions: --unpinned'
}

fill_environment() {
  "$python" -m venv "$new" >"$new/install.log" 2>&1 </dev/null ||
    fail_with_log "cannot make a virtual environment with $python"
  # The user's pip settings stay, because they may name the only index. Those that change the place
  # or the kind of the installation go.
  unset PIP_DRY_RUN PIP_NO_DEPS PIP_PREFIX PIP_PYTHON PIP_REQUIREMENT PIP_ROOT PIP_TARGET
  if [ -n "$links" ]; then
    pip_install --no-index --find-links "$links" "$source" || fail_with_log \
      'pip could not install mtls-run' \
      "$links needs a wheel of everything that mtls-run depends on, for this Python"
  elif [ -n "$locks" ]; then
    install_pinned || fail_with_log 'pip could not install mtls-run' \
      'if the index lacks these versions: --unpinned' \
      'if the index asks for a certificate: --find-links DIR, a directory of wheels'
  else
    pip_install "$source" || fail_with_log 'pip could not install mtls-run' \
      'if the index asks for a certificate: --find-links DIR, a directory of wheels'
  fi
  rm -f -- "$new/install.log"
}

# Point $current to $new and remove older environments. mv would move the new link into the
# directory that the old one points to, and the option against that has no standard name.
switch_over() {
  "$new/bin/python" -I - "${new##*/}" "$current" <<'EOF' || die "cannot replace $current"
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
      printf 'mtls-run: hint: remove the other mtls-run, which comes first on PATH: %s\n' "$first" >&2
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
  printf 'mtls-run: hint: put %s on PATH: %s\n' "$bin" "$advice" >&2
}

install() {
  if exists "$link" && ! link_is_ours; then
    die "$link exists, and this script did not make it" 'move it away, then run this again'
  fi
  if exists "$current" && [ ! -L "$current" ]; then
    die "$current exists, and this script did not make it" 'move it away, then run this again'
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
  installed=$("$new/bin/mtls-run" --version 2>&1 </dev/null) ||
    die "the installed mtls-run does not start: $installed"
  rm -f -- "$current.new"
  switch_over
  link_is_ours || ln -s -- "$target" "$link"
  each_line record_folder "$made"
  record_cache
  say "Installed $installed as $link"
  set_up_shell
  say "See it at work: $link demo"
}

# Set $shell to the shell to set up, and $rc to the file that it reads when it starts.
choose_shell() {
  asked_for=$shell
  [ -n "$shell" ] || shell=${SHELL:-sh}
  shell=${shell##*/}
  case $shell in
  bash)
    rc=$HOME/.bashrc
    # Terminals on macOS start login shells. bash then reads only this file.
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
    *) die "--shell: unknown shell $asked_for" 'name one of: bash, zsh, fish, sh' ;;
    esac
    shell='sh'
    rc=$HOME/.profile
    ;;
  esac
  if [ "$shell" = sh ] && [ -z "$shims" ] && [ -n "$edit$asked_for" ]; then
    die 'a plain sh can only use shims' \
      'add --shims, or name a shell: --shell bash'
  fi
}

set_up_shell() {
  if [ -n "$shims" ]; then
    folder=$(program_says 'from mtls_run.shells import folder; print(folder())') ||
      die 'cannot find the directory for shims' "see why: $link shims install"
    find_missing "$folder"
    each_line record_folder "$missing"
    record shims "$folder"
    "$link" -q shims install >/dev/null || die 'cannot install the shims'
    say "Installed shims for pip, pip3, uv and uvx in $folder"
  fi
  make_line
  if [ -n "$edit" ]; then
    add_line
    say "Added a line to $rc, for shells that you start from now on"
  elif [ -n "$asked_for$shims" ]; then
    say "To set up every new shell, add to $rc (--rc does that):"
    say "  $line"
  else
    say_how_to_reach_it
    if [ "$shell" != sh ]; then
      say "To send pip and uv through mtls-run in $shell: sh install.sh --rc, or add to $rc:"
      say "  $line"
    fi
  fi
}

# program_says CODE: print what this code prints in the environment of mtls-run.
program_says() {
  "$current/bin/python" -I -c "$1" 2>/dev/null </dev/null
}

# Set $line. The line does nothing if mtls-run is gone, and nothing twice.
# shellcheck disable=SC2016 # the user's shell expands the line
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
    die "$rc is a broken link" "add this line yourself: $line"
  fi
  find_missing "$(dirname -- "$rc")"
  each_line record_folder "$missing"
  mkdir -p -- "$(dirname -- "$rc")" 2>/dev/null || die "cannot make $(dirname -- "$rc")"
  exists "$rc" || record file "$rc"
  remove_line "$rc" || die "cannot write $rc" "add this line yourself: $line"
  record line "$rc"
  ends_in_newline "$rc" || line=$newline$line' '$mark_open
  case $line in
  *"$mark_open") ;;
  *) line="$line $mark" ;;
  esac
  printf '%s\n' "$line" 2>/dev/null >>"$rc" || die "cannot write $rc"
}

# Whether a line can be appended to the file without continuing another.
ends_in_newline() {
  [ ! -s "$1" ] || [ -z "$(tail -c 1 -- "$1")" ]
}

# remove_line FILE: remove our line; leave every other byte, the mode and links to the file.
remove_line() {
  grep -qF "$mark" "$1" 2>/dev/null || return 0
  real=$(readlink -f -- "$1" 2>/dev/null) || real=$1
  copy=$real.mtls-run.$$
  last=newline
  ends_in_newline "$real" || last=none
  cp -p -- "$real" "$copy" || return 1
  # LC_ALL=C: the file need not be text in the locale. Its last line may lack a newline.
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

# --uninstall removes the cache, and its parent directory if that did not exist before.
record_cache() {
  cache=$(program_says '
import platformdirs
print(platformdirs.user_cache_dir("mtls-run", appauthor=False))') || return 0
  find_missing "$cache"
  each_line record_folder "$missing"
  record cache "$cache"
}

uninstall() {
  if ! link_is_ours && ! exists "$current"; then
    say 'mtls-run was not installed by this script; nothing to remove'
    return 0
  fi
  if link_is_ours; then
    rm -f -- "$link"
    say "Removed $link"
  elif exists "$link"; then
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
  # A directory with other files in it stays.
  remove_empty "$data"
  each_line remove_empty "$folders"
  say "Removed the environment in $data"
  say 'Left your configuration, what you allowed, and passphrases in the keyring (service "mtls-run")'
  return "$status"
}

# Print the records without the directories, which are removed last.
recorded() {
  grep -v '^folder ' "$records" 2>/dev/null | LC_ALL=C sort -r
}

# undo RECORD: undo one thing that an installation did.
undo() {
  path=${1#* }
  case $1 in
  'line '*)
    if grep -qF "$mark" "$path" 2>/dev/null; then
      remove_line "$path" || {
        printf 'mtls-run: error: cannot write %s\n' "$path" >&2
        printf 'mtls-run: hint: remove the line in it that ends in: %s\n' "$mark" >&2
        return 1
      }
      say "Removed the line in $path"
    fi
    ;;
  'shims '*)
    for shim in "$path"/*; do
      # Only shims of mtls-run, which their second line names.
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
  # These are meant for another Python.
  unset PYTHONHOME PYTHONPATH PYTHONINSPECT
  action=install
  python=
  wheel=
  links=
  unpinned=
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
    --unpinned) unpinned=yes ;;
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
  [ -z "$links" ] || [ -d "$links" ] || die "--find-links: no such directory: $links"
  locate
  "$action"
}

main "$@"
