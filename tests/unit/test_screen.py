"""Text for a terminal: its width, `~`, marks and colours."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run.output.screen import Row, Screen

NARROW = Screen(width=40, home="/home/a")


class Terminal(io.StringIO):
    """A stream that is a terminal without a size of its own."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the number of a descriptor that is none."""
        return -1


class AsciiTerminal(Terminal):
    """A terminal that shows no ✓."""

    encoding = "ascii"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"WT_SESSION": "1"}, True),
        ({}, False),
    ],
)
def test_when_colour(environ: dict[str, str], expected: bool) -> None:
    """Colour is used on a terminal that supports it, unless NO_COLOR is set."""
    assert Screen.of(Terminal(), environ).colour is expected
    assert not Screen.of(io.StringIO(), environ).colour


@pytest.mark.parametrize(
    ("columns", "expected"), [("100", 100), ("", 80), ("0", 80), ("wide", 80), ("3", 40)]
)
def test_width(columns: str, expected: int) -> None:
    """COLUMNS names the width; nothing is broken where there is no terminal."""
    assert Screen.of(Terminal(), {"COLUMNS": columns}).width == expected
    assert Screen.of(io.StringIO(), {"COLUMNS": columns}).width is None


def test_marks() -> None:
    """The marks are ASCII where the encoding has no others."""
    ranks = ("well", "warning", "error")
    assert [Screen.of(Terminal(), {}).mark(rank) for rank in ranks] == ["✓", "!", "✗"]
    assert [Screen.of(AsciiTerminal(), {}).mark(rank) for rank in ranks] == ["+", "!", "x"]
    assert Screen.of(AsciiTerminal(), {}).short("leaf ← CN=Root") == "leaf <- CN=Root"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/a/x.pem, of a", "~/x.pem, of a"),
        ("chmod 600 /home/a", "chmod 600 ~"),
        ("/home/a:/home/a/b", "~:~/b"),
        ("chmod 600 '/home/a/a b'", "chmod 600 '/home/a/a b'"),  # in quotes ~ is no home
        ("/home/alice/x", "/home/alice/x"),
        ("/mnt/home/a/x", "/mnt/home/a/x"),
    ],
)
def test_home(text: str, shown: str) -> None:
    """`~` stands for the home directory where it can be pasted, and on a terminal alone."""
    assert NARROW.short(text) == shown
    assert Screen().short(text) == text


@given(st.lists(st.text(min_size=1, max_size=30)))
def test_wrapped(words: list[str]) -> None:
    """Every word is whole; a line is longer than the screen only if one word is."""
    text = " ".join(words)
    lines = NARROW.wrapped(text, first="head: ")
    assert " ".join(lines).split() == f"head: {NARROW.short(text)}".split()
    assert all(len(line) <= 40 or len(line.removeprefix("head:").split()) == 1 for line in lines)


def test_commands_stay_whole() -> None:
    """A command in an advice is on one line, however long it is."""
    command = "mtls-run profile add corp --client-cert FILE --default"
    assert NARROW.advice(f"create one with all that it needs: {command}; or stop") == [
        "create one with all that it needs:",
        f"    {command};",
        "    or stop",
    ]


def test_command() -> None:
    """The lines of a command are one command to a shell."""
    words = ["/home/a/bin/uv", "pip", "install", "'a b'", "--index-url", "https://x.example/"]
    assert NARROW.command(words, first="runs  ", indent=6) == [
        "runs  ~/bin/uv pip install 'a b' \\",
        "      --index-url https://x.example/",
    ]


def test_rows() -> None:
    """A label stands once, what is too long goes on below the value, and the origin follows."""
    rows = [
        Row("", "ca-cert", "a b", "default"),
        Row("", "ca-cert", "one two three four five six seven", "/home/a/config.toml:3"),
    ]
    assert NARROW.rows(rows) == [
        "ca-cert  a b                     default",
        "         one two three four five six",
        "         seven           ~/config.toml:3",
    ]


def test_table() -> None:
    """A table that is too wide wraps its widest column, and leaves the others."""
    rows = [("NAME", "STATE", "FILE"), ("corp", "expired 2 days ago", "one two three four")]
    assert NARROW.table(rows) == [
        "NAME  STATE             FILE",
        "corp  expired 2 days    one two three",
        "      ago               four",
    ]
    assert Screen().table(rows)[1] == "corp  expired 2 days ago  one two three four"


def test_table_with_names_cut_off() -> None:
    """A name is cut off so that a row takes one line, at least as wide as it stays readable."""
    name = "CN=alice@engineering.example"
    rows = [("NAME", "SUBJECT", "STATE"), ("corp", name, "✗ key mismatch")]
    assert NARROW.table(rows, cut=(1,)) == [
        "NAME  SUBJECT             STATE",
        "corp  CN=alice@engineer…  ✗ key mismatch",
    ]
    assert Screen().table(rows, cut=(1,))[1] == f"corp  {name}  ✗ key mismatch"
