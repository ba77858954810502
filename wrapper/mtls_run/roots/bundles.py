"""Bundles of roots as files in the cache, each named by its content."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from mtls_run import cache
from mtls_run.files import read_file, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

# A bundle that no run has used for so long belongs to roots that are no more.
KEPT_DAYS = 60
_DAY = 86400


def name_of(content: bytes) -> str:
    """Return the file name of a bundle with this content."""
    return f"{hashlib.sha256(content).hexdigest()[:32]}.pem"


def expected_path(content: bytes) -> Path:
    """Return where `keep` would put the bundle, without touching the cache."""
    return cache.expected("bundles") / name_of(content)


def keep(content: bytes) -> Path:
    """Return the path of a file with this content; raises OSError where the cache cannot be used.

    A file that is already there is compared byte for byte, never believed by its name.
    """
    directory = cache.directory("bundles")
    path = directory / name_of(content)
    now = time.time()
    try:
        if read_file(path, len(content)) == content:
            if now - path.stat().st_mtime > _DAY:
                path.touch()
            return path
    except OSError:
        pass  # not there yet, or not readable: it is written anew
    write_atomically(path, content)
    _drop_old(directory, now)
    return path


def _drop_old(directory: Path, now: float) -> None:
    for entry in directory.iterdir():
        try:
            if now - entry.stat().st_mtime > KEPT_DAYS * _DAY:
                entry.unlink()
        except OSError:
            continue  # another run was first
