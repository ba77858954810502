"""Text that fits a terminal: its width, `~` for the home directory, marks and colours.

On a terminal, a line that is too long goes on below, indented. Nothing but a name in a table is cut
off, and a word that is longer than the line stays whole, so that a path can be copied. Elsewhere no
line is broken and every path is written out. Control characters are shown as escapes.
"""

from __future__ import annotations

import os
import re
import textwrap
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from mtls_run.output.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import TextIO

BOLD, DIM = "1", "2"
COLOURS = {"error": "1;31", "warning": "33", "note": "36", "well": "32"}
_MARKS = {"well": "✓", "note": "✓", "warning": "!", "error": "✗", "": " "}
_ASCII_MARKS = {**_MARKS, "well": "+", "note": "+", "error": "x"}
_NARROWEST = 40
_NARROWEST_CELL = 12
_ORIGIN_COLUMN = 58
# In the advice to a person, these begin a command, which is not broken: it may be pasted.
_COMMAND = re.compile(
    r"(?<![\w-])(?:(?:mtls-run|openssl|chmod|export|unset|timedatectl) [^;,]*"
    r"|(?:if command|if \(Get|type -q).*)"
)
_UNBROKEN = "\0"  # stands for a space; `printable` leaves none in a text


class Row(NamedTuple):
    """A row: a mark (a rank, "well", or none), what it is about, its value, and its origin."""

    mark: str
    label: str
    value: str
    origin: str = ""


