"""Listeners for faults that nginx cannot produce: a hang, a reset, an alert, a proxy.

nginx ends every handshake well and answers a client it does not admit with a page. Go, Envoy,
HAProxy and Apache end the handshake with an alert instead, which is what `strict` does.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import struct
import threading
from typing import TYPE_CHECKING, Callable

from tests.e2e.ports import bound_pair

if TYPE_CHECKING:
    from pathlib import Path

Handle = Callable[[socket.socket], None]

PROXY_PASSWORD = "the proxy's own password"
PATIENCE = 10.0
_HEAD = 16 * 1024
_PAGE = b'<!DOCTYPE html><html><body><a href="alpha-pkg/">alpha-pkg</a></body></html>'


class Listeners:
    """Sockets on both loopback addresses, each served by a thread."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def close(self) -> None:
        """Close every socket, which ends the threads."""
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            one.close()

    def serve(self, handle: Handle) -> int:
        """Handle each connection in a thread of its own; return the port."""
        pair, port = bound_pair()
        for one in pair:
            one.listen(64)
            threading.Thread(target=_accept, args=(one, handle), daemon=True).start()
        self._sockets += pair
        return port

    def refusing(self) -> int:
        """Return a bound port that refuses connections; no other program can take it."""
        pair, port = bound_pair()
        self._sockets += pair
        return port

    def kept(self) -> int:
        """Return a port reserved for nginx, which binds it with `reuseport`.

        Were it free in between, another worker's nginx could take it, and ours would wait for it.
        """
        pair, port = bound_pair(shared=True)
        self._sockets += pair
        return port

    def silent(self) -> int:
        """Return a port that accepts connections and never answers."""
        pair, port = bound_pair()
        for one in pair:
            one.listen(64)
        self._sockets += pair
        return port

    def full(self) -> int:
        """Return a port with a full queue, which neither accepts nor refuses connections."""
        pair, port = bound_pair()
        self._sockets += pair
        for one in pair:
            one.listen(0)
            for _ in range(8):
                caller = socket.socket(one.family)
                caller.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    caller.connect(one.getsockname())
                self._sockets.append(caller)
        return port


def _accept(listener: socket.socket, handle: Handle) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.settimeout(PATIENCE)
        threading.Thread(target=_handled, args=(connection, handle), daemon=True).start()


def _handled(connection: socket.socket, handle: Handle) -> None:
    # ssl.SSLError is an OSError; a client may close the connection.
    with connection, contextlib.suppress(OSError):
        handle(connection)


def reset(connection: socket.socket) -> None:
    """Reset the connection once the client has sent something, as a firewall does."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang_up(connection: socket.socket) -> None:
    """Close the connection without an answer, as a load balancer without backends does."""
    connection.recv(_HEAD)


def speak_smtp(connection: socket.socket) -> None:
    """Greet as a mail server does."""
    connection.sendall(b"220 mail.example ESMTP ready\r\n")
    _drain(connection)


def strict(
    folder: Path,
    certificate: str = "good",
    *,
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    revocations: bool = False,
) -> Handle:
    """Return a server that ends the handshake of a refused client with an alert."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = newest
    context.load_verify_locations(folder / "client-root.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    if revocations:
        context.load_verify_locations(folder / "crl.pem")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN

    def handle(connection: socket.socket) -> None:
        tls = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with tls:
            try:
                tls.do_handshake()
            except ssl.SSLError:
                # What the client still sends must be read, or a reset would overtake the alert.
                plain = socket.socket(fileno=tls.detach())
                with plain:
                    plain.settimeout(2)
                    plain.shutdown(socket.SHUT_WR)
                    _drain(plain)
                return
            _head(tls)
            _answer(tls, "200 OK", _PAGE)

    return handle


def backend(*headers: str) -> Handle:
    """Return a plain HTTP server behind nginx, with headers that nginx itself would not send."""

    def handle(connection: socket.socket) -> None:
        _head(connection)
        _answer(connection, "200 OK", _PAGE, *headers)

    return handle


def proxy(status: str | None = None, *, password: str | None = None) -> Handle:
    """Return a CONNECT proxy: one that always answers `status`, or one that asks for a password."""
    expected = base64.b64encode(f"alice:{password}".encode()).decode()

    def handle(connection: socket.socket) -> None:
        head = _head(connection).decode("latin-1")
        if not head.startswith("CONNECT "):
            return
        if status is not None:
            _answer(connection, status, b"")
            return
        if password is not None and f"Basic {expected}" not in head:
            _answer(
                connection,
                "407 Proxy Authentication Required",
                b"",
                'Proxy-Authenticate: Basic realm="the company"',
            )
            return
        host, _, port = head.split()[1].rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as far:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(far, connection), daemon=True)
            back.start()
            _copy(connection, far)
            back.join(PATIENCE)

    return handle


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            data = source.recv(_HEAD)
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)


def _head(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and len(data) < _HEAD:
        more = connection.recv(_HEAD)
        if not more:
            break
        data += more
    return data


def _answer(connection: socket.socket, status: str, body: bytes, *headers: str) -> None:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: text/html"]
    head = "\r\n".join([*lines, *headers, "Connection: close", "", ""])
    connection.sendall(head.encode() + body)


def _drain(connection: socket.socket) -> None:
    while connection.recv(_HEAD):
        pass
