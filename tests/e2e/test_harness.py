"""The harness itself: the server really asks for a certificate, and the tools really show one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.toolbox import Tool, newest_pip, newest_uv, pips, uvs
from tests.pki import Authority

if TYPE_CHECKING:
    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def variables(bench: Bench, identity: bytes | None) -> dict[str, str]:
    """Return the variables that give both tools the server's CA and an unlocked identity."""
    found = {"PIP_CERT": str(bench.ca), "SSL_CERT_FILE": str(bench.ca)}
    if identity is not None:
        path = str(bench.sandbox.write("unlocked.pem", identity))
        found.update(PIP_CLIENT_CERT=path, SSL_CLIENT_CERT=path)
    return found


@pytest.mark.parametrize("tool", [*pips(), *uvs()], ids=str)
def test_identity_is_admitted(bench: Bench, tool: Tool) -> None:
    """Each tool by itself installs everything with an unlocked identity."""
    done = bench.run_plain(tool, env=variables(bench, bench.alice.pem()))
    bench.assert_installed(done)


@pytest.mark.parametrize("tool", [newest_pip(), newest_uv()], ids=str)
def test_nobody_is_admitted_without_one(bench: Bench, tool: Tool) -> None:
    """The server refuses a tool that has no identity to show."""
    done = bench.run_plain(tool, "alpha-pkg", env=variables(bench, None))
    assert done.returncode not in (0, 125)
    assert {request.status for request in bench.server.requests()} == {400}
    assert {request.verify for request in bench.server.requests()} == {"NONE"}
    assert bench.installed() == {}


@pytest.mark.parametrize("order", ["leaf-key", "leaf-chain-key"])
def test_server_needs_the_intermediate(bench: Bench, order: str) -> None:
    """The server admits a client only if it brings the intermediate along."""
    identity = bench.alice.pem(order=order)
    done = bench.run_plain(newest_uv(), "alpha-pkg", env=variables(bench, identity))
    assert (done.returncode == 0) == ("chain" in order)


def test_other_authorities_are_refused(bench: Bench) -> None:
    """The server refuses a certificate of another authority."""
    identity = Authority.create("Other").issue("mallory").pem()
    done = bench.run_plain(newest_uv(), "alpha-pkg", env=variables(bench, identity))
    assert done.returncode != 0
    assert {request.status for request in bench.server.requests()} == {400}


def test_keyring_is_real(keyring: SecretService) -> None:
    """The Secret Service gives back what it was given, to another program too."""
    keyring.store("corp", "pässword with spaces")
    assert keyring.lookup("corp") == "pässword with spaces"
    keyring.clear("corp")
    assert keyring.lookup("corp") is None
