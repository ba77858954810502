"""A gateway in this process, a server that answers as a test says, and a tool that sends bytes."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Callable
from urllib.parse import urlsplit

from mtls_run.config.scope import HostPattern, Scope
from mtls_run.handoff.gateway import contexts, process
from mtls_run.handoff.gateway.settings import ScopedIdentity, Settings
from mtls_run.output import Reporter
from mtls_run.secret import Secret
from tests.e2e.own_proxy import END
from tests.pki import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtls_run.handoff.gateway.process import Running
    from mtls_run.net.proxy import Proxy
    from tests.pki import Issued


class World:
    """The authorities of a test: above the servers, and above the clients."""

    def __init__(self) -> None:
        self.server_ca = Authority.create("Server Root")
        self.client_root = Authority.create("Client Root")
        self.server = self.server_ca.issue(
            "server", server=True, hosts=("localhost", "a.localhost", "127.0.0.1")
        )

    def client(self, name: str) -> Issued:
        """Return the identity of a client."""
        return self.client_root.issue(name)


class LogReporter(Reporter):
    """A reporter that keeps the details."""

    def __init__(self) -> None:
        super().__init__()
        self.details: list[str] = []

    def detail(self, fact: str) -> None:
        """Keep a decision."""
        self.details.append(fact)


@dataclass
class Seen:
    """One connection to a server: the client certificate's name, and all bytes that came."""

    subject: str = ""
    data: bytes = b""
    resumed: bool = False


Answer = Callable[[ssl.SSLSocket, bytes], bool]


@dataclass
class Scripted:
    """A TLS server that asks any client for a certificate and answers as a test says.

    `answer` gets the connection and the head of each request, and returns whether to go on.
    """

    listener: socket.socket
    context: ssl.SSLContext
    answer: Answer
    seen: list[Seen] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        """The port."""
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        """Accept connections, each in a thread."""
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(accepted,), daemon=True).start()

    def _talk(self, accepted: socket.socket) -> None:
        seen = Seen()
        try:
            connected = self.context.wrap_socket(accepted, server_side=True)
        except OSError as error:
            self.failures.append(str(error))
            return
        with connected, contextlib.suppress(OSError):
            connected.settimeout(20)
            found = connected.getpeercert() or {}
            subject = found.get("subject", ())
            seen.subject = str(subject[0][0][1]) if subject else ""
            seen.resumed = bool(connected.session_reused)
            self.seen.append(seen)
            while True:
                head = b""
                while END not in head:
                    data = connected.recv(1)
                    if not data:
                        return
                    head += data
                    seen.data += data
                if not self.answer(connected, head):
                    return


@contextlib.contextmanager
def scripted(
    world: World, answer: Answer, *, certificate: Issued | None = None
) -> Iterator[Scripted]:
    """Run a server that answers so."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    contexts.load_pem(context, Secret((certificate or world.server).pem()))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=world.client_root.pem.decode())
    with socket.create_server(("127.0.0.1", 0), backlog=600) as listener:
        found = Scripted(listener, context, answer)
        threading.Thread(target=found.serve, daemon=True).start()
        yield found
        listener.shutdown(socket.SHUT_RDWR)


def always(response: bytes) -> Answer:
    """Return an answer that is the same for each request."""

    def answer(connection: ssl.SSLSocket, _head: bytes) -> bool:
        connection.sendall(response)
        return True

    return answer


def identity(issued: Issued, *hosts: str, paths: tuple[str, ...] = ()) -> ScopedIdentity:
    """Return an identity for these hosts."""
    scope = Scope(tuple(HostPattern.parse(one) for one in hosts), paths)
    pem = Secret(issued.pem())
    return ScopedIdentity(hosts[0], scope, lambda context: contexts.load_pem(context, pem))


def direct(_host: str, _port: int) -> Proxy | None:
    """Return no proxy."""
    return None


def settings(
    world: World,
    *identities: ScopedIdentity,
    methods: frozenset[str] | None = frozenset({"GET", "HEAD"}),
    find_proxy: Callable[[str, int], Proxy | None] = direct,
    open_first: Callable[[], None] = lambda: None,
) -> Settings:
    """Return settings that trust the server's CA."""
    return Settings(identities, world.server_ca.pem, methods, find_proxy, open_first)


