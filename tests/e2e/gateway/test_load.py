"""Many connections, few descriptors, slow peers and large bodies."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtls_run.errors import HandoffError
from mtls_run.handoff.gateway import contexts
from mtls_run.handoff.gateway.settings import ScopedIdentity
from mtls_run.secret import Secret
from tests.e2e.gateway.scene import Gateway, always, gateway, identity, scripted, settings
from tests.e2e.gateway.test_process import Runs
from tests.e2e.own_proxy import HELLO

if TYPE_CHECKING:
    import ssl

    from tests.e2e.gateway.scene import Answer, World

pytestmark = pytest.mark.everyday

ASK = """
import concurrent.futures, os, ssl, sys, urllib.request
port, count = sys.argv[1:]
def ask(_):
    with urllib.request.urlopen(f"https://localhost:{port}/", timeout=60) as answer:
        return answer.read() == b"hello"
with concurrent.futures.ThreadPoolExecutor(40) as pool:
    print(sum(pool.map(ask, range(int(count)))))
"""


def together(tool: Gateway, port: int, count: int) -> list[int]:
    """Return the statuses of so many requests, each in a connection of its own, at once."""
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(tool.get(port).status)) for _ in range(count)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return found


def test_with_64_descriptors(tmp_path: Path, world: World) -> None:
    """40 connections at once, again and again, are all answered where 64 descriptors are all."""
    with scripted(world, always(HELLO)) as server:
        runs = Runs(tmp_path, world, f"localhost:{server.port}")
        (tmp_path / "ask.py").write_text(ASK)
        words = [runs.command()[0], str(tmp_path / "ask.py"), str(server.port), "120"]
        status, out, err = runs.run(*words, descriptors=64)
    assert (status, out) == (0, "120\n"), err


@pytest.mark.slow
def test_500_connections_at_once(world: World) -> None:
    """All are answered, by few connections to the server."""
    with scripted(world, always(HELLO)) as server:
        alice = identity(world.client("alice"), f"localhost:{server.port}")
        with gateway(settings(world, alice)) as tool:
            assert together(tool, server.port, 500) == [200] * 500
    assert len(server.seen) < 50


def test_a_slow_key_stalls_nobody_else(world: World) -> None:
    """While one identity takes its time to open, tunnels and other identities go on.

    20 requests for the slow one wait for a single opening.
    """
    opened: list[float] = []
    pem = Secret(world.client("slow").pem())

    def load(context: ssl.SSLContext) -> None:
        opened.append(time.monotonic())
        time.sleep(1)
        contexts.load_pem(context, pem)

    with scripted(world, always(HELLO)) as server, scripted(world, always(HELLO)) as other:
        scope = identity(world.client("x"), f"localhost:{server.port}").scope
        slow = ScopedIdentity("slow", scope, load)
        quick = identity(world.client("quick"), f"localhost:{other.port}")
        with gateway(settings(world, slow, quick)) as tool:
            waiting = threading.Thread(target=together, args=(tool, server.port, 20))
            waiting.start()
            time.sleep(0.2)
            assert tool.get(other.port).status == 200
            assert time.monotonic() - opened[0] < 1
            waiting.join()
    assert len(opened) == 1
    assert {one.subject for one in server.seen} == {"slow"}


def test_an_identity_that_fails_is_not_tried_again(world: World) -> None:
    """A token counts wrong PINs: the second request is refused without a second try."""
    tries: list[int] = []

    def load(_context: ssl.SSLContext) -> None:
        tries.append(1)
        raise HandoffError("the token refuses the PIN", hint="x")

    with scripted(world, always(HELLO)) as server:
        scope = identity(world.client("x"), f"localhost:{server.port}").scope
        with gateway(settings(world, ScopedIdentity("token", scope, load))) as tool:
            for _ in range(3):
                answer = tool.get(server.port)
                assert (answer.status, answer.headers["x-mtls-run-error"]) == (502, "identity")
                assert answer.body == b"mtls-run: the token refuses the PIN\n"
    assert tries == [1]
    assert server.seen == []


def send(size: int) -> Answer:
    """Return an answer with a body of so many bytes."""
    block = bytes(1 << 20)

    def answer(connection: ssl.SSLSocket, _head: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 20):
            connection.sendall(block)
        return True

    return answer


def resident() -> int:
    """Return the resident memory of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = [line.split()[1] for line in lines if line.startswith("VmRSS")]
    return int(found) // 1024


@pytest.mark.parametrize(
    "megabytes", [20, pytest.param(10 * 1024, marks=pytest.mark.slow)], ids=["20 MB", "10 GB"]
)
def test_a_large_body_takes_no_memory(world: World, megabytes: int) -> None:
    """A body of any size is streamed; a reader that pauses makes nothing pile up."""
    size = megabytes << 20
    with scripted(world, send(size)) as server:
        alice = identity(world.client("alice"), f"localhost:{server.port}")
        host = f"localhost:{server.port}"
        with gateway(settings(world, alice)) as tool, tool.secured(host) as connected:
            connected.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            count, before, room = len(connected.recv(4096)), resident(), bytearray(1 << 18)
            time.sleep(0.3)  # a slow reader
            while count < size:
                got = connected.recv_into(room)
                assert got, tool.log.details
                count += got
            assert resident() - before < 12
