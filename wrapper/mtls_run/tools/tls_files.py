"""What a tool is handed: the identity and the roots, as paths."""

from __future__ import annotations

from mtls_run.record import Record


class TlsFiles(Record):
    """Paths, as the tool is to see them.

    `identity` is one PEM with certificate, chain and key, or None where there is none. `bundle`
    is a PEM file with exactly the roots, or None where the operating system's verifier is meant
    (macOS, Windows). `native` says that the roots are the operating system's store and nothing
    else, for which uv has settings of its own.
    """

    identity: str | None
    bundle: str | None
    native: bool
