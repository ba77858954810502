"""Read certificates, indexes and the proxy from pip's own files and the PIP_* variables.

Followed as pip 26.3 has it (`_internal/configuration.py`, `cli/parser.py`, `utils/appdirs.py`);
21.3 to 26.2 read the same, but for what is noted. Other keys in pip's files are ignored.
"""

from __future__ import annotations

import configparser
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.cache.dependencies import Dependencies
from mtls_run.config.document import read_regular
from mtls_run.config.origin import Origin, Setting
from mtls_run.config.readers import PATH_HINT, not_a_path
from mtls_run.errors import ConfigurationError
from mtls_run.system.files import current_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mtls_run.tools.base import PipScope

# What decides where packages come from, or which are taken, and is not handed to uv.
_WITHOUT_VARIABLE = ("no-index", "only-binary", "no-binary", "constraint", "trusted-host")
_SWITCHES = ("no-index", "require-hashes")
_TRUE = ("y", "yes", "t", "true", "on", "1")
# The options that count, by pip's long names; some have a second one.
_OPTIONS = {
    "cert": "cert",
    "client-cert": "client-cert",
    "index-url": "index-url",
    "pypi-url": "index-url",
    "extra-index-url": "extra-index-url",
    "find-links": "find-links",
    "proxy": "proxy",
    "timeout": "timeout",
    "default-timeout": "timeout",
    "retries": "retries",
    "require-hashes": "require-hashes",
    **{name: name for name in _WITHOUT_VARIABLE},
}
# Those that mtls-run stops at where a file has them twice, as pip does at any key.
_ONCE = ("cert", "client-cert", "index-url", "pypi-url", "extra-index-url", "proxy")
_VARIABLES = ":env:"  # pip keeps the variables as a section of this name, the last to count
_HINT = "`pip config debug` lists pip's files; --no-profile leaves them unread"
# Beside what XDG_CONFIG_DIRS names, pip always looks here.
_ETC = "/etc"

# The settings of one section by key, in the order in which the keys first occur.
_Section = dict[str, Setting[str]]


@dataclass(frozen=True)
class PipSettings:
    """What wins in pip's settings, each value with its variable, or its file and line.

    Paths are absolute. URLs may hold a password: show them through `urls.without_password`.
    `others` has further options by name; they are not handed to another tool.
    """

    cert: Setting[Path] | None = None
    client_cert: Setting[Path] | None = None
    index_url: Setting[str] | None = None
    extra_index_urls: tuple[Setting[str], ...] = ()
    find_links: tuple[Setting[str], ...] = ()
    proxy: Setting[str] | None = None
    timeout: Setting[str] | None = None
    retries: Setting[str] | None = None
    require_hashes: Setting[str] | None = None
    others: tuple[tuple[str, Setting[str]], ...] = ()


def read(
    environ: Mapping[str, str], scope: PipScope, rests_on: Dependencies | None = None
) -> PipSettings:
    """Return pip's settings for the calls in this scope.

    [global] counts always, the section of the scope's command beats it, and a PIP_* variable beats
    both. Raises ConfigurationError, naming file and line,
    for a file that pip cannot read or that is not what pip takes.
    """
    sections: dict[str, _Section] = {"global": {}}
    rests_on = rests_on or Dependencies()
    if scope.command is not None:
        sections[scope.command] = {}
    sections[_VARIABLES] = {}
    for path in _files(environ, scope, rests_on):
        for section, values in _read_file(path, rests_on).items():
            if section in sections:
                sections[section].update(values)
    if not scope.isolated:
        sections[_VARIABLES].update(_read_variables(environ))
    found: _Section = {}
    for values in sections.values():
        # An empty value unsets an earlier file's value in the same section, and nothing else.
        found.update({_OPTIONS[key]: value for key, value in values.items() if value.value})
    for value in found.values():
        if "\0" in value.value:  # no variable can hold it
            raise ConfigurationError(f"{value.origin}: a value cannot hold a NUL", hint=_HINT)
    return PipSettings(
        cert=_path(found.get("cert"), environ),
        client_cert=_path(found.get("client-cert"), environ),
        index_url=found.get("index-url"),
        extra_index_urls=_list(found.get("extra-index-url")),
        find_links=_list(found.get("find-links")),
        proxy=found.get("proxy"),
        timeout=found.get("timeout"),
        retries=found.get("retries"),
        require_hashes=_switched_on("require-hashes", found),
        others=tuple(
            (name, setting)
            for name in _WITHOUT_VARIABLE
            if (setting := _switched_on(name, found)) is not None
        ),
    )


