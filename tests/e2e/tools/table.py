"""Do each job of each tool, and write the table in docs/tools.md.

`python -m tests.e2e.tools.table` writes it, and only if every job ended as jobs.JOBS says.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e import toolbox
from tests.e2e.tools.jobs import JOBS
from tests.e2e.tools.scene import folder_of

PAGE = Path(__file__).parents[3] / "docs" / "tools.md"
_HEAD = "| tool | version | command | by file | by the gateway |\n|---|---|---|---|---|\n"
_TABLE = re.compile(re.escape(_HEAD) + r"(?:\|.*\n)*")


def rows() -> list[list[str]]:
    """Return the cells of each row, with the versions that are pinned."""
    return [
        [job.tool, _versions(job.programs), f"`{job.command}`", job.by_file, job.by_gateway]
        for job in JOBS
    ]


def rows_of_page() -> list[list[str]]:
    """Return the cells of each row in docs/tools.md, without the versions that were asked for."""
    found = _TABLE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    cells = [line.strip("| \n").split(" | ") for line in found.group().splitlines()[2:]]
    unpinned = {row[0] for row in rows() if not row[1]}
    return [[one[0], "" if one[0] in unpinned else one[1], *one[2:]] for one in cells]


def _versions(programs: tuple[str, ...]) -> str:
    """Return the versions that the toolbox names, or nothing for a program that has to be asked."""
    pins = [toolbox.PROGRAMS.get(one, ("",))[0].partition(" ")[0] for one in programs]
    is_named = pins[0].startswith(programs[0].removesuffix("-old").removesuffix("-new"))
    return ", ".join(pin.partition("==")[2] for pin in pins) if is_named else ""


def _asked(program: str) -> str:
    command = [str(folder_of(program) / program), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    assert found is not None, done
    return found.group()


def main() -> None:
    """Run every cell, and write the table if all of them ended as they should."""
    tests = Path(__file__).with_name("test_jobs.py")
    status = pytest.main(["-q", "-n", "2", "-m", "slow or not slow", "-k", "by_", str(tests)])
    if status != pytest.ExitCode.OK:
        sys.exit(int(status))
    lines = [
        "| " + " | ".join([tool, versions or _asked(tool), *rest]) + " |\n"
        for tool, versions, *rest in rows()
    ]
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(_HEAD + "".join(lines), text), encoding="utf-8")


if __name__ == "__main__":
    main()
