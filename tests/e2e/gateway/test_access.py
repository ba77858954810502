"""Who may use the gateway: the tool's user, with the run's secret, on loopback."""

from __future__ import annotations

import base64
import contextlib
import encodings.idna  # noqa: F401 - a stranger may not read it in root's directories
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Callable

import pytest

from mtls_run.handoff.gateway import peer
from tests.e2e.gateway.scene import (
    Gateway,
    Scripted,
    always,
    everything,
    gateway,
    identity,
    scripted,
    settings,
)
from tests.e2e.own_proxy import HELLO
from tests.strangers import STRANGER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.gateway.scene import World

pytestmark = pytest.mark.everyday

Pair = tuple[Gateway, Scripted]


@pytest.fixture
def pair(world: World) -> Iterator[Pair]:
    """Run a gateway with one identity, before a server that says hello."""
    with scripted(world, always(HELLO)) as server:
        alice = identity(world.client("alice"), f"localhost:{server.port}")
        with gateway(settings(world, alice)) as found:
            yield found, server


def credentials(text: str) -> str:
    """Return the header for these credentials."""
    return f"Proxy-Authorization: Basic {base64.b64encode(text.encode()).decode()}\r\n"


@pytest.mark.parametrize(
    "header",
    [
        "",
        credentials("mtls-run:wrong"),
        credentials("mtls-run:"),
        "Proxy-Authorization: Bearer x\r\n",
        "Authorization: Basic x\r\n",
    ],
)
@pytest.mark.parametrize("line", ["CONNECT localhost:{port}", "GET http://localhost:{port}/"])
def test_the_secret_is_asked_for(pair: Pair, header: str, line: str) -> None:
    """Whoever lacks the run's secret is told 407, and nothing is sent on."""
    tool, server = pair
    host = f"Host: localhost:{server.port}\r\n"
    head = f"{line.format(port=server.port)} HTTP/1.1\r\n{host}{header}\r\n"
    answer = tool.ask(head.encode())
    assert answer.status == 407
    assert answer.headers["proxy-authenticate"].startswith("Basic")
    assert server.seen == []


def test_the_secret_is_given_once(pair: Pair) -> None:
    """Two credentials are no credentials."""
    tool, server = pair
    head = f"CONNECT localhost:{server.port} HTTP/1.1\r\nHost: x\r\n".encode()
    assert tool.ask(head + tool.authorization + tool.authorization + b"\r\n").status == 400
    assert server.seen == []


def as_stranger(act: Callable[[], bytes]) -> bytes:
    """Return what a function returns when another user calls it; it takes root."""
    if os.geteuid() != 0:
        pytest.skip("it takes root to become another user")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setresuid(STRANGER, STRANGER, STRANGER)
            os.write(writer, act())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        found = stream.read()
    assert os.waitpid(child, 0)[1] == 0
    return found


@pytest.mark.attack
def test_another_user_with_the_secret(pair: Pair) -> None:
    """The connection of another user is closed, though the secret is right."""
    tool, server = pair

    def ask() -> bytes:
        with tool.dial() as connected:
            head = f"CONNECT localhost:{server.port} HTTP/1.1\r\nHost: x\r\n".encode()
            connected.sendall(head + tool.authorization + b"\r\n")
            return b"answer: " + everything(connected)

    assert as_stranger(ask) == b"answer: "
    assert server.seen == []
    assert "gateway: refused a connection of another user" in tool.log.details


@pytest.mark.parametrize("owner", [peer.owner_by_netlink, peer.owner_by_table])
@pytest.mark.parametrize("mapped", [False, True])
def test_the_owner_of_a_connection(
    owner: Callable[[socket.socket], int | None],
    mapped: bool,
) -> None:
    """Both ways to ask name the user, for a socket that speaks IPv4 by IPv6 too."""
    if mapped and not socket.has_dualstack_ipv6():
        pytest.skip("there is no IPv6")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if mapped:
            client = socket.socket(socket.AF_INET6)
            client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            client.connect(("::ffff:127.0.0.1", port))
        else:
            client = socket.create_connection(("127.0.0.1", port))
        with client, listener.accept()[0] as accepted:
            assert owner(accepted) == os.geteuid()


@pytest.mark.parametrize("owner", [peer.owner_by_netlink, peer.owner_by_table])
def test_the_owner_who_is_another(owner: Callable[[socket.socket], int | None]) -> None:
    """Both ways to ask name a stranger."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def connect() -> bytes:
            with socket.create_connection(("127.0.0.1", port)) as connected:
                return connected.recv(1)

        seen: list[int | None] = []

        def accept() -> None:
            # The listener is closed where this user cannot be another, and the test is skipped.
            with contextlib.suppress(OSError), listener.accept()[0] as accepted:
                seen.append(owner(accepted))

        thread = threading.Thread(target=accept)
        thread.start()
        as_stranger(connect)
        thread.join(10)
    assert seen == [STRANGER]


def test_it_listens_on_loopback_alone(pair: Pair) -> None:
    """The listener is on 127.0.0.1; another address of loopback is refused."""
    tool, _ = pair
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", tool.port), 5)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_plain_http_never_has_the_identity(pair: Pair, host: str) -> None:
    """A request without TLS to the identity's host and port goes there without TLS."""
    tool, server = pair
    head = f"GET http://{host}:{server.port}/x HTTP/1.1\r\nHost: {host}:{server.port}\r\n".encode()
    answer = tool.ask(head + tool.authorization + b"Connection: close\r\n\r\n")
    assert answer.status == 502
    assert server.seen == []
    deadline = time.monotonic() + 5  # the server notes it in a thread of its own
    while not server.failures and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(server.failures) == 1  # it is no TLS
