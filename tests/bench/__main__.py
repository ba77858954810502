"""Takes the times, and reports them: `python -m tests.bench [--rounds N] [--write]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import picture, report, results, scene

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURE, KEPT = (DOCS / f"performance.{kind}" for kind in ("md", "svg", "json"))
ROUNDS = 40


def main() -> None:
    """Measure, and say on stdout what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each case is run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument(
        "--write", action="store_true", help="write docs/performance.md, its picture, its numbers"
    )
    asked = parser.parse_args()
    with scene.prepared() as found:
        taken = results.take(found, max(1, asked.rounds))
    if asked.json is not None:
        asked.json.write_text(taken.to_json(), encoding="utf-8")
    if asked.write:
        write(taken)
    sys.stdout.write(report.markdown(taken))


def write(taken: results.Results) -> None:
    """Put the numbers, the picture and the report where they stand in the documentation."""
    page = report.between_marks(PAGE.read_text(encoding="utf-8"), report.markdown(taken))
    PAGE.write_text(page, encoding="utf-8")
    PICTURE.write_text(picture.draw(taken), encoding="utf-8")
    KEPT.write_text(taken.to_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
