"""The user's config.toml as a file that is written: locked, compared, checked, replaced whole.

Two that change it at once lose nothing: each holds the lock while it reads, edits and replaces,
and replaces only the very bytes that it edited, since an editor that the user has open knows of
no lock. What the ordinary reading would call an error is never written. The system's file is read
here and never written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.config import document, schema
from mtls_run.config import layers as configuration
from mtls_run.config.origin import DEFAULT, Origin
from mtls_run.errors import ConfigurationError, MtlsRunError
from mtls_run.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Callable

    from mtls_run.config.document import Document
    from mtls_run.config.layers import Configuration
    from mtls_run.config.profile import ProfileValues

PATIENCE = 10.0  # seconds; whoever holds the lock holds it for a moment
_TRIES = 5


class ChangedError(MtlsRunError):
    """The file is no longer the one that was edited."""


@dataclass(frozen=True)
class ConfigFile:
    """The user's file at `path`, laid over the system's."""

    path: Path
    system: Path
    own_directory: bool

    @classmethod
    def find(cls, environ: Mapping[str, str]) -> ConfigFile:
        """Return the file that this environment means, whether it is there or not."""
        found = configuration.user_file(environ)
        return cls(found.value, configuration.system_file(), found.origin is DEFAULT)

    def read(self) -> bytes | None:
        """Return its bytes, or None where there is none; raises ConfigurationError."""
        return document.read_regular(self.path, what="configuration")

    def own_profiles(self, content: bytes | None) -> Mapping[str, ProfileValues]:
        """Return what the user's file alone says of profiles, if these are its bytes."""
        return {} if content is None else self._said(document.parse(self.path, content))

    def system_profiles(self) -> Mapping[str, ProfileValues]:
        """Return what the system's file alone says of profiles."""
        found = document.read(self.system)
        return self._said(found) if found else {}

    def _said(self, source: Document) -> Mapping[str, ProfileValues]:
        return configuration.read_layer(source).profiles

    def configuration(self, content: bytes | None) -> Configuration:
        """Return the configuration as it would be with these bytes in the user's file.

        Raises ConfigurationError for whatever in it is not as it should be.
        """
        user = None if content is None else document.parse(self.path, content)
        layers = [
            configuration.read_layer(layer) for layer in (document.read(self.system), user) if layer
        ]
        return configuration.lay(self.path, layers)

    def change(self, edit: Callable[[bytes], bytes]) -> None:
        """Replace its bytes by what `edit` makes of them; raises MtlsRunError, nothing written.

        `edit` is called again where the file was changed by somebody who takes no lock.
        """
        with self._locked():
            for _ in range(_TRIES):
                before = self.read()
                document.parse(self.path, before or b"")  # an edit may rely on valid TOML
                after = edit(before or b"")
                with contextlib.suppress(ChangedError):
                    self._replace(before, after)
                    return
        raise ChangedError(
            f"{self.path} is being changed all the time", hint="try again once it is left alone"
        )

    def replace(self, before: bytes | None, after: bytes) -> None:
        """Replace the bytes `before` by `after`; raises ChangedError where others stand there."""
        with self._locked():
            self._replace(before, after)

    def _replace(self, before: bytes | None, after: bytes) -> None:
        if after != before:
            self.check(before, after)
        if self.read() != before:
            raise ChangedError(f"{self.path} has been changed meanwhile", hint="do it again")
        if after == before:
            return
        target = Path(os.path.realpath(self.path))
        try:
            found = target.stat() if before is not None else None
            mode = 0o600 if found is None else stat.S_IMODE(found.st_mode)
            write_atomically(target, after, mode=mode, durable=True)
            if found is not None:
                _keep_owner(target, found)
        except OSError as error:
            raise _unwritable(target, error) from None

    def check(self, before: bytes | None, after: bytes) -> None:
        """Raise ConfigurationError where `after` would be an error that `before` was not."""
        found = self.configuration(after)
        try:
            faulty = self._faulty(self.configuration(before))
        except ConfigurationError:
            faulty = frozenset()
        for name in found.profiles:
            if name not in faulty:
                found.profile(name, Origin(str(self.path)))

    def _faulty(self, found: Configuration) -> frozenset[str]:
        """Return the profiles that cannot be used, and so are no fault of an edit elsewhere."""
        names = set()
        for name in found.profiles:
            try:
                found.profile(name, Origin(str(self.path)))
            except ConfigurationError:
                names.add(name)
        return frozenset(names)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, which stands beside the file itself, whatever link led to it."""
        target = Path(os.path.realpath(self.path))
        path = target.with_name(f".{target.name}.lock")
        try:
            self._make_directory(target.parent)
            lock = _wait_for(path)
        except OSError as error:
            raise _unwritable(target, error) from None
        if lock is None:
            raise ConfigurationError(
                f"{target} is being changed by another mtls-run, for more than {PATIENCE:.0f} s",
                hint=f"end that one, or wait for it; the lock is {path}",
            )
        try:
            yield
        finally:
            # Removed while it is held: who waited for it sees that, and makes a new one.
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(lock)

    def _make_directory(self, directory: Path) -> None:
        """Make the directory where it is missing; mtls-run's own is private also where it is not.

        Raises OSError where it cannot be; a home directory that does not exist is not made.
        """
        home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.expanduser raises without one
        if not self.path.is_absolute() or (home in self.path.parents and not home.is_dir()):
            raise FileNotFoundError(errno.ENOENT, "there is no home directory", str(home))
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=0o700, exist_ok=True)
        if os.name == "posix" and self.own_directory and directory == self.path.parent:
            found = directory.stat()
            if found.st_uid == os.geteuid() and found.st_mode & 0o077:
                directory.chmod(0o700)


def unknown_profile(name: str, known: Mapping[str, ProfileValues]) -> ConfigurationError:
    """Return the error for a profile that is none of `known`."""
    return schema.unknown("profile", name, known, Origin("NAME"))


def _wait_for(path: Path) -> int | None:
    """Return a descriptor that holds the lock at `path`, or None where others hold it too long."""
    deadline = time.monotonic() + PATIENCE
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    while True:
        lock = os.open(path, flags, 0o600)
        try:
            if _try_lock(lock) and _is_at(lock, path):
                return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.02)


def _try_lock(lock: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt  # noqa: PLC0415

            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl  # noqa: PLC0415

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        raise
    return True


def _is_at(lock: int, path: Path) -> bool:
    """Tell whether the locked file is still the one at `path`: its last holder removed it."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(lock), there)


def _keep_owner(target: Path, was: os.stat_result) -> None:
    """Give the new file the owner and the group of the old one; raises OSError for the owner."""
    if os.name != "posix":
        return
    found = target.stat()
    if found.st_uid != was.st_uid:  # root, under sudo, edits a user's file
        os.chown(target, was.st_uid, was.st_gid, follow_symlinks=False)
    elif found.st_gid != was.st_gid:
        with contextlib.suppress(PermissionError):  # the user has left that group
            os.chown(target, -1, was.st_gid, follow_symlinks=False)


def _unwritable(target: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"cannot write {target}: {error.filename or target}: {error.strerror or error}",
        hint="make its directory writable, or name another file: MTLS_RUN_CONFIG=FILE",
    )
