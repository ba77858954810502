"""Edits of a configuration's text that leave every line alone that they are not about.

The text is cut into its statements, each a run of lines that TOML reads by itself. An edit drops,
replaces or adds whole statements; inside of one, tomlkit keeps comments and spacing. So comments,
order, quoting and line endings survive by construction, also where tomlkit alone would take a
comment that stands before the next table for the end of this one (tomlkit 0.15.2). Whatever was
done to the text is then compared to the same edit of its values: nothing else may have changed.
"""

from __future__ import annotations

import codecs
import re
import sys
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

from mtls_run.config.statements import (
    Keys,
    Statement,
    ended,
    inside,
    rendered,
    set_item,
    split,
    with_value,
)
from mtls_run.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Callable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Keys", "Values", "drop", "put_profile", "set_default"]

# What a profile's table is to say: strings, lists of strings, or a table with one of these.
Values = dict[str, Any]


def set_default(content: bytes, name: str) -> bytes:
    """Return `content` with this default-profile."""

    def set_name(tables: dict[str, Any]) -> None:
        tables["default-profile"] = name

    return _edited(content, lambda text: _set_top(text, "default-profile", name), set_name)


def put_profile(content: bytes, name: str, values: Values) -> bytes:
    """Return `content` with a profile `name` that says `values` and nothing else."""

    def set_values(tables: dict[str, Any]) -> None:
        tables.setdefault("profiles", {})[name] = values

    return _edited(content, lambda text: _put(text, name, values), set_values)


def drop(content: bytes, *paths: Keys) -> bytes:
    """Return `content` without what is said at `paths`; comments outside of it stay."""
    # From the back, so that the numbers of the entries of [[directories]] still hold.
    for path in sorted(paths, key=lambda keys: [str(key).zfill(9) for key in keys], reverse=True):
        content = _edited(content, partial(_drop, path=path), partial(_take_away, path=path))
    return content


def _take_away(tables: Any, path: Keys) -> None:  # noqa: ANN401 - TOML's tables and lists
    for key in path[:-1]:
        tables = tables[key]
    del tables[path[-1]]


def _edited(
    content: bytes, edit: Callable[[str], str], same: Callable[[dict[str, Any]], None]
) -> bytes:
    """Return `content` after `edit`; `same` does to its values what `edit` does to its text."""
    bom = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
    text = content[len(bom) :].decode("utf-8")
    expected = tomllib.loads(text)
    same(expected)
    after = edit(text)
    try:
        done = _pruned(tomllib.loads(after)) == _pruned(expected)
    except tomllib.TOMLDecodeError:
        done = False
    if not done:
        raise ConfigurationError(
            "this configuration is written in a way that cannot be edited without changing more",
            hint="make the change by hand: mtls-run profile edit",
        )
    return bom + after.encode("utf-8")


def _pruned(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the tables without the empty ones that stand for nothing."""
    return {
        key: value
        for key, value in deepcopy(dict(tables)).items()
        if value or key not in ("profiles", "directories")
    }


def _joined(parts: Sequence[Statement]) -> str:
    return "".join(part.text for part in parts)


def _line_end(text: str) -> str:
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"


def _set_top(text: str, key: str, value: str) -> str:
    parts = split(text)
    for index, part in enumerate(parts):
        if part.path[:1] == (key,) and (part.header or len(part.path) > 1):
            raise ConfigurationError(
                f"`{key}` is a table in the configuration, where it is to be a name",
                hint="take the table out: mtls-run profile edit",
            )
        if part.path == (key,):
            parts[index] = with_value(part, value)
            return _joined(parts)
    end = _line_end(text)
    line = Statement(f"{key} = {rendered(value)}{end}")
    blank = Statement(end)
    first = next((i for i, part in enumerate(parts) if part.header), len(parts))
    said = [i for i, part in enumerate(parts[:first]) if part.path]
    if said:
        parts[said[-1]] = ended(parts[said[-1]], end)
        parts.insert(said[-1] + 1, line)
        return _joined(parts)
    # Words at the top that a blank line sets off speak for the file; others for what follows them.
    words = next((i for i, part in enumerate(parts[:first]) if not part.text.strip()), None)
    at = 0 if words is None else words + 1
    parts[at:at] = [line, blank] if parts[at:] else [line]
    return _joined(parts)


def _put(text: str, name: str, values: Values) -> str:
    parts = split(text)
    path: Keys = ("profiles", name)
    for index, part in enumerate(parts):
        if part.holds(path):
            parts[index] = inside(part, path, lambda table, key: set_item(table, key, values))
            return _joined(parts)
    if not any(part.header and part.path == path for part in parts):
        return _appended(_drop(text, path), name, values)
    return _joined(_overwritten(parts, path, values, _line_end(text)))


def _appended(text: str, name: str, values: Values) -> str:
    end = _line_end(text)
    if text and not text.endswith("\n"):
        text += end
    if text.strip() and not text.endswith(end + end):
        text += end
    quoted = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'
    lines = [f"[profiles.{quoted}]", *_lines(values)]
    return text + "".join(line + end for line in lines)


def _overwritten(parts: list[Statement], path: Keys, values: Values, end: str) -> list[Statement]:
    """Return the statements with the table at `path`, which has a header, saying `values`."""
    left = dict(values)
    kept: list[Statement] = []
    last = 0  # where the next key of the table goes
    for part in parts:
        if not part.is_about(path):
            kept.append(part)
            continue
        if part.path == path:
            kept.append(ended(part, end))
        elif len(part.path) == len(path) + 1 and not part.header and part.path[-1] in left:
            kept.append(ended(with_value(part, left.pop(str(part.path[-1]))), end))
        else:
            continue
        last = len(kept)
    kept[last:last] = [Statement(line + end) for line in _lines(left)]
    return kept


def _drop(text: str, path: Keys) -> str:
    parts = split(text)
    kept: list[Statement] = []
    words: list[Statement] = []  # since the last statement; those inside of what goes, go with it
    going = False
    for part in parts:
        if not part.path:
            words.append(part)
            continue
        if part.is_about(path):
            kept += [] if going and not part.header else words
            going = True
        else:
            kept += _closed(kept, words) if going else words
            going = False
            if part.holds(path):
                part = inside(part, path, lambda table, key: table.__delitem__(key))  # noqa: PLW2901
            kept.append(part)
        words = []
    kept += _closed(kept, words) if going else words
    return _joined(kept)


def _closed(kept: list[Statement], words: list[Statement]) -> list[Statement]:
    """Return the words that follow what was taken away, without the blank lines that set it off."""
    if kept and kept[-1].text.strip():
        return words
    while words and not words[0].text.strip():
        words = words[1:]
    return words


def _lines(values: Values) -> list[str]:
    return [f"{key} = {rendered(value)}" for key, value in values.items()]
