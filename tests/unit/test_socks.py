"""Doctor and the gateway go through a SOCKS5 proxy, with and without a login."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mtls_run.net import proxy
from mtls_run.net.errors import NetworkError
from mtls_run.net.transport import Socket

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 5.0
NO_LOGIN, LOGIN, REFUSED = b"\x05\x00", b"\x05\x02", b"\x05\xff"
CONNECTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[Socket, list[bytes]]]:
    """Yield a stream to a proxy that gives these answers, and the requests that it has read."""
    ours, theirs = socket.socketpair()
    requests: list[bytes] = []

    def serve() -> None:
        for answer in answers:
            requests.append(theirs.recv(1024))
            theirs.sendall(answer)
        theirs.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Socket(ours), requests
    finally:
        ours.close()
        thread.join(LIMIT)


def through(url: str, *answers: bytes, host: str = "index.example") -> list[bytes]:
    """Return what the proxy reads; raises NetworkError."""
    with answering(*answers) as (stream, requests):
        proxy.tunnel(stream, proxy.parse(url, "HTTPS_PROXY"), host, 443, LIMIT)
    return requests


def test_name_is_resolved_by_the_proxy() -> None:
    """With socks5h, the proxy gets the host's name."""
    requests = through("socks5h://p:1", NO_LOGIN, CONNECTED)
    assert requests == [b"\x05\x01\x00", b"\x05\x01\x00\x03\x0dindex.example\x01\xbb"]


def test_name_is_resolved_here() -> None:
    """With socks5, the proxy gets an address."""
    requests = through("socks5://p:1", NO_LOGIN, CONNECTED, host="127.0.0.1")
    assert requests[1] == b"\x05\x01\x00\x01\x7f\x00\x00\x01\x01\xbb"


def test_ipv6() -> None:
    """An IPv6 address goes as one, and the proxy may answer with one."""
    answer = b"\x05\x00\x00\x04" + bytes(16) + b"\x00\x50"
    requests = through("socks5h://p:1", NO_LOGIN, answer, host="::1")
    assert requests[1] == b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x01\xbb"


def test_login() -> None:
    """User and password are sent where the proxy asks for them, decoded."""
    requests = through("socks5h://al%40ice:s%40c@p:1", LOGIN, b"\x01\x00", CONNECTED)
    assert requests[:2] == [b"\x05\x02\x00\x02", b"\x01\x06al@ice\x03s@c"]


def test_stream_is_left_at_the_host() -> None:
    """What the host sends at once is not taken for the proxy's."""
    with answering(NO_LOGIN, CONNECTED + b"from the host") as (stream, _):
        proxy.tunnel(stream, proxy.parse("socks5h://p:1", "x"), "index.example", 443, LIMIT)
        assert stream.receive(100, time.monotonic() + LIMIT) == b"from the host"


@pytest.mark.parametrize(
    ("url", "answers", "kind", "number"),
    [
        ("socks5h://p:1", [REFUSED], "status", 407),
        ("socks5h://p:1", [LOGIN], "status", 407),
        ("socks5h://u:wrong@p:1", [LOGIN, b"\x01\x01"], "status", 407),
        ("socks5h://p:1", [NO_LOGIN, b"\x05\x02\x00\x01" + bytes(6)], "status", 2),
        ("socks5h://p:1", [NO_LOGIN, b"\x05\x04\x00\x03\x00" + bytes(2)], "status", 4),
        ("socks5h://p:1", [b"HTTP/1.1 400 Bad Request\r\n\r\n"], "plain", None),
        ("socks5h://p:1", [NO_LOGIN, b"\x05\x00\x00\x09" + bytes(6)], "plain", None),
        ("socks5h://p:1", [NO_LOGIN, b"\x05\x77\x00\x01" + bytes(6)], "plain", None),
        ("socks5h://p:1", [NO_LOGIN, b""], "closed", None),
        ("socks5h://" + "u" * 256 + ":x@p:1", [LOGIN], "failed", None),
    ],
)
def test_refused(url: str, answers: list[bytes], kind: str, number: int | None) -> None:
    """What the proxy refuses, or a peer that is none, is an error of the proxy's."""
    with pytest.raises(NetworkError) as caught:
        through(url, *answers)
    error = caught.value
    assert (error.step, error.kind, error.number) == ("proxy", kind, number)
    assert "wrong" not in error.reason


def test_no_answer() -> None:
    """A proxy that does not answer is a timeout."""
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(NetworkError) as caught:
        proxy.tunnel(Socket(ours), proxy.parse("socks5h://p:1", "x"), "h", 443, 0.1)
    assert (caught.value.step, caught.value.kind) == ("proxy", "timeout")
