"""Fixtures of the matrix: its index in place of the others', and environments of every Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.matrix import index
from tests.e2e.matrix.pythons import Environments
from tests.tokens import SoftTpm, identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.server import Server
    from tests.pki import Issued


@pytest.fixture(scope="session")
def nginx() -> Iterator[Server]:
    """Run the index with an application, pip, and a place to upload to."""
    with index.running() as found:
        yield found


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Environments:
    """Return the environments that all processes of this test run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "environments"
    folder.mkdir(exist_ok=True)
    return Environments.create(folder)


@pytest.fixture(scope="session")
def tpm(
    nginx: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SoftTpm, Issued]]:
    """Return a software TPM with alice's key in it, and her certificate."""
    chip = SoftTpm(tmp_path_factory.mktemp("tpm") / "tpm", "Tpm")
    try:
        yield chip, identity(chip, nginx.issuer, "p256")
    finally:
        chip.stop()
