"""A file that only the user can read, in a directory of its own, with a lock while it is in use.

The lock ends with the process that holds it, so it tells what a killed run left. A process id would
not: the system gives it to another process later.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.cache import store
from mtls_run.errors import HandoffError
from mtls_run.handoff import supervise
from mtls_run.handoff.base import Delivering, Delivery
from mtls_run.system import dirs, locks
from mtls_run.system.files import make_directory
from mtls_run.system.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mtls_run.handoff.base import Request

_LOCK, _IDENTITY = "lock", "identity.pem"
_OTHERS_WRITE = 0o022


class PrivateFile(Record):
    """The file at `path`, in a directory that a sweep leaves alone while `lock` is held."""

    path: Path
    lock: int

    def remove(self) -> None:
        """Remove the file and its directory, and release the lock."""
        _remove(self.path.parent, self.lock)


def create(content: bytes, environ: Mapping[str, str]) -> PrivateFile:
    """Return a new private file with `content`, in memory where the system has such a place.

    Raises HandoffError where there is no private place.
    """
    reason = ""
    for base in _places(environ):
        try:
            return _create_in(base(create=True), content)
        except OSError as error:
            reason = f"{error.filename or 'it'}: {error.strerror or error}"
    raise HandoffError(
        f"there is no private place for the unlocked identity: {reason}",
        hint="make the cache directory of your home writable",
    )


def sweep(environ: Mapping[str, str]) -> None:
    """Remove what killed runs left: the user's own directories that no process has locked."""
    for place in _places(environ):
        try:
            base = place(create=False)
            gate = locks.take(base / dirs.GATE, seconds=None)
        except OSError:
            continue
        try:
            for entry in list(_leftovers(base)):
                _remove_unlocked(entry)
        finally:
            os.close(gate)


def _create_in(base: Path, content: bytes) -> PrivateFile:
    # A sweep could take a new directory, which has no lock yet, for a leftover. The gate keeps
    # sweeps and creations apart.
    gate = locks.take(base / dirs.GATE, seconds=None)
    try:
        directory = base / os.urandom(8).hex()
        make_directory(directory)
        lock = locks.take(directory / _LOCK, seconds=0)
    finally:
        os.close(gate)
    path = directory / _IDENTITY
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            locks.set_private_mode(descriptor)
            file.write(content)
    except BaseException:
        PrivateFile(path, lock).remove()
        raise
    return PrivateFile(path, lock)


def _checked(path: Path, *, create: bool) -> Path:
    """Return a directory in memory that may hold private files; raises OSError where it may not."""
    for folder in _leading_to(path):
        if _is_others(folder.stat()):
            raise PermissionError(1, "others could put another in its place", str(path))
    if create:
        with contextlib.suppress(FileExistsError):
            make_directory(path)
    found = path.lstat()
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077 == 0
    if not private or found.st_uid != os.geteuid():
        raise PermissionError(1, "it is not the user's alone", str(path))
    return path


def _in_cache(*, create: bool) -> Path:
    """Return the directory for private files in the cache; raises OSError where it may not be."""
    expected = store.expected("handoff")
    if not create and not expected.is_dir():
        raise FileNotFoundError
    if expected.is_symlink():  # a sweep must not remove anything elsewhere
        raise PermissionError(1, "it is a link", str(expected))
    return store.directory("handoff")


def _places(environ: Mapping[str, str]) -> Iterator[Callable[..., Path]]:
    """Yield the places to try, those in memory first, so that no disk sees the key."""
    for path in dirs.in_memory(environ):
        yield functools.partial(_checked, Path(path))
    yield _in_cache


def _leading_to(path: Path) -> set[Path]:
    """Return the directories that decide what is at `path`, those behind links included."""
    return {*path.parents, *Path(os.path.realpath(path)).parents}


def _is_others(found: os.stat_result) -> bool:
    """Tell whether others may rename what the user has in this directory, as its owner may."""
    if found.st_uid not in (0, os.geteuid()):
        return True
    return bool(found.st_mode & _OTHERS_WRITE) and not found.st_mode & stat.S_ISVTX


def _leftovers(base: Path) -> Iterator[Path]:
    for entry in base.iterdir():
        found = entry.lstat()
        if stat.S_ISDIR(found.st_mode) and (os.name != "posix" or found.st_uid == os.geteuid()):
            yield entry


def _remove_unlocked(directory: Path) -> None:
    try:
        if not {entry.name for entry in directory.iterdir()} <= {_LOCK, _IDENTITY}:
            return  # mtls-run did not make it
        lock = locks.take(directory / _LOCK, seconds=0)
    except OSError:
        return  # another run holds the lock, or the user may not open it
    _remove(directory, lock)


def _remove(directory: Path, lock: int) -> None:
    """Remove the directory with what mtls-run made in it, and nothing else; close the lock.

    Windows does not unlink a file that is open. A sweep that takes the lock then removes the rest.
    """
    with contextlib.suppress(OSError):
        (directory / _IDENTITY).unlink()
    os.close(lock)
    for remove in ((directory / _LOCK).unlink, directory.rmdir):
        with contextlib.suppress(OSError):
            remove()


class Supervised(Delivery):
    """A private file, which this process removes once the tool, its child, has ended.

    The file, at `path`, holds the identity, or stands `beside` another delivery of it.
    """

    needs_parent = True

    def __init__(
        self, name: str, content: bytes, environ: Mapping[str, str], beside: Delivery | None = None
    ) -> None:
        self._beside = beside
        # Signals are held back from before the file is there.
        self._block = supervise.Block()
        try:
            self._file = create(content, environ)
        except BaseException:
            self._block.release()
            raise
        self.path = str(self._file.path)
        if beside is None:
            super().__init__(name, self.path)
        else:
            super().__init__(name, beside.identity, beside.tls)

    def run(self, path: str, argv: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run the tool as a child; return its status, negative for the signal that ended it."""
        if self._beside is not None and self._beside.needs_parent:
            return self._beside.run(path, argv, environ)
        return supervise.run(path, argv, environ, self._block)

    def close(self) -> None:
        """Remove the file, and let through the signals that were held back last."""
        try:
            self._file.remove()
        finally:
            self._block.release()
            if self._beside is not None:
                self._beside.close()


class PrivateFileHandoff(Delivering):
    """A file that only the user can read, while this process supervises the tool."""

    def deliver(self, request: Request) -> Delivery:
        """Write the file."""
        assert request.identity is not None
        pem = request.identity.exportable_pem().reveal()
        return Supervised(self.name, pem, request.environ)
