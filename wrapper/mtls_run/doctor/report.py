"""What doctor says: for a person with the most important last, or as JSON. Pure but for progress.

All that comes from files, certificates and servers goes through `printable`. Colour says nothing
that the words do not: it is there at a terminal alone, and not where NO_COLOR is set.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

from mtls_run.doctor import findings, landscape
from mtls_run.doctor.findings import RANKS
from mtls_run.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TextIO

    from mtls_run.doctor.examination import Examined
    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.rows import Row

_BOLD, _DIM = "1", "2"
_COLOURS = {"error": "1;31", "warning": "33", "note": "36"}
_WIDEST_LABEL, _WIDEST_VALUE = 18, 58


def coloured(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Tell whether colour is wanted: at a terminal that has it, unless NO_COLOR says not."""
    if environ.get("NO_COLOR") or environ.get("TERM", "") in ("", "dumb"):
        return False
    return stream is not None and stream.isatty()


def as_text(examined: Examined, *, colour: bool) -> str:
    """Return the examination for a person; the last line is what to do first."""
    paint = _Paint(colour)
    lines = [paint(_BOLD, "this machine"), *_table(examined.machine.rows, paint)]
    for seen in examined.urls:
        lines += ["", paint(_BOLD, printable(seen.index.shown))]
        lines += _table(landscape.rows(seen), paint)
    lines += ["", paint(_BOLD, f"verdict: {_summary(examined.findings)}")]
    for one in examined.findings:
        lines += _told(one, paint)
    return "\n".join(lines)


def as_json(examined: Examined) -> str:
    """Return the examination as one JSON object; its findings are in the same order."""
    profile = examined.machine.profile
    found = {
        "profile": profile and profile.name,
        "machine": [_row(one) for one in examined.machine.rows],
        "urls": [
            {
                "url": printable(seen.index.shown),
                "origin": printable(seen.index.origin),
                **landscape.facts(seen),
                "rows": [_row(one) for one in landscape.rows(seen)],
            }
            for seen in examined.urls
        ],
        "findings": [
            {
                "code": one.code,
                "rank": one.rank,
                "fact": printable(one.fact),
                "origin": None if one.origin is None else printable(one.origin),
                "action": printable(one.action),
            }
            for one in examined.findings
        ],
        "status": findings.status(examined.findings),
    }
    return json.dumps(found, indent=2)


class Progress:
    """One line at the terminal while the network is waited for; gone when it is over."""

    def __init__(self, stream: TextIO | None, *, wanted: bool) -> None:
        self._stream = stream if wanted and stream is not None and stream.isatty() else None
        self._shown = False

    @classmethod
    def of(cls, environ: Mapping[str, str], *, quiet: bool) -> Progress:
        """Return the progress at stderr, which says nothing where that is no terminal."""
        return cls(sys.stderr, wanted=not quiet and environ.get("TERM", "dumb") != "dumb")

    def say(self, waiting: Sequence[str], seconds: float) -> None:
        """Show what is still waited for."""
        if not waiting:
            return
        self._shown = True
        more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
        self._write(f"\r\x1b[Kconnecting to {printable(waiting[0])[:48]}{more}… {seconds:.0f} s")

    def end(self) -> None:
        """Take the line away."""
        if self._shown:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


class _Paint:
    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted

    def __call__(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._wanted else text


def _table(rows: Iterable[Row], paint: _Paint) -> list[str]:
    lines = []
    before = None
    for one in rows:
        label = "" if one.what == before else one.what
        before = one.what
        value = printable(one.value)
        line = f"  {label:<{_WIDEST_LABEL}}{value}"
        if one.origin:
            gap = " " * max(2, _WIDEST_VALUE - len(value))
            line += gap + paint(_DIM, printable(one.origin))
        lines.append(line)
    return lines


def _told(one: Finding, paint: _Paint) -> list[str]:
    rank = paint(_COLOURS[one.rank], one.rank)
    lines = [f"{rank} {paint(_DIM, one.code)}: {printable(one.fact)}"]
    if one.origin and one.origin not in one.fact:
        lines.append(f"    by: {printable(one.origin)}")
    return [*lines, f"    do: {printable(one.action)}"]


def _summary(found: Sequence[Finding]) -> str:
    if not found:
        return "nothing is wrong"
    counts = Counter(one.rank for one in found)
    words = [
        f"{counts[rank]} {rank}{'s' if counts[rank] > 1 else ''}"
        for rank in reversed(RANKS)
        if counts[rank]
    ]
    fine = "" if counts["error"] else "nothing stops pip and uv; "
    return fine + ", ".join(words)


def _row(one: Row) -> dict[str, str | None]:
    origin = None if one.origin is None else printable(one.origin)
    return {"what": one.what, "value": printable(one.value), "origin": origin}
