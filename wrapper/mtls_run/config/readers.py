"""Read the values of a configuration file: names, paths, times, hosts, commands."""

from __future__ import annotations

import difflib
import os
import re

from mtls_run import config
from mtls_run.errors import ConfigurationError
from mtls_run.identity import pkcs11_uri
from mtls_run.passphrase.sources import FromCommand, FromFile, FromKeyring, FromPrompt, FromVariable
from mtls_run.system.command import Command
from mtls_run.system.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Any, Callable

    from mtls_run.config.origin import Origin
    from mtls_run.config.scope import HostPattern
    from mtls_run.passphrase.sources import PassphraseSource

    Reader = Callable[[Any, "Place"], Any]

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
PATH_HINT = (
    "write the path of a file on this system, with backslashes in single quotes; `~` is the home "
    "directory"
)
_OF_NAMES = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class Renewal(Record):
    """The command that renews an identity's files, `before` so many seconds before their end.

    None means a third of the certificate's life.
    """

    command: Command
    before: int | None


class Place:
    """Hold the context of a value: the key's name, its origin, and the directory of its file."""

    def __init__(self, key: str, origin: Origin, directory: Path) -> None:
        self.key = key
        self.origin = origin
        self.directory = directory

    def error(self, value: object, takes: str) -> ConfigurationError:
        """Return the error for a value of the wrong type or shape."""
        return ConfigurationError(
            f"{self.origin}: `{self.key}` is {_kind(value)}", hint=f"`{self.key}` takes {takes}"
        )


def unknown(what: str, word: str, known: Iterable[str], origin: Origin) -> ConfigurationError:
    """Return the error for a word that is none of `known`, with the nearest right spelling."""
    choices = sorted(known)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if close:
        hint = f"did you mean `{close[0]}`?"
    elif choices:
        hint = f"known: {', '.join(choices)}"
    else:
        hint = "there are none"
    return ConfigurationError(f"{origin.before}unknown {what} `{word}`", hint=hint)


