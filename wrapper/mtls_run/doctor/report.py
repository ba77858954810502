"""doctor's answer: text with the most important finding last, or JSON.

Text from files, certificates and servers goes through `printable`. Colour only repeats what the
words say. It is used on a terminal, unless NO_COLOR is set.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

from mtls_run.doctor import findings, url_report
from mtls_run.doctor.findings import RANKS
from mtls_run.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TextIO

    from mtls_run.doctor.diagnosis import Diagnosis
    from mtls_run.doctor.findings import Finding, Row

_BOLD, _DIM = "1", "2"
_COLOURS = {"error": "1;31", "warning": "33", "note": "36"}
_LABEL_WIDTH, _VALUE_WIDTH = 18, 58
_MOST_OF_URL = 48


def coloured(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Tell whether to use colour: on a terminal that supports it, unless NO_COLOR is set."""
    if environ.get("NO_COLOR") or environ.get("TERM", "") in ("", "dumb"):
        return False
    return stream is not None and stream.isatty()


def as_text(diagnosis: Diagnosis, *, colour: bool) -> str:
    """Return the diagnosis for a person. Its last line is what to do first."""
    paint = _Paint(colour)
    lines = [paint(_BOLD, "this machine"), *_table(diagnosis.rows, paint)]
    for seen in diagnosis.urls:
        lines += ["", paint(_BOLD, printable(seen.index.shown))]
        lines += _table(url_report.rows(seen), paint)
    lines += ["", paint(_BOLD, f"verdict: {_summary(diagnosis)}")]
    for one in diagnosis.findings:
        lines += _finding(one, paint)
    return "\n".join(lines)


def as_json(diagnosis: Diagnosis) -> str:
    """Return the diagnosis as one JSON object, with the findings in the same order."""
    profile = diagnosis.profile
    found = {
        "profile": profile and profile.name,
        "machine": [_fields(one) for one in diagnosis.rows],
        "urls": [
            {
                "url": printable(seen.index.shown),
                "origin": printable(seen.index.origin),
                **url_report.facts(seen),
                "rows": [_fields(one) for one in url_report.rows(seen)],
            }
            for seen in diagnosis.urls
        ],
        "findings": [_fields(one) for one in diagnosis.findings],
        "status": findings.status(diagnosis.findings),
    }
    return json.dumps(found, indent=2)


def _fields(one: Finding | Row) -> dict[str, str | None]:
    return {key: value and printable(value) for key, value in vars(one).items()}


class Progress:
    """One line on the terminal while doctor waits for the network, removed at the end."""

    def __init__(self, stream: TextIO | None, *, wanted: bool) -> None:
        self._stream = stream if wanted and stream is not None and stream.isatty() else None
        self._is_shown = False

    @classmethod
    def on_stderr(cls, environ: Mapping[str, str], *, quiet: bool) -> Progress:
        """Return progress on stderr, which writes nothing if that is no terminal."""
        return cls(sys.stderr, wanted=not quiet and environ.get("TERM", "dumb") != "dumb")

    def show(self, waiting: Sequence[str], seconds: float) -> None:
        """Show the URLs that have not finished."""
        if not waiting:
            return
        self._is_shown = True
        more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
        url = printable(waiting[0])[:_MOST_OF_URL]
        self._write(f"\r\x1b[Kconnecting to {url}{more}… {seconds:.0f} s")

    def end(self) -> None:
        """Remove the line."""
        if self._is_shown:
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
    previous = None
    for one in rows:
        label = "" if one.what == previous else one.what
        previous = one.what
        value = printable(one.value)
        line = f"  {label:<{_LABEL_WIDTH}}{value}"
        if one.origin:
            gap = " " * max(2, _VALUE_WIDTH - len(value))
            line += gap + paint(_DIM, printable(one.origin))
        lines.append(line)
    return lines


def _finding(one: Finding, paint: _Paint) -> list[str]:
    rank = paint(_COLOURS[one.rank], one.rank)
    lines = [f"{rank} {paint(_DIM, one.code)}: {printable(one.fact)}"]
    if one.stops:
        lines.append(f"    stops: {printable(one.stops)}")
    if one.origin and one.origin not in one.fact:
        lines.append(f"    by: {printable(one.origin)}")
    return [*lines, f"    do: {printable(one.action)}"]


def _summary(diagnosis: Diagnosis) -> str:
    found: Sequence[Finding] = diagnosis.findings
    if not found:
        return "nothing is wrong"
    counts = Counter(one.rank for one in found)
    words = [
        f"{counts[rank]} {rank}{'s' if counts[rank] > 1 else ''}"
        for rank in reversed(RANKS)
        if counts[rank]
    ]
    fine = f"{_unstopped(diagnosis)}; " if _unstopped(diagnosis) else ""
    return fine + ", ".join(words)


def _unstopped(diagnosis: Diagnosis) -> str:
    """Return which tools nothing stops, in words; empty if none, or if an error stops them all."""
    errors = [one for one in diagnosis.findings if one.rank == "error"]
    if not errors:
        return "nothing stops pip and uv"
    if any(one.stops is None for one in errors):
        return ""
    stopped = {name.strip() for one in errors for name in (one.stops or "").split(",")}
    every = dict.fromkeys(one.tool for seen in diagnosis.urls for one in seen.tools)
    rest = [name for name in every if name not in stopped]
    return f"nothing stops {' and '.join(rest)}" if rest else ""
