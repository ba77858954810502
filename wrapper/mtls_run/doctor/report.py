"""doctor's answer: a line for each part, the findings, the most important last; or JSON.

`screen` makes the text fit, and escapes what files, certificates and servers say. Colour only
repeats what the words say.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from mtls_run.doctor import findings, url_report
from mtls_run.doctor.diagnosis import Diagnosis
from mtls_run.doctor.findings import RANKS, Finding
from mtls_run.errors import state
from mtls_run.output.screen import COLOURS, Row, Screen
from mtls_run.output.text import printable

_LABELS = 18  # in columns
_INDEX = "index"


def as_text(diagnosis: Diagnosis, screen: Screen, *, verbose: bool = False) -> str:
    """Return the diagnosis for a person; `verbose` adds the rows of each part."""
    lines: list[str] = []
    for row, details in _parts(diagnosis):
        # The line of the identity names the profile.
        is_said = row.label == "profile" and row.mark == "well" and "identity" in diagnosis.parts
        if row.value and (verbose or not is_said):
            lines += screen.rows([row], labels=len("identity"))
        if verbose:
            lines += screen.rows(details, labels=_LABELS, indent=2)
    for one in diagnosis.findings:
        lines += ["", *_finding(one, screen)]
    worst = diagnosis.findings[-1].rank if diagnosis.findings else "well"
    verdict = screen.wrapped(_summary(diagnosis), first=f"{screen.mark(worst)} verdict: ")
    colour = COLOURS["well" if worst == "note" else worst]
    gap = [""] if diagnosis.findings else []
    return "\n".join([*lines, *gap, *(screen.paint(colour, line) for line in verdict)])


def _parts(diagnosis: Diagnosis) -> Iterator[tuple[Row, list[Row]]]:
    """Yield the line of each part, and its rows."""
    for part, summary in diagnosis.parts.items():
        rows = [_row(one) for one in diagnosis.rows if one.part == part]
        yield _judged(diagnosis, part, part, summary), rows
    for seen in diagnosis.urls:
        shown = seen.index.shown
        rows = [_row(one) for one in url_report.rows(seen)]
        yield _judged(diagnosis, shown, _INDEX, f"{shown}: {url_report.outcome(seen)}"), rows


def _row(one: findings.Row) -> Row:
    return Row("", one.what, one.value, one.origin or "")


def _judged(diagnosis: Diagnosis, part: str, label: str, summary: str) -> Row:
    """Return the line of a part: the mark of its worst finding, and each fault in a word."""
    found = [one for one in reversed(diagnosis.findings) if part in one.about]
    wrong = dict.fromkeys(state(one.code) for one in found if one.rank != "note")
    states = [one for one in wrong if one not in summary]
    mark = found[0].rank if found else "well"
    return Row(
        "well" if mark == "note" else mark, label, ", ".join(filter(None, [summary, *states]))
    )


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


def _fields(one: Finding | findings.Row) -> dict[str, str | list[str] | None]:
    return {
        key: list(map(printable, value)) if isinstance(value, tuple) else value and printable(value)
        for key, value in vars(one).items()
    }


def _finding(one: Finding, screen: Screen) -> list[str]:
    head = f"{one.rank} {one.code}: "
    first, *others = screen.wrapped(one.fact, first=head)
    lines = [f"{screen.paint(COLOURS[one.rank], one.rank)}{first[len(one.rank) :]}", *others]
    if one.stops:
        lines += screen.wrapped(one.stops, first="    stops: ", indent=11)
    if one.origin and one.origin not in one.fact:
        lines += screen.wrapped(one.origin, first="    by: ", indent=8)
    return [*lines, *screen.advice(one.action, first="    do: ", indent=8)]


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
