"""Lock a file of the user's own. The lock ends with the process that holds it."""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING

if os.name == "nt":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from pathlib import Path

_TICK = 0.05


def take(path: Path, *, seconds: float | None) -> int:
    """Return a descriptor that holds the lock on `path`; to close it releases the lock.

    It waits at most so many seconds for another holder; with None, without a limit. Raises OSError
    where it cannot be had: BlockingIOError if another one holds it.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        _check(descriptor, path)
        deadline = None if seconds is None else time.monotonic() + seconds
        while not _lock(descriptor, wait=deadline is None, until=deadline):
            time.sleep(_TICK)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(descriptor: int, path: Path) -> None:
    """Raise OSError for a file of somebody else's, or that is none; set the mode."""
    if os.name == "nt":
        return
    found = os.fstat(descriptor)
    # root edits a user's file under sudo, and waits for that user.
    if os.geteuid() not in (0, found.st_uid) or not stat.S_ISREG(found.st_mode):
        raise PermissionError(1, "the lock is not the user's own", str(path))
    set_private_mode(descriptor)


def _lock(descriptor: int, *, wait: bool, until: float | None) -> bool:
    """Lock the file, and tell whether that worked; raises OSError once it is too late."""
    try:
        if os.name == "nt":
            mode = msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK  # type: ignore[attr-defined,unused-ignore]
            msvcrt.locking(descriptor, mode, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if until is None:
            raise
        if os.name == "posix" and not isinstance(error, BlockingIOError):
            raise  # a file system without locks
        if time.monotonic() >= until:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None
        return False
    return True


def set_private_mode(descriptor: int) -> None:
    """Set mode 0600, of which the umask may have left less; Windows has no modes."""
    if os.name != "nt":
        os.fchmod(descriptor, 0o600)
