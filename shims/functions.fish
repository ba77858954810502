# mtls-run: pip and uv go through it; `command uv` is the bare one.
function __mtls_run; command @MTLS_RUN@ $argv; end
function pip; __mtls_run --wrapped pip $argv; end
function pip3; __mtls_run --wrapped pip3 $argv; end
function uv; __mtls_run --wrapped uv $argv; end
function uvx; __mtls_run --wrapped uvx $argv; end
