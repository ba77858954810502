"""The project file: `.mtls-run.toml`, or `[tool.mtls-run]` in pyproject.toml, nearest upward.

This module reads the file; `project_trust` decides whether it counts.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.cache.dependencies import Dependencies
from mtls_run.config import document, layers, readers
from mtls_run.config.origin import Setting
from mtls_run.errors import ConfigurationError
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.output.text import quoted
from mtls_run.passphrase.sources import FromCommand, FromFile, FromVariable
from mtls_run.system import ownership
from mtls_run.system.command import Command
from mtls_run.system.digests import sha256
from mtls_run.system.files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from mtls_run.config.document import Document
    from mtls_run.config.profile import ProfileValues
    from mtls_run.output import Reporter

OWN, SHARED = ".mtls-run.toml", "pyproject.toml"
_TABLE = ("tool", "mtls-run")
_PAST_IT = "choose a profile yourself: mtls-run --profile NAME …"


@dataclass(frozen=True)
class ProjectFile:
    """A directory's project file: it names a profile, or has a profile of its own.

    `says` is the SHA-256 of what is to be trusted: all of `.mtls-run.toml`, of pyproject.toml the
    table alone, so that adding a dependency asks nothing.
    """

    path: Path
    document: Document
    says: str
    names: Setting[str] | None
    settings: ProfileValues

    @property
    def directory(self) -> Path:
        """Return the directory that the file applies to."""
        return self.path.parent

    def named_files(self) -> tuple[Path, ...]:
        """Return the files below the project that its own profile names."""
        found: list[Path] = []
        for value in _values(self.settings):
            if isinstance(value, FromFile):
                found.append(value.path)
            elif isinstance(value, Path):
                found.append(value)
            elif isinstance(value, tuple):
                found += [item for item in value if isinstance(item, Path)]
        return tuple(path for path in dict.fromkeys(found) if self._is_below(path))

    def _is_below(self, path: Path) -> bool:
        """Tell whether the path goes through the project, or ends in it.

        `a/../../ca.pem` goes through it: the project's author decides where the link `a` leads.
        """
        try:
            way = path.relative_to(self.directory)
        except ValueError:
            way = None
        top = os.path.realpath(self.directory)
        ends = os.path.realpath(path)
        return (way is not None and way.parts[:1] != ("..",)) or (
            os.path.splitdrive(ends)[0] == os.path.splitdrive(top)[0]
            and os.path.commonpath([top, ends]) == top
        )


def find(
    start: Path,
    environ: Mapping[str, str],
    reporter: Reporter,
    rests_on: Dependencies | None = None,
) -> ProjectFile | None:
    """Return the project file that applies to the directory `start`, or None.

    Raises ConfigurationError, with its origin, for an invalid project file.
    """
    rests_on = rests_on or Dependencies()
    for directory in _upward(Path(rests_on.target(start)), reporter, environ, rests_on):
        rests_on.file(directory / OWN)
        rests_on.file(directory / SHARED)
        own = _read_own(directory / OWN, environ)
        if own is not None:
            _note(own, rests_on)
            if _has_table(directory / SHARED):
                reporter.notice(f"{own.path} counts; the table in {directory / SHARED} does not")
            return _parsed(own, own.tables, ())
        shared = _read_shared(directory / SHARED, environ)
        if shared is not None:
            _note(shared, rests_on)
            return _parsed(shared, shared.tables["tool"]["mtls-run"], _TABLE)
    return None


def locate(start: Path, environ: Mapping[str, str], reporter: Reporter) -> Path | None:
    """Return the path of the project file for the directory `start`, even of one with an error."""
    for directory in _upward(Path(os.path.realpath(start)), reporter, environ, Dependencies()):
        for name, read in ((OWN, _read_own), (SHARED, _read_shared)):
            try:
                found = read(directory / name, environ) is not None
            except ConfigurationError:
                found = True
            if found:
                return directory / name
    return None


def _upward(
    start: Path, reporter: Reporter, environ: Mapping[str, str], rests_on: Dependencies
) -> Iterator[Path]:
    """Yield the directories to look in, nearest first.

    Ends at the home directory where it started there or below. A directory that anyone can write
    is passed over, and so is one that is somebody else's (git CVE-2022-24765).
    """
    try:
        home = Path(os.path.realpath(Path.home()))
    except RuntimeError:  # there is no home directory
        home = None
    if home is not None:
        rests_on.owner(home)
    for directory in (start, *start.parents):
        rests_on.owner(directory)
        try:
            found = directory.stat()
        except OSError:
            continue
        if os.name != "posix" or not found.st_mode & stat.S_IWOTH:
            if ownership.is_accepted(found, environ):
                yield directory
            elif any((directory / name).exists() for name in (OWN, SHARED)):
                owner = ownership.owner_name(found)
                reporter.detail(f"{directory} is skipped: it belongs to {owner}")
        if directory == home:
            return


def _note(source: Document, rests_on: Dependencies) -> None:
    """Note the bytes that were read, whose the project file is, and who else is in its group."""
    rests_on.content(source.path, source.content)
    rests_on.owner(source.path)
    for name in ("/etc/passwd", "/etc/group"):
        rests_on.file(name)


def _read_own(path: Path, environ: Mapping[str, str]) -> Document | None:
    """Return `.mtls-run.toml`, or None where there is none."""
    found: list[os.stat_result] = []
    try:
        content = read_file(path, document.LARGEST, seen=found.append)
    except (FileNotFoundError, NotADirectoryError) as error:
        if not path.is_symlink():
            return None
        raise _unreadable(path, error) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    _judge(path, found[0], environ)
    if content is None:
        raise ConfigurationError(
            f"the project file {path} is larger than {document.LARGEST // 1024 // 1024} MiB",
            hint=_PAST_IT,
        )
    return document.parse(path, content, what="project file")


def _read_shared(path: Path, environ: Mapping[str, str]) -> Document | None:
    """Return pyproject.toml where it has our table; else None."""
    found: list[os.stat_result] = []
    try:
        content = read_file(path, document.LARGEST, seen=found.append)
    except OSError:
        return None
    if content is None or b"mtls-run" not in content:
        return None
    try:
        parsed = document.parse(path, content, what="project file")
    except ConfigurationError:
        if b"tool.mtls-run" not in content:
            return None  # no table of ours: other tools report the error
        raise
    tool = parsed.tables.get("tool")
    if not isinstance(tool, dict) or "mtls-run" not in tool:
        return None
    _judge(path, found[0], environ)
    return parsed


def _has_table(path: Path) -> bool:
    """Tell whether pyproject.toml has our table, where nothing depends on it."""
    try:
        content = read_file(path, document.LARGEST)
        found = document.parse(path, content or b"")
    except (OSError, ConfigurationError):
        return False
    tool = found.tables.get("tool")
    return isinstance(tool, dict) and "mtls-run" in tool


def _judge(path: Path, found: os.stat_result, environ: Mapping[str, str]) -> None:
    """Raise ConfigurationError for a file that is somebody else's, or that others can write."""
    if not ownership.is_accepted(found, environ):
        raise ConfigurationError(
            f"the project file {path} belongs to {ownership.owner_name(found)}",
            hint=f"make it yours; or {_PAST_IT}",
            code="config-unsafe",
        )
    writers = ownership.other_writers(found)
    if writers:
        raise ConfigurationError(
            f"{writers} can write the project file {path}",
            hint=f"chmod go-w {quoted(path)}",
            code="config-unsafe",
        )


