# mtls-run: pip and uv go through it; `command uv` is the bare one.
# shellcheck shell=bash
function __mtls_run { command @MTLS_RUN@ "$@"; }
function pip { __mtls_run --wrapped pip "$@"; }
function pip3 { __mtls_run --wrapped pip3 "$@"; }
function uv { __mtls_run --wrapped uv "$@"; }
function uvx { __mtls_run --wrapped uvx "$@"; }
