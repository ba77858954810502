"""Which parameters of a test run by default, and which in the slow tier alone."""

from __future__ import annotations

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
