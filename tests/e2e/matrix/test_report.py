"""The document's table is what a run found, and names the versions of the matrix."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import pytest

from tests.e2e import toolbox
from tests.e2e.matrix import report
from tests.e2e.matrix.__main__ import PAGE
from tests.e2e.matrix.cells import FAULTS, PIP_TASKS, PROGRAMS, UV_TASKS, named

if TYPE_CHECKING:
    from pathlib import Path

COMMON = {"identity": "pem+env", "handoff": "memfd", "roots": "none", "runner": "3.9"}


def written(tmp_path: Path, *cases: tuple[dict[str, str], str]) -> Path:
    """Write a report of cells, each with what stands in its test case beside its property."""
    text = '<testsuites><testsuite timestamp="2026-01-02T03:04:05" time="120.5">'
    for cell, more in cases:
        value = quoteattr(json.dumps({**COMMON, **cell}))
        text += f'<testcase><properties><property name="cell" value={value}/></properties>'
        text += f"{more}</testcase>"
    path = tmp_path / "report.xml"
    path.write_text(f'{text}<testcase name="another"/></testsuite></testsuites>')
    return path


def test_table(tmp_path: Path) -> None:
    """Cells are counted where they belong, and one that failed is seen."""
    path = written(
        tmp_path,
        ({"table": "uv", "tool": "uv-0.13.9", "task": "lock"}, ""),
        ({"table": "uv", "tool": "uv-0.2.11", "task": "wheel"}, "<failure/>"),
        ({"table": "uv", "tool": "uv-0.2.11", "task": "wheel"}, ""),
        ({"table": "pip", "tool": "pip-26.3", "task": "wheel", "python": "3.10"}, ""),
        ({"table": "refused", "tool": "pip-26.3", "fault": "expired"}, "<system-out/>"),
        ({"table": "program", "tool": "tox"}, "<error/>"),
    )
    text = report.markdown(report.read(path))
    assert text.startswith("Taken on 2026-01-02, in 2 minutes: 6 cells, **2 not as they must be**;")
    assert "Python 3.9 alone, for no other was found." in text
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in text.splitlines()[2:]
            if line.startswith("|")}  # fmt: skip
    columns = [name.strip() for name in rows["tool"]]

    def shown(tool: str) -> dict[str, str]:
        cells = zip(columns, (cell.strip() for cell in rows[tool]))
        return {column: cell for column, cell in cells if cell}

    assert shown("uv-0.13.9") == {"lock": "1"}
    assert shown("uv-0.2.11") == {"wheel": "**1 of 2**"}
    assert shown("pip-26.3") == {"wheel": "1", "refused": "1"}
    assert shown("tox") == {"after `--`": "**0 of 1**"}
    assert list(rows)[:6] == ["tool", "---", "pip-26.3", "uv-0.2.11", "uv-0.13.9", "tox"]
    assert "memfd **4 of 6**" in text


def test_no_table_without_results(tmp_path: Path) -> None:
    """A report without a cell, or a page without its place, is no document."""
    with pytest.raises(ValueError, match="has no cell of the matrix"):
        report.read(written(tmp_path))
    with pytest.raises(ValueError, match="the page lacks"):
        report.between_marks(report.BEGIN, "")


def test_every_task_has_a_column() -> None:
    """No task is counted nowhere."""
    assert {*PIP_TASKS, *UV_TASKS, "program", "refused"} == set(report.COLUMNS)


def test_document() -> None:
    """docs/compatibility.md names the same versions, programs and faults as the matrix."""
    page = PAGE.read_text(encoding="utf-8")
    assert sorted(report.tools(page)) == sorted([*named("pip"), *named("uv"), *named("program")])
    pins = " ".join(toolbox.PROGRAMS[name][0] for name in PROGRAMS.values()).split()
    assert [pin for pin in pins if pin.replace("==", " ") not in page] == []
    assert set(named("refused")) == {*named("pip"), *named("uv")}
    assert [fault for fault in FAULTS if f"{fault} " not in page] == []
    assert "not as they must be" not in page
