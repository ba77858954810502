"""The user's private cache: public data in a directory that only the user may enter.

A run without it takes longer and does the same. One secret
may pass through: handoff.private_file puts a key here where the system has no place in memory.
"""

from __future__ import annotations

import os
from pathlib import Path

from mtls_run.system import dirs
from mtls_run.system.files import private_directory


def expected(name: str) -> Path:
    """Return where the directory `name` is, whether it is there or not."""
    return Path(dirs.user("cache")) / name


def directory(name: str) -> Path:
    """Return the directory `name` in mtls-run's own cache, made where it is missing.

    Raises OSError where it cannot be had, or is not the user's alone.
    """
    path = expected(name)
    if not path.is_absolute():  # without a home, `~` is left as it stands
        raise FileNotFoundError(2, os.strerror(2), str(path))
    private_directory(path.parent)
    if path.is_symlink():  # old entries are removed, and only here
        raise NotADirectoryError(20, "it is a link", str(path))
    return private_directory(path)


def drop_older_half(directory: Path, most: int) -> None:
    """Remove the older half of a directory's files where it has more than `most`."""
    if len(os.listdir(directory)) <= most:
        return
    with os.scandir(directory) as found:
        entries = [(entry.stat(follow_symlinks=False).st_mtime_ns, entry.path) for entry in found]
    for _, path in sorted(entries)[: len(entries) // 2]:
        os.unlink(path)
