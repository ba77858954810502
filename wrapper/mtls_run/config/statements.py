"""The statements of a TOML text, each a run of lines, and edits inside of one."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Union

import tomlkit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Callable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Keys = tuple[Union[str, int], ...]


@dataclass(frozen=True)
class Statement:
    """One statement with the ends of its lines: a key and value, a header, or words alone.

    `path` leads from the top of the document to what it says; it is empty for blank lines and
    comments. `key` is how much of that path its own key makes up.
    """

    text: str
    path: Keys = ()
    key: int = 0
    header: bool = False

    def is_about(self, path: Keys) -> bool:
        """Tell whether it says something at `path` or below, and nothing else."""
        return bool(self.path) and self.path[: len(path)] == path

    def holds(self, path: Keys) -> bool:
        """Tell whether its value, a table or list in one line, has `path` inside."""
        depth = len(self.path)
        return not self.header and 0 < depth < len(path) and path[:depth] == self.path


def split(text: str) -> list[Statement]:
    """Return the statements of a TOML document, which has to be valid; joined they are `text`."""
    found: list[Statement] = []
    table: Keys = ()
    entries: dict[Keys, int] = {}
    pending = ""
    for line in re.findall(r"[^\n]*\n|[^\n]+\Z", text):
        pending += line
        try:
            says = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue  # inside an array, or a string of several lines
        if pending.lstrip().startswith("["):
            table = _table(says, entries, is_entry=pending.lstrip().startswith("[["))
            found.append(Statement(pending, table, header=True))
        elif says:
            key = _key(pending)
            found.append(Statement(pending, (*table, *key), len(key)))
        else:
            found.append(Statement(pending))
        pending = ""
    return found


def _descend(says: Any) -> Iterator[str]:  # noqa: ANN401 - TOML's tables and lists
    while True:
        says = says[0] if isinstance(says, list) else says
        if not isinstance(says, dict) or not says:
            return
        ((key, says),) = says.items()
        yield key


def _table(says: Mapping[str, Any], entries: dict[Keys, int], *, is_entry: bool) -> Keys:
    """Return the path of a header; `entries` counts those of each [[…]]."""
    names = list(_descend(says))
    path: Keys = ()
    for depth, name in enumerate(names, start=1):
        path = (*path, name)
        if is_entry and depth == len(names):
            entries[path] = entries.get(path, -1) + 1
        if path in entries:
            path = (*path, entries[path])
    return path


def _key(text: str) -> Keys:
    """Return the key of a statement: what stands before the first `=` that ends one."""
    for found in re.finditer("=", text):
        try:
            return tuple(_descend(tomllib.loads(f"{text[: found.start()]}= 0")))
        except tomllib.TOMLDecodeError:
            continue  # the `=` stands in a quoted key
    raise AssertionError("a statement without a key")


def ended(part: Statement, end: str) -> Statement:
    """Return the statement with the end of its line, which the last one of a file may lack."""
    return part if part.text.endswith("\n") else replace(part, text=part.text + end)


def with_value(part: Statement, value: object) -> Statement:
    """Return the statement with another value, its comment kept."""
    return inside(part, part.path, lambda table, key: set_item(table, key, value))


def inside(part: Statement, path: Keys, edit: Callable[[Any, str | int], None]) -> Statement:
    """Return the statement after `edit` of the table or list in it that has `path`, by its key."""
    crlf = part.text.endswith("\r\n")
    document = tomlkit.parse(part.text.replace("\r\n", "\n") if crlf else part.text)
    *way, key = path[len(part.path) - part.key :]
    inner: Any = document
    for step in way:
        inner = inner[step]
    edit(inner, key)
    text = tomlkit.dumps(document)
    return replace(part, text=text.replace("\n", "\r\n") if crlf else text)


def set_item(table: Any, key: str | int, value: object) -> None:  # noqa: ANN401 - tomlkit's
    """Set a value, unless it is there already: a value that stays keeps its spelling."""
    if not isinstance(key, str) or key not in table or table[key] != value:
        table[key] = _item(value)


def _item(value: object) -> Any:  # noqa: ANN401 - tomlkit's items
    if not isinstance(value, dict):
        return tomlkit.item(value)
    table = tomlkit.inline_table()
    for key, inner in value.items():
        table[key] = _item(inner)
    return table


def rendered(value: object) -> str:
    """Return the value as TOML, in one line."""
    return str(_item(value).as_string())
