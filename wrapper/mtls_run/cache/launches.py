"""Launches that were resolved before, to be used again while nothing they rest on has changed.

What is kept is how a tool is started: flags, variables, paths. It holds no secret, and nothing is
believed for being kept: every file, directory and variable that the decision was made from is
compared on every run, and what is due at a certain time (an expiry, a notice) ends it. It lies in
the user's own cache, and counts only where nobody else can have written it. Where anything is
amiss there is nothing kept, which costs time only.
"""

from __future__ import annotations

import os
import stat
import sys
import time

from mtls_run import __version__
from mtls_run.cache import dependencies
from mtls_run.handoff.leftovers import has_leftovers
from mtls_run.record import Record
from mtls_run.system import dirs
from mtls_run.system.digests import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.cache.dependencies import Witness
    from mtls_run.cli import Options
    from mtls_run.tools.base import Adapter, ToolCall

FOLDER = "kept"
MOST = 512
_FORM = "2"
_LARGEST = 1024 * 1024
DAY = 24 * 60 * 60
# Once a day a run resolves anew, so that the bundle it uses is seen to be in use.
LONGEST = DAY
ALWAYS = (0.0, float("inf"))


class Launch(Record):
    """How a tool is started: `flags` before its own words, `changes` (None unsets) of variables.

    `unchanged` tells that no profile applies. Of an identity that `remembered` keeps unlocked the
    digest is kept, and `stand_in` stands for the path that it will have.
    """

    changes: Mapping[str, str | None]
    flags: tuple[str, ...]
    unchanged: bool
    remembered: str | None
    stand_in: str | None

    def at(self, path: str) -> Launch:
        """Return the launch with the identity at `path`."""
        mark = self.stand_in or ""
        changes = {
            name: value and value.replace(mark, path) for name, value in self.changes.items()
        }
        return Launch(
            changes=changes,
            flags=tuple(flag.replace(mark, path) for flag in self.flags),
            unchanged=False,
            remembered=None,
            stand_in=None,
        )

    def environ(self, before: Mapping[str, str]) -> dict[str, str]:
        """Return the tool's whole environment."""
        after = {name: value for name, value in before.items() if name not in self.changes}
        after.update({name: value for name, value in self.changes.items() if value is not None})
        return after


NO_PROFILE = Launch(changes={}, flags=(), unchanged=True, remembered=None, stand_in=None)


def stand_in() -> str:
    """Return what no path has in it."""
    return f"/(identity {os.urandom(8).hex()})"


def key(call: ToolCall, adapter: Adapter, path: str, options: Options) -> str | None:
    """Return what a launch is kept by, or None where none is: what is asked, where, and of whom."""
    if os.name != "posix" or options.verbose:
        return None
    try:
        directory = os.getcwd()  # noqa: PTH109 - pathlib is slow to import
        own = os.stat(__file__)  # noqa: PTH116 - an upgrade resolves anew
    except OSError:
        return None
    overrides = adapter.overrides(call)
    return "\n".join(
        map(
            repr,
            (
                (__version__, __file__, own.st_ino, own.st_mtime_ns, sys.version),
                (os.geteuid(), directory, path, call.kind, call.prefix[1:]),
                (adapter.pip_command(call), overrides.cert, overrides.client_cert),
                (options.profile, options.handoff, "--isolated" in call.arguments),
            ),
        )
    )


def find(key: str, environ: Mapping[str, str]) -> Launch | None:
    """Return the launch that is kept by this key, if all that it rests on is as it was.

    What a killed run may have left is swept then, as on every other run.
    """
    folder = _folder()
    if folder is None:
        return None
    try:
        content = _read(folder, _name(key))
        found = None if content is None else _checked(content, key, environ)
    except (OSError, ValueError, IndexError):
        return None
    if found is not None and has_leftovers(environ, os.path.dirname(folder)):  # noqa: PTH120
        from mtls_run.handoff import private_file  # noqa: PLC0415 - hardly ever

        private_file.sweep(environ)
    return found


