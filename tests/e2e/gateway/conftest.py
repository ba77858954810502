"""One set of authorities for all tests of the gateway."""

from __future__ import annotations

import pytest

from tests.e2e.gateway.scene import World


@pytest.fixture(scope="session")
def world() -> World:
    """Return the authorities."""
    return World()
