"""Write the user's configuration file: lock it, compare it, check the new content, replace it.

Two changes at once lose nothing. Each one holds a lock while it reads, edits and replaces the file.
It replaces only the bytes that it read, since an editor takes no lock. Content with an error is
never written. The system's file is only read.
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

from mtls_run.cache.dependencies import Dependencies
from mtls_run.config import document, layers, profile, readers
from mtls_run.config.origin import DEFAULT, TYPED, Origin
from mtls_run.errors import ConfigurationError, MtlsRunError
from mtls_run.system import locks
from mtls_run.system.files import make_directory, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Callable

    from mtls_run.config.layers import Configuration, LayerValues
    from mtls_run.config.profile import ProfileValues


PATIENCE = 10.0  # seconds to wait for the lock; a change takes a moment
_TRIES = 5


class ChangedError(MtlsRunError):
    """The file has changed since it was read."""


@dataclass(frozen=True)
class ConfigFile:
    """The user's file at `path`, which is laid over the system's."""

    path: Path
    system: Path
    own_directory: bool

    @classmethod
    def find(cls, environ: Mapping[str, str]) -> ConfigFile:
        """Return the file for this environment, whether it exists or not."""
        found = layers.user_file(environ)
        return cls(found.value, layers.system_file(), found.origin is DEFAULT)

    def read(self) -> bytes | None:
        """Return its bytes, or None if it does not exist; raises ConfigurationError."""
        return document.read_regular(self.path, what="configuration")

    def own_profiles(self, content: bytes | None) -> Mapping[str, ProfileValues]:
        """Return the profiles of the user's file alone, if these are its bytes."""
        if content is None:
            return {}
        return layers.read_layer(document.parse(self.path, content)).profiles

    def system_profiles(self) -> Mapping[str, ProfileValues]:
        """Return the profiles of the system's file alone."""
        found: dict[str, ProfileValues] = {}
        for layer in self._system_layers():
            for name, values in layer.profiles.items():
                found[name] = profile.overlay(found.get(name, {}), values)
        return found

    def configuration(self, content: bytes | None) -> Configuration:
        """Return the configuration with these bytes in the user's file.

        Raises ConfigurationError for an error in it.
        """
        found = self._system_layers()
        if content is not None:
            found.append(layers.read_layer(document.parse(self.path, content)))
        return layers.lay(self.path, found)

    def _system_layers(self) -> list[LayerValues]:
        read = [layer.read() for layer in layers.system_layers(self.system, Dependencies())]
        return [values for values in read if values is not None]

    def change(self, edit: Callable[[bytes], bytes]) -> None:
        """Replace the bytes of the file by the result of `edit`; raises MtlsRunError.

        `edit` is called again if another program, which takes no lock, has changed the file.
        """
        with self._locked():
            for _ in range(_TRIES):
                before = self.read()
                document.parse(self.path, before or b"")  # an edit relies on valid TOML
                after = edit(before or b"")
                with contextlib.suppress(ChangedError):
                    self._replace(before, after)
                    return
        raise ChangedError(
            f"cannot change {self.path}: another program keeps changing it",
            hint="run the command again when that program has ended",
        )

    def replace(self, before: bytes | None, after: bytes) -> None:
        """Replace the bytes `before` by `after`; raises ChangedError if there are others."""
        with self._locked():
            self._replace(before, after)

    def _replace(self, before: bytes | None, after: bytes) -> None:
        if after != before:
            self.check(before, after)
        if self.read() != before:
            raise ChangedError(f"{self.path} has changed meanwhile", hint="run the command again")
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
        """Raise ConfigurationError for an error in `after` that `before` does not have."""
        found = self.configuration(after)
        try:
            faulty = self._faulty(self.configuration(before))
        except ConfigurationError:
            faulty = frozenset()
        for name in found.profiles:
            if name not in faulty:
                found.profile(name, Origin(str(self.path)))

    def _faulty(self, found: Configuration) -> frozenset[str]:
        """Return the profiles that have an error."""
        names = set()
        for name in found.profiles:
            try:
                found.profile(name, Origin(str(self.path)))
            except ConfigurationError:
                names.add(name)
        return frozenset(names)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, which is beside the target of any link to the file."""
        target = Path(os.path.realpath(self.path))
        path = target.with_name(f".{target.name}.lock")
        try:
            self._make_directory(target.parent)
            lock = _wait_for(path)
        except BlockingIOError:
            raise ConfigurationError(
                f"cannot change {target}: another mtls-run has locked it for {PATIENCE:.0f} s",
                hint=f"wait for that mtls-run, or end it; the lock is {path}",
            ) from None
        except OSError as error:
            raise _unwritable(target, error) from None
        try:
            yield
        finally:
            # Remove it while it is held: whoever waits for it sees that, and makes a new one.
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(lock)

    def _make_directory(self, directory: Path) -> None:
        """Make the directory if it is missing, and mtls-run's own private; raises OSError.

        A home directory that does not exist is not made.
        """
        home = Path(os.path.expanduser("~"))  # Path.home raises without one
        if not self.path.is_absolute() or (home in self.path.parents and not home.is_dir()):
            raise FileNotFoundError(errno.ENOENT, "there is no home directory", str(home))
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
        for path in reversed(missing):
            with contextlib.suppress(FileExistsError):
                make_directory(path)
        if os.name == "posix" and self.own_directory and directory == self.path.parent:
            found = directory.stat()
            if found.st_uid == os.geteuid() and found.st_mode & 0o077:
                directory.chmod(0o700)


def unknown_profile(name: str, known: Mapping[str, ProfileValues]) -> ConfigurationError:
    """Return the error for a profile that is none of `known`."""
    return readers.unknown("profile", name, known, TYPED)


def _wait_for(path: Path) -> int:
    """Return a descriptor that holds the lock at `path`; raises BlockingIOError after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while True:
        lock = locks.take(path, seconds=max(0.0, deadline - time.monotonic()))
        if _is_at(lock, path):
            return lock
        os.close(lock)


def _is_at(lock: int, path: Path) -> bool:
    """Return whether the locked file is still at `path`: its last holder removes it."""
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
