#!/bin/sh
# mtls-run shim: runs the tool of its own name through mtls-run.
# Made by `mtls-run shims install`; `mtls-run shims remove` takes it away.
mtls_run=@MTLS_RUN@

without() { # print the path of a tool that is no shim
  printf '%s\n' "$PATH" | tr : '\n' | while read -r folder; do
    if [ -x "$folder/$1" ] && ! head -n 2 "$folder/$1" | grep -q '^# mtls-run shim:'; then
      printf '%s\n' "$folder/$1"
      break
    fi
  done
}

if [ ! -x "$mtls_run" ]; then
  if ! mtls_run=$(command -v mtls-run); then
    name=${0##*/} uv=$(without uv)
    install=${uv:+"$uv tool install mtls-run"}
    case ${0%/*} in
    */mtls-run/shims) remove="rm -r \"${0%/*}\"" ;;
    *) remove="rm \"$0\"" ;;
    esac
    {
      printf 'mtls-run: error: %s is a shim of mtls-run, which is not installed\n' "$0"
      printf 'mtls-run: hint: to install it again: %s\n' "${install:-pipx install mtls-run}"
      printf 'mtls-run: hint: to remove the shim: %s\n' "$remove"
      tool=$(without "$name")
      [ -z "$tool" ] || printf 'mtls-run: hint: without mtls-run, %s is %s\n' "$name" "$tool"
    } >&2
    exit 127
  fi
fi
exec "$mtls_run" --wrapped -- "${0##*/}" "$@"