def _switched_on(name: str, found: _Section) -> Setting[str] | None:
    """Return the setting, but not that of a switch that is off."""
    setting = found.get(name)
    is_off = setting is not None and name in _SWITCHES and setting.value.lower() not in _TRUE
    return None if is_off else setting


def _files(environ: Mapping[str, str], scope: PipScope, rests_on: Dependencies) -> list[Path]:
    """Return the files that pip reads, those that are there, later beats earlier."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    places = _Places(environ, sys.platform)
    candidates = places.machine()
    # A file that is named stands in the user files' place, but only if it is there.
    if not scope.isolated and not (named and os.path.exists(named)):
        candidates += places.user()
    if scope.environment is not None:
        candidates.append(os.path.join(scope.environment, places.basename))
    if named:
        candidates.append(named)
    # A file that is named twice keeps its first place (26.3; up to 25.0 it was the last).
    return [Path(path) for path in dict.fromkeys(candidates) if _is_there(path, rests_on)]


def _is_there(path: str, rests_on: Dependencies) -> bool:
    """Tell whether there is something to read.

    What is in a directory that cannot be entered is not there for pip, and a link to the null
    device is how a file is masked.
    """
    rests_on.file(path)
    if not os.path.exists(path):
        return False
    return not os.path.samefile(path, os.devnull)


class _Places:
    """Where pip's files are on this platform; the newest platformdirs that pip brings decides."""

    def __init__(self, environ: Mapping[str, str], platform: str) -> None:
        self.environ = environ
        self.platform = platform
        self.basename = "pip.ini" if platform == "win32" else "pip.conf"

    def machine(self) -> list[str]:
        """Return the files of the machine."""
        if self.platform == "win32":
            return self._joined([self.environ.get("PROGRAMDATA", "")], "pip")
        if self.platform == "darwin":
            folders = self._absolute("XDG_DATA_DIRS")
            if not folders:
                brewed = sys.base_prefix.startswith("/opt/homebrew")
                folders = ["/opt/homebrew/share"] if brewed else []
                folders.append("/Library/Application Support")
            return self._joined(folders, "pip")
        folders = self._absolute("XDG_CONFIG_DIRS") or ["/etc/xdg"]
        return [*self._joined(folders, "pip"), *self._joined([_ETC])]

    def user(self) -> list[str]:
        """Return the user's files: the legacy one, then today's, which beats it."""
        home = expand_user("~", self.environ)
        if self.platform == "win32":
            return self._joined([home, self.environ.get("APPDATA", "")], "pip")
        if self.platform == "darwin":
            folders = self._absolute("XDG_DATA_HOME", several=False) or [
                f"{home}/Library/Application Support"
            ]
            if not os.path.isdir(f"{folders[0]}/pip"):
                folders = [f"{home}/.config"]
        else:
            folders = self._absolute("XDG_CONFIG_HOME", several=False) or [f"{home}/.config"]
        return [*self._joined([home], ".pip"), *self._joined(folders[:1], "pip")]

    def _absolute(self, name: str, *, several: bool = True) -> list[str]:
        """Return the directories in this variable; relative ones count no more (26.3)."""
        value = self.environ.get(name, "")
        parts = value.split(os.pathsep) if several else [value]
        return [part.strip() for part in parts if os.path.isabs(part.strip())]

    def _joined(self, folders: Iterable[str], *parts: str) -> list[str]:
        return [os.path.join(folder, *parts, self.basename) for folder in folders if folder]


class _Key(str):
    """A key as the parser stores it, with the line that it stands on."""

    __slots__ = ("line",)
    line: int


class _Parser(configparser.RawConfigParser):
    """Python's own parser, as pip has it, that knows the line of each key.

    Keys outside `_ONCE` get a name of their own each, so that none can stand twice.
    """

    def __init__(self) -> None:
        # No header can have this name, so [DEFAULT] is a section that can be asked for its lines.
        super().__init__(default_section="\n")
        self._line = 0

    def feed(self, text: str) -> None:
        """Parse `text`; raises configparser.Error."""
        self.read_file(self._counted(text))

    def _counted(self, text: str) -> Iterator[str]:
        # The parser takes a line only when it is done with the one before.
        for self._line, line in enumerate(io.StringIO(text, newline=None), start=1):
            yield line

    def optionxform(self, optionstr: str) -> str:
        """Return the key under its normal name."""
        name = _normal(optionstr)
        key = _Key(name if name in _ONCE else f"{name}\n{self._line}")
        key.line = self._line
        return key

    def settings(self, section: str, path: Path) -> _Section:
        """Return the keys of this section that count."""
        return {
            name: Setting(value, Origin(f"{path}:{key.line}"))
            for key, value in self.items(section)
            if isinstance(key, _Key) and (name := key.partition("\n")[0]) in _OPTIONS
        }