def keep(
    key: str | None, launch: Launch, seen: Witness, good: tuple[float, float] = ALWAYS
) -> None:
    """Keep the launch, which is good between these two times (seconds since 1970).

    Where it cannot be kept, or what it rests on cannot be told whole, nothing happens.
    """
    dependencies.stop()
    if key is None or not seen.keepable:
        return
    from mtls_run.cache import store  # noqa: PLC0415 - where a launch was resolved, it is imported by now
    from mtls_run.system.files import drop_older_half, write_atomically  # noqa: PLC0415

    salt = os.urandom(16).hex()
    names, prefixes = list(seen.names), list(seen.prefixes)
    groups: list[list[str]] = [
        [_FORM, key, repr(good[0]), repr(min(good[1], time.time() + LONGEST))],
        [salt, _digest(salt, dependencies.answers(seen.environ.whole, names, prefixes))],
        names,
        prefixes,
        ["unchanged" if launch.unchanged else "profile", launch.remembered or ""],
        [launch.stand_in or "", *launch.flags],
        [f"{name}={value}" for name, value in launch.changes.items() if value is not None],
        [name for name, value in launch.changes.items() if value is None],
        [field for (kind, path), mark in seen.stamps.items() for field in (kind, path, mark)],
        [field for parent, among in seen.ways.items() for field in (parent, "/".join(among))],
    ]
    fields = [field for group in groups for field in (str(len(group)), *group)]
    text = "\0".join(fields)
    # The seal: what a disk gives back damaged is not believed.
    content = f"{text}\0{_digest(_FORM, text)}".encode("utf-8", "surrogateescape")
    if len(content) > _LARGEST:
        return
    try:
        directory = store.directory(FOLDER)
        write_atomically(directory / _name(key), content)
        drop_older_half(directory, MOST)
    except OSError:
        return


def _checked(content: str, key: str, environ: Mapping[str, str]) -> Launch | None:
    """Return what is kept in this text, or None where it is not what would be resolved now."""
    text, _, seal = content.rpartition("\0")
    if seal != _digest(_FORM, text):
        return None
    fields = text.split("\0")
    groups, at = [], 0
    while at < len(fields):
        end = at + 1 + int(fields[at])
        groups.append(fields[at + 1 : end])
        at = end
    (
        (form, asked, since, until),
        (salt, digest),
        names,
        prefixes,
        said,
        flags,
        sets,
        unsets,
        seen,
        ways,
    ) = groups
    if form != _FORM or asked != key or not float(since) <= time.time() < float(until):
        return None
    if _digest(salt, dependencies.answers(environ, names, prefixes)) != digest:
        return None
    for at in range(0, len(seen), 3):
        if dependencies.stamp(seen[at], seen[at + 1]) != seen[at + 2]:
            return None
    for at in range(0, len(ways), 2):
        if dependencies.has_links(ways[at], frozenset(ways[at + 1].split("/"))):
            return None
    changes: dict[str, str | None] = dict.fromkeys(unsets)
    for pair in sets:
        name, _, changes[name] = pair.partition("=")
    return Launch(
        changes=changes,
        flags=tuple(flags[1:]),
        unchanged=said[0] == "unchanged",
        remembered=said[1] or None,
        stand_in=flags[0] or None,
    )


def _folder() -> str | None:
    """Return the directory, where it is the user's own and private."""
    folder = os.path.join(dirs.user("cache"), FOLDER)  # noqa: PTH118
    for directory in (os.path.dirname(folder), folder):  # noqa: PTH120
        try:
            found = os.stat(directory)  # noqa: PTH116
        except OSError:
            return None
        if not _is_private(found) or not stat.S_ISDIR(found.st_mode):
            return None
    return folder if os.path.isabs(folder) else None  # noqa: PTH117


def _read(folder: str, name: str) -> str | None:
    descriptor = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)  # noqa: PTH118
    try:
        found = os.fstat(descriptor)
        if not (stat.S_ISREG(found.st_mode) and _is_private(found) and found.st_size <= _LARGEST):
            return None
        return os.read(descriptor, _LARGEST).decode("utf-8", "surrogateescape")
    finally:
        os.close(descriptor)


def _is_private(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _name(key: str) -> str:
    return _digest(_FORM, key)[:32]


def _digest(salt: str, text: str) -> str:
    """Return the SHA-256 of the two: a variable may hold a password, and is not kept itself."""
    return sha256((salt + text).encode("utf-8", "surrogateescape")).hexdigest()
