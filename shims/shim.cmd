@rem mtls-run shim: runs the tool of its own name through mtls-run.
@@MTLS_RUN@ --wrapped -- "%~n0" %*
