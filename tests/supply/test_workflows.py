"""What docs/recipes.md has run in CI runs what was read, with no more rights than it needs."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # stubs are a package that nothing else needs

from tests.supply.workflows import workflows

PINNED = re.compile(r"\s*(?:- )?uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@pytest.mark.parametrize("name", workflows())
def test_actions_are_named_by_commit(name: str) -> None:
    """A tag can be moved; the version stands beside the commit for the reader."""
    used = [line for line in workflows()[name].splitlines() if "uses:" in line]
    assert used
    assert [line for line in used if not PINNED.fullmatch(line)] == []


@pytest.mark.parametrize("name", workflows())
def test_nothing_is_allowed_that_is_not_needed(name: str) -> None:
    """The job reads the repository and no more, and keeps no token where a build could read it."""
    workflow: dict[Any, Any] = yaml.safe_load(workflows()[name])
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
            # A value that is written into the script can be code; one of the environment cannot.
            assert "${{" not in step.get("run", "")


def test_there_is_a_workflow() -> None:
    """The page has one, which these tests looked at."""
    assert list(workflows()) == ["GitHub Actions workflow"]
