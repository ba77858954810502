"""The counts of docs/reliability.md: what failed, died or did not run is shown."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import tally

REPOSITORY = Path(__file__).parents[2]
TRIED = {"name": "names", "inputs": 999_990, "accepted": 400_000, "refused": 599_990}
FUZZ = {
    "inputs": 999_990,
    "seed": 1,
    "seconds": 60.0,
    "failures": 0,
    "slowest_ms": 1500.0,
    "peak_mib": 50,
    "targets": [{**TRIED, "failures": {}}],
}
CONFTEST = """
from tests import tally

def pytest_addoption(parser):
    tally.addoption(parser)

def pytest_configure(config):
    for name in tally.CAMPAIGNS:
        config.addinivalue_line("markers", name)
    tally.configure(config)

def pytest_collection_modifyitems(items):
    tally.marked(items)
"""


def run(folder: Path, source: str, *options: str, status: int) -> dict[str, Any]:
    """Run these tests in a project of their own, and return what was counted."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "matrix").mkdir()  # a directory's name is no marker
    (folder / "matrix" / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\n")
    file = folder / "found.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--tally", str(file), *options],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def row(report: str, label: str) -> list[str]:
    """Return the cells of the line of a campaign."""
    (line,) = [line for line in report.splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


MIXED = """
import pytest

@pytest.mark.matrix
def test_good(record_property):
    record_property("inputs", 7)

@pytest.mark.matrix
@pytest.mark.parametrize("n", range(3))
def test_bad(n):
    assert n

@pytest.mark.fuzz
def test_inputs(record_property):
    record_property("inputs", 10)

@pytest.fixture
def broken():
    raise RuntimeError

@pytest.mark.mishap
def test_setup(broken):
    pass

@pytest.mark.attack
def test_skipped():
    pytest.skip("not here")

def test_of_no_campaign():
    assert False
"""


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "in workers"])
def test_what_fails_is_shown(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A failing item, a failing fixture and a skip are in the file and in the table."""
    found = run(tmp_path, MIXED, *options, status=1)
    whole = tally.merged([found])
    counts = {
        name: [entry[key] for key in ("passed", "failed", "skipped", "inputs")]
        for name, entry in whole["campaigns"].items()
    }
    assert counts == {
        "matrix": [3, 1, 0, 7],
        "mishap": [0, 1, 0, 0],
        "attack": [0, 0, 1, 0],
        "fuzz": [1, 0, 0, 10],
    }
    report = tally.markdown(whole, FUZZ)
    assert row(report, "cells")[1:4] == ["4", "3", "**1**"]
    assert row(report, "faults")[1:4] == ["1", "0", "**1**"]
    assert row(report, "fuzzing")[-1] == "yes"
    assert row(tally.markdown(whole, None), "fuzzing")[-1] == "**no**"
    worse = {**FUZZ, "failures": 2, "targets": [{**TRIED, "failures": {"a traceback": 2}}]}
    report = tally.markdown(whole, worse)
    assert row(report, "fuzzing")[-1] == "**no**"
    assert row(report, "names")[-1] == "2"
    assert "**2 of them failed**" in report
    assert "**1 items did not run.**" in report
    assert "**1 of the runs failed.**" in report


@pytest.mark.slow
def test_a_dead_worker_is_shown(tmp_path: Path) -> None:
    """What nobody could count is a line of its own, or the campaign's failure."""
    source = "import os, pytest\n@pytest.mark.matrix\ndef test_it(): os._exit(3)\n"
    found = run(tmp_path, source, "-n", "1", "--max-worker-restart", "0", status=1)
    whole = tally.merged([found])
    lost = whole["campaigns"].get(tally.UNKNOWN, {"failed": 0})["failed"]
    assert whole["campaigns"]["matrix"]["failed"] + lost == 1
    assert "| **1** |" in tally.markdown(whole, None)


@pytest.mark.slow
def test_a_file_that_cannot_be_read_is_shown(tmp_path: Path) -> None:
    """A file of tests with an error in it is no campaign without items."""
    whole = tally.merged([run(tmp_path, "import nothing_of_that_name\n", status=2)])
    report = tally.markdown(whole, None)
    assert "**1 files of tests could not be read.**" in report
    assert row(report, "cells")[-1] == "**no**"


def entry(node: str, **counts: float) -> dict[str, Any]:
    """Return a run with one item of the matrix, or with these counts."""
    counted = {"passed": 1, "failed": 0, "skipped": 0, "inputs": 0, "seconds": 1.0, **counts}
    return {
        "machine": {"date": "2026-01-01", "processors": "2", "Python": "3.11"},
        "items": 1,
        "status": 0,
        "errors": 0,
        "campaigns": {"matrix": {**counted, "nodes": [node]}},
    }


def test_runs_add_up() -> None:
    """Two runs are one, the aim is reached by both, and one failure takes it away again."""
    runs = [entry("one", passed=299), entry("two")]
    report = tally.markdown(tally.merged(runs), None)
    assert row(report, "cells") == ["cells", "300", "300", "0", "", "2", "300 items", "yes"]
    assert "docs/fuzz.json is not there" in report
    worse = copy.deepcopy(runs)
    worse[1]["campaigns"]["matrix"]["failed"] = 1
    assert row(tally.markdown(tally.merged(worse), None), "cells")[-1] == "**no**"


def test_nothing_counts_twice() -> None:
    """The same item in two runs is an error, not two items."""
    with pytest.raises(ValueError, match="counted in two runs: one"):
        tally.merged([entry("one"), entry("one")])


def test_the_page_has_a_place_for_it() -> None:
    """What stands there is written from docs/reliability.json, where that was written already."""
    page = tally.PAGE.read_text(encoding="utf-8")
    assert "here it is\n<!-- /tally -->" in tally.between_marks(page, "here it is\n")
    if tally.KEPT.exists():
        kept = json.loads(tally.KEPT.read_text(encoding="utf-8"))
        assert tally.between_marks(page, tally.markdown(kept, tally.read_fuzz())) == page
    else:
        assert tally.between_marks(page, "") == page
    with pytest.raises(ValueError, match="the page lacks"):
        tally.between_marks("no marks", "")
