"""Inputs that nobody would write: an answer or an error of mtls-run's own, soon, and no secret.

The same as `python -m tests.fuzz`, with fewer inputs; `regressions.json` has what once failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.fuzz import campaign

pytestmark = [pytest.mark.slow, pytest.mark.fuzz]

SEED = 1
# Inputs for each share of a campaign: some 45,000 altogether.
INPUTS = 200
HERE = Path(__file__).parent
REGRESSIONS: list[dict[str, str]] = json.loads((HERE / "regressions.json").read_text())


@pytest.mark.parametrize("target", campaign.SHARES)
def test_inputs(target: str, record_property: Callable[[str, object], None]) -> None:
    """Whatever the input, nothing crashes, hangs, warns or gives a secret away."""
    (found,) = campaign.run({target: campaign.SHARES[target] * INPUTS}, SEED, jobs=1)
    record_property("inputs", found.inputs)
    assert found.failures == {}
    assert found.inputs == campaign.SHARES[target] * INPUTS
    assert found.accepted > 0, "not one input was taken: the target does not work"


@pytest.fixture(scope="module")
def replayed() -> dict[str, Any]:
    """Return what comes of the inputs that once failed, and the targets that there are."""
    command = [sys.executable, "-m", "tests.fuzz.replay", str(HERE / "regressions.json")]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("number", range(len(REGRESSIONS)), ids=[r["name"] for r in REGRESSIONS])
def test_regression(
    replayed: dict[str, Any], number: int, record_property: Callable[[str, object], None]
) -> None:
    """An input that once failed ends as every other does."""
    record_property("inputs", 1)
    assert replayed["failures"][number] is None


def test_every_target_has_a_share(replayed: dict[str, Any]) -> None:
    """No target is left out of a campaign."""
    assert replayed["targets"] == list(campaign.SHARES)
