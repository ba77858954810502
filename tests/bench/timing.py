"""Cases, run in turn, round after round, and what their times come to."""

from __future__ import annotations

import os
import random
import resource
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One command to be timed, and what has to be done before each time it is."""

    name: str
    shown: str
    """What it is called in the report."""
    command: Sequence[str]
    env: Mapping[str, str]
    directory: Path
    over: str | None = None
    """The name of the case that is the bare tool, over which this one is an overhead."""
    prepare: Callable[[], None] | None = None


@dataclass(frozen=True)
class Sample:
    """One run of a case, in milliseconds: as a clock saw it, and as the processors did."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Trio:
    """A run of a case, and right beside it one of its bare tool and one start of Python."""

    case: Sample
    bare: Sample
    unit: Sample

    @property
    def starts(self) -> float:
        """The overhead over the bare tool, in starts of Python."""
        return (self.case.wall - self.bare.wall) / self.unit.wall


Samples = dict[str, list[Trio]]


def run(case: Case) -> Sample:
    """Run a case once, prepared as it is; raises RuntimeError where its status is not 0.

    The clock runs until the process has ended; this one starts it without copying itself
    (posix_spawn), in a session of its own.
    """
    os.chdir(case.directory)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter_ns()
    child = os.posix_spawn(
        case.command[0],
        list(case.command),
        case.env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
        setsid=True,
    )
    _, status = os.waitpid(child, 0)
    ended = time.perf_counter_ns()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status != 0:
        code = os.waitstatus_to_exitcode(status)
        raise RuntimeError(f"{case.name} ended with {code}: {' '.join(case.command)}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Sample((ended - began) / 1e6, cpu * 1e3)


def measure(cases: Mapping[str, Case], unit: str, rounds: int) -> Samples:
    """Run every case that has a bare tool once in each round, beside that and one of `unit`.

    The order of the cases, and of the three, is drawn anew each time. What slows the machine down
    for a while slows all three, and none follows always the same.
    """
    found: Samples = {name: [] for name, case in cases.items() if case.over is not None}
    draw = random.Random(6)  # noqa: S311 - an order, not a secret
    for number in range(1, rounds + 1):
        for name in draw.sample(list(found), len(found)):
            case = cases[name]
            if case.prepare is not None:
                case.prepare()
            trio = [name, case.over or "", unit]
            samples = {one: run(cases[one]) for one in draw.sample(trio, 3)}
            found[name].append(Trio(*(samples[one] for one in trio)))
        if sys.stderr.isatty():
            sys.stderr.write(f"\rround {number} of {rounds}" + "\n" * (number == rounds))
            sys.stderr.flush()
    return found


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the first quartile, the median and the third."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    first, middle, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, middle, third
