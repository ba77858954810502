#!/bin/sh
''':'
# The program mtls-run on POSIX. sh runs the first half; Python reads that half as a string.
#
# sh finds the Python that mtls-run was installed for. It starts it isolated (-I: no PYTHONPATH, no
# PYTHONHOME, no user site) and without `site` (-S). The launchers that pip and uv write do neither.
# $0 stays the name that the user called. See docs/decisions/0012-a-launcher-in-the-wheel.md.

fail() {
  printf 'mtls-run: error: %s\nmtls-run: hint: install mtls-run again\n' "$1" >&2
  exit 125
}

# Whether $bin belongs to a virtual environment that mtls-run was installed into.
is_ours() {
  [ -f "$bin/../pyvenv.cfg" ] || return
  for metadata in "$bin"/../lib/python*/site-packages/mtls_run-*.dist-info; do
    [ -d "$metadata" ] && return
  done
}

# Sets bin to the directory of the file that the link $1 leads to. The directories that uv, pipx and
# install.sh link from are tried first: starting readlink costs as much as -S saves.
follow() {
  data=${XDG_DATA_HOME:-${HOME-}/.local/share}
  for bin in "$data/uv/tools/mtls-run/bin" "$data/pipx/venvs/mtls-run/bin" \
    "$data/mtls-run/venv/bin"; do
    # shellcheck disable=SC3013 # in POSIX since 2024, and in every sh before
    [ "$bin/mtls-run" -ef "$1" ] && return
  done
  file=$1
  while [ -L "$file" ]; do
    bin=${file%/*}
    is_ours && return # UV_LINK_MODE=symlink makes links to its cache
    target=$(command -p readlink "$file" 2>/dev/null || readlink "$file") ||
      fail "cannot read the link $file"
    case $target in
    /*) file=$target ;;
    *) file=$bin/$target ;;
    esac
  done
  bin=${file%/*}
}

# Sets python to the Python whose packages lie beside $bin, where that is no virtual environment.
find_python() {
  for metadata in "$bin"/../lib/python*/*-packages/mtls_run-*.dist-info; do
    name=${metadata#"$bin"/../lib/}
    name=${name%%/*}
    [ "$name" != python ] || name=python3 # macOS: ~/Library/Python/3.9/lib/python/site-packages
    python=$bin/$name
    [ -x "$python" ] && return
    python=$(command -v "$name") && return
  done
}

case $0 in
*/*) bin=${0%/*} ;;
*) bin=. ;;
esac
[ ! -L "$0" ] || follow "$0"
python=$bin/python
[ -f "$bin/../pyvenv.cfg" ] || find_python
[ -x "$python" ] || fail "cannot find the Python that $0 was installed for"
exec "$python" -IS "$0" "$@"
'''

import sys
from os import path


def find_packages() -> None:
    """Put the directory that mtls-run was installed into on the import path."""
    environment = path.dirname(path.dirname(sys.executable))
    version = "python{}.{}".format(*sys.version_info)
    packages = path.join(environment, "lib", version, "site-packages")
    try:
        with open(path.join(environment, "pyvenv.cfg"), "rb") as settings:
            alone = b"include-system-site-packages = false" in settings.read()
    except OSError:
        alone = False
    if alone and path.isfile(path.join(packages, "mtls_run", "__main__.py")):
        sys.path.append(packages)
        return
    # An editable installation, the system's packages besides, or no virtual environment.
    import site

    site.main()
    library = path.join(path.dirname(path.dirname(path.realpath(__file__))), "lib")
    for name in (version, "python3", "python"):
        for folder in ("site-packages", "dist-packages"):
            found = path.join(library, name, folder)
            if path.isdir(found):
                site.addsitedir(found)


find_packages()

from mtls_run.__main__ import main

sys.exit(main())
