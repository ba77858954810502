"""What the demo writes to standard output: headings, commands, and what the commands wrote.

The words carry the meaning. A terminal gets colour as well. No line is rewritten, so a log of the
demo reads like the terminal.
"""

from __future__ import annotations

import os
import sys
import textwrap
from typing import TYPE_CHECKING, TextIO

from mtls_run.output import answer, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_BOLD = "\033[1m"
_DIM = "\033[2m"
_GREEN = "\033[32m"
_RED = "\033[31m"
_RESET = "\033[0m"
_WIDTH = 88


class Transcript:
    """Writes each kind of line to standard output."""

    def __init__(self, *, colour: bool | None = None) -> None:
        self._colour = wants_colour(sys.stdout, os.environ) if colour is None else colour
        self._steps = 0

    def title(self, text: str) -> None:
        """Write the title."""
        self._write(text, _BOLD)

    def step(self, text: str) -> None:
        """Begin the next numbered step."""
        self._steps += 1
        self._write("")
        self._write(f"{self._steps}. {text}", _BOLD)

    def end(self, text: str) -> None:
        """Write the last line."""
        self._write("")
        self._write(text)

    def say(self, text: str) -> None:
        """Write sentences, wrapped."""
        for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False, break_long_words=False):
            self._write(f"   {line}")

    def show(self, text: str) -> None:
        """Write lines as they are: a file, a table."""
        for line in text.splitlines():
            self._write(f"     {line}".rstrip())

    def command(self, text: str) -> None:
        """Write a command as a user would type it."""
        self._write(f"   $ {text}", _BOLD)

    def output(self, line: str) -> None:
        """Write a line of a command's output. Its control characters do not move the cursor."""
        self._write(f"   | {printable(line.expandtabs())}".rstrip(), _DIM)

    def good(self, text: str) -> None:
        """Write that a step succeeded."""
        self._write(f"   => {text}", _GREEN)

    def refused(self, text: str) -> None:
        """Write that the index refused a tool, as it should."""
        self._write(f"   => {text}", _RED)

    def _write(self, text: str, style: str = "") -> None:
        answer(f"{style}{text}{_RESET}" if self._colour and style and text else text)
        if sys.stdout is not None:
            sys.stdout.flush()


def wants_colour(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Return whether to colour what goes to this stream.

    NO_COLOR is honoured (no-color.org). A console of Windows other than Windows Terminal may print
    the escape sequences.
    """
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    if stream is None or not stream.isatty():
        return False
    return os.name != "nt" or "WT_SESSION" in environ
