"""`mtls-run profile import https://…`: take the profiles that a company publishes.

The file at the URL is a configuration file with [profiles.NAME] and nothing else. It counts if its
SHA-256 is the one that the user was told, and only after the user has seen it. A program that it
names, and a module that a `pkcs11:` URI names, run as the user: they are listed, and never taken by
`--yes` alone.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtls_run import terminal
from mtls_run.commands import Context, profile_download, profile_values, say
from mtls_run.config import document, edit, layers, profile, readers
from mtls_run.config.document import Document
from mtls_run.config.edit import Values
from mtls_run.config.origin import Origin
from mtls_run.config.store import ConfigFile
from mtls_run.errors import ConfigurationError, UsageError
from mtls_run.identity import pkcs11_uri
from mtls_run.roots import resolve
from mtls_run.system import progress

_PATHS = ("client-cert", "client-key", "ca-cert", "cert", "passphrase.file")
_ASK_PUBLISHER = "ask the publisher for the SHA-256 of the file as it is now"


@dataclass(frozen=True)
class Wish:
    """What the command line says: the URL, its server's CA, the digest, what needs no question."""

    url: str
    sha256: str | None
    ca_cert: tuple[str, ...] = ()
    yes: bool = False
    allow_commands: bool = False
    default: bool = False
    force: bool = False


@dataclass(frozen=True)
class Published:
    """The checked profiles of a published file, as a configuration has them."""

    url: str
    profiles: Mapping[str, Values]

    @property
    def text(self) -> str:
        """Return what would be written."""
        content = b""
        for name, values in self.profiles.items():
            content = edit.put_profile(content, name, values)
        return content.decode("utf-8")

    @property
    def programs(self) -> list[str]:
        """Return a line for each program that would run as the user."""
        return [
            f"`{key}` of profile {name} {what}"
            for name, values in self.profiles.items()
            for key, what in _programs(values, "")
        ]


def import_(context: Context, wish: Wish) -> None:
    """Write the profiles at the URL into the user's configuration; raises MtlsRunError."""
    wanted = _digest(wish)
    file = ConfigFile.find(context.environ)
    before = file.read()
    configured = file.configuration(before)
    with progress.shown(lambda: f"fetching {wish.url}", quiet=context.options.quiet):
        content = profile_download.fetch(wish.url, context.environ, _added(wish))
    _compare(wish.url, content, wanted)
    found = _read(file, wish.url, content)
    for name in found.profiles:
        configured.policy.check_profile(f"profile {name}", Origin(wish.url))
    if wish.default and len(found.profiles) > 1:
        raise UsageError(
            f"--default: {wish.url} has several profiles: {', '.join(found.profiles)}",
            hint="choose one later: mtls-run profile default NAME",
        )
    present = _own(file, before)
    new = {name: values for name, values in found.profiles.items() if present.get(name) != values}
    for name in new:
        if name in present and not wish.force:
            raise ConfigurationError(
                f"profile {name} is in {file.path}, and {wish.url} has another",
                hint="replace it with --force, or keep yours",
            )
    for name in found.profiles.keys() - new.keys():
        say(f"profile {name} is in {file.path} as published")
    if new:
        taken = Published(wish.url, new)
        _show(taken, wanted)
        _agree(taken, wish, file)
    _write(file, new, set_default=next(iter(found.profiles)) if wish.default else None)
    for name in new:
        say(f"profile {name} is in {file.path}")
        _tell_missing(context, file, name)


def _digest(wish: Wish) -> str:
    """Return the 64 hexadecimal digits of --sha256; raises UsageError."""
    if wish.sha256 is None:
        raise UsageError(
            f"importing {wish.url} needs --sha256",
            hint="ask the publisher for the SHA-256 of the file, by another way than this URL",
        )
    digest = wish.sha256.strip().lower().removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise UsageError(
            f"--sha256 {wish.sha256} is not a SHA-256",
            hint="it has 64 hexadecimal digits, as sha256sum prints them",
        )
    return digest


def _added(wish: Wish) -> list[bytes]:
    """Return the DER of each certificate in the files of --ca-cert; raises MtlsRunError."""
    values = profile_values.values({"ca-cert": wish.ca_cert})
    server = profile.build(None, profile_values.said(values, {}), Origin(wish.url))
    named = server.ca_cert
    if named is None:
        return []
    return [der for path in named.value for der in resolve.read_added(path, server, named.origin)]


