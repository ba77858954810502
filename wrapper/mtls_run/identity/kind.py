"""What kind of key an identity has."""

from __future__ import annotations

from mtls_run.record import Record


class KeyKind(Record):
    """A kind of key in words (`RSA 2048`, `EC P-256`), and whether rustls, so uv, can use it."""

    name: str
    rustls: bool
