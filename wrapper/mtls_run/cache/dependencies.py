"""What a run looked at on its way to a decision: files, places, and variables of the environment.

A decision may be used again for as long as all of that is as it was (see `kept`). So whoever asks
the file system or the environment on the road says so here: `read_file` does by itself, and a
question without reading by `file` or `place`. Where nobody listens that costs nothing.
"""

from __future__ import annotations

import os
import stat
import time
from _collections_abc import Mapping  # what collections.abc is, without its package

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

# A file that was written this shortly before it was read may be written again within the same tick
# of the file system's clock, and would look the same (git's "racy" entries).
RACY = 100_000_000

# What libraries read by themselves: platformdirs, os.path.expanduser, OpenSSL.
ALWAYS = (
    "HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)


class Witness:
    """All that one run looked at; `keepable` is False once that cannot be told whole.

    `stamps` has what was at each (kind, path), `names` and `prefixes` the variables asked for, and
    `ways` the names in each directory that were no links.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.began = time.time_ns()
        self.environ = Watched(environ, self)
        self.keepable = True
        self.names: dict[str, None] = dict.fromkeys(ALWAYS)
        self.prefixes: dict[str, None] = {}
        self.stamps: dict[tuple[str, str], str] = {}
        self.ways: dict[str, dict[str, None]] = {}

    def note(self, kind: str, path: str, *, racy: bool) -> None:
        """Keep what is at `path`, as it is before anybody acts on it."""
        if (kind, path) not in self.stamps:
            self.stamps[kind, path] = stamp(kind, path)
            if racy and kind == FILE and changed_at(path) > self.began - RACY:
                self.keepable = False

    def note_way(self, path: str) -> None:
        """Keep that no part of this path is a link."""
        parent, name = os.path.split(path)
        while name:
            names = self.ways.setdefault(parent, {})
            if name in names:
                return  # and so is what is above it
            names[name] = None
            parent, name = os.path.split(parent)


_listening: list[Witness] = []
FILE, PLACE, END = "f", "p", "e"
# From so many names on a directory is listed, rather than each of them looked at.
_LISTED_FROM = 8


def listen(environ: Mapping[str, str]) -> Witness:
    """Return a witness to all that is looked at from now on, until `stop`."""
    _listening[:] = [Witness(environ)]
    return _listening[0]


def stop() -> None:
    """Listen no more."""
    _listening.clear()


def file(path: str | os.PathLike[str], *, racy: bool = True) -> None:
    """Note that what is in the file (or the directory), or that there is none, matters."""
    for witness in _listening:
        witness.note(FILE, _absolute(path), racy=racy)


def place(path: str | os.PathLike[str]) -> None:
    """Note that which directory is there matters, and whose; not what it holds."""
    for witness in _listening:
        witness.note(PLACE, _absolute(path), racy=False)


def real(path: str | os.PathLike[str]) -> str:
    """Return the path without links, and note that where it leads matters; not what is there."""
    absolute = _absolute(path)
    found = os.path.realpath(absolute)
    for witness in _listening:
        witness.note_way(found)
        if found != absolute:
            witness.stamps[END, absolute] = found
    return found


def has_links(parent: str, names: Collection[str]) -> bool:
    """Tell whether any of these names in a directory is a link; what is not there is none.

    Of hundreds of names each one's status is most of what a kept launch costs. A listing tells
    links from all else by itself, but what stands beside the names it tells as well.
    """
    if len(names) >= _LISTED_FROM:
        left = 8 * len(names)
        try:
            with os.scandir(parent) as entries:
                for entry in entries:
                    if entry.is_symlink():  # by whatever name a file system finds it
                        break
                    left -= 1
                    if not left:
                        break
                else:
                    return False
        except OSError:
            pass  # not there, or not to be listed: its entries may be looked at all the same
    return any(os.path.islink(os.path.join(parent, name)) for name in names)  # noqa: PTH114, PTH118


def _absolute(path: str | os.PathLike[str]) -> str:
    """Return the path from the root, `..` left in it: behind a link it leads elsewhere."""
    name = os.fspath(path)
    return name if os.path.isabs(name) else os.path.join(os.getcwd(), name)  # noqa: PTH109, PTH117, PTH118


def unkeepable() -> None:
    """Note that the decision rests on more than can be noted, or holds what is not to be kept."""
    for witness in _listening:
        witness.keepable = False


def stamp(kind: str, path: str) -> str:
    """Return what tells this file or place from any other; a link counts with what it leads to."""
    if kind == END:
        return os.path.realpath(path)
    try:
        if kind == PLACE:
            found = os.stat(path)  # noqa: PTH116 - pathlib is slow to import
            return f"{found.st_dev}:{found.st_ino}:{found.st_mode}:{found.st_uid}"
        found = os.lstat(path)
        shown = _shown(found)
        if stat.S_ISLNK(found.st_mode):
            shown += ">" + _shown(os.stat(path))  # noqa: PTH116
    except OSError as error:
        return f"error {error.errno}"
    return shown


def _shown(found: os.stat_result) -> str:
    shown = f"{found.st_dev}:{found.st_ino}:{found.st_mode}:{found.st_uid}:{found.st_gid}"
    return f"{shown}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


def is_settled(path: str) -> bool:
    """Tell whether a file that changes from now on will look changed."""
    return changed_at(path) <= time.time_ns() - RACY


def changed_at(path: str) -> int:
    """Return when the file was last changed, in nanoseconds, or 0 where there is none."""
    try:
        return os.stat(path).st_ctime_ns  # noqa: PTH116
    except OSError:
        return 0


def with_prefix(environ: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the variables whose names begin so."""
    for witness in _listening:
        witness.prefixes[prefix] = None
    return {name: value for name, value in plain(environ).items() if name.startswith(prefix)}


def answers(environ: Mapping[str, str], names: Iterable[str], prefixes: Iterable[str]) -> str:
    """Return what the environment answers to these questions, as one text."""
    found = [f"{name}={environ[name]}" if name in environ else f"{name}-" for name in names]
    for prefix in prefixes:
        found += sorted(f"{name}={environ[name]}" for name in environ if name.startswith(prefix))
    return "\0".join(found)


def plain(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment whole, to be handed on: that is no question."""
    return environ.whole if isinstance(environ, Watched) else environ


class Watched(Mapping):  # type: ignore[type-arg]  # it is imported without its types
    """An environment that says which of its variables were asked for."""

    def __init__(self, environ: Mapping[str, str], witness: Witness) -> None:
        self.whole = environ
        self._witness = witness

    def __getitem__(self, name: str) -> str:
        self._witness.names[name] = None
        return self.whole[name]

    def __iter__(self) -> Iterator[str]:
        self._witness.keepable = False
        return iter(self.whole)

    def __len__(self) -> int:
        return len(self.whole)
