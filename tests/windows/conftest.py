"""Fixtures of the Windows tier: one Windows in each worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e import server
from tests.windows import wine
from tests.windows.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.server import Server


@pytest.fixture(scope="session")
def nginx() -> Iterator[Server]:
    """Run the package index for the whole session."""
    with server.running() as found:
        yield found


@pytest.fixture(scope="session")
def prefix() -> Iterator[wine.Prefix]:
    """Run a Windows for the whole session."""
    lacking = wine.missing()
    if lacking is not None:
        pytest.skip(f"no wine for Windows programs: {lacking}")
    with wine.copy() as found:
        yield found


@pytest.fixture
def windows(request: pytest.FixtureRequest, prefix: wine.Prefix, nginx: Server) -> Machine:
    """Return a Windows with an empty home, before the index; with the newest Python, or another."""
    nginx.forget()
    python = getattr(request, "param", wine.PYTHONS[0])
    return Machine(prefix, python, nginx, nginx.issuer.issue("alice"))
