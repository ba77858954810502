#!/bin/sh
# mtls-run shim: runs the tool of its own name through mtls-run.
# Made by `mtls-run shims install`; `mtls-run shims remove` takes it away.
mtls_run=@MTLS_RUN@
if [ ! -x "$mtls_run" ]; then
  if ! mtls_run=$(command -v mtls-run); then
    printf 'mtls-run: error: %s is a shim of mtls-run, which is not there\n' "$0" >&2
    printf 'mtls-run: hint: install mtls-run again, or delete the shim\n' >&2
    exit 127
  fi
fi
exec "$mtls_run" --wrapped -- "${0##*/}" "$@"
