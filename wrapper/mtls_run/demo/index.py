"""A package index on the loopback interface that refuses clients without a certificate."""

from __future__ import annotations

import contextlib
import errno
import html
import http.server
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from mtls_run.demo.wheel import Wheel

# By name, not by address: pip 24.2 to 26.0 fails on an https URL with an address (pip issue 12906).
HOST = "localhost"
ADDRESSES = ("127.0.0.1", "::1")

_HANDSHAKE_SECONDS = 10.0
_IDLE_SECONDS = 30.0
_LINGER_SECONDS = 1.0
_PORT_ATTEMPTS = 5


@dataclass(frozen=True)
class Visit:
    """One request that was served: who asked, with which program, for what."""

    subject: str
    program: str
    path: str


class Index:
    """The index, its log of visits, and its log of connections that were refused."""

    def __init__(self, wheels: Sequence[Wheel]) -> None:
        self._pages = dict(_pages(wheels))
        self._logged = threading.Condition()
        self._visits: list[Visit] = []
        self._refusals: list[str] = []
        self._port = 0

    @property
    def url(self) -> str:
        """The URL that pip calls the index URL."""
        return f"https://{HOST}:{self._port}/simple/"

    @contextlib.contextmanager
    def serving(self, *, identity: Path, client_ca: Path, required: bool = True) -> Iterator[None]:
        """Serve until the block is left; `identity` is one PEM with certificate and key.

        Without `required` the index asks for a certificate, and serves those who show none. Raises
        OSError where no port on the loopback interface can be had.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity)
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        servers = _listen(lambda family, port: _Server(family, port, self, context))
        self._port = servers[0].server_address[1]
        for server in servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield
        finally:
            for server in servers:
                server.shutdown()
                server.server_close()

    def page(self, path: str) -> tuple[str, bytes] | None:
        """Return media type and content of what lies at `path`, or None."""
        return self._pages.get(path)

    def log_visit(self, visit: Visit) -> None:
        """Note a request that was served."""
        with self._logged:
            self._visits.append(visit)

    def log_refusal(self, reason: str) -> None:
        """Note a connection that was ended in its handshake."""
        with self._logged:
            self._refusals.append(reason)
            self._logged.notify_all()

    def take_visits(self) -> list[Visit]:
        """Return the visits since the last call."""
        with self._logged:
            taken, self._visits = self._visits, []
            return taken

    def take_refusal(self, within: float) -> str | None:
        """Return the last refusal since the last call, waiting some seconds for one, or None."""
        with self._logged:
            self._logged.wait_for(lambda: bool(self._refusals), timeout=within)
            taken, self._refusals = self._refusals, []
            return taken[-1] if taken else None


class _Server(socketserver.ThreadingTCPServer):
    """Shakes hands in the connection's own thread, so that a slow client holds up nobody.

    Not `http.server.HTTPServer`: that one asks the resolver for this machine's name when it binds.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = False
    request_queue_size = 64

    def __init__(
        self, family: socket.AddressFamily, port: int, index: Index, context: ssl.SSLContext
    ) -> None:
        self.address_family = family
        self.index = index
        self._context = context
        address = ADDRESSES[family == socket.AF_INET6]
        super().__init__((address, port), _Handler, bind_and_activate=False)
        try:
            if family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self.server_bind()
            self.server_activate()
        except OSError:
            self.server_close()
            raise

    def finish_request(self, request: object, client_address: object) -> None:
        """Shake hands, and serve requests if the client showed a certificate of our authority."""
        assert isinstance(request, socket.socket)
        request.settimeout(_HANDSHAKE_SECONDS)
        with self._context.wrap_socket(
            request, server_side=True, do_handshake_on_connect=False
        ) as connection:
            try:
                connection.do_handshake()
            except OSError as error:
                self.index.log_refusal(_reason(error))
                _hang_up(connection)
                return
            super().finish_request(connection, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that goes away in the middle."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET and HEAD for the index's pages."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    server: _Server
    connection: ssl.SSLSocket

    def do_GET(self) -> None:
        """Send a page."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Send a page's headers."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        agent = self.headers.get("User-Agent", "unknown").split(" ")[0]
        subject = _subject(self.connection.getpeercert())
        self.server.index.log_visit(Visit(subject, agent, self.path))
        page = self.server.index.page(self.path)
        media_type, content = page or ("text/plain", b"not here\n")
        self.send_response(HTTPStatus.OK if page else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_message: object) -> None:
        """Write nothing to the terminal; the index has its own log."""


def _listen(serve: Callable[[socket.AddressFamily, int], _Server]) -> list[_Server]:
    """Return servers on one free port of 127.0.0.1 and, where this machine has it, of ::1.

    On both, because `localhost` may mean either: a client that tries ::1 first would find nobody
    there, which costs Windows two seconds a connection, or would find somebody else.
    """
    for attempt in range(1, _PORT_ATTEMPTS + 1):
        first = serve(socket.AF_INET, 0)
        try:
            return [first, serve(socket.AF_INET6, first.server_address[1])]
        except OSError as error:
            if error.errno != errno.EADDRINUSE or attempt == _PORT_ATTEMPTS:
                return [first]
            first.server_close()
    raise AssertionError  # the last attempt returns


def _hang_up(connection: ssl.SSLSocket) -> None:
    """Read what the refused client still sends, then close.

    A close with unread data resets the connection, and the reset may overtake the TLS alert that
    tells the client why: pip would sometimes report the one, sometimes the other.
    """
    with contextlib.suppress(OSError, ValueError):
        connection.settimeout(_LINGER_SECONDS)
        descriptor = socket.socket(fileno=connection.detach())
        with descriptor:
            descriptor.settimeout(_LINGER_SECONDS)
            descriptor.shutdown(socket.SHUT_WR)
            while descriptor.recv(4096):
                pass


def _reason(error: OSError) -> str:
    """Return OpenSSL's reason in words, such as `peer did not return a certificate`."""
    reason = getattr(error, "reason", None)
    return reason.replace("_", " ").lower() if reason else str(error)


def _subject(certificate: object) -> str:
    """Return the subject of what `SSLSocket.getpeercert` gave, as `O=…, CN=…`; empty for none."""
    if not certificate:
        return ""
    short = {"commonName": "CN", "organizationName": "O"}
    assert isinstance(certificate, dict)
    return ", ".join(
        f"{short.get(key, key)}={value}" for names in certificate["subject"] for key, value in names
    )


def _pages(wheels: Sequence[Wheel]) -> Iterator[tuple[str, tuple[str, bytes]]]:
    """Yield path, media type and content of a simple repository (PEP 503) with `wheels`."""
    for wheel in wheels:
        target = f"../../files/{wheel.filename}#sha256={wheel.sha256}"
        link = f'<a href="{html.escape(target)}">{html.escape(wheel.filename)}</a>'
        page = f"<!DOCTYPE html>\n<title>{wheel.project}</title>\n{link}\n"
        yield f"/simple/{wheel.project}/", ("text/html; charset=utf-8", page.encode())
        yield f"/files/{wheel.filename}", ("application/octet-stream", wheel.content)
