"""What the demo writes to standard output: headings, commands, and what the commands wrote.

The words carry the meaning. A terminal gets colour as well. No line is rewritten, so a log of the
demo reads like the terminal.
"""

from __future__ import annotations

import os
import sys
import textwrap

from mtls_run.output import answer
from mtls_run.output.screen import BOLD, COLOURS, DIM, Screen
from mtls_run.output.text import printable

_WIDTH = 88


class Transcript:
    """Writes each kind of line to standard output."""

    def __init__(self) -> None:
        self._screen = Screen.of(sys.stdout, os.environ)
        self._steps = 0

    def title(self, text: str) -> None:
        """Write the title."""
        self._write(text, BOLD)

    def step(self, text: str) -> None:
        """Begin the next numbered step."""
        self._steps += 1
        self._write("")
        self._write(f"{self._steps}. {text}", BOLD)

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
        self._write(f"   $ {text}", BOLD)

    def output(self, line: str) -> None:
        """Write a line of a command's output. Its control characters do not move the cursor."""
        self._write(f"   | {printable(line.expandtabs())}".rstrip(), DIM)

    def good(self, text: str) -> None:
        """Write that a step succeeded."""
        self._write(f"   => {text}", COLOURS["well"])

    def refused(self, text: str) -> None:
        """Write that the index refused a tool, as it should."""
        self._write(f"   => {text}", COLOURS["error"])

    def _write(self, text: str, style: str = "") -> None:
        answer(self._screen.paint(style, text))
        if sys.stdout is not None:
            sys.stdout.flush()
