"""The generator of cells: every pair that can be is there, and nothing that cannot."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, get_args

import pytest

from tests.e2e.matrix import cells as matrix
from tests.e2e.matrix.faults import SAID
from tests.e2e.matrix.pairwise import Allows, Cell, cover, pairs
from tests.e2e.matrix.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Axes = dict[str, tuple[str, ...]]

SMALL: Axes = {"a": ("1", "2", "3"), "b": ("x", "y"), "c": ("p", "q", "r"), "d": ("0", "1")}


def valid(cell: Mapping[str, str], allows: Allows) -> bool:
    """Tell whether any two values of a cell go together."""
    return all(allows(dict(two)) for two in itertools.combinations(cell.items(), 2))


def possible(axes: Mapping[str, Sequence[str]], allows: Allows) -> set[frozenset[tuple[str, str]]]:
    """Return the pairs that some valid cell holds, each cell tried."""
    found = set()
    for pair in pairs(axes):
        pinned = dict(pair)
        choices = [(pinned[name],) if name in pinned else axes[name] for name in axes]
        if allows(pinned) and any(
            valid(dict(zip(axes, values)), allows) for values in itertools.product(*choices)
        ):
            found.add(frozenset(pair))
    return found


def held(cells: Sequence[Mapping[str, str]]) -> set[frozenset[tuple[str, str]]]:
    """Return the pairs that these cells hold."""
    return {frozenset(two) for cell in cells for two in itertools.combinations(cell.items(), 2)}


def odd_ones(cell: Mapping[str, str]) -> bool:
    """Forbid some pairs: `1` with `x`, and `r` with all but one of what is left."""
    forbidden = [("a", "1", "b", "x"), ("c", "r", "d", "0"), ("c", "r", "a", "2")]
    return all((cell.get(a), cell.get(b)) != (x, y) for a, x, b, y in forbidden)


def dead_end(cell: Mapping[str, str]) -> bool:
    """Forbid all values of `b` beside `3` and `p` together, though each pair of them may be."""
    forbidden = [("a", "3", "b", "x"), ("c", "p", "b", "y")]
    return all((cell.get(a), cell.get(b)) != (x, y) for a, x, b, y in forbidden)


@pytest.mark.parametrize("allows", [lambda _: True, odd_ones, dead_end], ids=["all", "odd", "end"])
def test_small(allows: Allows) -> None:
    """Each cell is valid, and together they hold exactly the pairs that a valid cell can hold."""
    cells = cover(SMALL, allows)
    assert all(valid(cell, allows) for cell in cells)
    assert held(cells) == possible(SMALL, allows)
    assert len(cells) < 3 * 2 * 3 * 2 / 2


def test_dead_end_is_one() -> None:
    """The rule that leads into a dead end really leaves a pair without a cell."""
    pair = frozenset({("a", "3"), ("c", "p")})
    assert dead_end(dict(pair))
    assert pair not in possible(SMALL, dead_end)


def test_same_every_time() -> None:
    """The cells and their order depend on the axes alone, so that all workers have the same."""
    assert cover(SMALL, odd_ones) == cover(dict(SMALL), odd_ones)
    assert [list(cell) for cell in cover(SMALL, odd_ones)] == [list(SMALL)] * len(
        cover(SMALL, odd_ones)
    )


@pytest.mark.parametrize("found", [("3.9", "3.10", "3.13"), ("3.11",)], ids=["three", "one"])
@pytest.mark.parametrize("table", get_args(matrix.Table))
def test_tables(table: matrix.Table, found: tuple[str, ...]) -> None:
    """In each table of the matrix every pair that can be is covered, whatever Pythons there are."""
    axes = matrix.axes(found)[table]
    cells: list[Cell] = cover(axes, matrix.allows)
    assert held(cells) == possible(axes, matrix.allows)


def test_reach() -> None:
    """With one Python too there are 300 cells, each with an id of its own."""
    tables = matrix.axes(["3.11"])
    assert sum(len(cover(axes, matrix.allows)) for axes in tables.values()) >= 300
    ids = [str(cell) for cell in matrix.cells()]
    assert len(ids) == len(set(ids)) >= 300


def test_rules() -> None:
    """What does not go together does so for a reason that is written down."""
    refused = [
        {"tool": "pip-21.3", "python": "3.12"},
        {"tool": "pip-26.3", "python": "3.9"},
        {"tool": "pip-21.3", "task": "python"},
        {"tool": "uv-0.2.11", "task": "publish"},
        {"form": "plain", "source": "keyring"},
        {"form": "p12", "source": "none"},
        {"form": "p12", "fault": "no-key"},
    ]
    admitted = [
        {"tool": "pip-21.3", "python": "3.11"},
        {"tool": "pip-23.3", "task": "python"},
        {"tool": "uv-0.4.30", "task": "publish"},
        {"tool": "pip-compile", "form": "pem"},
        {"form": "plain", "source": "none"},
    ]
    assert [pair for pair in refused if matrix.allows(pair)] == []
    assert [pair for pair in admitted if not matrix.allows(pair)] == []


def test_everything_is_done() -> None:
    """Each task and each program has what is done for it, and each fault its word."""
    assert tuple(TASKS["pip"]) == matrix.PIP_TASKS
    assert tuple(TASKS["uv"]) == matrix.UV_TASKS
    assert tuple(TASKS["program"]) == tuple(matrix.PROGRAMS)
    assert set(SAID) == set(matrix.FAULTS)
