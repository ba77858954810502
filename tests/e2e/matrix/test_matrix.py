"""The same profile does the same for every tool, task, identity, handoff, roots and Python."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.e2e.matrix import faults
from tests.e2e.matrix.cells import Cell, cells
from tests.e2e.matrix.scene import Scene
from tests.e2e.matrix.tasks import TASKS
from tests.e2e.own_proxy import OwnProxy, Socks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.bench import Bench
    from tests.e2e.matrix.pythons import Environments
    from tests.e2e.secret_service import SecretService
    from tests.pki import Issued
    from tests.sandbox import Canary
    from tests.tokens import SoftTpm

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.matrix]


@pytest.fixture
def cell(request: pytest.FixtureRequest) -> Cell:
    """Return the cell of this item."""
    found: Cell = request.param
    return found


@pytest.fixture
def scene(
    cell: Cell,
    bench: Bench,
    canary: Canary,
    environments: Environments,
    request: pytest.FixtureRequest,
) -> Iterator[Scene]:
    """Return the place in which the cell is run; it goes with the cell, for it may be large."""

    def keyring() -> SecretService:
        service: SecretService = request.getfixturevalue("keyring")
        return service

    def tpm() -> tuple[SoftTpm, Issued]:
        found: tuple[SoftTpm, Issued] = request.getfixturevalue("tpm")
        return found

    proxies: list[OwnProxy] = []

    def proxy(scheme: str) -> str:
        issued = bench.server.server_ca.issue("proxy", server=True, hosts=("localhost",))
        own = OwnProxy(issued.pem() if scheme == "https" else None)
        proxies.append(Socks() if scheme.startswith("socks") else own)
        return proxies[-1].url()

    yield Scene(cell, bench, canary, environments, keyring, proxy, tpm)
    for one in proxies:
        one.listener.close()
        assert one.heads, "the proxy was not asked"
    shutil.rmtree(bench.sandbox.root, ignore_errors=True)


def of(*tables: str) -> list[Cell]:
    """Return the cells of these tables."""
    return [one for one in cells() if one.table in tables]


@pytest.mark.parametrize("cell", of("pip", "uv", "program"), indirect=True, ids=str)
def test_cell(cell: Cell, scene: Scene) -> None:
    """The task is done, seen by the index as one client's, and leaves no secret."""
    scene.profile()
    task = cell.values.get("task", cell["tool"])
    TASKS[cell.table][task](scene)
    scene.assert_clean()


@pytest.mark.parametrize("cell", of("refused"), indirect=True, ids=str)
def test_refused(cell: Cell, scene: Scene) -> None:
    """What cannot work is refused before the tool starts: the index hears nothing."""
    faults.prepare(scene)
    tool = cell.tool
    assert tool is not None
    done = scene.run(*scene.bench.install(tool), status=125)
    scene.bench.assert_refused(done)
    assert faults.SAID[cell["fault"]] in done.stderr.splitlines()[0]
    scene.assert_clean()
