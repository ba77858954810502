"""Read a TOML file, and find the line of each value."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mtls_run.config.origin import Origin

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from mtls_run.errors import ConfigurationError
from mtls_run.system.files import read_file

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from mtls_run.cache.dependencies import Dependencies

# A configuration is written by hand. A larger file is something else: do not read it whole.
LARGEST = 1024 * 1024
# A key in more parts takes tomllib time by their square: a file of one key would take hours
# (Python 3.11 to 3.14).
_MOST_PARTS = 200
_OF_TOML = "put strings in quotes and table names in [brackets]; see https://toml.io"
_IN_SINGLE_QUOTES = r"put a path with backslashes in single quotes: 'C:\pki\alice.p12'"
_WINDOWS_PATH = r'"(?:[A-Za-z]:\\|\\\\|~\\)'
# Compiled on first use: most runs need neither.
_BETWEEN_KEYS = r"[=,\[\]{}]|\.{2,}"
# Strings, comments, brackets and line ends, as far as it takes to see where a statement ends. An
# escaped quote ends no basic string, and in three quotes the last three of up to five end it.
_TOKENS = (
    r'"""(?:\\.|[^\\])*?"""'
    r"|'''.*?'''"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*|[\[\]{}\n]|[^\s\[\]{}\"'#]+"
)


@dataclass(frozen=True)
class FileOrigin(Origin):
    """A value in a TOML file. The line is looked up on first use."""

    document: Document
    keys: tuple[str | int, ...]

    def __str__(self) -> str:
        """Return `FILE:LINE`."""
        return f"{self.text}:{self.document.line_of(self.keys)}"


@dataclass(frozen=True, eq=False)
class Document:
    """Hold one parsed TOML file and the bytes that it was parsed from.

    `name` is what messages call it, where that is not its path.
    """

    path: Path
    content: bytes = field(repr=False)
    tables: dict[str, Any] = field(repr=False)
    name: str | None = None

    def origin(self, *keys: str | int) -> FileOrigin:
        """Return the origin of the value under `keys`."""
        return FileOrigin(self.name or str(self.path), self, keys)

    def line_of(self, keys: tuple[str | int, ...]) -> int:
        """Return the 1-based line of the value under `keys`.

        tomllib keeps no positions, so it is asked for them: of the document's first statements, the
        smallest number that has the value ends with the one that says it.
        """
        lines = self.content.decode("utf-8-sig", "replace").split("\n")
        starts = statement_lines("\n".join(lines))
        missing, present = 0, len(starts)
        while present - missing > 1:
            middle = (missing + present) // 2
            if _has(tables_or_none("\n".join([*lines[: starts[middle]], ""])), keys):
                present = middle
            else:
                missing = middle
        return starts[present - 1] + 1


def table(value: object, *keys: str) -> dict[str, Any]:
    """Return the table under `keys`, empty where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def loads(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text; raises ValueError and RecursionError as tomllib does."""
    return tomllib.loads(text)


def statement_lines(text: str) -> list[int]:
    """Return the 0-based line on which each statement of a valid TOML document starts.

    A statement is a header, or a key with its value; arrays, and strings in three quotes, may go
    over several lines. Blank lines and comments are none.
    """
    starts: list[int] = []
    line, depth, is_open = 0, 0, False
    for token in re.finditer(_TOKENS, text, re.DOTALL):
        kind = token.group()
        if kind == "\n":
            line += 1
            is_open = is_open and depth > 0
            continue
        if not kind.startswith("#") and not is_open:
            starts.append(line)
            is_open = True
        depth += (kind in ("[", "{")) - (kind in ("]", "}"))
        line += kind.count("\n")
    return starts


def read(
    path: Path, *, what: str = "configuration", rests_on: Dependencies | None = None
) -> Document | None:
    """Return the TOML file at `path`, or None where there is none.

    Raises ConfigurationError, naming file and line, for a file that is not a readable, regular,
    UTF-8 file of valid TOML.
    """
    content = read_regular(path, what=what, rests_on=rests_on)
    return None if content is None else parse(path, content, what=what)


def read_regular(path: Path, *, what: str, rests_on: Dependencies | None = None) -> bytes | None:
    """Return the bytes of the regular file at `path`, or None where there is none."""
    try:
        content = read_file(path, LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        if rests_on is not None:
            rests_on.file(path)
        return None
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the {what} {path}: {error.strerror or error}",
            hint="make it a regular file that you can read",
        ) from None
    if content is None:
        raise ConfigurationError(
            f"the {what} {path} is larger than {LARGEST // 1024 // 1024} MiB",
            hint="check that this is a configuration file",
        )
    if rests_on is not None:
        rests_on.content(path, content)
    return content


def parse(
    path: Path, content: bytes, *, what: str = "configuration", name: str | None = None
) -> Document:
    """Return `content` as the TOML document that stands at `path`; `name` is as in Document."""
    shown = name or path
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"{shown}:{line}: the {what} is not UTF-8", hint="save it as UTF-8"
        ) from None
    number = _line_of_many_parts(text)
    if number is not None:
        raise ConfigurationError(
            f"{shown}:{number}: the {what} has a key of more than {_MOST_PARTS} parts",
            hint="a profile is a table of plain values",
        )
    try:
        return Document(path, content, loads(text), name)
    except ValueError as error:  # TOMLDecodeError, and int's own for thousands of digits
        line = _error_line(str(error), text)
        has_windows_path = re.search(_WINDOWS_PATH, text.split("\n")[line - 1])
        raise ConfigurationError(
            f"{shown}:{line}: the {what} is not valid TOML: {error}",
            hint=_IN_SINGLE_QUOTES if has_windows_path else _OF_TOML,
        ) from None
    except RecursionError:
        raise ConfigurationError(
            f"the {what} {shown} is nested too deeply", hint="a profile is a table of plain values"
        ) from None


def _line_of_many_parts(text: str) -> int | None:
    """Return the number of the first line with a dotted key of too many parts, or None."""
    if text.count(".") <= _MOST_PARTS:
        return None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _MOST_PARTS and any(
            part.count(".") > _MOST_PARTS for part in re.split(_BETWEEN_KEYS, line)
        ):
            return number
    return None


def _error_line(message: str, text: str) -> int:
    """Return the line of a TOML error; tomllib says it in words only ("at line 3, column 5")."""
    found = re.search(r"at line (\d+)", message)
    return int(found.group(1)) if found else text.count("\n") + 1


def tables_or_none(text: str) -> dict[str, Any] | None:
    """Return the tables of a TOML text, or None if it is not valid."""
    try:
        return loads(text)
    except (ValueError, RecursionError):
        return None


def _has(tables: object, keys: tuple[str | int, ...]) -> bool:
    for key in keys:
        if isinstance(key, int):
            if not isinstance(tables, list) or key >= len(tables):
                return False
            tables = tables[key]
        elif isinstance(tables, dict) and key in tables:
            tables = tables[key]
        else:
            return False
    return True
