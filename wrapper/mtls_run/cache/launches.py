"""Cached launches: how a tool was started, used again while nothing it rests on has changed.

A cached launch holds flags, variables and paths, and no secret. Its key is the whole call: every
word, the directory, the program, the user. Before it is used, all that the decision rests on is
compared: files, directories and variables (`dependencies`), and the time. It lies in the user's
private cache and counts only where nobody else can have written it. Without one, a run costs more
and does the same.

This module and what it imports are loaded on every run. They use `Record` instead of dataclasses,
and `os.path` instead of pathlib, each of which costs half a Python start or more.
"""

from __future__ import annotations

import os
import stat
import sys
import time

from mtls_run import __version__, cache, system
from mtls_run.cache.dependencies import VariablesRead, unchanged
from mtls_run.system import dirs
from mtls_run.system.digests import sha256
from mtls_run.system.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.cache.dependencies import Dependencies
    from mtls_run.cli import Options

FOLDER = "launches"
MOST = 512
DAY = 24 * 60 * 60
# A launch is resolved anew once a day, so that the bundle it uses is seen to be in use.
LONGEST = DAY
ALWAYS = (0.0, float("inf"))
_FORMAT = "5"
_LARGEST = 1024 * 1024


class WithIdentity(Record):
    """A word that ends with the identity's path, which is known only once it is delivered."""

    text: str = ""


class Launch(Record):
    """What a tool is started with: flags before its own words, and variables (None unsets one)."""

    flags: tuple[str | WithIdentity, ...]
    variables: Mapping[str, str | WithIdentity | None]

    def words(self, identity: str | None) -> tuple[str, ...]:
        """Return the flags for an identity at this path."""
        return tuple(_with_path(flag, identity) for flag in self.flags)

    def environ(self, before: Mapping[str, str], identity: str | None) -> dict[str, str]:
        """Return the tool's whole environment: every contradiction goes, then all is set."""
        after = {name: value for name, value in before.items() if name not in self.variables}
        for name, value in self.variables.items():
            if value is not None:
                after[name] = _with_path(value, identity)
        return after


def _with_path(word: str | WithIdentity, identity: str | None) -> str:
    return f"{word.text}{identity}" if isinstance(word, WithIdentity) else word


class Remembered(Record):
    """An unlocked identity in the session's keyring: its name there, and the SHA-256 of its PEM."""

    digest: str
    pem_sha256: str


class Locked(Record):
    """An identity that the keyring's passphrase of `account` opens.

    `digest` is the SHA-256 of its files' bytes, as `identity.source.digest` returns it.
    """

    digest: str
    account: str
    files: tuple[str, ...]


class CachedLaunch(Record):
    """How to start the tool; `has_profile` is False where the tool runs unchanged.

    `identity` says how to unlock the identity again, where the launch hands one over in memory.
    """

    launch: Launch
    has_profile: bool
    identity: Remembered | Locked | None = None


UNCHANGED = CachedLaunch(Launch(flags=(), variables={}), has_profile=False)


def key(words: tuple[str, ...], path: str, options: Options) -> str | None:
    """Return the key of the launch of this command line, or None where it cannot have one.

    `words` are all that the user typed after mtls-run's own options; `path` is the program.
    """
    if os.name != "posix" or options.verbose:
        return None
    try:
        directory = os.getcwd()
        own = os.stat(__file__)  # an upgrade resolves anew
    except OSError:
        return None
    asked = (
        (__version__, __file__, own.st_ino, own.st_mtime_ns, sys.version),
        (sys.getfilesystemencoding(), os.geteuid(), directory, path),
        words,
        (options.profile, options.handoff),
    )
    return repr(asked)


def find(key: str, environ: Mapping[str, str]) -> CachedLaunch | None:
    """Return the launch stored under this key, if all that it rests on is as it was."""
    try:
        content = _read(_name(key))
        return None if content is None else _checked(content, key, environ)
    except (OSError, ValueError, IndexError):
        return None


