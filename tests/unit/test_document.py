"""A TOML file is read once, safely, and every value in it knows its line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run.config import document
from mtls_run.errors import ConfigurationError

TEXT = """\
# a comment with default-profile = "nobody"
default-profile = "corp" # line 2

trusted-directories = [ # line 4
  "~/a", # not = 5
  "default-profile = x",

]
[profiles."corp"] # line 9
# client-cert = "commented out"
"client-cert" = '''
roots = "inside a string"
'''
roots = "system" # line 14
passphrase = { command = ["op", # line 15
  "read"] }

[profiles.inline-parent]
ca-cert = [[], # line 19
 []]
[[directories]] # line 21
path = "~/src" # line 22
profile = "corp"
[[directories]] # line 24

path = "~/other" # line 26
[profiles]
dotted.roots = "none" # line 28
'quoted key' = { roots = "public" } # line 29
"""

LINES: list[tuple[tuple[str | int, ...], int]] = [
    (("default-profile",), 2),
    (("trusted-directories",), 4),
    (("profiles", "corp"), 9),
    (("profiles", "corp", "client-cert"), 11),
    (("profiles", "corp", "roots"), 14),
    (("profiles", "corp", "passphrase"), 15),
    (("profiles", "inline-parent"), 18),
    (("profiles", "inline-parent", "ca-cert"), 19),
    (("directories", 0), 21),
    (("directories", 0, "path"), 22),
    (("directories", 0, "profile"), 23),
    (("directories", 1), 24),
    (("directories", 1, "path"), 26),
]


def parse(text: str | bytes) -> document.Document:
    """Return the document of this text."""
    content = text.encode() if isinstance(text, str) else text
    return document.parse(Path("/etc/x.toml"), content)


@pytest.mark.parametrize("form", ["plain", "crlf", "bom", "no end of line"])
@pytest.mark.parametrize(("keys", "line"), LINES)
def test_line_of(keys: tuple[str | int, ...], line: int, form: str) -> None:
    """The line is that of the statement, past arrays and strings over several lines."""
    text = TEXT[: TEXT.index("[profiles]\n")]
    text = {
        "plain": text,
        "crlf": text.replace("\n", "\r\n"),
        "bom": "\ufeff" + text,
        "no end of line": text.rstrip("\n"),
    }[form]
    assert parse(text).line_of(keys) == line


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        ("\n\nprofiles.corp = { roots = 'x' }\n", ("profiles", "corp", "roots"), 3),
        ("[profiles]\ncorp.roots = 1\ncorp.extends = 2\n", ("profiles", "corp", "extends"), 3),
        ('"a\\u0062" = 1\nab2 = 1', ("ab",), 1),
        ("a = 1 # b = 2\nb = 3", ("b",), 2),
        ('a = """\nb = 1\n"""\nb = 2\n', ("b",), 4),
        ("a = [\n  [1],\n  [2],\n]\nb = 2\n", ("b",), 5),
        ("x = 1\n[t]\n[t.u]\nx = 1\n", ("t", "u", "x"), 4),
        ("a = { path = '1' }\n", ("a", "path"), 1),
        ("directories = [\n {path = '1'},\n]\n", ("directories", 0, "path"), 1),
    ],
)
def test_line_of_other_forms(text: str, keys: tuple[str | int, ...], line: int) -> None:
    """Dotted keys, escapes, inline tables and strings that look like keys are told apart."""
    document_ = parse(text)
    assert document_.line_of(keys) == line
    assert str(document_.origin(*keys)) == f"/etc/x.toml:{line}"


VALUES = st.sampled_from(
    ["1", "'x'", '"""\nk0 = 1\n"""', "'''\n[t]\n'''", "[\n1,\n\n2]", "{ k1 = 2 }", "[ # k0 = 1\n]"]
)
KEYS = st.sampled_from(["k0", "k1", '"k2"', "'k3'", "k4", '"k\\u0035"'])
FILLER = st.sampled_from(["", "\n", "# k0 = 1\n", "  # x\n\n"])


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[tuple[str, ...], int]]:
    """Return a document, and the line that each of its keys was written on."""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = draw(st.sampled_from(["", "\ufeff"]))
    lines: dict[tuple[str, ...], int] = {}
    for table in (None, "t", "u"):
        if table is not None:
            text += draw(FILLER)
            lines[(table,)] = text.count("\n") + 1
            text += f"[{table}]\n"
        for key in draw(st.lists(KEYS, unique=True, max_size=5)):
            text += draw(FILLER)
            name = key.strip("\"'").replace("\\u0035", "5")
            lines[(name,) if table is None else (table, name)] = text.count("\n") + 1
            text += f"{key} = {draw(VALUES)}\n"
    return text.replace("\n", end), lines


@given(documents())
def test_line_of_agrees_with_how_it_was_written(
    found: tuple[str, dict[tuple[str, ...], int]],
) -> None:
    """For every key of a random document the line is the one it was written on."""
    text, lines = found
    document_ = parse(text)
    assert {keys: document_.line_of(keys) for keys in lines} == lines


@given(documents())
def test_line_of_agrees_with_a_search(found: tuple[str, dict[tuple[str, ...], int]]) -> None:
    """The line begins the shortest run of whole statements that has the value, tried one by one."""
    text, lines = found
    document_ = parse(text)
    for keys in lines:
        assert document_.line_of(keys) == searched(text, keys)


def searched(text: str, keys: tuple[str, ...]) -> int:
    """Return the line of the statement that adds `keys`, by reading line after line."""
    begin, rows = 0, text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    for end in range(1, len(rows) + 1):
        try:
            tables: Any = parse("\n".join(rows[:end]) + "\n").tables
        except ConfigurationError:
            continue  # within a statement
        for key in keys:
            tables = tables.get(key) if isinstance(tables, dict) else None
        if tables is not None:
            while not rows[begin].strip() or rows[begin].lstrip().startswith("#"):
                begin += 1
            return begin + 1
        begin = end
    raise AssertionError(f"{keys} is not there")


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there, or below a file, is no document and no error."""
    (tmp_path / "file").write_text("")
    assert document.read(tmp_path / "none.toml") is None
    assert document.read(tmp_path / "file" / "none.toml") is None


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n# nothing\n"])
def test_empty_file(tmp_path: Path, content: bytes) -> None:
    """A file that says nothing has no tables."""
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    found = document.read(path)
    assert found is not None
    assert found.tables == {}
    assert found.content == content


