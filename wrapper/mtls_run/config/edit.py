"""Edit the text of a configuration file, and change nothing else in it.

tomlkit keeps the comments and the spacing of a table, but not of a whole document. It takes a
comment above a header for the end of the table before. It also moves [profiles.b] up to
[profiles.a] where [[directories]] stand between the two (tomlkit 0.12.4 to 0.15.2). So the text is
cut at its headers, and tomlkit edits one table at a time.
"""

from __future__ import annotations

import codecs
import contextlib
import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Union

import tomlkit
from tomlkit.exceptions import TOMLKitError

from mtls_run.config.document import loads, tables_or_none
from mtls_run.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Callable

    # tomllib's tables or tomlkit's.
    Table = MutableMapping[str, Any]

Keys = tuple[Union[str, int], ...]
# The keys of a profile: strings, lists of strings, or a table with one of these.
Values = dict[str, Any]


def set_default(content: bytes, name: str) -> bytes:
    """Return `content` with this default-profile."""

    def change(tables: Table) -> None:
        tables["default-profile"] = name

    def edit(sections: list[_Section]) -> None:
        top = sections[0]
        if top.body:
            top.edit(change)
            return
        # A blank line ends the comment on the file; any other comment is on what follows it.
        lines = _lines(top.tail)
        start = next((at for at, line in enumerate(lines, 1) if not line.strip()), 0)
        blank = "\n" if lines[start:] or sections[1:] else ""
        top.body = "".join(lines[:start]) + tomlkit.dumps({"default-profile": name}) + blank
        top.tail = "".join(lines[start:])

    return _edited(content, edit, change)


def put_profile(content: bytes, name: str, values: Values) -> bytes:
    """Return `content` with a profile `name` that has `values` and no other keys."""
    path: Keys = ("profiles", name)

    def change(tables: Table) -> None:
        tables.setdefault("profiles", {})[name] = values

    def edit(sections: list[_Section]) -> None:
        own = [section for section in sections if section.path == path]
        for section in own:
            section.edit(partial(_overwrite, values=values))
        _drop([section for section in sections if section not in own], path)
        if not own:
            header = f"[{tomlkit.key(('profiles', name)).as_string()}]\n"
            keys = {key: _item(value) for key, value in values.items()}
            before = "".join(map(str, sections))
            blank = "\n" if before.strip() and not before.endswith("\n\n") else ""
            sections.append(_Section(blank + header + tomlkit.dumps(keys)))

    return _edited(content, edit, change)


def drop(content: bytes, *paths: Keys) -> bytes:
    """Return `content` without the values at `paths`; comments around them stay."""
    # Backwards, so that the numbers of the entries of [[directories]] stay right.
    for path in sorted(paths, key=lambda keys: str(keys[-1]).zfill(9), reverse=True):
        content = _edited(content, partial(_drop, path=path), partial(_delete, path=path))
    return content


class _Section:
    """A part of the text: one header with its keys, then the comments up to the next header.

    `path` leads to its table. It is empty for the keys above the first header.
    """

    def __init__(self, text: str, path: Keys = ()) -> None:
        lines = _lines(text)
        end = len(lines)
        while end and lines[end - 1].strip()[:1] in ("", "#"):
            end -= 1
        # A line like a comment may end a string.
        while tables_or_none("".join(lines[:end])) is None:
            end += 1
        self.body, self.tail, self.path = "".join(lines[:end]), "".join(lines[end:]), path

    def __str__(self) -> str:
        return self.body + self.tail

    def edit(self, change: Callable[[Table], None]) -> None:
        """Make a change of the table with tomlkit."""
        document = tomlkit.parse(self.body)
        table: Any = document
        for key in self.path:
            table = table[0 if isinstance(key, int) else key]
        change(table)
        self.body = tomlkit.dumps(document)


def _cut(text: str) -> list[_Section]:
    """Return the sections of a valid TOML text; the first one has the keys above every header."""
    first, *others = re.split(r"^(?=[ \t]*\[)", text, flags=re.MULTILINE)
    texts = [first]
    for part in others:
        if tables_or_none(texts[-1]) is None:
            texts[-1] += part  # this line was inside an array or a string
        else:
            texts.append(part)
    entries: Counter[Keys] = Counter()
    return [_Section(texts[0]), *(_Section(part, _path(part, entries)) for part in texts[1:])]


def _path(text: str, entries: Counter[Keys]) -> Keys:
    """Return the path of the header that `text` begins with; `entries` counts those of [[…]]."""
    path: Keys = ()
    tables: Any = loads(_lines(text)[0])
    while tables:
        ((key, tables),) = tables.items()
        path += (key,)
        if isinstance(tables, list):
            path, (tables,) = (*path, entries[path]), tables
            entries[path[:-1]] += 1
    return path


def _drop(sections: list[_Section], path: Keys) -> None:
    """Remove the value at `path` from the sections."""
    before = ""
    for section in sections:
        was, depth = section.body, len(section.path)
        if section.path[: len(path)] == path:
            section.body = ""
        elif section.path == path[:depth] and section.body:
            with contextlib.suppress(LookupError):  # it is in another section
                section.edit(partial(_delete, path=path[depth:]))
        if was and not section.body and (not before or before.endswith("\n\n")):
            section.tail = section.tail.lstrip("\n")
        before += str(section)


def _delete(tables: Table, path: Keys) -> None:
    value: Any = tables
    for key in path[:-1]:
        value = value[key]
    del value[path[-1]]


def _overwrite(table: Table, values: Values) -> None:
    for key in [key for key in table if key not in values]:
        del table[key]
    for key, value in values.items():
        if table.get(key) != value:  # a value that stays keeps its spelling
            table[key] = _item(value)


def _item(value: object) -> object:
    """Return a value on one line: tables, also those in a list, become inline tables."""
    if isinstance(value, list):
        array = tomlkit.array()
        array.extend(map(_item, value))
        return array
    if not isinstance(value, dict):
        return value
    table = tomlkit.inline_table()
    table.update({key: _item(detail) for key, detail in value.items()})
    return table


def _lines(text: str) -> list[str]:
    """Return the lines; `str.splitlines` would also cut at U+2028, which TOML allows in a line."""
    return re.findall(r"[^\n]*\n", text)


def _edited(
    content: bytes,
    edit: Callable[[list[_Section]], None],
    change: Callable[[Table], None],
) -> bytes:
    """Return `content` after `edit`; raise where its values are not those that `change` makes."""
    bom = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
    text = content[len(bom) :].decode("utf-8")
    expected = loads(text)
    change(expected)
    if expected == loads(text):
        return content
    is_crlf = "\r\n" in text and text.count("\r\n") == text.count("\n")
    if is_crlf:
        text = text.replace("\r\n", "\n")
    if text and not text.endswith("\n"):
        text += "\n"
    after = None
    with contextlib.suppress(TOMLKitError, ValueError):
        sections = _cut(text)
        edit(sections)
        text = "".join(map(str, sections))
        after = tables_or_none(text)
    if after is None or _pruned(after) != _pruned(expected):
        raise ConfigurationError(
            "cannot edit this configuration without changing more of it",
            hint="make the change by hand: mtls-run profile edit",
        )
    if is_crlf:
        text = text.replace("\n", "\r\n")
    return bom + text.encode("utf-8")


def _pruned(tables: dict[str, Any]) -> dict[str, Any]:
    """Return the tables without `profiles` and `directories` where these are empty."""
    return {
        key: value
        for key, value in tables.items()
        if value or key not in ("profiles", "directories")
    }
