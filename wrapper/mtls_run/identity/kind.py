"""Name the kind of an identity's key."""

from __future__ import annotations

from mtls_run.system.record import Record


class KeyKind(Record):
    """A kind of key (`RSA 2048`, `EC P-256`), and whether rustls, and so uv, signs with it."""

    name: str
    rustls: bool