def test_what_is_no_file(tmp_path: Path) -> None:
    """A FIFO, a directory and a path with a NUL are errors at once, and nothing hangs."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(ConfigurationError, match=f"{fifo}: it is not a regular file"):
        document.read(fifo)
    with pytest.raises(ConfigurationError, match=f"cannot read the configuration {tmp_path}"):
        document.read(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot read the configuration"):
        document.read(tmp_path / "a\0b")
    with pytest.raises(ConfigurationError, match="cannot read the configuration /dev/zero"):
        document.read(Path("/dev/zero"))


def test_huge_file(tmp_path: Path) -> None:
    """Ten megabytes are not read whole."""
    path = tmp_path / "x.toml"
    path.write_bytes(b"#" * (10 * 1024 * 1024))
    with pytest.raises(ConfigurationError, match="is larger than 1 MiB"):
        document.read(path)


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"a = 1\nb = \xff\n", 2, "is not UTF-8"),
        ("a = 'é'".encode("utf-16"), 1, "is not UTF-8"),
        (b"a = 1\n\nb = = 2\n", 3, "is not valid TOML"),
        (b"a = 1\na = 2\n", 2, "is not valid TOML"),
        (b'a = "no end\n', 1, "is not valid TOML"),
        (b"[t]\nx = 1\n[t]\n", 3, "is not valid TOML"),
        (b'a = """\n\n', 3, "is not valid TOML"),
        (b"a = 1\n\0\n", 2, "is not valid TOML"),
        (b"a = [1,\n2\n", 3, "is not valid TOML"),
    ],
)
def test_broken_file(content: bytes, line: int, words: str) -> None:
    """What is not TOML in UTF-8 is named with file and line."""
    with pytest.raises(ConfigurationError) as caught:
        parse(content)
    assert caught.value.fact.startswith(f"/etc/x.toml:{line}: ")
    assert words in caught.value.fact


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (rb'"C:\Users\a.p12"', "put a path with backslashes in single quotes"),
        (rb'"\\srv\pki\a.p12"', "put a path with backslashes in single quotes"),
        (rb'"\q"', "put strings in quotes"),
    ],
)
def test_hint_for_backslashes(value: bytes, hint: str) -> None:
    """A path of Windows in double quotes gets a hint of its own."""
    with pytest.raises(ConfigurationError) as caught:
        parse(b"cert = " + value)
    assert caught.value.hint.startswith(hint)


def test_nested_too_deeply() -> None:
    """What is nested beyond reason is an error, not a crash."""
    with pytest.raises(ConfigurationError, match=r"/etc/x\.toml"):
        parse("a = " + "[" * 100_000)


def test_value_on_a_file_that_was_replaced(tmp_path: Path) -> None:
    """The line is told by the bytes that were read, though the file has changed since."""
    path = tmp_path / "x.toml"
    path.write_text("\n\na = 1\n")
    found = document.read(path)
    assert found is not None
    path.write_text("a = 1\n")
    assert found.line_of(("a",)) == 3
