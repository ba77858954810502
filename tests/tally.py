"""Counts what the campaigns ran: `pytest --tally FILE`; `python -m tests.tally [--write] FILE…`.

The first writes, for each marker of CAMPAIGNS, how many items passed, failed or were skipped, how
many inputs they say they tried (`record_property("inputs", N)`), and how long they took. The second
adds several such files up, and puts the table into docs/reliability.md. What cannot be told to be
right is shown: an item whose worker died, a run that did not end well, an item counted twice.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import pages

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGE, KEPT, FUZZ = DOCS / "reliability.md", DOCS / "reliability.json", DOCS / "fuzz.json"
BEGIN, END = "<!-- tally: written by `python -m tests.tally --write` -->", "<!-- /tally -->"

# What is counted, what one of it is, and how many of what there should be.
CAMPAIGNS = {
    "matrix": ("cells", "items", 300),
    "mishap": ("faults", "items", 60),
    "attack": ("attacks", "items", 40),
    "fuzz": ("fuzzing", "inputs", 1_000_000),
}
UNKNOWN = "unknown"
OUTCOMES = ("passed", "failed", "skipped")
_PROPERTY = "campaigns"
_INPUTS = "inputs"


@dataclass
class Item:
    """What is known of one item of a run so far."""

    campaigns: tuple[str, ...] | None = None
    """None: no report said so, for the process died before."""
    outcome: str = "passed"
    inputs: int = 0
    seconds: float = 0.0


@dataclass
class Tally:
    """The plugin: marks the items where they run, and counts them where the reports come in."""

    file: Path
    items: dict[str, Item] = field(default_factory=dict)
    errors: int = 0
    """Files that could not be collected."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take one phase of one item into account."""
        item = self.items.setdefault(report.nodeid, Item())
        item.seconds += report.duration if hasattr(report, "duration") else 0.0
        if report.failed or (report.skipped and item.outcome == "passed"):
            item.outcome = report.outcome
        said = dict(report.user_properties)
        if _PROPERTY in said:
            item.campaigns = tuple(str(said[_PROPERTY]).split())
        # An item may record more than once; each phase's report has all that was recorded so far.
        item.inputs = sum(int(str(n)) for name, n in report.user_properties if name == _INPUTS)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Notice a file of tests that cannot be read."""
        self.errors += report.failed

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write the file."""
        self.file.write_text(json.dumps(self.found(int(exitstatus)), indent=1), encoding="utf-8")

    def found(self, status: int) -> dict[str, Any]:
        """Return what was counted, with the machine that it was counted on."""
        counted: dict[str, dict[str, Any]] = {}
        for node, item in self.items.items():
            for name in (UNKNOWN,) if item.campaigns is None else item.campaigns:
                entry = counted.setdefault(name, _nothing())
                entry[item.outcome] += 1
                entry["inputs"] += item.inputs
                entry["seconds"] += item.seconds
                entry["nodes"].append(node)
        return {
            "machine": machine(),
            "items": len(self.items),
            "status": status,
            "errors": self.errors,
            "campaigns": counted,
        }


def marked(items: Iterable[pytest.Item]) -> None:
    """Let each item's reports carry the campaigns that it is of, also from another process."""
    for item in items:
        found = [name for name in CAMPAIGNS if item.get_closest_marker(name) is not None]
        item.user_properties.append((_PROPERTY, " ".join(found)))


def addoption(parser: pytest.Parser) -> None:
    """Say the option."""
    parser.addoption(
        "--tally", metavar="FILE", default=None, help="count the campaigns' items into this file"
    )


def configure(config: pytest.Config) -> None:
    """Start counting, in the process that all reports reach."""
    file = config.getoption("--tally")
    if file is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Tally(Path(file).absolute()), "tally")


def _nothing() -> dict[str, Any]:
    return {**dict.fromkeys(OUTCOMES, 0), "inputs": 0, "seconds": 0.0, "nodes": []}


def machine() -> dict[str, str]:
    """Return on what was counted, and when."""
    from tests.e2e import toolbox  # noqa: PLC0415  # not for a run without the option

    pips = [tool.version for tool in toolbox.pips()]
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "processors": str(os.cpu_count()),
        "Debian": _debian(),
        "Python": platform.python_version(),
        "pip": f"{pips[0]} to {pips[-1]}",
        "uv": f"{toolbox.UV[0]} to {toolbox.UV[-1]}",
        "nginx": _nginx(),
    }


def _debian() -> str:
    file = Path("/etc/debian_version")
    return file.read_text(encoding="utf-8").strip() if file.exists() else "none"


def _nginx() -> str:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    env = {**os.environ, "PATH": path}
    try:
        said = subprocess.run(["nginx", "-v"], env=env, capture_output=True, text=True, check=False)
    except OSError:
        return "none"
    found = re.search(r"nginx/(\S+)", said.stderr)
    return found[1] if found else "unknown"


