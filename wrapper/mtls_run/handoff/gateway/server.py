"""The proxy on loopback: who may use it, where each connection goes, and what is sent on."""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import h11

from mtls_run.config.scope import HTTPS_PORT, normalized_host, split_authority
from mtls_run.handoff.gateway import contexts, messages, peer
from mtls_run.handoff.gateway.authority import RunAuthority
from mtls_run.handoff.gateway.transfer import Transfer
from mtls_run.handoff.gateway.upstream import (
    Destination,
    Dialler,
    Pool,
    UpstreamError,
    alert_reason,
)
from mtls_run.handoff.gateway.wire import BadMessage, Broken, Wire, tie
from mtls_run.net import hostname
from mtls_run.net.request import basic_authorization
from mtls_run.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Callable

    from mtls_run.handoff.gateway.settings import Settings

USER = "mtls-run"
ERROR_HEADER = "X-Mtls-Run-Error"
# For a nested mtls-run (`outer`): what the gateway serves, and a CONNECT that it leaves alone.
PROFILE_HEADER = "X-Mtls-Run-Profile"
METHODS_HEADER = "X-Mtls-Run-Methods"
TUNNEL_HEADER = "X-Mtls-Run-Tunnel"
ANY = "any"
# Pip and uv keep an idle connection longer than any server of an index does.
_IDLE = 300.0
_HEAD = 30.0
_TUNNEL_IDLE = 3600.0
_HTTP_PORT = 80
_BACKLOG = 512
# Threads are cheap, but not free. What is more waits in the listener's queue.
_MOST_CONNECTIONS = 1024
# Descriptors for the listener, the resolver, /proc and the log.
_RESERVED = 20
# A connection that is quiet for so long may be ended in favour of a new one.
_QUIET = 5.0
_SAFE = (b"GET", b"HEAD")
_RETRY = 0.05
_LONGEST_REASON = 200
_NOT_OURS = "not-ours"
_ABSOLUTE = re.compile(rb"http://(?P<authority>[^/?#]+)(?P<path>[^#]*)", re.IGNORECASE)


