"""What a run of the benchmark found: ratios, times, memory, imports. It is kept as JSON."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import platform
import re
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import probes
from .timing import Samples, measure, quartiles

if TYPE_CHECKING:
    from .scene import Scene
    from .timing import Case

UNIT = "python"
STARTS = "starts of Python"


@dataclass(frozen=True)
class Target:
    """How much more a case may cost over its bare tool, as a share of what another one costs."""

    case: str
    at_most: float
    of: str = UNIT
    unit: str = STARTS


_RECIPE, _C_RECIPE = "of the recipe with `keyring`", "of the recipe with `secret-tool`"
TARGETS = (
    Target("uses-no-network", 1.15),
    Target("pip-list", 1.15),
    Target("kept", 1.3),
    Target("changed-config", 3),
    Target("changed-identity", 3),
    Target("changed-ca", 3),
    Target("encrypted", 0.6, "recipe-keyring", _RECIPE),
    Target("remembered", 1.4),
    Target("remembered", 1, "recipe-c", _C_RECIPE),
    Target("large-kept", 1.2, "kept", "of the small one"),
    Target("large-changed", 1.2, "changed-config", "of the small one"),
)
MEMORY_AT_MOST = 1.3
# Bare Python first, which the others are a share of.
MEMORY = (UNIT, "uses-no-network", "kept", "changed-config", "changed-identity", "encrypted")
MEMORY_TARGETS = ("kept", "changed-config", "changed-identity")
IMPORTS = ("uses-no-network", "kept", "changed-config", "changed-identity", "encrypted")
LARGEST = 10


@dataclass(frozen=True)
class Ratio:
    """One line of the table; `value` is None where it could not be measured.

    It is the median over the rounds, and `low` and `high` are the quartiles.
    """

    case: str
    shown: str
    unit: str
    at_most: float
    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def reached(self) -> bool:
        """Whether it is what it was to be, at most."""
        return self.value is not None and self.value <= self.at_most


@dataclass(frozen=True)
class Time:
    """The times of one case, in milliseconds; `starts` is its overhead, in starts of Python."""

    case: str
    shown: str
    median: float
    low: float
    high: float
    fastest: float
    cpu: float
    starts: float | None


@dataclass(frozen=True)
class Results:
    """All that is reported."""

    machine: dict[str, str]
    rounds: int
    ratios: list[Ratio]
    times: list[Time]
    memory: dict[str, int]
    imports: dict[str, dict[str, float]]
    notes: list[str]

    def time(self, case: str) -> Time | None:
        """Return the times of the case of this name, where it was measured."""
        return next((time for time in self.times if time.case == case), None)

    def to_json(self) -> str:
        """Return all of it as text."""
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Return what `to_json` wrote."""
        found: dict[str, Any] = json.loads(text)
        found["ratios"] = [Ratio(**ratio) for ratio in found["ratios"]]
        found["times"] = [Time(**time) for time in found["times"]]
        return cls(**found)


def take(scene: Scene, rounds: int) -> Results:
    """Run everything, and return what it comes to."""
    load = os.getloadavg()[0]
    cases = scene.cases
    samples = measure(cases, UNIT, rounds)
    over = {name: case.over for name, case in cases.items()}
    times = [_time(case, over, samples) for case in cases.values()]
    shown = {name: case.shown for name, case in cases.items()}
    memory = {
        name: probes.peak(scene.installation, cases[name]) for name in MEMORY if name in cases
    }
    return Results(
        machine=_machine(scene, load),
        rounds=rounds,
        ratios=[
            *(_ratio(target, shown, samples) for target in TARGETS),
            *(_memory_ratio(name, memory, shown) for name in MEMORY_TARGETS),
        ],
        times=times,
        memory=memory,
        imports={
            name: _largest(probes.imports(scene.installation, cases[name], cases[UNIT]))
            for name in IMPORTS
            if name in cases
        },
        notes=list(scene.notes),
    )


def _time(case: Case, over: dict[str, str | None], samples: Samples) -> Time:
    """Return the times of a case; of a bare tool, and of Python, from beside all others."""
    starts = None
    if case.over is not None:
        runs = [trio.case for trio in samples[case.name]]
        starts = round(statistics.median(trio.starts for trio in samples[case.name]), 3)
    elif case.name == UNIT:
        runs = [trio.unit for trios in samples.values() for trio in trios]
    else:
        runs = [
            trio.bare
            for name, trios in samples.items()
            if over[name] == case.name
            for trio in trios
        ]
    walls = [sample.wall for sample in runs]
    low, middle, high = quartiles(walls)
    return Time(
        case=case.name,
        shown=case.shown,
        median=round(middle, 2),
        low=round(low, 2),
        high=round(high, 2),
        fastest=round(min(walls), 2),
        cpu=round(statistics.median(sample.cpu for sample in runs), 2),
        starts=starts,
    )


def _ratio(target: Target, shown: dict[str, str], samples: Samples) -> Ratio:
    """Return how a case does by a target, both in starts of Python that ran beside them."""
    name = shown.get(target.case, target.case)
    is_there = target.case in samples and (target.of == UNIT or target.of in samples)
    if not is_there:
        return Ratio(target.case, name, target.unit, target.at_most, None)
    whole = 1.0
    if target.of != UNIT:
        whole = statistics.median(trio.starts for trio in samples[target.of])
    low, value, high = quartiles([trio.starts / whole for trio in samples[target.case]])
    rounded = (round(found, 3) for found in (value, low, high))
    return Ratio(target.case, name, target.unit, target.at_most, *rounded)


def _memory_ratio(name: str, memory: dict[str, int], shown: dict[str, str]) -> Ratio:
    value = round(memory[name] / memory[UNIT], 3)
    return Ratio(name, f"memory: {shown[name]}", "bare Python's peak", MEMORY_AT_MOST, value)


def _largest(found: dict[str, float]) -> dict[str, float]:
    """Return the slowest few, and the sum of all."""
    largest = {name: round(value, 2) for name, value in list(found.items())[:LARGEST]}
    return {**largest, "all": round(sum(found.values()), 2)}


def _machine(scene: Scene, load: float) -> dict[str, str]:
    """Return what kind of machine this is; not whose, nor what it is called."""
    numbers = re.match(r"\d+(\.\d+)*", platform.release())
    return {
        "date": f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {numbers.group() if numbers else ''}".strip(),
        platform.python_implementation(): platform.python_version(),
        "load before": f"{load:.1f}",
        **scene.versions,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
