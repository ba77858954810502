"""Draw docs/demo.svg from a real run of the demo: `python -m tests.pages.picture`.

The picture has the steps of pip and uv: each heading, the command, its last line and what the index
saw. Every line is from that run. Only the port of the index is replaced.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from xml.sax.saxutils import escape

from tests.e2e.toolbox import newest_uv

PICTURE = Path(__file__).parents[2] / "docs" / "demo.svg"
COLUMNS = 88
TITLE = "mtls-run demo: an index refuses pip and uv; with mtls-run, both install"
_LINE, _COLUMN, _MARGIN = 18, 7.8, 16  # pixels, for a monospaced font of 13
# Text and background have a contrast of 7 or more in both schemes (WCAG AAA).
_STYLE = """\
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
text { fill: #24292f; white-space: pre }
.box { fill: #f6f8fa; stroke: #d0d7de }
.head, .command { font-weight: bold }
.output { fill: #4a525b }
.good { fill: #04571f }
.refused { fill: #9a0e1a }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .box { fill: #0d1117; stroke: #30363d }
  .output { fill: #b1bac4 }
  .good { fill: #56d364 }
  .refused { fill: #ffa198 }
}"""


def run() -> str:
    """Return what `mtls-run demo` prints, with the newest uv on PATH."""
    uv = newest_uv().ready().program
    places = [str(uv.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    done = subprocess.run(
        ["mtls-run", "demo"],
        env={**os.environ, "PATH": os.pathsep.join(places)},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return re.sub(r"localhost:\d+", "localhost:8443", done.stdout)


def chosen(demo: str) -> list[tuple[str, str]]:
    """Return the kind and the text of each line to draw."""
    lines: list[tuple[str, str]] = []
    for step in re.split(r"\n(?=\d+\. )", demo)[1:]:
        heading, *rest = [line.strip() for line in step.splitlines()]
        verdicts = [line for line in rest if line.startswith("=> ")]
        if not verdicts:
            continue
        command = next(line for line in rest if line.startswith("$ ") and "--index-url" in line)
        output = [line.removeprefix("| ") for line in rest if line.startswith("| ")][-1]
        verdict = verdicts[-1]
        kind = "refused" if verdict.startswith("=> refused") else "good"
        lines += [("head", heading.partition(". ")[2]), ("command", command)]
        lines += [("output", output), (kind, verdict), ("", "")]
    return lines[:-1]


def draw(lines: list[tuple[str, str]]) -> str:
    """Return the picture of these lines."""
    rows: list[tuple[str, str]] = []
    for kind, text in lines:
        wrapped = textwrap.wrap(text, COLUMNS, subsequent_indent="    ", break_on_hyphens=False)
        rows += [(kind, row) for row in wrapped or [""]]
    width = round(COLUMNS * _COLUMN) + 2 * _MARGIN
    height = len(rows) * _LINE + 2 * _MARGIN
    place = f'x="{_MARGIN}" y="{{}}"'
    drawn = [
        f'<text class="{kind}" {place.format(_MARGIN + 13 + number * _LINE)}>{escape(row)}</text>'
        for number, (kind, row) in enumerate(rows)
        if row
    ]
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{TITLE}</title>",
            f"<style>\n{_STYLE}\n</style>",
            f'<rect class="box" width="{width}" height="{height}" rx="6"/>',
            *drawn,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(chosen(run())), encoding="utf-8")
