"""The manual page says what the help says; `python -m tests.pages.manual` writes it."""

from __future__ import annotations

import re

from mtls_run import commands
from tests.pages import manual

WRITE = "write docs/mtls-run.1 anew: python -m tests.pages.manual"
PAGE = manual.PAGE.read_text(encoding="utf-8").replace("\\-", "-")


def test_it_has_every_command() -> None:
    """Each command has a section, and no other."""
    found = re.findall(r"^\.SS mtls-run (.*)$", PAGE, re.MULTILINE)
    assert found == manual.names(), WRITE


def test_it_has_every_option() -> None:
    """A section has the options of that command's help. Versions of click wrap it otherwise."""
    options = r"(?<![\w-])--?[a-z][\w-]*"
    for name in manual.names():
        section = PAGE.partition(f".SS mtls-run {name}\n")[2].partition("\n.SS ")[0]
        said = set(re.findall(options, manual.help_of(name)))
        assert set(re.findall(options, section)) == said, (name, WRITE)


def test_help_fits_a_terminal() -> None:
    """No line of a help is longer than 80 columns, but one to be pasted into PowerShell."""
    texts = [commands.HELP.format(file=""), *map(manual.help_of, manual.names())]
    lines = [line for text in texts for line in text.splitlines() if len(line) > 80]
    assert [line for line in lines if "Get-Command" not in line] == []