def _compare(url: str, content: bytes, wanted: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise ConfigurationError(
            f"{url} has the SHA-256 {found}, and --sha256 says {wanted}",
            hint=f"the file is not the one that you were told of: {_ASK_PUBLISHER}",
        )


def _read(file: ConfigFile, url: str, content: bytes) -> Published:
    """Return the profiles of the file; raises ConfigurationError with the URL and the line."""
    source = document.parse(file.path, content, what="profile", name=url)
    read = layers.read_layer(source, None, {"profiles": readers.read_table})
    raw = source.tables.get("profiles", {})
    if not raw:
        raise ConfigurationError(
            f"{url} has no profile", hint="it is a configuration file with [profiles.NAME]"
        )
    for name, table in raw.items():
        _refuse_relative(source, table, ("profiles", name))
    tables = {**file.configuration(file.read()).profiles, **read.profiles}
    for name in read.profiles:
        profile.build(name, profile.resolve(name, tables), Origin(url))
    return Published(url, raw)


def _refuse_relative(
    source: Document, table: Mapping[str, Any], keys: tuple[str | int, ...]
) -> None:
    """Raise ConfigurationError for a path that is relative: to what, the publisher cannot say."""
    for key, value in table.items():
        if isinstance(value, dict):
            _refuse_relative(source, value, (*keys, key))
        elif key == "identities":
            for number, entry in enumerate(value):
                _refuse_relative(source, entry, (*keys, key, number))
        elif key in _PATHS or f"{keys[-1]}.{key}" in _PATHS or key == "command":
            words = value if isinstance(value, list) else [value]
            for word in words[:1] if key == "command" else words:
                if not _is_whole(word, is_program=key == "command"):
                    raise ConfigurationError(
                        f"{source.origin(*keys, key)}: `{key}` is relative: {word}",
                        hint="a published profile names paths in full, or from `~/` on",
                    )


def _is_whole(word: str, *, is_program: bool) -> bool:
    if is_program and "/" not in word:
        return True  # looked up on PATH
    return os.path.isabs(word) or word.startswith("~") or pkcs11_uri.is_uri(word)


def _programs(values: dict[str, Any] | list[Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield each key that has mtls-run run code, and what it does."""
    entries = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in entries:
        name = f"{prefix}.{key}" if prefix else str(key)
        if key == "command" and isinstance(value, list):
            yield prefix, f"runs a program: {' '.join(map(str, value))}"
        elif isinstance(value, str) and pkcs11_uri.is_uri(value):
            module = pkcs11_uri.parse(value).module_path
            if module is not None:
                yield name, f"loads a module: {module}"
        elif isinstance(value, (dict, list)):
            yield from _programs(value, name)


def _own(file: ConfigFile, content: bytes | None) -> Mapping[str, Any]:
    """Return the tables of the profiles in the user's file."""
    if content is None:
        return {}
    found = document.parse(file.path, content).tables.get("profiles", {})
    return found if isinstance(found, dict) else {}


def _show(found: Published, digest: str) -> None:
    say(f"{found.url} (SHA-256 {digest}):\n")
    say("\n".join(f"  {line}" if line else "" for line in found.text.splitlines()))
    say("")
    for line in found.programs:
        say(f"! {line}")


def _agree(found: Published, wish: Wish, file: ConfigFile) -> None:
    """Return where the user agrees; raises ConfigurationError."""
    programs = found.programs
    if wish.yes:
        if programs and not wish.allow_commands:
            raise ConfigurationError(
                f"{wish.url}: {programs[0]}",
                hint="if it may run as you, add --allow-commands to --yes",
            )
        return
    if not terminal.available():
        raise ConfigurationError(
            f"there is no terminal to ask whether {wish.url} may be imported",
            hint="read it, then add --yes" + (" --allow-commands" if programs else ""),
        )
    it = "this, which runs programs as you," if programs else "this"
    if not terminal.ask_yes(f"add {it} to {file.path}?", default=False):
        raise ConfigurationError(
            f"{wish.url} was not imported: the answer was no",
            hint="run the command again to be asked again",
        )


def _write(file: ConfigFile, new: Mapping[str, Values], *, set_default: str | None) -> None:
    def change(content: bytes) -> bytes:
        for name, values in new.items():
            content = edit.put_profile(content, name, values)
        return edit.set_default(content, set_default) if set_default else content

    file.change(change)


def _tell_missing(context: Context, file: ConfigFile, name: str) -> None:
    """Name the files that the profile needs and that are not there yet."""
    found = file.configuration(file.read()).profile(name, Origin("NAME"))
    missing: dict[str, None] = {}
    for one in (found, *found.identities):
        for key, setting in one.settings().items():
            for path in setting.value if isinstance(setting.value, tuple) else (setting.value,):
                if isinstance(path, Path) and not path.exists():
                    missing[f"`{key}` of profile {name} is not there yet: {path}"] = None
    for fact in missing:
        context.reporter.notice(fact)
