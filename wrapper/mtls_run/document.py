"""A TOML file as it was read: its bytes, its tables, and the line where each value stands."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError
from .files import read_file
from .origin import FileOrigin

if TYPE_CHECKING:
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# A configuration is written by hand. What is larger is something else, and is not read whole.
LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class Document:
    """One parsed TOML file; decisions are made on these bytes, never on a second reading."""

    path: Path
    content: bytes = field(repr=False)
    tables: dict[str, Any] = field(repr=False)

    def origin(self, *keys: str | int) -> FileOrigin:
        """Return where the value under `keys` stands."""
        return FileOrigin(str(self.path), self, keys)

    def line_of(self, keys: tuple[str | int, ...]) -> int:
        """Return the 1-based line that says the value under `keys`.

        tomllib keeps no positions, so the document is asked for them by its own grammar: the
        shortest run of leading lines that parses and has the value ends with its statement.
        """
        text = self.content.decode("utf-8-sig", "replace")
        lines = [line + "\n" for line in text.split("\n")]
        missing, present = 0, len(lines)
        while present - missing > 1:
            middle = (missing + present) // 2
            if _has(_whole_statements(lines, middle)[1], keys):
                present = middle
            else:
                missing = middle
        first = _whole_statements(lines, present - 1)[0]
        while first < present - 1 and lines[first].lstrip()[:1] in ("", "#"):
            first += 1
        return first + 1


def read(path: Path, *, what: str = "configuration") -> Document | None:
    """Return the TOML file at `path`, or None where there is none.

    Raises ConfigurationError, naming file and line, for a file that is not a readable, regular,
    UTF-8 file of valid TOML.
    """
    content = read_regular(path, what=what)
    if content is None:
        return None
    return parse(path, content, what=what)


def read_regular(path: Path, *, what: str) -> bytes | None:
    """Return the bytes of the regular file at `path`, or None where there is none."""
    try:
        content = read_file(path, LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the {what} {path}: {error.strerror or error}"
        ) from None
    if content is None:
        raise ConfigurationError(f"the {what} {path} is larger than {LARGEST // 1024 // 1024} MiB")
    return content


def parse(path: Path, content: bytes, *, what: str = "configuration") -> Document:
    """Return `content` as the TOML document that stands at `path`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}:{line}: the {what} is not UTF-8") from None
    try:
        return Document(path, content, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        line = _error_line(str(error), text)
        raise ConfigurationError(
            f"{path}:{line}: the {what} is not valid TOML: {error}",
            hint="strings stand in quotes, tables in [brackets]; see https://toml.io",
        ) from None
    except RecursionError:
        raise ConfigurationError(f"the {what} {path} is nested too deeply") from None


def _error_line(message: str, text: str) -> int:
    """Return the line of a TOML error; tomllib says it in words only ("at line 3, column 5")."""
    found = re.search(r"at line (\d+)", message)
    return int(found.group(1)) if found else text.count("\n") + 1


def _whole_statements(lines: list[str], count: int) -> tuple[int, dict[str, Any]]:
    """Return how many of the first `count` lines are whole statements, and what these say.

    Inside an array or a string over several lines nothing parses, so it steps back to its start.
    """
    for whole in range(count, 0, -1):
        try:
            return whole, tomllib.loads("".join(lines[:whole]))
        except tomllib.TOMLDecodeError:
            continue
    return 0, {}


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
