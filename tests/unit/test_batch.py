"""The command line of a batch file leaves nothing for cmd.exe to run or expand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run.errors import ToolError
from mtls_run.system import batch

START = '"cmd.exe" /d /e:on /v:off /s /c ""t.cmd" '


def line(*arguments: str) -> str:
    """Return the command line after the batch file's name, without the outer quote."""
    found = batch.command_line("cmd.exe", "t.cmd", arguments)
    assert found.startswith(START)
    assert found.endswith('"')
    return found[len(START) : -1]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("install", "install"),
        ("C:\\dir\\", "C:\\dir\\"),
        ("", '""'),
        ("two words", '"two words"'),
        ("x==1", '"x==1"'),
        ("a&b", '"a&b"'),
        ("end of it\\", '"end of it\\\\"'),
        ('a\\"b', '"a\\\\""b"'),
        ('x" & echo INJECTED & "', '"x"" & echo INJECTED & """'),
    ],
)
def test_quoting(argument: str, expected: str) -> None:
    """What has a meaning for cmd.exe stands between quotes."""
    assert line(argument) == expected


@given(st.lists(st.text(st.characters(exclude_characters="%\r\n\0")), min_size=1))
def test_nothing_is_outside_quotes(arguments: list[str]) -> None:
    """By cmd.exe's own rule, a quote opens or closes: all that is special is inside."""
    found = line(*arguments)
    assert found.count('"') % 2 == 0
    outside = "".join(found.split('"')[::2])
    assert re.fullmatch(r"[A-Za-z0-9_./\\:@+ -]*", outside)


@pytest.mark.parametrize("argument", ["100%", "%PATH%", "a\nb", "a\rb", "a\0b"])
def test_refused(argument: str) -> None:
    """What no quoting keeps is refused, and not repeated: it may be a secret."""
    with pytest.raises(ToolError) as caught:
        line("install", argument)
    assert caught.value.status == 125
    assert argument not in caught.value.fact


@pytest.mark.parametrize(
    ("path", "expected"),
    [("t.cmd", True), ("T.BAT", True), ("t.cmd. .", True), ("t.exe", False), ("cmd", False)],
)
def test_is_batch(path: str, *, expected: bool) -> None:
    """By its extension, in any case; Windows drops dots and blanks at the end."""
    assert batch.is_batch(path) == expected
