"""Real pip and uv by the gateway, before a real nginx that asks for a client certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mtls_run.config.scope import HostPattern, Scope
from mtls_run.handoff.gateway import contexts
from mtls_run.handoff.gateway.settings import ScopedIdentity, Settings
from mtls_run.secret import Secret
from tests.e2e.gateway.scene import World, always, direct, gateway, scripted
from tests.e2e.own_proxy import HELLO
from tests.e2e.toolbox import in_slow_tier, newest_pip, newest_uv, pips, uvs

if TYPE_CHECKING:
    from tests.e2e.bench import Bench
    from tests.e2e.gateway.scene import Gateway
    from tests.e2e.toolbox import Tool

pytestmark = pytest.mark.everyday

OTHERS = [one for one in (*uvs(), *pips()) if one not in (newest_uv(), newest_pip())]


def through(bench: Bench, tool: Tool, found: Gateway) -> dict[str, str | None]:
    """Return the environment of a tool that uses the gateway."""
    ca = str(bench.sandbox.write("run-ca.pem", found.running.ca_pem))
    env: dict[str, str | None] = {
        "HTTPS_PROXY": found.running.proxy_url,
        "HTTP_PROXY": found.running.proxy_url,
        "PIP_CERT": ca,
        "SSL_CERT_FILE": ca,
    }
    if tool.kind == "pip" and tool.release >= (24, 2):
        env["PIP_USE_DEPRECATED"] = "legacy-certs"
    return env


def for_index(bench: Bench) -> Settings:
    """Return the settings of a gateway for the index."""
    pem = Secret(bench.alice.pem())
    scope = Scope((HostPattern("localhost", bench.server.port),), ("/simple/", "/files/"))
    alice = ScopedIdentity("alice", scope, lambda context: contexts.load_pem(context, pem))
    methods = frozenset({"GET", "HEAD"})
    return Settings((alice,), bench.server.server_ca.pem, methods, direct, lambda: None)


@pytest.mark.parametrize("tool", [newest_uv(), newest_pip(), *in_slow_tier(*OTHERS)], ids=str)
def test_wheels_and_an_sdist(bench: Bench, tool: Tool) -> None:
    """All is installed, the build backend included, and the index saw one client alone."""
    with gateway(for_index(bench)) as found:
        bench.assert_installed(bench.run_plain(tool, env=through(bench, tool, found)))


def test_a_body_like_the_servers(bench: Bench) -> None:
    """What nginx answers to Range, HEAD and If-Modified-Since arrives as it is."""
    name = next((bench.server.root / "www/files").glob("alpha_pkg-*.whl"))
    content, path = name.read_bytes(), f"/files/{name.name}"
    with gateway(for_index(bench)) as found:
        port = bench.server.port
        part = found.get(port, path, "Range: bytes=10-19")
        assert (part.status, part.body) == (206, content[10:20])
        whole = found.get(port, path)
        assert whole.body == content
        head = found.get(port, path, method="HEAD")
        assert (head.headers["content-length"], head.body) == (str(len(content)), b"")
        since = found.get(port, path, f"If-Modified-Since: {whole.headers['last-modified']}")
        assert (since.status, since.body) == (304, b"")


@pytest.mark.parametrize("tool", [newest_uv(), newest_pip()], ids=str)
def test_a_second_host_is_shown_no_certificate(bench: Bench, tool: Tool) -> None:
    """An index that links to a second server, which asks any client: it sees no certificate."""
    world = World()
    with scripted(world, always(HELLO)) as other, gateway(for_index(bench)) as found:
        page = bench.server.root / "www/simple/delta-pkg/index.html"
        page.parent.mkdir(exist_ok=True)
        name = "delta_pkg-1.0-py3-none-any.whl"
        page.write_text(f'<a href="https://localhost:{other.port}/{name}">{name}</a>')
        env = through(bench, tool, found)
        for variable in ("PIP_CERT", "SSL_CERT_FILE"):
            both = found.running.ca_pem + world.server_ca.pem
            env[variable] = str(bench.sandbox.write("both.pem", both))
        done = bench.run_plain(tool, "delta-pkg", env=env)
    assert done.returncode != 0  # it answers with no wheel
    assert other.seen
    assert {one.subject for one in other.seen} == {""}
