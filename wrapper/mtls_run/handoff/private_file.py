"""A file that only the user can read, in a directory of its own, with a lock while it is in use.

The lock ends with the process that holds it, so it tells what a killed run left. A process id would
not: the system gives it to another process later.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.cache import store
from mtls_run.errors import HandoffError
from mtls_run.handoff import supervise
from mtls_run.handoff.base import Delivering, Delivery
from mtls_run.system import dirs
from mtls_run.system.files import make_directory
from mtls_run.system.record import Record

if os.name == "nt":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mtls_run.handoff.base import Request
    from mtls_run.identity.material import Identity

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
            return _create_in(base(), content)
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
            gate = _locked(base / dirs.GATE, wait=True)
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
    gate = _locked(base / dirs.GATE, wait=True)
    try:
        directory = base / os.urandom(8).hex()
        make_directory(directory)
        lock = _locked(directory / _LOCK, wait=False)
    finally:
        os.close(gate)
    path = directory / _IDENTITY
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            _set_private_mode(descriptor)
            file.write(content)
    except BaseException:
        PrivateFile(path, lock).remove()
        raise
    return PrivateFile(path, lock)


class _Place:
    """A directory that may hold private files."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __call__(self, *, create: bool = True) -> Path:
        """Return the directory, checked; raises OSError where it must not be used."""
        if self._path is None:
            expected = store.expected("handoff")
            if not create and not expected.is_dir():
                raise FileNotFoundError
            if expected.is_symlink():  # a sweep must not remove anything elsewhere
                raise PermissionError(1, "it is a link", str(expected))
            return store.directory("handoff")
        for folder in _leading_to(self._path):
            if _is_others(folder.stat()):
                raise PermissionError(1, "others could put another in its place", str(self._path))
        if create:
            with contextlib.suppress(FileExistsError):
                make_directory(self._path)
        found = self._path.lstat()
        private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077 == 0
        if not private or found.st_uid != os.geteuid():
            raise PermissionError(1, "it is not the user's alone", str(self._path))
        return self._path


def _places(environ: Mapping[str, str]) -> Iterator[_Place]:
    """Yield the places to try, those in memory first, so that no disk sees the key."""
    for path in dirs.in_memory(environ):
        yield _Place(Path(path))
    yield _Place(None)


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
        lock = _locked(directory / _LOCK, wait=False)
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


def _locked(path: Path, *, wait: bool) -> int:
    """Return a descriptor that holds the lock on `path`; raises OSError where it cannot."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        found = os.fstat(descriptor)
        if os.name == "nt":
            mode = msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK  # type: ignore[attr-defined,unused-ignore]
            msvcrt.locking(descriptor, mode, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            if found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode):
                raise PermissionError(1, "the lock is not the user's own", str(path))
            _set_private_mode(descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _set_private_mode(descriptor: int) -> None:
    """Set mode 0600, of which the umask may have left less; Windows has no modes."""
    if os.name != "nt":
        os.fchmod(descriptor, 0o600)


class Supervised(Delivery):
    """A private file, which this process removes once the tool, its child, has ended."""

    needs_parent = True

    def __init__(self, name: str, identity: Identity, environ: Mapping[str, str]) -> None:
        self._block = supervise.Block()
        try:
            self._file = create(identity.signer.exportable_pem().reveal(), environ)
        except BaseException:
            self._block.release()
            raise
        super().__init__(name, str(self._file.path))

    def run(self, path: str, argv: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run the tool as a child; return its status, negative for the signal that ended it."""
        return supervise.run(path, argv, environ, self._block)

    def close(self) -> None:
        """Remove the file, then let through the signals that were held back."""
        try:
            self._file.remove()
        finally:
            self._block.release()


class PrivateFileHandoff(Delivering):
    """A file that only the user can read, while this process supervises the tool."""

    def deliver(self, request: Request) -> Delivery:
        """Write the file; signals are held back from before it is there."""
        assert request.identity is not None
        return Supervised(self.name, request.identity, request.environ)