def _unreadable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"cannot read the project file {path}: {error.strerror or error}",
        hint=f"remove it; or {_PAST_IT}",
    )


def _parsed(source: Document, table: object, keys: tuple[str, ...]) -> ProjectFile:
    place = readers.Place(".".join(keys) or OWN, source.origin(*keys), source.path.parent)
    values: dict[str, Any] = dict(readers.read_table(table, place))
    names: Setting[str] | None = None
    settings: ProfileValues = {}
    if "profile" in values:
        origin = source.origin(*keys, "profile")
        if len(values) > 1:
            other = next(key for key in values if key != "profile")
            raise ConfigurationError(
                f"{origin}: the project file names a profile, and holds `{other}` of one as well",
                hint="keep `profile`, or the keys of a profile of its own",
            )
        inner = readers.Place("profile", origin, source.path.parent)
        names = Setting(readers.read_name(values["profile"], inner), origin)
    else:
        settings = layers.read_profile(source, values, keys, also=("profile",))
        _refuse_programs(settings)
    return ProjectFile(source.path, source, _says(source, values, keys), names, settings)


def _says(source: Document, values: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """Return the digest of what is to be trusted; the values have been checked by now."""
    content = source.content
    if keys:
        content = json.dumps(values, sort_keys=True, default=str).encode("utf-8")
    return sha256(content).hexdigest()


def _values(settings: ProfileValues) -> list[Any]:
    """Return all values of the profile's table, with those of its further identities."""
    found = [setting.value for name, setting in settings.items() if name != "identities"]
    for table in settings["identities"].value if "identities" in settings else ():
        found += _values(table)
    return found


def _refuse_programs(settings: ProfileValues) -> None:
    for table in settings["identities"].value if "identities" in settings else ():
        _refuse_programs(table)
    for key in ("client-cert", "client-key", "renew"):
        named = settings.get(key)
        if named is not None and isinstance(named.value, (Command, readers.Renewal)):
            what = "renews" if key == "renew" else "prints"
            raise ConfigurationError(
                f"{named.origin}: a project file may not name a command that {what} the identity",
                hint="write the profile into your own configuration, and name it here: profile = …",
            )
        if named is not None and isinstance(named.value, Pkcs11Uri):
            raise ConfigurationError(
                f"{named.origin}: a project file may not name a token: its module is code that "
                "mtls-run loads",
                hint="write the profile into your own configuration, and name it here: profile = …",
            )
    setting = settings.get("passphrase")
    if setting is None or not isinstance(setting.value, (FromCommand, FromVariable)):
        return
    kind = "command" if isinstance(setting.value, FromCommand) else "variable"
    raise ConfigurationError(
        f"{setting.origin}: a project file may not name a {kind} for the passphrase",
        hint="write the profile into your own configuration, and name it here: profile = …",
    )