@dataclass
class Response:
    """What came back: the status, the headers in lower case, and the rest as it came."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes


def parsed(raw: bytes) -> Response:
    """Return the last response in these bytes."""
    head, _, body = raw.partition(END)
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    return Response(int(first.split()[1]), {a.lower(): b for a, b in pairs}, body, raw)


@dataclass
class Gateway:
    """A running gateway, as a tool sees it."""

    running: Running
    log: LogReporter

    @property
    def port(self) -> int:
        """The proxy's port."""
        return urlsplit(self.running.proxy_url).port or 0

    @property
    def authorization(self) -> bytes:
        """The header that carries the run's secret."""
        parts = urlsplit(self.running.proxy_url)
        value = base64.b64encode(f"{parts.username}:{parts.password}".encode())
        return b"Proxy-Authorization: Basic " + value + b"\r\n"

    def dial(self) -> socket.socket:
        """Return a connection to the proxy."""
        return socket.create_connection(("127.0.0.1", self.port), 20)

    def ask(self, data: bytes) -> Response:
        """Return what the proxy itself answers."""
        with self.dial() as connected:
            connected.sendall(data)
            return parsed(everything(connected))

    def tunnel(self, authority: str) -> socket.socket:
        """Return a tunnel to HOST:PORT; raises AssertionError if it is refused."""
        connected = self.dial()
        target = authority.encode()
        connected.sendall(
            b"CONNECT "
            + target
            + b" HTTP/1.1\r\nHost: "
            + target
            + b"\r\n"
            + self.authorization
            + b"\r\n"
        )
        head = b""
        while END not in head:
            data = connected.recv(1)
            assert data, head
            head += data
        assert head.startswith(b"HTTP/1.1 200 "), head
        return connected

    def secured(
        self, authority: str, name: str = "localhost", context: ssl.SSLContext | None = None
    ) -> ssl.SSLSocket:
        """Return a tunnel with the tool's TLS in it, which trusts the run's CA alone."""
        trusting = context or trusts(self.running.ca_pem)
        return trusting.wrap_socket(
            self.tunnel(authority), server_hostname=name, suppress_ragged_eofs=False
        )

    def send(self, authority: str, request: bytes, name: str = "localhost") -> Response:
        """Return the response to one request through a tunnel, once the gateway has ended it."""
        with self.secured(authority, name) as connected:
            connected.sendall(request)
            return parsed(everything(connected))

    def get(self, port: int, path: str = "/x", *lines: str, method: str = "GET") -> Response:
        """Return the response to a request for localhost, the only one of its connection."""
        head = [f"{method} {path} HTTP/1.1", f"Host: localhost:{port}", *lines, "Connection: close"]
        return self.send(f"localhost:{port}", "\r\n".join([*head, "", ""]).encode())


def trusts(ca_pem: bytes) -> ssl.SSLContext:
    """Return a client's context with one root; strict, as Python 3.13 is by default."""
    context = ssl.create_default_context(cadata=ca_pem.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.options &= ~0x80  # SSL_OP_IGNORE_UNEXPECTED_EOF, which Python 3.9 sets
    return context


def everything(connected: socket.socket) -> bytes:
    """Return all that comes until the end, however that is."""
    found = b""
    connected.settimeout(20)
    with contextlib.suppress(OSError):
        while True:
            data = connected.recv(65536)
            if not data:
                break
            found += data
    return found


@contextlib.contextmanager
def gateway(found: Settings) -> Iterator[Gateway]:
    """Run a gateway in threads of this process."""
    log = LogReporter()
    running = process.start_in_process(found, log)
    try:
        yield Gateway(running, log)
    finally:
        running.close()


@contextlib.contextmanager
def file_with(content: bytes) -> Iterator[Path]:
    """Have a file with this content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.pem")
        path.write_bytes(content)
        yield path
