"""How many examples a property is tried with, in each tier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy


def each_tier(few: int, many: int) -> pytest.MarkDecorator:
    """Return the parametrisation: a few fixed examples by default, many new ones if slow."""
    slow = pytest.param(many, marks=pytest.mark.slow)
    return pytest.mark.parametrize("examples", [few, slow])


def for_all(examples: int, test: Callable[..., None], *strategies: SearchStrategy[Any]) -> None:
    """Run the test with this many examples; those of the default tier are always the same."""
    run = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 200,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )(given(*strategies)(test))
    run()
