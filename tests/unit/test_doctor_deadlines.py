"""A server that never stops sending holds a step no longer than one that sends nothing."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest

from mtls_run.doctor import index_request
from mtls_run.doctor.indexes import Index
from mtls_run.doctor.probe import Setup, probe
from mtls_run.net import proxy, transport
from mtls_run.net.certificates import TrustStore
from mtls_run.net.errors import NetworkError
from mtls_run.net.tls import Tls
from tests.pki import Authority

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

LIMIT = 0.5
# Far below what each of these servers could take, and above what a busy machine adds.
PATIENCE = 4.0
PAUSE = 0.05
STREAM = 64 * 1024

EARLY = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
EXTENSION = b"1;" + b"x" * 60_000 + b"\r\n.\r\n"


def endless(first: bytes, then: bytes) -> Iterable[bytes]:
    """Return a stream that never ends."""
    return itertools.chain([first], itertools.repeat(then))


def in_drops(data: bytes) -> Iterator[bytes]:
    """Yield a stream byte by byte, each before the timeout of a single read."""
    for byte in itertools.chain(data, itertools.repeat(data[-1])):
        time.sleep(PAUSE)
        yield bytes([byte])


@contextlib.contextmanager
def serving(stream: Iterable[bytes], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Send this stream to every client, over TLS if there is a context; yield the port."""

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, contextlib.ExitStack() as stack:
            if context is not None:
                wrapped = context.wrap_socket(connection, server_side=True)
                connection = stack.enter_context(wrapped)
            connection.recv(STREAM)
            for data in stream:
                connection.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def within_the_limit() -> Iterator[None]:
    """Fail if this takes much longer than a step may."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < PATIENCE


@contextlib.contextmanager
def connected(stream: Iterable[bytes]) -> Iterator[transport.Stream]:
    """Yield a connection to a server that sends this, and fail if it is held too long."""
    with serving(stream) as port, within_the_limit():
        connection, _ = transport.connect(("127.0.0.1",), port, LIMIT)
        with contextlib.closing(connection):
            yield connection


def assert_given_up(error: NetworkError) -> None:
    """Fail unless time ran out, or Python 3.14 counted 100 of 1xx before."""
    assert error.kind == "timeout" or "interim responses" in error.reason, error


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(endless(b"", EARLY), id="1xx answers"),
        pytest.param(in_drops(b"HTTP/1.1 200 OK\r\nX: y"), id="a head in drops"),
        pytest.param(in_drops(EARLY * 99), id="1xx answers in drops"),
    ],
)
def test_head(stream: Iterable[bytes]) -> None:
    """A response head that does not end in time is a timeout."""
    with connected(stream) as server, pytest.raises(NetworkError) as caught:
        index_request.get(server, "index.example", "/simple/", None, LIMIT)
    assert caught.value.step == "http"
    assert_given_up(caught.value)


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(endless(CHUNKED, EXTENSION), id="chunk extensions"),
        pytest.param(itertools.chain([CHUNKED + b"1;"], itertools.repeat(b"x")), id="one of them"),
        pytest.param(itertools.chain([CHUNKED], in_drops(b"1\r\n.\r\n" * 99)), id="drops"),
    ],
)
def test_body(stream: Iterable[bytes]) -> None:
    """An answer counts even if its body does not end."""
    with connected(stream) as server:
        answer = index_request.get(server, "index.example", "/simple/", None, LIMIT)
    assert (answer.status, answer.page) == (200, None)


@pytest.mark.parametrize("stream", [endless(b"", EARLY), in_drops(b"HTTP/1.1 200 OK\r\nX: y")])
def test_proxy(stream: Iterable[bytes]) -> None:
    """A proxy has the same limit for its answer."""
    found = proxy.parse("http://proxy.example:3128", "HTTPS_PROXY")
    with connected(stream) as server, pytest.raises(NetworkError) as caught:
        proxy.tunnel(server, found, "index.example", 443, LIMIT)
    assert caught.value.step == "proxy"
    assert_given_up(caught.value)


def test_handshake() -> None:
    """A TLS record that arrives byte by byte is a timeout of the handshake."""
    record = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03"
    with connected(in_drops(record)) as server:
        handshake = Tls(server, "index.example", None).handshake(time.monotonic() + LIMIT)
    assert handshake.error is not None
    assert (handshake.error.step, handshake.error.kind) == ("tls", "timeout")


@pytest.mark.parametrize("stream", [endless(b"", EARLY), endless(CHUNKED, EXTENSION)])
def test_index(tmp_path: Path, stream: Iterable[bytes]) -> None:
    """A probe of a trusted server ends, whatever the server sends."""
    root = Authority.create("Root")
    server = root.issue("localhost", server=True, hosts=("127.0.0.1",))
    (tmp_path / "server.pem").write_bytes(server.pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with serving(stream, context) as port, within_the_limit():
        index = Index("https://127.0.0.1/", "the test", "127.0.0.1", port)
        seen = probe(index, Setup(TrustStore([root.der]), None, {}, LIMIT))
    assert seen.anonymous is not None
    assert seen.anonymous.handshake.verified