def store(
    key: str,
    cached: CachedLaunch,
    rests_on: Dependencies,
    variables: tuple[VariablesRead, str],
    valid: tuple[float, float] = ALWAYS,
) -> None:
    """Store the launch, valid between two times (seconds since 1970).

    `variables` are those it rests on, and their values before anything was resolved.

    Nothing happens where it cannot be stored, or where not all it rests on could be noted.
    """
    if not rests_on.reusable:
        return
    salt = os.urandom(16).hex()
    read, values = variables
    sets = cached.launch.variables
    groups: list[list[str]] = [
        [_FORMAT, key, repr(valid[0]), repr(min(valid[1], time.time() + LONGEST))],
        [salt, _digest(salt, values)],
        list(read.names),
        list(read.prefixes),
        ["profile" if cached.has_profile else "unchanged"],
        _written_identity(cached.identity),
        [_written(word) for word in cached.launch.flags],
        [f"{name}={_written(value)}" for name, value in sets.items() if value is not None],
        [name for name, value in sets.items() if value is None],
        [part for (kind, path), state in rests_on.states.items() for part in (kind, path, state)],
    ]
    text = "\0".join(part for group in groups for part in (str(len(group)), *group))
    # The checksum: what a disk gives back damaged is not used.
    content = f"{text}\0{_digest(_FORMAT, text)}".encode("utf-8", "surrogateescape")
    if len(content) > _LARGEST:
        return
    try:
        folder = cache.store.directory(FOLDER)
        system.files.write_atomically(folder / _name(key), content)
        cache.store.drop_older_half(folder, MOST)
    except OSError:
        return


def _checked(content: str, key: str, environ: Mapping[str, str]) -> CachedLaunch | None:
    """Return the launch in this text, or None where it is not what would be resolved now."""
    text, _, checksum = content.rpartition("\0")
    if checksum != _digest(_FORMAT, text):
        return None
    groups: list[list[str]] = []
    parts = text.split("\0")
    at = 0
    while at < len(parts):
        end = at + 1 + int(parts[at])
        groups.append(parts[at + 1 : end])
        at = end
    (form, asked, since, until), (salt, digest), names, prefixes, *decided, states = groups
    if form != _FORMAT or asked != key or not float(since) <= time.time() < float(until):
        return None
    read = VariablesRead(tuple(names), tuple(prefixes))
    if _digest(salt, read.values(environ)) != digest:
        return None
    if not unchanged(zip(states[::3], states[1::3], states[2::3])):
        return None
    about, identity, flags, sets, unsets = decided
    changes: dict[str, str | WithIdentity | None] = dict.fromkeys(unsets)
    for pair in sets:
        name, _, value = pair.partition("=")
        changes[name] = _read_back(value)
    return CachedLaunch(
        Launch(flags=tuple(map(_read_back, flags)), variables=changes),
        has_profile=about[0] == "profile",
        identity=_identity_read_back(*identity),
    )


def _written(word: str | WithIdentity) -> str:
    """Return a word with a mark that tells whether the identity's path follows it."""
    return f"@{word.text}" if isinstance(word, WithIdentity) else f"={word}"


def _read_back(text: str) -> str | WithIdentity:
    return WithIdentity(text[1:]) if text[0] == "@" else text[1:]


def _written_identity(identity: Remembered | Locked | None) -> list[str]:
    if isinstance(identity, Remembered):
        return ["remembered", identity.digest, identity.pem_sha256]
    if isinstance(identity, Locked):
        return ["locked", identity.digest, identity.account, *identity.files]
    return [""]


def _identity_read_back(form: str, *fields: str) -> Remembered | Locked | None:
    if form == "remembered":
        return Remembered(*fields)
    return Locked(fields[0], fields[1], fields[2:]) if form else None


def _read(name: str) -> str | None:
    """Return a stored launch, where the user alone can have written it."""
    folder = os.path.join(dirs.user("cache"), FOLDER)
    for directory in (os.path.dirname(folder), folder):
        found = os.stat(directory)
        if not (stat.S_ISDIR(found.st_mode) and _is_private(found) and os.path.isabs(directory)):
            return None
    path = os.path.join(folder, name)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
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
    return _digest(_FORMAT, key)[:32]


def _digest(salt: str, text: str) -> str:
    """Return the SHA-256 of the two: a variable may hold a password, and is not stored itself."""
    return sha256((salt + text).encode("utf-8", "surrogateescape")).hexdigest()
