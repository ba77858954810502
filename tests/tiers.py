"""Which parameters a test has: by default, in the slow tier, and how many of a product."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.mark.structures import ParameterSet


def first(count: int, values: Iterable[object]) -> list[ParameterSet]:
    """Return the values as parameters; those after the first `count` are slow."""
    every = list(values)
    slow = [pytest.param(value, marks=pytest.mark.slow) for value in every[count:]]
    return [*map(pytest.param, every[:count]), *slow]


def rotated(*axes: Iterable[object]) -> list[tuple[object, ...]]:
    """Return as many tuples as the longest axis has values; the shorter axes go round.

    Each value of each axis is in one of them, where the whole product would find nothing more.
    """
    lists = [list(axis) for axis in axes]
    longest = max(map(len, lists))
    return list(itertools.islice(zip(*map(itertools.cycle, lists)), longest))
