"""Shows what a run of the matrix found: `python -m tests.e2e.matrix [--write] REPORT.xml`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.e2e.matrix import report

PAGE = Path(__file__).parents[3] / "docs" / "compatibility.md"


def main() -> None:
    """Read a JUnit report, and say on stdout what it holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.matrix", description=__doc__)
    parser.add_argument("report", type=Path, metavar="REPORT.xml", help="what --junitxml wrote")
    parser.add_argument("--write", action="store_true", help="put it into docs/compatibility.md")
    asked = parser.parse_args()
    text = report.markdown(report.read(asked.report))
    if asked.write:
        page = report.between_marks(PAGE.read_text(encoding="utf-8"), text)
        PAGE.write_text(page, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
