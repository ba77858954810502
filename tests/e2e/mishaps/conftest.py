"""The scene of every mishap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.mishaps.scene import Scene

if TYPE_CHECKING:
    from tests.e2e.bench import Bench
    from tests.sandbox import Canary


@pytest.fixture
def scene(bench: Bench, canary: Canary) -> Scene:
    """Return a user with a locked key, for whom everything is well."""
    found = Scene(bench, canary)
    bench.env["UV_NO_CACHE"] = "1"  # each run has to call on the server
    found.locked()
    return found
