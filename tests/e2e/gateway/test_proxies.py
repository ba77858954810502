"""The user's own proxy, behind the gateway: for the identity's hosts and for all others."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING, Callable

import pytest

from mtls_run.net import proxy
from tests.e2e.gateway.scene import always, everything, gateway, identity, scripted, settings
from tests.e2e.own_proxy import HELLO, OwnProxy, Socks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtls_run.net.proxy import Proxy
from tests.e2e.gateway.scene import World

pytestmark = pytest.mark.everyday


@pytest.mark.parametrize("fits", [True, False])
def test_the_identity_goes_through_a_socks_proxy(world: World, fits: bool) -> None:
    """With its login the server sees the certificate; with a wrong one it is never asked."""
    own = Socks()
    with own.listener, scripted(world, always(HELLO)) as server:
        alice = identity(world.client("alice"), f"localhost:{server.port}")
        found = settings(world, alice, find_proxy=finds(own.url(fits=fits)))
        with gateway(found) as tool:
            answer = tool.get(server.port)
    assert answer.status == (200 if fits else 502)
    assert answer.headers.get("x-mtls-run-error") == (None if fits else "proxy")
    assert [one.subject for one in server.seen] == (["alice"] if fits else [])
    assert all(b"localhost" in head for head in own.heads)


@pytest.fixture(params=[False, True], ids=["http", "https"])
def own(world: World, request: pytest.FixtureRequest) -> Iterator[OwnProxy]:
    """Run a proxy."""
    found = OwnProxy(world.server.pem() if request.param else None)
    yield found
    found.listener.close()


def finds(url: str) -> Callable[[str, int], Proxy | None]:
    """Return what finds this proxy for each host."""
    return lambda _host, _port: proxy.parse(url, "a test")


def test_the_identity_goes_through_the_users_proxy(world: World, own: OwnProxy) -> None:
    """The server sees the certificate; the proxy sees a tunnel, and its own password alone."""
    with scripted(world, always(HELLO)) as server:
        alice = identity(world.client("alice"), f"localhost:{server.port}")
        with gateway(settings(world, alice, find_proxy=finds(own.url()))) as tool:
            assert [tool.get(server.port).body for _ in range(2)] == [b"hello", b"hello"]
    assert [one.subject for one in server.seen] == ["alice"]
    (head,) = own.heads
    assert head.startswith(b"CONNECT localhost:")
    assert b"bXRscy1ydW4" not in head  # `mtls-run`, as the run's secret begins


def test_a_large_body_through_the_users_proxy(world: World, own: OwnProxy) -> None:
    """TLS inside TLS carries what is larger than any buffer."""
    body = bytes(range(256)) * 8192
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with scripted(world, always(answer)) as server:
        alice = identity(world.client("alice"), f"localhost:{server.port}")
        with gateway(settings(world, alice, find_proxy=finds(own.url()))) as tool:
            assert tool.get(server.port).body == body


def test_all_else_goes_through_the_users_proxy(world: World, own: OwnProxy) -> None:
    """A host without an identity is tunnelled through it as well, with no certificate."""
    with scripted(world, always(HELLO)) as server:
        alice = identity(world.client("alice"), "elsewhere.example")
        with gateway(settings(world, alice, find_proxy=finds(own.url()))) as tool:
            trusting = ssl.create_default_context(cadata=world.server_ca.pem.decode())
            with tool.secured(f"localhost:{server.port}", "localhost", trusting) as connected:
                connected.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connected.recv(4096).endswith(b"hello")
    assert [one.subject for one in server.seen] == [""]
    assert len(own.heads) == 1


def test_a_request_without_tls_through_the_users_proxy(world: World, own: OwnProxy) -> None:
    """It is asked for in the form that proxies know, with the proxy's password."""
    alice = identity(world.client("alice"), "elsewhere.example")
    with gateway(settings(world, alice, find_proxy=finds(own.url()))) as tool:
        head = b"GET http://a.example/b?c HTTP/1.1\r\nHost: a.example\r\n" + tool.authorization
        assert tool.ask(head + b"Connection: close\r\n\r\n").body == b"hello"
    (seen,) = own.heads
    assert seen.startswith(b"GET http://a.example:80/b?c HTTP/1.1\r\nHost: a.example\r\n")
    assert b"bXRscy1ydW4" not in seen


def test_a_wrong_password_fails(world: World, own: OwnProxy) -> None:
    """The server is never asked, and the page names the proxy without its password."""
    with scripted(world, always(HELLO)) as server:
        alice = identity(world.client("alice"), f"localhost:{server.port}")
        with gateway(settings(world, alice, find_proxy=finds(own.url(fits=False)))) as tool:
            answer = tool.get(server.port)
    assert (answer.status, answer.headers["x-mtls-run-error"]) == (502, "proxy")
    assert "it answers 407" in answer.body.decode()
    assert "wrong" not in answer.body.decode()
    assert server.seen == []


def test_a_plain_request_without_a_proxy(world: World) -> None:
    """Without a proxy of the user's, a request without TLS is sent to its host in short form."""
    heads: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        with accepted:
            heads.append(accepted.recv(65536))
            accepted.sendall(HELLO)

    alice = identity(world.client("alice"), "elsewhere.example")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        host = f"localhost:{listener.getsockname()[1]}".encode()
        with gateway(settings(world, alice)) as tool:
            head = b"GET http://" + host + b"/b?c HTTP/1.1\r\nHost: " + host + b"\r\n"
            with tool.dial() as connected:
                connected.sendall(head + tool.authorization + b"Connection: close\r\n\r\n")
                assert everything(connected).endswith(b"hello")
    assert heads == [b"GET /b?c HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"]


@pytest.mark.parametrize("ends_first", ["tool", "server"])
def test_a_half_closed_tunnel(world: World, ends_first: str) -> None:
    """One side may end while the other still sends, and nothing is lost."""
    alice = identity(world.client("alice"), "elsewhere.example")
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        gateway(settings(world, alice)) as tool,
    ):
        one = tool.tunnel(f"127.0.0.1:{listener.getsockname()[1]}")
        other, _ = listener.accept()
        first, second = (one, other) if ends_first == "tool" else (other, one)
        with first, second:
            first.sendall(b"last words")
            first.shutdown(socket.SHUT_WR)
            assert everything(second) == b"last words"
            second.sendall(b"a" * 3_000_000)
            second.shutdown(socket.SHUT_WR)
            assert everything(first) == b"a" * 3_000_000


def test_an_unreachable_host(world: World) -> None:
    """A host that refuses connections, and one that does not resolve, are errors that say so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    alice = identity(world.client("alice"), f"localhost:{port}")
    with gateway(settings(world, alice)) as tool:
        answer = tool.get(port)
        assert (answer.status, answer.headers["x-mtls-run-error"]) == (502, "connect")
        assert answer.body == f"mtls-run: localhost:{port}: connection refused\n".encode()
        head = b"CONNECT nowhere.invalid:443 HTTP/1.1\r\nHost: x\r\n" + tool.authorization
        answer = tool.ask(head + b"\r\n")
        assert answer.status == 502
        assert b"nowhere.invalid:443: could not resolve host" in answer.body
