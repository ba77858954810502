"""What a server answers arrives as it is, and what breaks is an error for the tool."""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.gateway.scene import (
    Gateway,
    Scripted,
    always,
    everything,
    gateway,
    identity,
    parsed,
    scripted,
    settings,
)
from tests.e2e.own_proxy import END, HELLO

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from tests.e2e.gateway.scene import Answer, World

pytestmark = pytest.mark.everyday

Pair = tuple[Gateway, Scripted]
ANY = None


@contextlib.contextmanager
def before(
    world: World, answer: Answer, methods: frozenset[str] | None = frozenset({"GET", "HEAD"})
) -> Iterator[Pair]:
    """Run a gateway with one identity before a server that answers so."""
    with scripted(world, answer) as server:
        alice = identity(world.client("alice"), f"localhost:{server.port}")
        with gateway(settings(world, alice, methods=methods)) as found:
            yield found, server


PACKED = gzip.compress(b"hello " * 100)
UNCHANGED = {
    "a part": (
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n"
        b"\r\nhello"
    ),
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
    % (len(PACKED), PACKED),
    "br": b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\n\x0b\x02\x80a",
    "nothing": b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
    "not modified": b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 900\r\n\r\n',
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://a.example/\r\nContent-Length: 0\r\n\r\n",
    "not found": b"HTTP/1.1 404 Gone Fishing\r\nContent-Length: 2\r\n\r\nno",
    "two cookies": HELLO.replace(b"\r\n", b"\r\nSet-Cookie: a=1\r\nSET-COOKIE: b=2\r\n", 1),
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_an_answer_arrives_byte_for_byte(world: World, name: str) -> None:
    """Status, reason, headers in their spelling and body are the server's."""
    with before(world, always(UNCHANGED[name])) as (tool, server):
        found = tool.get(server.port).raw
    assert found.replace(b"Connection: close\r\n", b"") == UNCHANGED[name]


def test_head(world: World) -> None:
    """The answer to HEAD has the length of a body that does not come; the connection goes on."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with before(world, always(head)) as (tool, server):
        for _ in range(2):
            assert tool.get(server.port, method="HEAD").headers["content-length"] == "1000"
    assert len(server.seen) == 1


def test_chunks_and_trailers(world: World) -> None:
    """A body in chunks arrives whole, with its trailers, and the connection is used again."""
    body = b"5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nX-Sum: 7\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
    with before(world, always(head + body)) as (tool, server):
        for _ in range(2):
            found = tool.get(server.port)
            assert b"hello" in found.body
            assert found.body.endswith(b"0\r\nX-Sum: 7\r\n\r\n")
    assert len(server.seen) == 1


def test_answers_before_the_answer(world: World) -> None:
    """An early hint is passed on; a change of the protocol is refused."""
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    with before(world, always(hint + HELLO)) as (tool, server):
        assert tool.get(server.port).raw.startswith(hint.replace(b"103 Early", b"103 Early"))
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    with before(world, always(switch)) as (tool, server):
        assert tool.get(server.port, "/", "Upgrade: x").status == 502


def test_a_body_that_ends_with_the_connection(world: World) -> None:
    """It arrives in chunks, so that the tool sees its end."""

    def answer(connection: ssl.SSLSocket, _head: bytes) -> bool:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")
        connection.unwrap()
        return False

    with before(world, answer) as (tool, server):
        assert tool.get(server.port).body == b"5\r\nhello\r\n0\r\n\r\n"


def reset(connection: ssl.SSLSocket) -> None:
    """Reset a connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"a" * 20_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
    ],
    ids=["length", "chunks", "close"],
)
def test_a_reset_in_the_body_is_seen_by_the_tool(world: World, beginning: bytes) -> None:
    """A body that is cut off never looks whole."""

    def answer(connection: ssl.SSLSocket, _head: bytes) -> bool:
        connection.sendall(beginning)
        time.sleep(0.1)
        reset(connection)
        return False

    with before(world, answer) as (tool, server), tool.secured(f"localhost:{server.port}") as found:
        found.sendall(f"GET / HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode())
        assert ended_badly(found)


def ended_badly(connected: ssl.SSLSocket) -> bool:
    """Read until the end, and tell whether that was no proper one."""
    with contextlib.suppress(OSError):
        while data := connected.recv(65536):
            assert not data.endswith(b"0\r\n\r\n")
        return False
    return True


BAD = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a folded header": b"HTTP/1.1 200 OK\r\nX-A: 1\r\n X-B: 2\r\nContent-Length: 0\r\n\r\n",
    "a bare LF": b"HTTP/1.1 200 OK\r\nX-A: 1\nX-B: 2\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"SSH-2.0-x\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_response(world: World, name: str) -> None:
    """A response that readers take differently is an error, and its connection is closed."""
    with before(world, always(BAD[name])) as (tool, server):
        found = tool.get(server.port)
        assert (found.status, found.headers["x-mtls-run-error"]) == (502, "bad-response")
        tool.get(server.port)
    assert len(server.seen) == 2


def test_more_than_the_answer(world: World) -> None:
    """What a server sends after a response is given to nobody."""
    with before(world, always(HELLO + HELLO.replace(b"hello", b"other"))) as (tool, server):
        assert [tool.get(server.port).body for _ in range(2)] == [b"hello", b"hello"]
    assert len(server.seen) == 2


def test_a_stale_connection_is_tried_once_more(world: World) -> None:
    """A server that closed a kept connection is asked again, for GET, on a new one."""
    asked: list[bytes] = []

    def answer(connection: ssl.SSLSocket, head: bytes) -> bool:
        asked.append(head)
        if len(asked) == 2:
            reset(connection)
            return False
        connection.sendall(HELLO)
        return True

    with before(world, answer) as (tool, server):
        assert [tool.get(server.port).status for _ in range(2)] == [200, 200]
    assert len(asked) == 3


def test_a_server_that_answers_nothing(world: World) -> None:
    """A server that closes every connection is an error, asked as often as there was reason."""

    def answer(connection: ssl.SSLSocket, _head: bytes) -> bool:
        reset(connection)
        return False

    with before(world, answer) as (tool, server):
        found = tool.get(server.port)
        assert (found.status, found.headers["x-mtls-run-error"]) == (502, "upstream")
    assert len(server.seen) == 1


def test_a_refused_identity_is_named(world: World) -> None:
    """A server that knows another CA refuses the identity, and the page says so."""
    with scripted(world, always(HELLO)) as server:
        mallory = identity(world.server_ca.issue("mallory"), f"localhost:{server.port}")
        with gateway(settings(world, mallory)) as tool:
            found = tool.get(server.port)
    assert (found.status, found.headers["x-mtls-run-error"]) == (502, "identity-refused")
    assert "unknown ca" in found.body.decode()


def echo(connection: ssl.SSLSocket, head: bytes) -> bool:
    """Answer with the number of bytes in the body."""
    fields = dict(line.lower().split(b": ") for line in head.split(b"\r\n")[1:-2])
    count = 0
    if b"content-length" in fields:
        while count < int(fields[b"content-length"]):
            count += len(connection.recv(65536))
    else:
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += connection.recv(65536)
        count = len(data)
    text = str(count).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
    return True


def test_uploads(world: World) -> None:
    """A body with a length, and one in chunks, arrive whole where uploads are allowed."""
    with before(world, echo, methods=ANY) as (tool, server):
        host = f"POST / HTTP/1.1\r\nHost: localhost:{server.port}\r\nConnection: close\r\n".encode()
        large = b"Content-Length: 3000000\r\n\r\n" + b"a" * 3_000_000
        assert tool.send(f"localhost:{server.port}", host + large).body == b"3000000"
        chunks = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        assert tool.send(f"localhost:{server.port}", host + chunks).body == b"15"


def test_chunks_that_hide_a_request(world: World) -> None:
    """A broken chunk ends the connection; the server sees no second request."""
    with before(world, always(HELLO), methods=ANY) as (tool, server):
        head = f"POST / HTTP/1.1\r\nHost: localhost:{server.port}\r\n".encode()
        for body in (
            b"5\r\nhelloXX0\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n",
            b"x\r\n",
            b"5 \nhello\r\n",
        ):
            tool.send(
                f"localhost:{server.port}", head + b"Transfer-Encoding: chunked\r\n\r\n" + body
            )
    assert b"hidden" not in b"".join(one.data for one in server.seen)


def test_an_upload_that_waits_to_be_asked_for(world: World) -> None:
    """`Expect: 100-continue` goes through, and so does a refusal before the body."""

    def answer(connection: ssl.SSLSocket, head: bytes) -> bool:
        if b"/no" in head:
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            return False
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return echo(connection, head)

    with before(world, answer, methods=ANY) as (tool, server):
        for path, wanted in (("/yes", b"100"), ("/no", b"413")):
            with tool.secured(f"localhost:{server.port}") as connected:
                head = f"PUT {path} HTTP/1.1\r\nHost: localhost:{server.port}\r\nContent-Length: 5"
                more = b"\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
                connected.sendall(head.encode() + more)
                assert connected.recv(4096).split()[1] == wanted
                if wanted == b"100":
                    connected.sendall(b"hello")
                    assert parsed(everything(connected)).body == b"5"


def test_a_server_that_answers_before_it_has_the_body(world: World) -> None:
    """The answer reaches the tool, though the server takes no more."""

    def answer(connection: ssl.SSLSocket, _head: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        time.sleep(0.3)
        return False

    with (
        before(world, answer, methods=ANY) as (tool, server),
        tool.secured(f"localhost:{server.port}") as connected,
    ):
        head = f"PUT / HTTP/1.1\r\nHost: localhost:{server.port}\r\nContent-Length: 90000000"
        connected.sendall(head.encode() + END + b"a" * 1000)
        time.sleep(0.1)
        connected.sendall(b"a" * 1000)
        assert parsed(connected.recv(4096)).status == 413


def test_one_connection_carries_many_requests(world: World) -> None:
    """A tool's connection stays open, and so does the one to the server: one handshake."""
    with (
        before(world, always(HELLO)) as (tool, server),
        tool.secured(f"localhost:{server.port}") as connected,
    ):
        request = f"GET / HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode()
        for _ in range(5):
            connected.sendall(request)
            assert connected.recv(4096).endswith(b"hello")
        connected.sendall(request * 2)  # pipelined
        found = b""
        while found.count(b"hello") < 2:
            found += connected.recv(4096)
    assert len(server.seen) == 1
    assert server.seen[0].data.count(END) == 7


def test_few_handshakes_for_many_connections(world: World) -> None:
    """40 connections of the tool at once cost the server at most eight, most of them resumed."""

    def answer(connection: ssl.SSLSocket, _head: bytes) -> bool:
        time.sleep(0.01)
        connection.sendall(HELLO)
        return True

    with before(world, answer) as (tool, server):
        tool.get(server.port)
        found: list[int] = []
        threads = [
            threading.Thread(target=lambda: found.append(tool.get(server.port).status))
            for _ in range(40)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert found == [200] * 40
    assert len(server.seen) <= 8
    assert [one.resumed for one in server.seen].count(False) == 1


def test_a_tool_that_gives_up_frees_the_server(world: World) -> None:
    """A tool that closes its connection ends the one to the server: it has no response yet."""
    ended = threading.Event()

    def answer(connection: ssl.SSLSocket, _head: bytes) -> bool:
        with contextlib.suppress(OSError):
            connection.recv(1)
        ended.set()
        return False

    with before(world, answer) as (tool, server):
        connected = tool.secured(f"localhost:{server.port}")
        connected.sendall(f"GET / HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode())
        time.sleep(0.1)
        connected.close()
        assert ended.wait(10)