def _normal(name: str) -> str:
    """Return a key, or what follows PIP_ in a variable's name, in the spelling of pip's flags."""
    return name.lower().replace("_", "-").removeprefix("--")


def _read_file(path: Path, rests_on: Dependencies) -> dict[str, _Section]:
    """Return the settings in the file, by section."""
    try:
        content = read_regular(path, what="pip configuration", rests_on=rests_on)
    except ConfigurationError as error:
        raise ConfigurationError(error.fact, hint=_HINT) from None
    if content is None:  # gone since it was looked for
        return {}
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"{path}:{line}: the pip configuration is not UTF-8", hint=_HINT
        ) from None
    if text.startswith("\ufeff"):
        raise ConfigurationError(
            f"{path}:1: the pip configuration starts with a byte order mark, which pip refuses",
            hint="save the file as UTF-8 without one",
        )
    parser = _Parser()
    try:
        parser.feed(text)
    except configparser.Error as error:
        raise _broken(path, error) from None
    defaults = parser.settings("DEFAULT", path) if parser.has_section("DEFAULT") else {}
    return {
        section: {**defaults, **parser.settings(section, path)}
        for section in parser.sections()
        if section != "DEFAULT"
    }


def _broken(path: Path, error: configparser.Error) -> ConfigurationError:
    """Return the error for a file that is no INI; it shows no line, which may hold a password."""
    if isinstance(error, configparser.DuplicateOptionError):
        return ConfigurationError(
            f"{path}:{error.lineno}: `{error.option}` appears twice in [{error.section}]",
            hint="keep one; to pip, upper case and `_` for `-` spell the same name",
        )
    if isinstance(error, configparser.DuplicateSectionError):
        return ConfigurationError(
            f"{path}:{error.lineno}: [{error.section}] appears twice", hint="merge the two sections"
        )
    if isinstance(error, configparser.MissingSectionHeaderError):
        return ConfigurationError(
            f"{path}:{error.lineno}: a key comes before the first section",
            hint="put a line [global] above it",
        )
    line = getattr(error, "lineno", None)
    if line is None and isinstance(error, configparser.ParsingError) and error.errors:
        line = error.errors[0][0]
    where = path if line is None else f"{path}:{line}"
    return ConfigurationError(
        f"{where}: the pip configuration is not valid", hint="a line reads `key = value`"
    )


def _read_variables(environ: Mapping[str, str]) -> _Section:
    """Return what the PIP_* variables say; pip lowers the case of all behind PIP_."""
    return {
        key: Setting(value, Origin(name))
        for name, value in environ.items()
        if name.startswith("PIP_") and (key := _normal(name[4:])) in _OPTIONS
    }


def expand_user(path: str, environ: Mapping[str, str]) -> str:
    """Return `path` with `~` expanded as the tool does that gets this environment."""
    if os.name == "posix" and "HOME" in environ and (path == "~" or path.startswith("~/")):
        return (environ["HOME"].rstrip("/") + path[1:]) or "/"
    return os.path.expanduser(path)


def _path(setting: Setting[str] | None, environ: Mapping[str, str]) -> Setting[Path] | None:
    """Return a path as pip opens it: relative to the current directory, not to the file."""
    if setting is None:
        return None
    if "\0" in setting.value:
        raise ConfigurationError(f"{setting.origin}: a path cannot hold a NUL", hint=_HINT)
    mistake = not_a_path(setting.value)
    if mistake is not None:
        raise ConfigurationError(f"{setting.origin}: {setting.value} is {mistake}", hint=PATH_HINT)
    path = Path(expand_user(setting.value, environ))
    return Setting(path if path.is_absolute() else current_directory() / path, setting.origin)


def _list(setting: Setting[str] | None) -> tuple[Setting[str], ...]:
    """Return the parts of a value that pip splits at whitespace; the whole replaces a list."""
    if setting is None:
        return ()
    return tuple(Setting(part, setting.origin) for part in setting.value.split())