@dataclass(frozen=True)
class Screen:
    """Where the text goes. `width` is None if that is no terminal, `home` what `~` stands for."""

    width: int | None = None
    home: str = ""
    colour: bool = False
    ascii: bool = False

    @classmethod
    def of(cls, stream: TextIO | None, environ: Mapping[str, str]) -> Screen:
        """Return the screen that this stream writes to."""
        try:
            "✗".encode(getattr(stream, "encoding", None) or "ascii")
            is_ascii = False
        except (UnicodeError, LookupError):
            is_ascii = True
        if stream is None or not stream.isatty():
            return cls(ascii=is_ascii)
        home = environ.get("HOME") or os.path.expanduser("~")
        # cmd.exe knows no `~`.
        home = home.rstrip("/") if os.path.isabs(home) and os.name != "nt" else ""
        # Windows Terminal sets no TERM, and older consoles of Windows would print the escapes.
        terminal = environ.get("TERM") or ("xterm" if "WT_SESSION" in environ else "dumb")
        has_colour = not environ.get("NO_COLOR") and terminal != "dumb"
        return cls(max(_NARROWEST, _columns(stream, environ)), home, has_colour, is_ascii)

    def short(self, text: object) -> str:
        """Return the text with `~` for the home directory, where a shell would take it so."""
        shown = printable(str(text))
        if self.ascii:
            shown = shown.replace("←", "<-")
        if self.home:
            shown = re.sub(rf"(?<![\w/.='\"-]){re.escape(self.home)}(?![^/\\\s:,;)])", "~", shown)
        return shown

    def paint(self, colour: str, text: str) -> str:
        """Return the text in this colour, where there are any."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour and colour and text else text

    def mark(self, rank: str) -> str:
        """Return the mark of a rank, in one column."""
        return (_ASCII_MARKS if self.ascii else _MARKS)[rank]

    def advice(self, text: str, *, first: str = "", indent: int = 4) -> list[str]:
        """Return the text in lines that fit, but no command in it broken."""
        kept = _COMMAND.sub(lambda found: found[0].replace(" ", _UNBROKEN), self.short(text))
        return self._lines(kept, first, indent)

    def wrapped(self, text: object, *, first: str = "", indent: int = 4) -> list[str]:
        """Return the text in lines that fit: `first` before the first, the others indented."""
        return self._lines(self.short(text), first, indent)

    def command(self, words: Iterable[str], *, first: str = "", indent: int = 4) -> list[str]:
        """Return the words of a command in lines that a shell takes for one."""
        shown = [self.short(word) for word in words]
        if self.width is None or os.name == "nt":  # where no backslash joins two lines
            return [first + " ".join(shown)]
        lines, line = [], first
        for word in shown:
            blank = "" if line in (first, " " * indent) else " "
            if blank and len(line) + len(word) + len(" " + " \\") > self.width:
                lines.append(f"{line} \\")
                line, blank = " " * indent, ""
            line += blank + word
        return [*lines, line]

    def _lines(self, shown: str, first: str, indent: int) -> list[str]:
        if self.width is None:
            return [(first + shown).replace(_UNBROKEN, " ").rstrip()]
        lines = textwrap.wrap(
            shown,
            self.width,
            initial_indent=first,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        return [line.replace(_UNBROKEN, " ") for line in lines] or [first.rstrip()]

    def rows(self, rows: Sequence[Row], *, labels: int = 0, indent: int = 0) -> list[str]:
        """Return the rows in two columns, the first `labels` wide at least, then their origins.

        A label that is that of the row before is left out. A row that fails is coloured.
        """
        has_marks = any(row.mark for row in rows)
        labels = max([labels, *(len(row.label) for row in rows)]) + 2
        before, lines = None, []
        for row in rows:
            label = "" if row.label == before and not row.mark else row.label
            before = row.label
            mark = f"{self.mark(row.mark)} " if has_marks else ""
            head = " " * indent + f"{mark}{label:<{labels}}"
            shown = self.wrapped(row.value, first=head, indent=len(head))
            if row.mark in ("error", "warning"):
                shown = [self.paint(COLOURS[row.mark], line) for line in shown]
            lines += self._with_origin(shown, len(head), row.origin)
        return lines

    def _with_origin(self, lines: list[str], indent: int, origin: str) -> list[str]:
        """Return the lines with the origin after the last, or below it where it does not fit."""
        if not origin:
            return lines
        text = self.short(origin)
        gap = max(2, _ORIGIN_COLUMN + indent - len(lines[-1]))
        if self.width is not None:
            gap = max(2, min(gap, self.width - len(lines[-1]) - len(text)))
            if len(lines[-1]) + gap + len(text) > self.width:
                return [*lines, " " * indent + self.paint(DIM, text)]
        return [*lines[:-1], lines[-1] + " " * gap + self.paint(DIM, text)]

    def table(
        self,
        rows: Sequence[Sequence[str]],
        colours: Iterable[str] = (),
        *,
        cut: Collection[int] = (),
    ) -> list[str]:
        """Return the rows in columns that fit.

        The text in the columns `cut` is cut off for that. Where it is still too wide, the text of
        the widest column is wrapped.
        """
        shown = [[self.short(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(*shown)]
        self._narrow(widths, cut)
        self._narrow(widths, range(len(widths)))
        end = "..." if self.ascii else "…"
        lines: list[str] = []
        for row, colour in zip_longest(shown, colours, fillvalue=""):
            cells = [
                [_cut(cell, width, end)] if number in cut else textwrap.wrap(cell, width)
                for number, (cell, width) in enumerate(zip(row, widths))
            ]
            for parts in zip_longest(*cells, fillvalue=""):
                line = "  ".join(part.ljust(width) for part, width in zip(parts, widths)).rstrip()
                lines.append(self.paint(COLOURS.get(colour, ""), line))
        return lines

    def _narrow(self, widths: list[int], columns: Collection[int]) -> None:
        """Make the widest of these columns narrower until all of them fit, or until none may be."""
        while self.width is not None and sum(widths) + 2 * (len(widths) - 1) > self.width:
            widest = max(columns, key=widths.__getitem__, default=None)
            if widest is None or widths[widest] <= _NARROWEST_CELL:
                break
            widths[widest] -= 1


def _cut(text: str, width: int, end: str) -> str:
    return text if len(text) <= width else text[: width - len(end)] + end


def _columns(stream: TextIO, environ: Mapping[str, str]) -> int:
    """Return the width of the terminal, which COLUMNS may name."""
    named = environ.get("COLUMNS", "")
    if named.isdecimal() and int(named):
        return int(named)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
