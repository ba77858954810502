"""What was found of public or checked bytes, kept by the bytes themselves.

Checking an identity, or parsing CAs, takes a library whose import costs several times what Python's
start does. The result depends on the bytes alone, so it is kept under their digest, in the user's
private cache: other bytes are another entry, and a lost one costs time only.
"""

from __future__ import annotations

import contextlib
import os

from . import __version__, cache
from .files import read_own, write_atomically

_FOLDER = "verdicts"
_LARGEST = 64 * 1024
_MOST = 256


def recall(kind: str, digest: str) -> list[str] | None:
    """Return what was kept for these bytes by this version of mtls-run, or None."""
    try:
        content = read_own(cache.directory(_FOLDER) / f"{kind}-{digest}", _LARGEST)
        fields = (content or b"").decode().split("\0")
    except (OSError, ValueError):
        return None
    return fields[1:-1] if fields[0] == __version__ and fields[-1] == "end" else None


def keep(kind: str, digest: str, fields: list[str]) -> None:
    """Keep what was found of these bytes; where it cannot be kept, nothing happens."""
    content = "\0".join((__version__, *fields, "end")).encode("utf-8", "replace")
    with contextlib.suppress(OSError):
        folder = cache.directory(_FOLDER)
        write_atomically(folder / f"{kind}-{digest}", content)
        entries = sorted(folder.iterdir(), key=os.path.getmtime)
        for entry in entries[:-_MOST]:
            entry.unlink()
