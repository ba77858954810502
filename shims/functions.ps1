# mtls-run: pip and uv go through it. PowerShell keeps an unquoted -- for itself: write '--'.
function global:__mtls_run { & @MTLS_RUN@ @args }
function global:pip { & @MTLS_RUN@ --wrapped pip @args }
function global:pip3 { & @MTLS_RUN@ --wrapped pip3 @args }
function global:uv { & @MTLS_RUN@ --wrapped uv @args }
function global:uvx { & @MTLS_RUN@ --wrapped uvx @args }