def merged(tallies: list[dict[str, Any]]) -> dict[str, Any]:
    """Return several runs as one; raises ValueError where one item is in two of them."""
    whole: dict[str, Any] = {
        "machine": tallies[-1]["machine"],
        "items": sum(tally["items"] for tally in tallies),
        # 5: pytest found no such test, which the counts show by themselves.
        "runs that failed": sum(tally["status"] not in (0, 5) for tally in tallies),
        "errors": sum(tally["errors"] for tally in tallies),
        "campaigns": {},
    }
    for name in [*CAMPAIGNS, UNKNOWN]:
        seen: set[str] = set()
        sums = {**dict.fromkeys(OUTCOMES, 0), "inputs": 0, "seconds": 0.0}
        for tally in tallies:
            entry = tally["campaigns"].get(name, _nothing())
            twice = seen.intersection(entry["nodes"])
            if twice:
                raise ValueError(f"this is counted in two runs: {min(twice)}")
            seen.update(entry["nodes"])
            for key in sums:
                sums[key] += entry[key]
        sums["seconds"] = round(sums["seconds"], 1)
        if seen or name in CAMPAIGNS:
            whole["campaigns"][name] = sums
    return whole


def markdown(whole: dict[str, Any], fuzz: dict[str, Any] | None) -> str:
    """Return the counts of the runs, and of the long run of fuzzing where there was one."""
    parts = [_machine(whole), _table(whole, fuzz), *_troubles(whole), _long_run(fuzz)]
    return "\n\n".join(parts) + "\n"


def between_marks(page: str, report: str) -> str:
    """Return the page with the report in its place; raises ValueError where it has none."""
    return pages.filled(page, report, BEGIN, END)


def _machine(whole: dict[str, Any]) -> str:
    found = dict(whole["machine"])
    first = f"Counted on {found.pop('date')}, on {found.pop('processors')} processors: "
    return first + ", ".join(f"{name} {version}" for name, version in found.items()) + "."


def _table(whole: dict[str, Any], fuzz: dict[str, Any] | None) -> str:
    lines = [
        "| campaign | items | passed | failed | inputs | seconds | aim | reached |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for name, entry in whole["campaigns"].items():
        shown, unit, aim = CAMPAIGNS.get(name, (UNKNOWN, "items", 0))
        there = entry["inputs"] if unit == "inputs" else entry["passed"]
        wrong = entry["failed"] + entry["skipped"]
        if unit == "inputs" and fuzz is not None:
            there += fuzz["inputs"]
            wrong += fuzz["failures"]
        # What failed or did not run reaches nothing.
        reached = there >= aim > 0 and not wrong
        items = sum(entry[outcome] for outcome in OUTCOMES)
        failed = f"**{entry['failed']}**" if entry["failed"] else "0"
        label = shown if name in CAMPAIGNS else "not known: a worker died"
        cells = (
            label,
            f"{items}",
            f"{entry['passed']}",
            failed,
            f"{entry['inputs']:,}" if entry["inputs"] else "",
            f"{entry['seconds']:.0f}",
            f"{aim:,} {unit}" if aim else "0",
            "yes" if reached else "**no**",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _troubles(whole: dict[str, Any]) -> list[str]:
    found = []
    skipped = sum(entry["skipped"] for entry in whole["campaigns"].values())
    if skipped:
        found.append(f"- **{skipped} items did not run.**")
    if whole["errors"]:
        found.append(f"- **{whole['errors']} files of tests could not be read.**")
    if whole["runs that failed"]:
        found.append(f"- **{whole['runs that failed']} of the runs failed.**")
    return ["\n".join(found)] if found else []


def _long_run(fuzz: dict[str, Any] | None) -> str:
    if fuzz is None:
        return "There was no longer run of fuzzing: docs/fuzz.json is not there."
    tried = f"{fuzz['inputs']:,} inputs in {fuzz['seconds']:,.0f} seconds (seed {fuzz['seed']})"
    failed = f"**{fuzz['failures']} of them failed**" if fuzz["failures"] else "none failed"
    slowest, peak = f"{fuzz['slowest_ms'] / 1000:.1f} s", f"{fuzz['peak_mib']} MiB"
    lines = [
        f"The longer run of fuzzing tried {tried}, and {failed}; the aim above counts them in. The",
        f"slowest took {slowest}, and the most memory of a process was {peak}.",
        "",
        "| target | inputs | taken | refused | failed |",
        "|---|--:|--:|--:|--:|",
    ]
    for each in fuzz["targets"]:
        counts = (each["inputs"], each["accepted"], each["refused"], sum(each["failures"].values()))
        lines.append(f"| {each['name']} | {' | '.join(f'{count:,}' for count in counts)} |")
    return "\n".join(lines)


def read_fuzz() -> dict[str, Any] | None:
    """Return what the long run of fuzzing wrote, or None where there was none."""
    if not FUZZ.exists():
        return None
    content: dict[str, Any] = json.loads(FUZZ.read_text(encoding="utf-8"))
    return content


def main() -> None:
    """Add files up, and say what they come to."""
    parser = argparse.ArgumentParser(prog="python -m tests.tally", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what --tally wrote")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} and {KEPT.name}")
    asked = parser.parse_args()
    whole = merged([json.loads(file.read_text(encoding="utf-8")) for file in asked.files])
    report = markdown(whole, read_fuzz())
    if asked.write:
        page = between_marks(PAGE.read_text(encoding="utf-8"), report)
        PAGE.write_text(page, encoding="utf-8")
        KEPT.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(report)


if __name__ == "__main__":
    main()
