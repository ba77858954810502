"""Simulate a fleet that renews: `python -m tests.bench.fleet [--laptops N] [--write]`.

Each laptop has one short-lived certificate, and a person whose first command comes around nine. The
moments of renewal are those of the code itself, `mtls_run.renewal.schedule`; the rules around them
are those of `renewal/turn.py`. The numbers are requests to the CA.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.renewal import schedule
from mtls_run.renewal.schedule import Life, retry_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE = Path(__file__).parents[2] / "docs/fleet.md"
MARKS = ("<!-- simulation -->\n", "<!-- /simulation -->")
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
NINE, FIVE = 9 * HOUR, 17 * HOUR
# The first commands of the day: their standard deviation around nine, then so many an hour.
SPREAD, AN_HOUR = 15 * MINUTE, 4.0
# The days before the last are for the fleet to settle.
DAYS = 30
# How often a build machine runs a command.
JOB = 5 * MINUTE


@dataclass(frozen=True)
class Scenario:
    """What differs: how long a certificate lives, a timer at nine, and when the CA is down.

    `delay` is how far a timer is spread (systemd's RandomizedDelaySec); without one it is None.
    `down` is from when to when the CA answers nothing on the last day. `enrolled` are machines that
    run a command every five minutes and were all enrolled in the minute after nine, seen on their
    first day. Without `spread`, the code would renew each one after the same time.
    """

    shown: str
    life: float
    timer: bool = False
    delay: float = 0.0
    down: tuple[float, float] | None = None
    enrolled: bool = False
    spread: bool = True

    def issued(self, whose: str, now: float) -> Life:
        """Return the life of a certificate that the CA issues now."""
        fingerprint = hashlib.sha256(f"{whose} {now}".encode()).hexdigest()
        spread = schedule.spread(fingerprint) if self.spread else 0.0
        return Life(now, now + self.life, spread=spread)


@dataclass
class Seen:
    """The last day: the moments of the requests, and the runs that had to wait or were stopped."""

    asked: list[float] = field(default_factory=list)
    renewed: int = 0
    waited: int = 0
    stopped: int = 0
    runs: int = 0


def moments(scenario: Scenario, chance: random.Random) -> Iterator[tuple[float, bool]]:
    """Yield when a machine runs mtls-run, and whether the timer does it, over all days."""
    if scenario.enrolled:
        first = NINE + chance.uniform(MINUTE, JOB)
        yield from ((first + count * JOB, False) for count in range(int((DAY - NINE) / JOB)))
        return
    for day in range(DAYS):
        midnight = day * DAY
        found = []
        if scenario.timer:
            found.append((NINE + chance.uniform(0.0, scenario.delay), True))
        moment = chance.gauss(NINE, SPREAD)
        while moment < FIVE:
            found.append((moment, False))
            moment += chance.expovariate(AN_HOUR / HOUR)
        yield from ((midnight + moment, is_timer) for moment, is_timer in sorted(found))


def simulate(scenario: Scenario, laptops: int, seed: int = 1) -> Seen:
    """Return what the CA sees on the last day."""
    seen = Seen()
    last = 0.0 if scenario.enrolled else (DAYS - 1) * DAY
    for number in range(laptops):
        whose = f"{seed} {number}"
        chance = random.Random(whose)
        life, failures, retry_at = Life(-DAY, -DAY), 0, 0.0
        if scenario.enrolled:
            life = scenario.issued(whose, NINE + chance.uniform(0.0, MINUTE))
        for now, is_timer in moments(scenario, chance):
            is_last = now >= last
            seen.runs += is_last and not is_timer
            if now < life.due_at:
                continue
            is_waiting = not life.is_good(now) or now >= life.urgent_at
            if now < retry_at and not is_waiting:
                continue
            down = scenario.down if is_last else None
            if is_last:
                seen.asked.append(now - last)
                seen.waited += is_waiting and not is_timer
            if down is not None and down[0] <= now - last < down[1]:
                failures += 1
                retry_at = now + retry_after(failures)
                seen.stopped += is_waiting and not is_timer
                continue
            life, failures, retry_at = scenario.issued(whose, now), 0, 0.0
            seen.renewed += is_last
    return seen


def peak(asked: Iterable[float], seconds: int) -> float:
    """Return the most requests a second, in any stretch of so many seconds."""
    return max(Counter(int(moment) // seconds for moment in asked).values(), default=0) / seconds


HALF_PAST = (NINE, NINE + 1800.0)
SCENARIOS = (
    Scenario("24 h, by the first command", 24 * HOUR),
    Scenario("24 h, by cron at nine", 24 * HOUR, timer=True),
    Scenario("24 h, by a timer with RandomizedDelaySec=1h", 24 * HOUR, timer=True, delay=HOUR),
    Scenario("36 h, by the first command", 36 * HOUR),
    Scenario("8 h, by commands", 8 * HOUR),
    Scenario("1 h, by commands", HOUR),
    Scenario("8 h, build machines, all enrolled at nine", 8 * HOUR, enrolled=True),
    Scenario("the same, if renewal were not spread", 8 * HOUR, enrolled=True, spread=False),
    Scenario("24 h, the CA is down from 9:00 to 9:30", 24 * HOUR, down=HALF_PAST),
    Scenario("36 h, the CA is down from 9:00 to 9:30", 36 * HOUR, down=HALF_PAST),
)
COLUMNS = (
    "certificates that live for",
    "requests a day",
    "most in a second",
    "most in a minute, a second",
    "commands that wait",
    "commands stopped",
)


def table(laptops: int) -> str:
    """Return the table for this many laptops."""
    lines = [
        f"{laptops:,} machines, seed 1.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for scenario in SCENARIOS:
        seen = simulate(scenario, laptops)
        lines.append(
            f"| {scenario.shown} | {len(seen.asked):,} | {peak(seen.asked, 1):,.0f} "
            f"| {peak(seen.asked, 60):.1f} | {seen.waited:,} of {seen.runs:,} | {seen.stopped:,} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fleet", description=__doc__)
    parser.add_argument("--laptops", type=int, default=10_000)
    parser.add_argument("--write", action="store_true", help="write docs/fleet.md, too")
    asked = parser.parse_args()
    text = table(asked.laptops)
    print(text, end="")  # noqa: T201 - the answer
    if asked.write:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(MARKS[0])
        _, _, after = rest.partition(MARKS[1])
        PAGE.write_text(before + MARKS[0] + text + MARKS[1] + after, encoding="utf-8")


if __name__ == "__main__":
    main()
