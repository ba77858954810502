"""What was found out and costs much to find out again, kept by what it depends on.

Checking an identity, or parsing CAs, takes a library whose import costs several times what Python's
start does; asking a tool for its version costs that tool's start. The result is kept in the user's
private cache, by a digest of all that it depends on: other bytes are another entry, and a lost one
costs time only.
"""

from __future__ import annotations

from mtls_run import __version__
from mtls_run.cache import store
from mtls_run.system.digests import sha256
from mtls_run.system.files import drop_older_half, own_alone, read_own, write_atomically

_FOLDER = "verdicts"
_LARGEST = 64 * 1024
_MOST = 256


def recall(kind: str, digest: str) -> list[str] | None:
    """Return what was kept for these bytes by this version of mtls-run, or None."""
    try:
        content = read_own(store.directory(_FOLDER) / f"{kind}-{digest}", _LARGEST, seen=own_alone)
    except (OSError, ValueError):
        return None
    text, _, seal = (content or b"").decode("utf-8", "surrogateescape").rpartition("\0")
    version, *fields = text.split("\0")
    return fields if seal == _seal(kind, digest, text) and version == __version__ else None


def keep(kind: str, digest: str, fields: list[str]) -> None:
    """Keep what was found of these bytes; where it cannot be kept, nothing happens."""
    text = "\0".join((__version__, *fields))
    content = f"{text}\0{_seal(kind, digest, text)}".encode("utf-8", "surrogateescape")
    if len(content) > _LARGEST:
        return
    try:
        folder = store.directory(_FOLDER)
        write_atomically(folder / f"{kind}-{digest}", content)
        drop_older_half(folder, _MOST)
    except OSError:
        return


def _seal(kind: str, digest: str, text: str) -> str:
    """Return what shows that a disk gave back what it was given, by the name it was given."""
    return sha256(f"{kind}-{digest}\0{text}".encode("utf-8", "surrogateescape")).hexdigest()
