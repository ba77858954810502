"""A user's own proxy, with a password: HTTP, HTTPS, or SOCKS5."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading

from mtls_run.handoff.gateway import contexts
from mtls_run.secret import Secret

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
END = b"\r\n\r\n"
WANTED = b"Proxy-Authorization: Basic " + base64.b64encode(b"bob:p@ss")


class OwnProxy:
    """A proxy with a password, which notes what it is asked for; with TLS, or without."""

    def __init__(self, identity: bytes | None = None) -> None:
        """Listen; with TLS where `identity` has a certificate and its key as PEM."""
        self.heads: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.context = None
        if identity is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            contexts.load_pem(self.context, Secret(identity))
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, *, fits: bool = True) -> str:
        """Return the proxy's URL, with a password that fits, or does not."""
        password = "p%40ss" if fits else "wrong"
        scheme = "http" if self.context is None else "https"
        return f"{scheme}://bob:{password}@localhost:{self.listener.getsockname()[1]}"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self.listener.accept()
                threading.Thread(target=self._talk, args=(accepted,), daemon=True).start()

    def _talk(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self.context is not None:
                accepted = self.context.wrap_socket(accepted, server_side=True)
            with accepted:
                head = b""
                while END not in head:
                    head += accepted.recv(1)
                self.heads.append(head)
                if WANTED not in head:
                    accepted.sendall(b"HTTP/1.1 407 Who Are You\r\nContent-Length: 0\r\n\r\n")
                    return
                method, target, _ = head.split(b" ", 2)
                if method != b"CONNECT":
                    accepted.sendall(HELLO)
                    return
                port = int(target.rpartition(b":")[2])
                with socket.create_connection(("127.0.0.1", port)) as other:
                    accepted.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    self._carry(accepted, other)

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        """Carry bytes both ways; the TLS socket is read here, and written by one thread alone."""

        def back() -> None:
            with contextlib.suppress(OSError):
                while data := other.recv(65536):
                    one.sendall(data)
                one.close()

        threading.Thread(target=back, daemon=True).start()
        while data := one.recv(65536):
            other.sendall(data)


class Socks(OwnProxy):
    """A SOCKS5 proxy with a login (RFC 1928, RFC 1929)."""

    def url(self, *, fits: bool = True) -> str:
        """Return the proxy's URL, with a password that fits, or does not."""
        return super().url(fits=fits).replace("http://", "socks5h://")

    def _talk(self, accepted: socket.socket) -> None:
        with accepted, contextlib.suppress(OSError):
            accepted.recv(64)
            accepted.sendall(b"\x05\x02")
            login = accepted.recv(64)
            fits = login == b"\x01\x03bob\x04p@ss"
            accepted.sendall(b"\x01\x00" if fits else b"\x01\x01")
            if not fits:
                return
            asked = accepted.recv(300)
            self.heads.append(asked)
            port = int.from_bytes(asked[-2:], "big")
            with socket.create_connection(("127.0.0.1", port)) as other:
                accepted.sendall(b"\x05\x00\x00\x01" + bytes(6))
                self._carry(accepted, other)
