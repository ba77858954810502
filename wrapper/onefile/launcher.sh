#!/bin/sh
# mtls-run as one file: this script, and behind it a zip archive. See docs/fleet.md.
#
# Once the archive is unpacked, sh starts Python right there, as the launcher in the wheel does:
# isolated (-I) and without `site` (-S). Otherwise Python runs the archive, which unpacks itself.
case ${XDG_CACHE_HOME-} in
/*) unpacked=$XDG_CACHE_HOME/mtls-run/@NAME@ ;;
*) unpacked=${HOME-}/.cache/mtls-run/@NAME@ ;;
esac
# Not $(command -v …): a fork costs as much as a fifth of what is saved here.
python=@PYTHON@
command -v "$python" >/dev/null || python=python3
command -v "$python" >/dev/null || {
  printf 'mtls-run: error: @PYTHON@ was not found\nmtls-run: hint: install it, or build this file for the Python that is here\n' >&2
  exit 125
}
# shellcheck disable=SC3067 # every sh has -O: dash, bash, busybox, ksh
if [ -O "$unpacked" ] && [ -f "$unpacked/start.py" ]; then
  exec "$python" -IS "$unpacked/start.py" "$0" "$@"
fi
exec "$python" -IS "$0" "$@"
