"""The picture of the results: bars, ours and the others', drawn as SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from .results import STARTS, TARGETS, UNIT

if TYPE_CHECKING:
    from .results import Results, Target

# A name for each group, and its cases; what is not ours stands beside what it is compared with.
GROUPS = (
    ("uses no network", ("uses-no-network", "pip-list")),
    (
        "unencrypted key",
        ("kept", "changed-config", "changed-identity", "changed-ca", "direnv"),
    ),
    ("1,000 profiles, 500 directories, 40 deep", ("large-kept", "large-changed")),
    ("encrypted key", ("remembered", "encrypted", "recipe-c", "recipe-keyring")),
)
OTHERS = (UNIT, "direnv", "recipe-c", "recipe-keyring")

_WIDTH, _LEFT, _RIGHT = 860, 330, 130
_LINE, _BAR, _TOP = 24, 14, 58
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 } .group { font-weight: 600 }
  .small { font-size: 12px; fill: #59636e }
  .ours { fill: #0969da } .other { fill: #9aa4ae } .most { stroke: #cf222e; stroke-width: 2 }
  .axis { stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 }
    .ours { fill: #4493f8 } .other { fill: #656c76 } .most { stroke: #ff7b72 }
    .axis { stroke: #3d444d }
  }
"""


def draw(results: Results) -> str:
    """Return the picture: the overhead of every case over its bare tool, in starts of Python."""
    unit = results.time(UNIT)
    assert unit is not None  # it is always measured
    found = {time.case: time.starts for time in results.times if time.starts is not None}
    starts = {UNIT: 1.0, **{name: max(0.0, value) for name, value in found.items()}}
    limits = {target.case: _limit(target, starts) for target in reversed(TARGETS)}
    names = {time.case: time.shown.replace("`", "") for time in results.times}
    # A bar of ours that would make all others short is cut.
    widest = max([*limits.values(), *(starts[name] for name in OTHERS if name in starts)])
    scale = (_WIDTH - _LEFT - _RIGHT) / widest
    body: list[str] = []
    y = _TOP
    for group, cases in (("", (UNIT,)), *GROUPS):
        if group:
            y += 8
            body.append(f'<text class="group" x="12" y="{y + 12}">{escape(group)}</text>')
            y += _LINE
        for name in cases:
            if name in starts:
                milliseconds = starts[name] * unit.median
                limit = limits.get(name, 0) * scale
                body += _bar(y, name, names[name], (starts[name], milliseconds), (scale, limit))
                y += _LINE
    height = y + 12
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" role="img">',
        f"<title>Overhead over the bare tool, in {STARTS}</title>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="12" y="24">Overhead over the bare tool, in {STARTS}</text>',
        '<rect class="ours" x="12" y="35" width="10" height="10"/>',
        '<text class="small" x="27" y="44">mtls-run</text>',
        '<rect class="other" x="92" y="35" width="10" height="10"/>',
        '<text class="small" x="107" y="44">others</text>',
        '<line class="most" x1="162" x2="162" y1="33" y2="47"/>',
        '<text class="small" x="170" y="44">what it may be at most</text>',
        f'<line class="axis" x1="{_LEFT}" x2="{_LEFT}" y1="{_TOP - 6}" y2="{height - 8}"/>',
    ]
    return "\n".join([*head, *body, "</svg>", ""])


def _limit(target: Target, starts: dict[str, float]) -> float:
    """Return the most that a case may cost, in starts of Python."""
    return target.at_most * starts.get(target.of, 0)


def _bar(
    y: int, name: str, shown: str, value: tuple[float, float], scale: tuple[float, float]
) -> list[str]:
    """Return one line: a name, its bar, and its value in starts of Python and in milliseconds.

    `scale` is how long a start of Python is, and where the mark stands; 0 is none.
    """
    kind = "other" if name in OTHERS else "ours"
    widest, (start, limit) = _WIDTH - _LEFT - _RIGHT, scale
    width = min(value[0] * start, widest)
    cut = " »" if value[0] * start > widest else ""
    label = f'{value[0]:.2f}<tspan class="small"> · {value[1]:.0f} ms{cut}</tspan>'
    drawn = [
        f'<text x="{_LEFT - 10}" y="{y + 12}" text-anchor="end">{escape(shown)}</text>',
        f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>',
        f'<text x="{_LEFT + max(width, limit) + 8:.1f}" y="{y + 12}">{label}</text>',
    ]
    if limit:
        x = f"{_LEFT + limit:.1f}"
        drawn.append(f'<line class="most" x1="{x}" x2="{x}" y1="{y - 3}" y2="{y + _BAR + 3}"/>')
    return drawn
