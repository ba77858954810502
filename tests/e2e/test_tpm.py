"""pip and uv by a key that a software TPM holds."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.e2e.toolbox import newest_pip, newest_uv
from tests.tokens import PIN, SoftTpm, identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.bench import Bench
    from tests.e2e.toolbox import Tool

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TOOLS = [newest_pip(), newest_uv()]
CALLERS = 3


@pytest.fixture
def tpm(bench: Bench) -> Iterator[SoftTpm]:
    """Return a TPM of whose key the profile is, with the PIN in a variable."""
    place = SoftTpm(bench.sandbox.root / "tpm", "Tpm")
    try:
        issued = identity(place, bench.server.issuer, "p256")
        bench.sandbox.write("pki/alice.pem", issued.cert_pem + issued.chain_pem)
        bench.env.update(place.environ, PP=PIN)
        host = bench.server.url.split("/")[2]
        bench.profile(
            f'client-cert = "~/pki/alice.pem"\nclient-key = "{place.uri("object=alice")}"\n'
            f'hosts = ["{host}"]\n'
            'passphrase = { env = "PP" }'
        )
        yield place
    finally:
        place.stop()


@pytest.mark.parametrize("tool", TOOLS, ids=str)
@pytest.mark.usefixtures("tpm")
def test_a_tool_installs_by_a_key_in_a_tpm(bench: Bench, tool: Tool) -> None:
    """A tool that reads files alone installs a wheel and an sdist by a key of the TPM."""
    bench.assert_installed(bench.run(tool), subject="CN=alice")


@pytest.mark.parametrize("tool", TOOLS, ids=str)
def test_a_busy_tpm_is_waited_for(bench: Bench, tpm: SoftTpm, tool: Tool) -> None:
    """While other programs have the same TPM make keys, the tool installs all the same."""
    done = threading.Event()
    made: list[bool] = []

    def work() -> None:
        while not done.is_set():
            made.append(tpm.work())

    callers = [threading.Thread(target=work) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        bench.assert_installed(bench.run(tool), subject="CN=alice")
    finally:
        done.set()
        for caller in callers:
            caller.join()
    assert sum(made) >= CALLERS, "the TPM was not busy"