class _Refusal(Exception):  # noqa: N818
    """A request that is answered by the gateway itself, and why."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


class _Ended(Exception):  # noqa: N818
    """The connection has no further request, or none is read after a refusal."""


class _Origin(NamedTuple):
    """Where the tool believes to be connected to."""

    host: str
    port: int


class _Connection:
    """One connection of the tool, with what the listener needs to end it early."""

    def __init__(self, accepted: socket.socket) -> None:
        self.wire = Wire(accepted)
        self.active = time.monotonic()
        self.is_idle = False
        self.has_served = False

    def touch(self) -> None:
        """Note that something happened."""
        self.active = time.monotonic()

    def can_end(self) -> bool:
        """Tell whether the tool loses nothing if this connection ends now.

        It opens a connection again if the one before had served it, or was quiet for long.
        """
        is_quiet = time.monotonic() - self.active > _QUIET
        return self.is_idle and (self.has_served or is_quiet)


class Gateway:
    """The proxy. It serves a listener until the process ends, or until `close`."""

    def __init__(
        self, settings: Settings, listener: socket.socket, secret: str, log: Callable[[str], None]
    ) -> None:
        """Make the run's CA. Raises OSError where a connection's owner cannot be known."""
        self._settings = settings
        self._listener = listener
        self._log = log
        self._authorization = basic_authorization(USER, secret)
        self._owner = peer.way_to_ask()
        patterns = [one for identity in settings.identities for one in identity.scope.hosts]
        self._authority = RunAuthority(patterns)
        self._slots = _slots()
        self._dialler = Dialler(settings)
        self._pool = Pool(settings, self._dialler, min(8, max(2, self._slots // 4)))
        self._tool_contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._connections: set[_Connection] = set()
        self._stopping = threading.Event()

    @property
    def ca_pem(self) -> bytes:
        """Return the certificate of the run's CA."""
        return self._authority.pem

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        while not self._stopping.is_set():
            self._wait_for_slot()
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                if self._listener.fileno() < 0:
                    return
                self._pool.close_idle()
                time.sleep(_RETRY)  # no descriptor is free
                continue
            connection = _Connection(accepted)
            with self._lock:
                self._connections.add(connection)
            try:
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()
            except RuntimeError:  # no thread can be started
                self._end(connection, clean=False)

    def close(self) -> None:
        """Stop to listen, and end every connection."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends an accept() that waits
        self._listener.close()
        with self._lock:
            for one in self._connections:
                _shut(one)
        self._pool.close()

    def _wait_for_slot(self) -> None:
        """Wait until one more connection has descriptors; end one that is idle, if need be."""
        with self._lock:
            while len(self._connections) >= self._slots:
                ending = [one for one in self._connections if one.can_end()]
                if ending:
                    oldest = min(ending, key=lambda one: one.active)
                    oldest.is_idle = False
                    _shut(oldest)
                self._changed.wait(1.0)

    def _end(self, connection: _Connection, *, clean: bool) -> None:
        connection.wire.close(clean=clean)
        with self._lock:
            self._connections.discard(connection)
            self._changed.notify()

    def _run(self, connection: _Connection) -> None:
        clean = False
        try:
            accepted = connection.wire.socket
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._owner is not None and self._owner(accepted) != os.geteuid():
                self._log("gateway: refused a connection of another user")
                return
            with contextlib.suppress(_Ended):
                self._serve_proxy(connection)
            clean = True
        except (Broken, OSError) as error:
            self._log(f"gateway: a connection broke: {error}")
        except Exception as error:  # noqa: BLE001 - one connection must not take the others along
            self._log(f"gateway: a connection failed: {type(error).__name__}: {error}")
        finally:
            self._end(connection, clean=clean)

    def _serve_proxy(self, connection: _Connection) -> None:
        """Answer what is asked of the proxy itself; raises Broken, _Ended."""
        keep = True
        while keep:
            parsed, request = self._next_request(connection)
            with self._answering(connection.wire, parsed, request):
                given = messages.value_of(request.headers, b"proxy-authorization") or b""
                if not hmac.compare_digest(given, self._authorization.reveal()):
                    raise _Refusal(407, _NOT_OURS, "the secret of this run is missing or wrong")
                if (request.method, request.target) == (b"OPTIONS", b"*"):
                    self._describe(connection.wire, parsed)
                    raise _Ended
                if request.method != b"CONNECT":
                    keep = self._forward_plain(connection, request, parsed)
                    continue
                host, port, answer = self._route(request)
            connection.wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if answer is None:
                self._serve_origin(connection, _Origin(host, port))
            else:
                self._pass_through(connection, answer)
            return

    def _describe(self, wire: Wire, parsed: h11.Connection) -> None:
        """Tell a nested mtls-run what is served here, and the run's CA."""
        headers = [
            ("Content-Length", str(len(self.ca_pem))),
            ("Connection", "close"),
            (PROFILE_HEADER, self._settings.meaning),
            (METHODS_HEADER, ANY if self._settings.methods is None else "reading"),
        ]
        wire.send(messages.sent(parsed, h11.Response(status_code=200, headers=headers)))
        wire.send(self.ca_pem)

    def _next_request(self, connection: _Connection) -> tuple[h11.Connection, h11.Request]:
        """Return the next request and what parsed it; raises Broken, _Ended."""
        connection.touch()
        connection.is_idle = True
        ready = connection.wire.wait_for_data(_IDLE)
        connection.is_idle = False
        with self._answering(connection.wire, h11.Connection(h11.SERVER)):
            try:
                head = connection.wire.read_head(_HEAD) if ready else b""
            except Broken:
                if connection.wire.buffer:
                    raise
                head = b""  # uv ends its TLS connections without a word
            if not head:
                raise _Ended
            return messages.parse_request(head)
        raise _Ended  # for mypy: the block above returns or raises

    def _refuse(
        self, wire: Wire, parsed: h11.Connection, refusal: _Refusal, *, is_head: bool = False
    ) -> None:
        """Answer with the gateway's own page. The connection ends after it."""
        self._log(f"gateway: {refusal.status} {refusal.code}: {refusal.text}")
        body = f"mtls-run: {refusal.text}\n".encode()
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            (ERROR_HEADER, refusal.code),
        ]
        if refusal.code == _NOT_OURS:
            headers.append(("Proxy-Authenticate", f'Basic realm="{USER}"'))
        # pip shows the reason, and not the page.
        reason = printable(f"mtls-run: {refusal.text}").encode("ascii", "replace")[:_LONGEST_REASON]
        response = h11.Response(status_code=refusal.status, headers=headers, reason=reason)
        wire.send(messages.sent(parsed, response) + (b"" if is_head else body))
        wire.finish()

    @contextlib.contextmanager
    def _answering(
        self, wire: Wire, parsed: h11.Connection, request: h11.Request | None = None
    ) -> Iterator[None]:
        """Answer what the block refuses by the gateway's own page, and end the connection."""
        try:
            yield
        except (_Refusal, BadMessage) as error:
            if isinstance(error, _Refusal):
                refusal = error
            else:
                refusal = _Refusal(400, "bad-request", f"the request is refused: {error}")
            is_head = request is not None and request.method == b"HEAD"
            self._refuse(wire, parsed, refusal, is_head=is_head)
            raise _Ended from None

    # CONNECT

    def _route(self, request: h11.Request) -> tuple[str, int, Wire | None]:
        """Return host and port of a CONNECT, and a connection to them if no identity is for them.

        Raises _Refusal.
        """
        try:
            given, port = split_authority(request.target.decode("ascii"))
            host = normalized_host(given)
        except ValueError as error:  # UnicodeDecodeError is one
            raise _Refusal(400, "bad-target", f"the target is refused: {error}") from None
        is_passed = messages.value_of(request.headers, TUNNEL_HEADER.lower().encode()) is not None
        identities = () if is_passed else self._settings.identities
        if any(one.scope.matches(host, port) is not None for one in identities):
            return host, port, None
        self._log(f"gateway: {hostname.with_port(host, port)} is passed through")
        try:
            return host, port, Wire(self._dialler.connect(given, port))
        except UpstreamError as error:
            raise _Refusal(502, error.code, error.text) from None

    def _pass_through(self, connection: _Connection, other: Wire) -> None:
        connection.is_idle = True  # once it is quiet
        try:
            for _ in tie(connection.wire, other, _TUNNEL_IDLE):
                connection.touch()
        finally:
            other.close()

    def _serve_origin(self, connection: _Connection, origin: _Origin) -> None:
        """Speak TLS in the place of one of the identities' hosts; raises Broken, _Ended."""
        plain = connection.wire
        if plain.buffer:
            raise Broken("the tool spoke before the tunnel was there")
        plain.socket.settimeout(_HEAD)
        try:
            secured = self._context(origin.host).wrap_socket(
                plain.socket, server_side=True, suppress_ragged_eofs=False
            )
        except (OSError, ValueError) as error:
            raise Broken(f"no TLS with the tool for {origin.host}: {error}") from None
        connection.wire = Wire(secured)
        keep = True
        while keep:
            parsed, request = self._next_request(connection)
            with self._answering(connection.wire, parsed, request):
                destination = self._admitted(request, origin)
                keep = self._exchange(connection, request, parsed, destination, request.target)

    def _context(self, host: str) -> ssl.SSLContext:
        """Return the context to answer in the place of this host, so that sessions resume."""
        with self._lock:
            found = self._tool_contexts.get(host)
        if found is None:
            found = contexts.for_tool(self._authority.issue(host), _name_check(host))
            with self._lock:
                found = self._tool_contexts.setdefault(host, found)
        return found

    def _admitted(self, request: h11.Request, origin: _Origin) -> Destination:
        """Return where a request goes and with which identity; raises _Refusal, BadMessage."""
        shown = hostname.with_port(*origin)
        if not _is_for(request, origin, HTTPS_PORT):
            raise _Refusal(421, "host", f"the request is not for {shown}, the tunnel is")
        target = request.target.decode("ascii", "replace")
        if not target.startswith("/") or request.method == b"CONNECT":
            raise _Refusal(400, "bad-target", "the target of the request is not a path")
        method = request.method.decode("ascii", "replace")
        if self._settings.methods is not None and method not in self._settings.methods:
            text = f"{method} is not sent on to {shown} for this command"
            raise _Refusal(403, "method", text)
        best: tuple[int, int] | None = None
        chosen = 0
        for number, identity in enumerate(self._settings.identities):
            closeness = identity.scope.matches(*origin)
            if closeness is None:
                continue
            try:
                length = identity.scope.matches_path(target)
            except ValueError as error:
                raise _Refusal(403, "path", f"the path is refused: {error}") from None
            if length is not None and (best is None or (closeness, length) > best):
                best, chosen = (closeness, length), number
        if best is None:
            raise _Refusal(403, "path", f"no identity is for this path on {shown}")
        return Destination(chosen, origin.host, origin.port)

    # Requests

    def _forward_plain(
        self, connection: _Connection, request: h11.Request, parsed: h11.Connection
    ) -> bool:
        """Send a request without TLS on, never with an identity; tell whether more may follow."""
        found = _ABSOLUTE.fullmatch(request.target)
        try:
            authority = b"" if found is None else found["authority"]
            host, port = split_authority(authority.decode("ascii"), _HTTP_PORT)
            origin = _Origin(normalized_host(host), port)
        except ValueError as error:
            raise _Refusal(400, "bad-target", f"the target is refused: {error}") from None
        if not _is_for(request, origin, _HTTP_PORT):
            raise _Refusal(421, "host", "the request's Host is not the one of its URL")
        path = b"" if found is None else found["path"]
        target = path if path.startswith(b"/") else b"/" + path
        return self._exchange(connection, request, parsed, Destination(None, *origin), target)

    def _exchange(
        self,
        connection: _Connection,
        request: h11.Request,
        parsed: h11.Connection,
        destination: Destination,
        target: bytes,
    ) -> bool:
        """Send a request on and its response back; tell whether another request may follow.

        Raises _Refusal while nothing of a response was sent, else Broken.
        """
        is_safe = request.method in _SAFE and not messages.has_body(request)
        fresh = not is_safe
        while True:
            try:
                upstream = self._pool.acquire(destination, fresh=fresh)
            except UpstreamError as error:
                raise _Refusal(502, error.code, error.text) from None
            transfer = Transfer(connection.wire, connection.touch, request, parsed, upstream)
            try:
                keep = transfer.run(target)
            except (Broken, BadMessage) as error:
                self._pool.discard(upstream)
                if transfer.has_answered or transfer.tool_is_gone:
                    raise Broken(f"{destination.shown}: {error}") from None
                if upstream.is_reused and is_safe and isinstance(error, Broken):
                    fresh = True  # the server closed it while it was idle (RFC 9110, section 9.2.2)
                    continue
                raise _failure(destination, error) from None
            except BaseException:
                self._pool.discard(upstream)
                raise
            connection.has_served = True
            if transfer.can_reuse:
                self._pool.release(upstream)
            else:
                self._pool.discard(upstream)
            return keep


