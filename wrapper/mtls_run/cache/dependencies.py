"""The files and variables that an answer depends on, noted by the code that finds the answer.

Each step that looks at the file system is given a `Dependencies` and notes there what it saw,
absent files included. An answer holds for as long as every noted state is the same (`unchanged`).
Small files are compared by content: a file system's clock may count whole seconds (ext4 with small
inodes) or two of them (FAT), and an edit within that time leaves the status as it was.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from mtls_run.system.digests import sha256
from mtls_run.system.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

# Up to this size, in bytes, a file is compared by content.
SMALL = 128 * 1024
# FAT's clock, the coarsest, in nanoseconds.
COARSEST_CLOCK = 2_000_000_000

CONTENT, STATUS, OWNER, TARGET, NAMES = "content", "status", "owner", "target", "names"

# What mtls-run itself reads of the environment. `tools.registry` says what the tools read.
VARIABLES = (
    "HOME",
    "MTLS_RUN_ACTIVE",
    "MTLS_RUN_CONFIG",
    "MTLS_RUN_HANDOFF",
    "MTLS_RUN_PROFILE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "SUDO_UID",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
    "XDG_DATA_DIRS",  # on macOS pip's own files are there
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
)


class VariablesRead(Record):
    """The variables that an answer may rest on: mtls-run's own, and what the tools read.

    The tools read the variables of these names, and all with one of these prefixes.
    """

    names: tuple[str, ...]
    prefixes: tuple[str, ...]

    def values(self, environ: Mapping[str, str]) -> str:
        """Return what the environment says of them, as one text."""
        found = [
            f"{name}={environ[name]}" if name in environ else f"{name}-"
            for name in (*VARIABLES, *self.names)
        ]
        found += sorted(
            f"{name}={value}" for name, value in environ.items() if name.startswith(self.prefixes)
        )
        return "\0".join(found)


class Dependencies:
    """States of files and directories, by kind and absolute path.

    `reusable` is False once the answer rests on something that cannot be noted.
    """

    def __init__(self, states: Mapping[tuple[str, str], str] | None = None) -> None:
        self.states = dict(states or {})
        self.reusable = True

    def content(self, path: str | os.PathLike[str], data: bytes) -> None:
        """Note that the file holds `data`, which was read from it just now."""
        if len(data) <= SMALL:
            self._note(CONTENT, path, _digest(data))
        else:
            self.status(path)

    def file(self, path: str | os.PathLike[str]) -> None:
        """Note the file at `path`, by content if it is small, or its absence."""
        found = state(CONTENT, _absolute(path))
        if found == _LARGE:
            self.status(path)
        else:
            self._note(CONTENT, path, found)

    def status(self, path: str | os.PathLike[str], *, written_here: bool = False) -> None:
        """Note the file at `path` by its status alone, or its absence.

        A file younger than the coarsest clock may change again unseen, so that the answer cannot be
        used again; unless this process wrote it (`written_here`).
        """
        absolute = _absolute(path)
        self._note(STATUS, absolute, state(STATUS, absolute))
        if not written_here and _changed_at(absolute) > time.time_ns() - COARSEST_CLOCK:
            self.reusable = False

    def owner(self, path: str | os.PathLike[str]) -> None:
        """Note the owner and the permissions of the file or directory."""
        self._note(OWNER, path, state(OWNER, _absolute(path)))

    def target(self, path: str | os.PathLike[str]) -> str:
        """Return the path without links, and note it."""
        found = os.path.realpath(path)
        self._note(TARGET, path, found)
        return found

    def names(
        self, directory: str | os.PathLike[str], stems: Collection[str], suffix: str
    ) -> list[str]:
        """Return which names in a directory have one of these stems or end so, and note them."""
        absolute = _absolute(directory)
        kind = ":".join((NAMES, suffix, *stems))
        found = state(kind, absolute)
        self._note(kind, absolute, found)
        return [] if found.startswith("error ") else found.split("/")[1:]

    def also(self, states: Mapping[tuple[str, str], str]) -> None:
        """Note states that an earlier answer, used in this one, rests on."""
        for (kind, path), found in states.items():
            self._note(kind, path, found)

    def forbid_reuse(self) -> None:
        """Note that the answer must not be stored, or depends on a state that cannot be noted."""
        self.reusable = False

    def _note(self, kind: str, path: str | os.PathLike[str], found: str) -> None:
        known = self.states.setdefault((kind, _absolute(path)), found)
        if known != found:  # it changed while the answer was being found
            self.reusable = False


def unchanged(states: Iterable[tuple[str, str, str]]) -> bool:
    """Tell whether each (kind, path, state) is still so."""
    return all(state(kind, path) == before for kind, path, before in states)


def state(kind: str, path: str) -> str:
    """Return the state of this kind that `path` is in; an error's number where it has none."""
    try:
        if kind == CONTENT:
            return _content(path)
        if kind == TARGET:
            return os.path.realpath(path)
        if kind.startswith(NAMES):
            _, suffix, *stems = kind.split(":")
            return _listing(path, stems, suffix)
        found = os.stat(path)
    except (OSError, ValueError) as error:
        return f"error {getattr(error, 'errno', errno.EINVAL)}"
    if kind == OWNER:
        return f"{found.st_dev}:{found.st_ino}:{found.st_mode}:{found.st_uid}:{found.st_gid}"
    times = f"{found.st_mtime_ns}:{found.st_ctime_ns}"
    return f"{found.st_dev}:{found.st_ino}:{found.st_mode}:{found.st_uid}:{found.st_size}:{times}"


_LARGE = "large"


def _content(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a FIFO must not block
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return "not a regular file"
        if found.st_size > SMALL:
            return _LARGE
        data = os.read(descriptor, SMALL + 1)
    finally:
        os.close(descriptor)
    return _LARGE if len(data) > SMALL else _digest(data)


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _listing(directory: str, stems: Collection[str], suffix: str) -> str:
    found = sorted(
        name
        for name in os.listdir(directory)
        if name.partition(".")[0] in stems or (suffix and name.endswith(suffix))
    )
    return "/".join(("", *found))


def _changed_at(path: str) -> int:
    """Return when the file was last changed, in nanoseconds since 1970; 0 where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return 0
    return max(found.st_mtime_ns, found.st_ctime_ns)


def _absolute(path: str | os.PathLike[str]) -> str:
    """Return the path from the root, with `..` left in it: after a link it means another place."""
    name = os.fspath(path)
    return name if os.path.isabs(name) else os.path.join(os.getcwd(), name)
