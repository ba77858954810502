"""mtls-run on Windows, run by wine: CPython, uv and pip for Windows against the real nginx."""
