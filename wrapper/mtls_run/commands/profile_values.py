"""Turn the options of a command line into the values of a profile."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mtls_run.config import readers, schema
from mtls_run.config.edit import Values
from mtls_run.config.origin import TYPED, Origin, Setting
from mtls_run.config.profile import ProfileValues
from mtls_run.errors import UsageError
from mtls_run.identity.pkcs11_uri import is_uri
from mtls_run.output.text import split_words
from mtls_run.system.files import current_directory

_COMMAND = "command:"
PASSPHRASE = "keyring | prompt | env:NAME | file:PATH | command:WORDS"  # noqa: S105 - places, not secrets


def written(typed: str | Path) -> str:
    """Return a typed path in the form that a configuration keeps.

    It begins with `~/` below the home directory, and is absolute elsewhere. Links are kept.
    """
    text = os.path.expanduser(typed)  # Path.expanduser raises without a home
    if not text or "\0" in text:
        raise UsageError("the path is empty", hint="name a file")
    path = Path(_normal(str(current_directory() / text)))
    home = os.path.expanduser("~")
    # getcwd returns a path without links; the path of the home directory may have some.
    for base in (home, os.path.realpath(home)):
        if os.path.isabs(base) and Path(base) in path.parents:
            path = Path("~") / path.relative_to(base)
            break
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(
            f"cannot write the path {path} into the configuration: it is not UTF-8",
            hint="rename the file, or name a symbolic link to it",
        ) from None
    return path.as_posix() if str(path).startswith("~") else str(path)


def _normal(path: str) -> str:
    """Return the path without `.` and `..`, unless `..` follows a link."""
    short = os.path.normpath(path)
    return short if os.path.realpath(short) == os.path.realpath(path) else path


def passphrase(spelled: str) -> object:
    """Return the value of `passphrase` for the argument of --passphrase.

    Raises UsageError, which does not repeat the argument: it may be the passphrase itself.
    """
    kind, colon, detail = spelled.partition(":")
    if spelled in ("keyring", "prompt"):
        return spelled
    if kind == "env" and detail:
        return {"env": detail}
    if kind == "file" and detail:
        return {"file": written(detail)}
    if kind == "command" and colon:
        words = _words("passphrase", detail)
        if words:
            return {"command": words}
    raise UsageError(
        "--passphrase says where the passphrase is, and is never the passphrase itself",
        hint=f"name the place: {PASSPHRASE}",
    )


def _words(option: str, command: str) -> list[str]:
    """Return the words of a command, split as a shell does; raises UsageError."""
    try:
        words = split_words(command)
    except ValueError as error:
        raise UsageError(
            f"cannot split the command of --{option} into words: {error}", hint="close the quotes"
        ) from None
    if words and (words[0].startswith("~") or os.path.dirname(words[0])):
        words[0] = written(words[0])
    return words


def _half(option: str, spelled: str) -> object:
    """Return the value of `client-cert` or `client-key` for what was typed; raises UsageError."""
    if is_uri(spelled):
        return spelled
    if not spelled.startswith(_COMMAND):
        return written(spelled)
    words = _words(option, spelled[len(_COMMAND) :])
    if not words:
        raise UsageError(
            f"--{option} names no command", hint=f'write --{option} "command:step-identity --pem"'
        )
    return {"command": words}


def values(given: Mapping[str, str | Sequence[str] | None]) -> Values:
    """Return the keys of a profile for the options that were given."""
    found: Values = {}
    for key in schema.PROFILE_KEYS:
        value = given.get(key)
        if value is None or value == ():
            continue
        if key == "passphrase":
            found[key] = passphrase(str(value))
        elif key in ("hosts", "paths"):
            found[key] = list(value)
        elif key in ("client-cert", "client-key"):
            found[key] = _half(key, str(value))
        elif isinstance(value, str):
            found[key] = value
        else:
            paths = [written(path) for path in value]
            found[key] = paths[0] if len(paths) == 1 else paths
    return found


def said(found: Values, origins: Mapping[str, Origin]) -> ProfileValues:
    """Return the values as if read from a configuration; raises ConfigurationError.

    The origin of a value is its option, unless `origins` has another.
    """
    read: ProfileValues = {}
    for key, value in found.items():
        origin = origins.get(key, Origin(f"--{key}"))
        place = readers.Place(key, origin, current_directory())
        read[key] = Setting(schema.PROFILE_KEYS[key](value, place), origin)
    return read


def spelled_name(name: str) -> str:
    """Return `name`; raise ConfigurationError if it cannot name a profile."""
    return readers.check_name(name, TYPED)