def _kind(value: object) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "a string"}
    kinds |= {list: "a list", dict: "a table"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def read_table(value: object, place: Place) -> Mapping[str, Any]:
    """Return a table."""
    if not isinstance(value, dict):
        raise place.error(value, f"a table: [{place.key}]")
    return value


def read_name(value: object, place: Place) -> str:
    """Return the name of a profile."""
    if not isinstance(value, str):
        raise place.error(value, "the name of a profile, a string")
    return check_name(value, place.origin)


def check_name(name: str, origin: Origin) -> str:
    """Return `name`, which came from `origin`, or raise for one that cannot name a profile."""
    if not name or not _OF_NAMES.issuperset(name):
        raise ConfigurationError(
            f"{origin.before}`{name}` cannot name a profile",
            hint="a name is made of letters, digits, `.`, `_` and `-`",
        )
    return name


def read_path(value: object, place: Place) -> Path:
    """Return a path, `~` expanded, relative to the directory of the file that names it."""
    if not isinstance(value, str):
        raise place.error(value, "a path, a string")
    if not value or "\0" in value:
        raise ConfigurationError(
            f"{place.origin}: `{place.key}` is not a path: {value!r}",
            hint=f"`{place.key}` takes the path of a file",
        )
    mistake = not_a_path(value)
    if mistake is not None:
        raise ConfigurationError(
            f"{place.origin}: `{place.key}` is {mistake}: {value}", hint=PATH_HINT
        )
    if os.name == "posix":
        # The bytes that stand in the file, UTF-8, whatever the locale has for other names.
        value = os.fsdecode(value.encode())
    expanded = os.path.expanduser(value)
    if expanded.startswith("~"):
        raise ConfigurationError(
            f"{place.origin}: no home directory is known for {value}",
            hint="set HOME, or write the path in full",
        )
    return place.directory / expanded


def read_identity(value: object, place: Place) -> Path | pkcs11_uri.Pkcs11Uri | Command:
    """Return the path of a file, the URI of what is in a token, or the command that prints it."""
    if isinstance(value, dict):
        takes = 'a path, a pkcs11: URI or { command = ["step-identity", "…"] }'
        return Command(_only_command(value, place, takes))
    if not isinstance(value, str) or not pkcs11_uri.is_uri(value):
        return read_path(value, place)
    try:
        return pkcs11_uri.parse(value)
    except pkcs11_uri.UriError as error:
        raise ConfigurationError(
            f"{place.origin}: `{place.key}`: {error.fact}", hint=error.hint
        ) from None


def read_renewal(value: object, place: Place) -> Renewal:
    """Return the command that renews an identity, and how long before its end to run it."""
    takes = '{ command = ["step", "ca", "renew", "…"], before = "8h" }'
    if not isinstance(value, dict):
        raise place.error(value, takes)
    before = None
    if "before" in value:
        inner = Place(f"{place.key}.before", place.origin, place.directory)
        before = read_duration(value["before"], inner)
        if not before:
            raise inner.error(value["before"], 'a time such as "8h", "90m" or "1h30m"')
    rest = {key: item for key, item in value.items() if key != "before"}
    return Renewal(Command(_only_command(rest, place, takes)), before)


def _only_command(value: Mapping[str, Any], place: Place, takes: str) -> tuple[str, ...]:
    """Return the words of the command, which has to be the table's one key."""
    for key in value:
        if key != "command":
            raise unknown(f"key in `{place.key}`:", key, ("command",), place.origin)
    if "command" not in value:
        raise ConfigurationError(
            f"{place.origin}: `{place.key}` names no command", hint=f"it takes {takes}"
        )
    inner = Place(f"{place.key}.command", place.origin, place.directory)
    return _read_command(value["command"], inner)


def not_a_path(value: str) -> str | None:
    """Return what a value is that was meant as a path and cannot be one, or None."""
    if re.match(r"(?:\$\{\w+\}|\$(?:env:)?\w+|%\w+%)[/\\]", value):
        return "a path with a variable, which nothing expands here"
    if re.match(r"pkcs11:|file:|[A-Za-z][A-Za-z0-9+.-]+://", value):
        return "a URI, and it takes a path"
    if re.match(r"(?:[A-Za-z]:|\\|~(?=[\x01-\x1f])).*[\x01-\x1f]", value, re.DOTALL):
        return "a path with a control character, as double quotes make of a backslash"
    if os.name == "posix" and re.match(r"[A-Za-z]:[\\/]|\\\\\w", value):
        return "a path of Windows, and this is another system"
    return None


def read_paths(value: object, place: Place) -> tuple[Path, ...]:
    """Return one path, or a list of them, as a tuple."""
    if isinstance(value, str):
        return (read_path(value, place),)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise place.error(value, "a path or a list of paths")
    return tuple(read_path(item, place) for item in value)


def read_hosts(value: object, place: Place) -> tuple[HostPattern, ...]:
    """Return the hosts, each with its port, that an identity is for."""
    takes = 'a list of hosts: ["pypi.corp.example", "*.corp.example:8443"]'
    found = []
    for text in _read_words(value, place, takes):
        try:
            found.append(config.scope.HostPattern.parse(text))
        except ValueError as error:
            raise ConfigurationError(
                f"{place.origin}: `{place.key}` has `{text}`: {error}", hint=f"it takes {takes}"
            ) from None
    return tuple(found)


def read_url_paths(value: object, place: Place) -> tuple[str, ...]:
    """Return the beginnings of the paths, on its hosts, that an identity is for."""
    takes = 'a list of URL paths: ["/artifactory/"]'
    found = _read_words(value, place, takes)
    for text in found:
        if not config.scope.is_prefix(text):
            raise ConfigurationError(
                f"{place.origin}: `{place.key}` has `{text}`, which is no path of a URL",
                hint=f"it takes {takes}",
            )
    return found


def _read_words(value: object, place: Place, takes: str) -> tuple[str, ...]:
    """Return a list of strings, which may not be empty."""
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise place.error(value, takes)
    return tuple(value)


def read_days(value: object, place: Place) -> int:
    """Return a number of days, zero or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise place.error(value, "a whole number of days, 0 or more")
    return value


def read_duration(value: object, place: Place) -> int:
    """Return a time such as "8h", "90m" or "1h30m" in seconds; "off" is 0."""
    takes = 'a time such as "8h", "90m" or "1h30m", or "off"'
    if not isinstance(value, str):
        raise place.error(value, takes)
    if value == "off":
        return 0
    if not re.fullmatch(r"(\d{1,6}[smhd])+", value, re.ASCII):
        raise ConfigurationError(
            f"{place.origin}: `{place.key}` is not a time: {value!r}", hint=f"it takes {takes}"
        )
    return sum(int(count) * SECONDS[unit] for count, unit in re.findall(r"(\d+)([smhd])", value))


def read_passphrase(value: object, place: Place) -> PassphraseSource:
    """Return the source of the passphrase."""
    takes = '"keyring" | "prompt" | { command = […] } | { file = "…" } | { env = "NAME" }'
    if value == "keyring":
        return FromKeyring()
    if value == "prompt":
        return FromPrompt()
    if isinstance(value, str):
        # The value is not repeated: it may well be the passphrase itself.
        raise ConfigurationError(
            f"{place.origin}: `passphrase` names a source; write no passphrase here",
            hint=f"it takes {takes}",
        )
    if not isinstance(value, dict):
        raise place.error(value, takes)
    if len(value) != 1:
        raise ConfigurationError(
            f"{place.origin}: `passphrase` names {len(value)} sources, it takes one",
            hint=f"it takes {takes}",
        )
    ((kind, detail),) = value.items()
    inner = Place(f"passphrase.{kind}", place.origin, place.directory)
    if kind == "command":
        return FromCommand(_read_command(detail, inner))
    if kind == "file":
        return FromFile(read_path(detail, inner))
    if kind == "env":
        if not isinstance(detail, str) or not detail or "\0" in detail or "=" in detail:
            raise inner.error(detail, "the name of a variable")
        return FromVariable(detail)
    raise unknown("source in `passphrase`:", kind, ("command", "file", "env"), place.origin)


def _read_command(value: object, place: Place) -> tuple[str, ...]:
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(word, str) and "\0" not in word for word in value)
        or not value[0]
    ):
        raise place.error(value, 'a list of words: ["op", "read", "…"]; no shell reads it')
    # A word with a slash is a path, as everywhere else; any other is looked up on PATH.
    program = value[0]
    if "/" in program or program.startswith("~"):
        program = str(read_path(program, place))
    return (program, *value[1:])
