# mtls-run shim: runs the tool of its own name through mtls-run.
& @MTLS_RUN@ --wrapped '--' ([IO.Path]::GetFileNameWithoutExtension($PSCommandPath)) @args
exit $LASTEXITCODE
