"""Write docs/mtls-run.1, the manual page, from the help: `python -m tests.pages.manual`."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
from pathlib import Path

from mtls_run import cli, commands
from mtls_run.commands import Context
from mtls_run.output import Reporter

PAGE = Path(__file__).parents[2] / "docs" / "mtls-run.1"
_FILE = "~/.config/mtls-run/config.toml"
# The sections of the page, by the word that the part of the general help begins with.
_SECTIONS = {
    "usage": "SYNOPSIS",
    "examples": "EXAMPLES",
    "options": "OPTIONS",
    "subcommands": "SUBCOMMANDS",
    "The": "CONFIGURATION",
}


def help_of(command: str) -> str:
    """Return what `mtls-run COMMAND --help` prints."""
    name, *words = command.split()
    module = importlib.import_module(f"mtls_run.commands.{name}")
    context = Context(cli.parse(()).options, os.environ, Reporter())
    shown = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    with contextlib.redirect_stdout(shown):
        module.run((*words, "--help"), context)
    shown.seek(0)
    return shown.read()


def names() -> list[str]:
    """Return every command, those of a group after it."""
    found = []
    for name in cli.SUBCOMMANDS:
        listed = help_of(name).partition("\nCommands:\n")[2].partition("\n\n")[0]
        words = re.findall(r"^  (\w+)", listed, re.MULTILINE)
        found += [name, *(f"{name} {word}" for word in words)]
    return found


def page() -> str:
    """Return the manual page."""
    first, *parts = commands.HELP.format(file=_FILE).split("\n\n")
    lines = ['.TH MTLS-RUN 1 "" mtls-run', ".SH NAME", _text(first.replace(" runs", " \\- run", 1))]
    for part in parts:
        title = _SECTIONS[re.split(r"\W", part)[0]]
        lines += [f".SH {title}", *_as_it_is(part.removeprefix(f"{title.lower()}:\n"))]
    lines.append(".SH COMMANDS")
    for name in names():
        lines += [f".SS mtls\\-run {name}", *_as_it_is(help_of(name))]
    return "\n".join(lines) + "\n"


def _as_it_is(text: str) -> list[str]:
    return [".nf", *map(_text, text.strip("\n").splitlines()), ".fi"]


def _text(line: str) -> str:
    """Return a line for troff, where a backslash, a hyphen and a dot at the start mean more."""
    kept = line.rstrip().replace("\\- ", "\0").replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", kept.replace("\0", "\\- "))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
