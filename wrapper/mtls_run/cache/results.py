"""Cached results of checks, each under a digest of the bytes that were checked.

To check an identity or to parse CAs takes a library whose import costs several Python starts. To
ask a tool for its version starts the tool. Other bytes have another entry, and a lost entry costs
time only.
"""

from __future__ import annotations

from mtls_run import __version__
from mtls_run.cache.store import directory, drop_older_half
from mtls_run.system.digests import sha256
from mtls_run.system.files import own_alone, read_file, write_atomically

_FOLDER = "results"
_LARGEST = 64 * 1024
_MOST = 256


def find(kind: str, digest: str) -> list[str] | None:
    """Return the result that this version of mtls-run stored for these bytes, or None."""
    try:
        content = read_file(directory(_FOLDER) / f"{kind}-{digest}", _LARGEST, seen=own_alone)
    except (OSError, ValueError):
        return None
    text, _, checksum = (content or b"").decode("utf-8", "surrogateescape").rpartition("\0")
    version, *fields = text.split("\0")
    return fields if checksum == _checksum(kind, digest, text) and version == __version__ else None


def store(kind: str, digest: str, fields: list[str]) -> None:
    """Store the result for these bytes; nothing happens where it cannot be stored."""
    text = "\0".join((__version__, *fields))
    content = f"{text}\0{_checksum(kind, digest, text)}".encode("utf-8", "surrogateescape")
    if len(content) > _LARGEST:
        return
    try:
        folder = directory(_FOLDER)
        write_atomically(folder / f"{kind}-{digest}", content)
        drop_older_half(folder, _MOST)
    except OSError:
        return


def _checksum(kind: str, digest: str, text: str) -> str:
    """Return the checksum that shows that the entry is undamaged and under its own name."""
    return sha256(f"{kind}-{digest}\0{text}".encode("utf-8", "surrogateescape")).hexdigest()
