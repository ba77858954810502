"""The benchmark runs, and what docs/performance.md shows is what it found."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench import picture, report
from tests.bench.__main__ import KEPT, PAGE, PICTURE
from tests.bench.installation import REPOSITORY
from tests.bench.results import MEMORY_TARGETS, TARGETS, Results

if TYPE_CHECKING:
    from pathlib import Path


def test_the_page_shows_the_numbers_beside_it() -> None:
    """The report and the picture are drawn from docs/performance.json, and from nothing else."""
    kept = Results.from_json(KEPT.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    assert report.between_marks(page, report.markdown(kept)) == page
    assert picture.draw(kept) == PICTURE.read_text(encoding="utf-8")
    assert Results.from_json(kept.to_json()) == kept


@pytest.mark.slow
def test_one_round(tmp_path: Path) -> None:
    """Every case runs, and every target has its ratio; how large it is passes or fails nothing."""
    file = tmp_path / "found.json"
    command = [sys.executable, "-m", "tests.bench", "--rounds", "1", "--json", str(file)]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    found = Results.from_json(file.read_text(encoding="utf-8"))
    assert done.stdout == report.markdown(found)
    assert len(found.ratios) == len(TARGETS) + len(MEMORY_TARGETS)
    assert [ratio.case for ratio in found.ratios if ratio.value is None] == []
