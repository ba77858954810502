"""The results in words: Markdown, and the place in docs/performance.md where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import pages

from .results import STARTS, UNIT, Results

if TYPE_CHECKING:
    from .results import Ratio, Time

BEGIN, END = "<!-- benchmark: written by `python -m tests.bench --write` -->", "<!-- /benchmark -->"


def markdown(results: Results) -> str:
    """Return the whole report."""
    parts = [_machine(results), _ratios(results), _picture(), _times(results), _imports(results)]
    if results.notes:
        parts.insert(2, "\n".join(f"- Not as named: {note}" for note in results.notes))
    return "\n\n".join(parts) + "\n"


def between_marks(page: str, report: str) -> str:
    """Return the page with the report in its place; raises ValueError where it has none."""
    return pages.filled(page, report, BEGIN, END)


def _machine(results: Results) -> str:
    found = dict(results.machine)
    first = f"{found.pop('processor')}, {found.pop('cores')} cores, {found.pop('system')}"
    date, load = found.pop("date"), found.pop("load before")
    rest = ", ".join(f"{name} {version}" for name, version in found.items())
    return (
        f"Taken on {date}: {first}; {rest}. {results.rounds} rounds; load average before: {load}."
    )


def _ratios(results: Results) -> str:
    lines = [
        "| overhead over the bare tool | measured | quartiles | at most | in | reached |",
        "|---|--:|--:|--:|---|---|",
    ]
    lines += [_ratio(ratio) for ratio in results.ratios]
    return "\n".join(lines)


def _ratio(ratio: Ratio) -> str:
    value, spread, reached = "", "", "not measured"
    if ratio.value is not None:
        value, reached = f"{ratio.value:.2f}", "yes" if ratio.reached else "**no**"
    if ratio.low is not None and ratio.high is not None:
        spread = f"{ratio.low:.2f} to {ratio.high:.2f}"
    cells = (ratio.shown, value, spread, f"{ratio.at_most:g}", ratio.unit, reached)
    return f"| {' | '.join(cells)} |"


def _picture() -> str:
    return f"![Overhead over the bare tool, in {STARTS}, beside what others cost](performance.svg)"


def _times(results: Results) -> str:
    lines = [
        f"| milliseconds | median | quartiles | processor | overhead in {STARTS} |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [_time(time) for time in results.times]
    return "\n".join(lines)


def _time(time: Time) -> str:
    starts = "" if time.starts is None else f"{time.starts:.2f}"
    spread = f"{time.low:.1f} to {time.high:.1f}"
    cells = (time.shown, f"{time.median:.1f}", spread, f"{time.cpu:.1f}", starts)
    return f"| {' | '.join(cells)} |"


def _imports(results: Results) -> str:
    lines = ["| case | memory | imports | the largest, in milliseconds by `-X importtime` |"]
    lines += ["|---|--:|--:|---|"]
    for name in [UNIT, *results.imports]:
        found = dict(results.imports.get(name, {}))
        whole = f"{found.pop('all'):.0f} ms" if found else ""
        shown = ", ".join(f"{package} {value:.1f}" for package, value in found.items())
        peak = f"{results.memory[name] / 1024:.1f} MB" if name in results.memory else ""
        time = results.time(name)
        lines.append(f"| {time.shown if time else name} | {peak} | {whole} | {shown} |")
    return "\n".join(lines)
