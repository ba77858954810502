#!/bin/sh
# mtls-run shim: runs the tool of its own name through mtls-run.
# Made by `mtls-run shims install`; `mtls-run shims remove` takes it away.
mtls_run=@MTLS_RUN@
if [ ! -x "$mtls_run" ]; then
  if ! mtls_run=$(command -v mtls-run); then
    printf 'mtls-run: error: %s is a shim of mtls-run, which is not installed\n' "$0" >&2
    printf 'mtls-run: hint: install mtls-run again, or remove the shim: rm "%s"\n' "$0" >&2
    set -f
    IFS=:
    for folder in $PATH; do
      tool=$folder/${0##*/}
      if [ -x "$tool" ] && ! head -n 2 "$tool" | grep -q '^# mtls-run shim:'; then
        printf 'mtls-run: hint: without mtls-run, %s is %s\n' "${0##*/}" "$tool" >&2
        break
      fi
    done
    exit 127
  fi
fi
exec "$mtls_run" --wrapped -- "${0##*/}" "$@"
