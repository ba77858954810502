"""Certificates that live for seconds, renewed by a CA while real tools install from nginx."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.issuers.authority import running
from tests.e2e.recipes import REPOSITORY, blocks
from tests.e2e.toolbox import newest_pip, newest_uv

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.e2e.bench import Bench
    from tests.e2e.issuers.authority import Authority

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

BLOCKS = blocks(REPOSITORY / "docs/renewal.md")
FILES, RENEW = BLOCKS["EST toml"].rsplit("\n", 2)[:2]
LIFE = 24.0
DAY = 86400


@pytest.fixture
def authority(bench: Bench) -> Iterator[Authority]:
    """Run the CA."""
    with running(bench.server, LIFE) as found:
        yield found


def enrolled(bench: Bench, authority: Authority, *, life: float = LIFE, since: float = 1.0) -> None:
    """Give the user a certificate that ends in `life` seconds, and the recipe that renews it."""
    alice = bench.server.issuer.issue("alice", starts=-since / DAY, days=life / DAY)
    authority.issued.append(time.time())
    write = bench.sandbox.write
    write("pki/alice.crt", alice.cert_pem + alice.chain_pem)
    write("pki/alice.key", alice.key_pem())
    write("pki/corp-root.pem", bench.server.server_ca.pem)
    write(bench.sandbox.bin / "renew-alice", BLOCKS["EST sh"], mode=0o755)
    bench.env["EST"] = authority.url


def test_four_processes(bench: Bench, authority: Authority) -> None:
    """Installs in four processes go on over several lives: none is refused, one renews a life."""
    enrolled(bench, authority)
    bench.profile(f"{FILES}\n{RENEW}")
    until = time.time() + 2.5 * LIFE
    ended: list[subprocess.CompletedProcess[str]] = []

    def install(number: int) -> None:
        tool = newest_pip() if number == 0 else newest_uv()
        target = bench.sandbox.root / f"target-{number}"
        words = bench.install(tool, "alpha-pkg")
        words[words.index("--target") + 1] = str(target)
        words += ["--no-cache-dir" if number == 0 else "--no-cache"]
        words += ["--upgrade"] if number == 0 else ["--reinstall"]
        while time.time() < until:
            ended.append(bench.sandbox.run(*words, env=bench.tool_env(tool), timeout=120))

    threads = [threading.Thread(target=install, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done for done in ended if done.returncode != 0] == []
    assert "mtls-run" not in "".join(done.stderr for done in ended)
    requests = bench.server.requests()
    assert {request.status for request in requests} <= {200, 206}  # uv asks for parts of a wheel
    assert {request.verify for request in requests} == {"SUCCESS"}
    assert len(ended) > 12
    assert bench.server.failed_handshakes() == []
    # Each is renewed in its last third at the earliest.
    gaps = [after - before for before, after in zip(authority.issued, authority.issued[1:])]
    assert len(gaps) >= 2, gaps
    assert min(gaps) > LIFE * 0.6, gaps


@pytest.mark.parametrize("how", ["renew", "command", "another program"])
def test_a_long_run_by_the_gateway(bench: Bench, authority: Authority, how: str) -> None:
    """A run that outlives the certificate goes on with the next one, whoever renews it."""
    enrolled(bench, authority)
    host = bench.server.url.split("/")[2]
    lines = {
        "renew": f"{FILES}\n{RENEW}",
        "command": 'client-cert = { command = ["print-alice"] }',
        "another program": FILES,
    }[how]
    bench.profile(f'{lines}\nhosts = ["{host}"]')
    printed = '#!/bin/sh\nrenew-alice && cat "$HOME/pki/alice.crt" "$HOME/pki/alice.key"\n'
    bench.sandbox.write(bench.sandbox.bin / "print-alice", printed, mode=0o755)
    count = int(2.2 * LIFE)
    ask = 'curl -sS -o /dev/null -w "%{http_code} " "$0"'
    script = f"for i in $(seq {count}); do {ask}; sleep 1; done"
    with contextlib.ExitStack() as stack:
        if how == "another program":
            stack.enter_context(renewed_beside(bench))
        words = ("--", "sh", "-c", script, f"{bench.server.url}alpha-pkg/")
        done = bench.sandbox.run(*words, env=bench.tool_env(None), timeout=180)
    assert done.returncode == 0, done
    assert done.stdout.split() == ["200"] * count, done
    assert {request.verify for request in bench.server.requests()} == {"SUCCESS"}
    assert len(authority.issued) > 2
    if how != "another program":
        assert len(authority.issued) <= 5  # one a life


@contextlib.contextmanager
def renewed_beside(bench: Bench) -> Iterator[None]:
    """Run the recipe every few seconds, as a daemon of the PKI does."""
    script = "while :; do renew-alice; sleep 8; done"
    env = bench.tool_env(None)
    with bench.sandbox.start(["sh", "-c", script], env=env) as daemon:
        try:
            yield
        finally:
            daemon.kill()