def _is_for(request: h11.Request, origin: _Origin, default: int) -> bool:
    """Tell whether the request's Host is the origin; raises BadMessage."""
    try:
        host, port = split_authority(
            (messages.value_of(request.headers, b"host") or b"").decode("ascii"), default
        )
        return (normalized_host(host), port) == origin
    except ValueError:
        return False


def _failure(destination: Destination, error: Exception) -> _Refusal:
    shown = destination.shown
    if isinstance(error, BadMessage):
        return _Refusal(502, "bad-response", f"{shown}: the response is refused: {error}")
    alert = alert_reason(error) if isinstance(error, Broken) else None
    if alert is not None:
        return _Refusal(502, "identity-refused", f"{shown} refuses the client certificate: {alert}")
    return _Refusal(502, "upstream", f"{shown}: {error}")


def _name_check(host: str) -> contexts.OnName:
    """Return what compares the name in a handshake with the tunnel's."""
    expected = None if hostname.is_address(host) else host

    def check(_object: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        given = None if name is None else name.lower().removesuffix(".")
        return None if given == expected else int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)

    return check


def _shut(connection: _Connection) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection.wire.socket, socket.SHUT_RDWR)


def _slots() -> int:
    """Return how many connections the limit of descriptors allows, at two for each."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return _MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * _MOST_CONNECTIONS + _RESERVED
    if hard == resource.RLIM_INFINITY or hard > soft:
        most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
            soft = max(soft, most)
    return max(4, min(_MOST_CONNECTIONS, (soft - _RESERVED) // 2))


def listen() -> socket.socket:
    """Return a listener on loopback; raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def new_secret() -> str:
    """Return a secret for one run, of characters that a URL may have."""
    return secrets.token_urlsafe(32)
