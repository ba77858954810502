"""What a run found, read from its JUnit report, and how docs/compatibility.md shows it."""

from __future__ import annotations

import collections
import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests import pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

BEGIN = "<!-- matrix: written by `python -m tests.e2e.matrix --write REPORT.xml` -->"
END = "<!-- /matrix -->"
PROPERTY = "cell"
"""The property under which each item of the matrix leaves its cell, as JSON, in the report."""

# A column for each task; the last two are tables of the matrix by themselves.
COLUMNS = {
    "wheel": "wheel",
    "sdist": "sdist",
    "requirements": "`-r`",
    "isolated": "`--isolated`",
    "python": "`--python`",
    "download": "download",
    "compile": "compile",
    "lock": "lock",
    "sync": "sync",
    "run": "run",
    "uvx": "uvx",
    "tool-install": "tool install",
    "publish": "publish",
    "program": "after `--`",
    "refused": "refused",
}
AXES = {
    "identity": "identity + passphrase",
    "handoff": "handoff",
    "roots": "roots",
    "runner": "mtls-run on Python",
    "python": "for Python",
    "fault": "refused for",
}


@dataclass(frozen=True)
class Result:
    """One cell, and how it ended."""

    cell: dict[str, str]
    passed: bool

    @property
    def column(self) -> str:
        """The column of the document in which it counts."""
        return self.cell.get("task", self.cell["table"])


@dataclass(frozen=True)
class Run:
    """All cells of a run."""

    date: str
    seconds: float
    results: Sequence[Result]


def read(report: Path) -> Run:
    """Return what stands in a JUnit report; raises ValueError where no cell does."""
    root = ET.parse(report).getroot()  # noqa: S314  # pytest's own, of this machine
    suites = list(root.iter("testsuite"))
    results = [
        Result(json.loads(found.get("value", "")), _passed(case))
        for case in root.iter("testcase")
        for found in case.iter("property")
        if found.get("name") == PROPERTY
    ]
    if not results:
        raise ValueError(f"{report} has no cell of the matrix")
    date = min(suite.get("timestamp", "") for suite in suites)[:10]
    return Run(date, sum(float(suite.get("time", "0")) for suite in suites), results)


def _passed(case: ET.Element) -> bool:
    return all(case.find(tag) is None for tag in ("failure", "error", "skipped"))


def markdown(run: Run) -> str:
    """Return the table, and above it what it sums up."""
    failed = sum(not result.passed for result in run.results)
    outcome = "all as they must be" if failed == 0 else f"**{failed} not as they must be**"
    pythons = _sorted({one.cell["runner"] for one in run.results})
    found = f"Python {', '.join(pythons)}"
    if len(pythons) == 1:
        found += " alone, for no other was found"
    minutes = f"{run.seconds / 60:.0f} minutes"
    head = f"Taken on {run.date}, in {minutes}: {len(run.results)} cells, {outcome}; {found}."
    return "\n\n".join([head, _tools(run.results), _axes(run.results)]) + "\n"


def _tools(results: Iterable[Result]) -> str:
    """Return the table of tools: the cells that passed, where each tool was run."""
    counts: dict[str, dict[str, list[bool]]] = {}
    for result in results:
        row = counts.setdefault(result.cell["tool"], {})
        row.setdefault(result.column, []).append(result.passed)
    lines = [f"| tool | {' | '.join(COLUMNS.values())} |", f"|---|{'--:|' * len(COLUMNS)}"]
    for tool in sorted(counts, key=_order):
        cells = [_count(counts[tool].get(column, [])) for column in COLUMNS]
        lines.append(f"| {tool} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _axes(results: Iterable[Result]) -> str:
    """Return the table of the other axes: how many cells passed with each value."""
    counts: dict[str, dict[str, list[bool]]] = {axis: {} for axis in AXES}
    for result in results:
        for axis in AXES:
            if axis in result.cell:
                counts[axis].setdefault(result.cell[axis], []).append(result.passed)
    lines = ["| axis | cells with each value |", "|---|---|"]
    for axis, shown in AXES.items():
        values = [f"{value} {_count(counts[axis][value])}" for value in _sorted(counts[axis])]
        lines.append(f"| {shown} | {' · '.join(values)} |")
    return "\n".join(lines)


def _count(outcomes: Sequence[bool]) -> str:
    if not outcomes:
        return ""
    good = sum(outcomes)
    return str(good) if good == len(outcomes) else f"**{good} of {len(outcomes)}**"


def _order(tool: str) -> tuple[int, str, tuple[int, ...]]:
    """Return what pip, uv and then programs are sorted by, each by its version."""
    kind, _, version = tool.rpartition("-")
    if not version[:1].isdigit():
        return (2, tool, ())
    return (["pip", "uv"].index(kind), "", tuple(int(part) for part in version.split(".")))


def _sorted(values: Iterable[str]) -> list[str]:
    def key(value: str) -> tuple[int, str]:
        parts = value.split(".")
        return (int(parts[1]), "") if all(part.isdigit() for part in parts) else (0, value)

    return sorted(values, key=key)


def between_marks(page: str, report: str) -> str:
    """Return the page with the report in its place; raises ValueError where it has none."""
    return pages.filled(page, report, BEGIN, END)


def tools(page: str) -> list[str]:
    """Return the tools that the page's table names, in its order."""
    table = page.partition(BEGIN)[2].partition(END)[0].partition("| axis |")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    found = collections.Counter(rows[1:])
    assert set(found.values()) <= {1}
    return rows[1:]
