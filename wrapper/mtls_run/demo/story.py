"""What the demo says on standard output: headings, commands, and what they answered.

The words alone carry the meaning. Colour is laid over them at a terminal that wants it, and no
line is ever rewritten, so that a log of the demo reads like the terminal did.
"""

from __future__ import annotations

import os
import sys
import textwrap
from typing import TYPE_CHECKING, TextIO

from mtls_run.output import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_BOLD = "\033[1m"
_DIM = "\033[2m"
_GREEN = "\033[32m"
_RED = "\033[31m"
_RESET = "\033[0m"
_WIDTH = 88


class Story:
    """Writes the story's kinds of line to a stream."""

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        self._stream = stream
        self._colour = colour
        self._steps = 0

    @classmethod
    def on_stdout(cls) -> Story:
        """Return a story on standard output, in colour where that is a terminal that wants it."""
        return cls(sys.stdout, colour=wants_colour(sys.stdout, os.environ))

    def title(self, text: str) -> None:
        """Say what this is."""
        self._write(text, _BOLD)

    def step(self, text: str) -> None:
        """Begin the next numbered step."""
        self._steps += 1
        self._write("")
        self._write(f"{self._steps}. {text}", _BOLD)

    def end(self, text: str) -> None:
        """Say the last word."""
        self._write("")
        self._write(text)

    def say(self, text: str) -> None:
        """Say something in sentences."""
        for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False, break_long_words=False):
            self._write(f"   {line}")

    def show(self, text: str) -> None:
        """Show lines as they are: a file, a table."""
        for line in text.splitlines():
            self._write(f"     {line}".rstrip())

    def command(self, text: str) -> None:
        """Show a command as a user would type it."""
        self._write(f"   $ {text}", _BOLD)

    def output(self, line: str) -> None:
        """Show a line that a command wrote; no control character of it moves the cursor."""
        self._write(f"   | {printable(line.expandtabs())}".rstrip(), _DIM)

    def good(self, text: str) -> None:
        """Say that something went as it should."""
        self._write(f"   => {text}", _GREEN)

    def refused(self, text: str) -> None:
        """Say that something was refused, as it should be."""
        self._write(f"   => {text}", _RED)

    def _write(self, text: str, style: str = "") -> None:
        """Write one line, with `?` for what the stream's encoding lacks."""
        encoding = self._stream.encoding or "ascii"
        plain = text.encode(encoding, "replace").decode(encoding)
        line = f"{style}{plain}{_RESET}" if self._colour and style and plain else plain
        self._stream.write(line + "\n")
        self._stream.flush()


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether to colour what goes to this stream.

    Not where `NO_COLOR` holds anything (no-color.org), and not in a console of Windows that may
    show the escape sequences as they are.
    """
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb" or not stream.isatty():
        return False
    return os.name != "nt" or "WT_SESSION" in environ
