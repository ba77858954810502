"""Fixtures of the end-to-end tests: one nginx and one Secret Service in each worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e import git_server, secret_service, server
from tests.e2e.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.secret_service import SecretService
    from tests.e2e.server import Server
    from tests.sandbox import Sandbox


@pytest.fixture(scope="session")
def nginx() -> Iterator[Server]:
    """Run the package index for the whole session."""
    with server.running() as found:
        yield found


@pytest.fixture(scope="session")
def git_http(nginx: Server) -> Iterator[Server]:
    """Serve git repositories beside the index for the whole session."""
    with git_server.running(nginx) as found:
        yield found


@pytest.fixture(scope="session")
def keyring_session() -> Iterator[SecretService]:
    """Run a Secret Service for the whole session."""
    with secret_service.running() as found:
        yield found


@pytest.fixture
def keyring(keyring_session: SecretService) -> SecretService:
    """Return a Secret Service with an unlocked and empty keyring."""
    keyring_session.forget()
    return keyring_session


@pytest.fixture
def own_keyring() -> Iterator[SecretService]:
    """Run a Secret Service for one test, to be locked."""
    with secret_service.running() as found:
        yield found


@pytest.fixture
def bench(sandbox: Sandbox, nginx: Server) -> Bench:
    """Return a sandbox before the index, with an identity that the index admits."""
    nginx.forget()
    return Bench(sandbox, nginx, nginx.issuer.issue("alice"))
