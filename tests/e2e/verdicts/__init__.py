"""Odd servers and odd identities: what each pip and uv does beside what mtls-run and doctor say."""
