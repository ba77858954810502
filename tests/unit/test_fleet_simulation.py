"""The simulation of a fleet follows the code's own schedule, and the page has what it prints."""

from __future__ import annotations

from dataclasses import replace

from tests.bench import fleet
from tests.bench.fleet import HOUR, NINE, Scenario, peak, simulate

LAPTOPS = 100


def test_one_renewal_a_life() -> None:
    """It is renewed once a day at most, however many commands there are."""
    for life, least in ((24 * HOUR, LAPTOPS), (36 * HOUR, LAPTOPS * 3 // 4)):
        seen = simulate(Scenario("", life), LAPTOPS)
        assert least <= len(seen.asked) == seen.renewed <= LAPTOPS
        assert seen.runs > 20 * LAPTOPS


def test_a_timer_at_one_moment_is_a_peak() -> None:
    """With cron many laptops ask in one second, and a random delay spreads them."""
    by_cron = simulate(Scenario("", 24 * HOUR, timer=True), LAPTOPS)
    spread = simulate(Scenario("", 24 * HOUR, timer=True, delay=HOUR), LAPTOPS)
    assert peak(by_cron.asked, 1) > LAPTOPS / 4
    assert peak(spread.asked, 1) < LAPTOPS / 20


def test_machines_enrolled_at_once_renew_apart() -> None:
    """Their renewals lie apart by a part of the life, and would not without that."""
    machines = Scenario("", 8 * HOUR, enrolled=True)
    spread = simulate(machines, 4 * LAPTOPS)
    at_once = simulate(replace(machines, spread=False), 4 * LAPTOPS)
    assert len(spread.asked) == len(at_once.asked) == 8 * LAPTOPS
    assert peak(spread.asked, 60) < peak(at_once.asked, 60) / 2
    assert spread.waited == 0


def test_a_longer_life_bears_an_outage() -> None:
    """While the old certificate is good, a CA that is down stops hardly a command."""
    down = (NINE, NINE + 1800)
    short = simulate(Scenario("", 24 * HOUR, down=down), LAPTOPS)
    longer = simulate(Scenario("", 36 * HOUR, down=down), LAPTOPS)
    assert short.stopped > LAPTOPS / 2
    assert longer.stopped < short.stopped / 5
    assert len(short.asked) > short.renewed  # the attempts meanwhile


def test_the_page_has_a_row_for_each_scenario() -> None:
    """docs/fleet.md has the table that `--write` puts there."""
    text = fleet.PAGE.read_text(encoding="utf-8")
    table = text.partition(fleet.MARKS[0])[2].partition(fleet.MARKS[1])[0]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[4:]]
    assert rows == [scenario.shown for scenario in fleet.SCENARIOS]
