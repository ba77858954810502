"""The proxy on loopback: who may use it, where each connection goes, and what is sent on."""

from __future__ import annotations

import contextlib
import hmac
import secrets
import ssl
import threading
from typing import TYPE_CHECKING

import h11

from mtls_run.config.scope import normalized_host, split_authority
from mtls_run.handoff.gateway import contexts, messages, routing
from mtls_run.handoff.gateway.authority import RunAuthority
from mtls_run.handoff.gateway.dialler import Dialler, UpstreamError
from mtls_run.handoff.gateway.listener import Connection, Listener, most_connections
from mtls_run.handoff.gateway.routing import Origin, Refusal
from mtls_run.handoff.gateway.transfer import Transfer
from mtls_run.handoff.gateway.upstream import (
    Destination,
    Pool,
)
from mtls_run.handoff.gateway.wire import BadMessage, Broken, Wire, tie
from mtls_run.net import hostname
from mtls_run.net.request import basic_authorization
from mtls_run.output.text import printable

if TYPE_CHECKING:
    import socket
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
_SAFE = (b"GET", b"HEAD")
_LONGEST_REASON = 200
_NOT_OURS = "not-ours"


class _Ended(Exception):
    """The connection has no further request, or none is read after a refusal."""


class Gateway:
    """The proxy. It serves a listener until the process ends, or until `close`."""

    def __init__(
        self, settings: Settings, listener: socket.socket, secret: str, log: Callable[[str], None]
    ) -> None:
        """Make the run's CA. Raises OSError where a connection's owner cannot be known."""
        self._settings = settings
        self._log = log
        self._authorization = basic_authorization(USER, secret)
        patterns = [one for identity in settings.identities for one in identity.scope.hosts]
        self._authority = RunAuthority(patterns)
        self._dialler = Dialler(settings)
        slots = most_connections()
        self._pool = Pool(settings, self._dialler, min(8, max(2, slots // 4)))
        self._listener = Listener(listener, slots, self._serve, self._pool.close_idle, log)
        self._tool_contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    @property
    def ca_pem(self) -> bytes:
        """Return the certificate of the run's CA."""
        return self._authority.pem

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        self._listener.serve()

    def close(self) -> None:
        """Stop to listen, and end every connection."""
        self._listener.close()
        self._pool.close()

    def _serve(self, connection: Connection) -> None:
        """Answer until there is no further request; raises Broken."""
        with contextlib.suppress(_Ended):
            self._serve_proxy(connection)

    def _serve_proxy(self, connection: Connection) -> None:
        """Answer what is asked of the proxy itself; raises Broken, _Ended."""
        keep = True
        while keep:
            parsed, request = self._next_request(connection)
            with self._answering(connection.wire, parsed, request):
                given = messages.value_of(request.headers, b"proxy-authorization") or b""
                if not hmac.compare_digest(given, self._authorization.reveal()):
                    raise Refusal(407, _NOT_OURS, "the secret of this run is missing or wrong")
                if (request.method, request.target) == (b"OPTIONS", b"*"):
                    self._describe(connection.wire, parsed)
                    raise _Ended
                if request.method != b"CONNECT":
                    keep = self._forward_plain(connection, request, parsed)
                    continue
                host, port, answer = self._route(request)
            connection.wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if answer is None:
                self._serve_origin(connection, Origin(host, port))
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

    def _next_request(self, connection: Connection) -> tuple[h11.Connection, h11.Request]:
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
        self, wire: Wire, parsed: h11.Connection, refusal: Refusal, *, is_head: bool = False
    ) -> None:
        """Answer with the gateway's own page. The connection ends after it."""
        self._log(f"gateway: {refusal.status} {refusal.code}: {refusal.text}")
        status, media = refusal.status, "text/plain; charset=utf-8"
        body = f"mtls-run: {refusal.text}\n".encode()
        if refusal.is_to_git:
            status, media = 200, "application/x-git-upload-pack-result"
            body = messages.git_error(body)
        headers = [
            ("Content-Type", media),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            (ERROR_HEADER, refusal.code),
        ]
        if refusal.code == _NOT_OURS:
            headers.append(("Proxy-Authenticate", f'Basic realm="{USER}"'))
        # pip shows the reason, and not the page.
        reason = printable(f"mtls-run: {refusal.text}").encode("ascii", "replace")[:_LONGEST_REASON]
        response = h11.Response(status_code=status, headers=headers, reason=reason)
        wire.send(messages.sent(parsed, response) + (b"" if is_head else body))
        wire.finish()

    @contextlib.contextmanager
    def _answering(
        self, wire: Wire, parsed: h11.Connection, request: h11.Request | None = None
    ) -> Iterator[None]:
        """Answer what the block refuses by the gateway's own page, and end the connection."""
        try:
            yield
        except (Refusal, BadMessage) as error:
            if isinstance(error, Refusal):
                refusal = error
            else:
                refusal = Refusal(400, "bad-request", f"the request is refused: {error}")
            is_head = request is not None and request.method == b"HEAD"
            self._refuse(wire, parsed, refusal, is_head=is_head)
            raise _Ended from None

    # CONNECT

    def _route(self, request: h11.Request) -> tuple[str, int, Wire | None]:
        """Return host and port of a CONNECT, and a connection to them if no identity is for them.

        Raises Refusal.
        """
        try:
            given, port = split_authority(request.target.decode("ascii"))
            host = normalized_host(given)
        except ValueError as error:  # UnicodeDecodeError is one
            raise Refusal(400, "bad-target", f"the target is refused: {error}") from None
        is_passed = messages.value_of(request.headers, TUNNEL_HEADER.lower().encode()) is not None
        identities = () if is_passed else self._settings.identities
        if any(one.scope.matches(host, port) is not None for one in identities):
            return host, port, None
        self._log(f"gateway: {hostname.with_port(host, port)} is passed through")
        try:
            return host, port, Wire(self._dialler.connect(given, port))
        except UpstreamError as error:
            raise Refusal(502, error.code, error.text) from None

    def _pass_through(self, connection: Connection, other: Wire) -> None:
        connection.is_idle = True  # once it is quiet
        try:
            for _ in tie(connection.wire, other, _TUNNEL_IDLE):
                connection.touch()
        finally:
            other.close()

    def _serve_origin(self, connection: Connection, origin: Origin) -> None:
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
                destination = routing.admitted(self._settings, request, origin)
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

    # Requests

    def _forward_plain(
        self, connection: Connection, request: h11.Request, parsed: h11.Connection
    ) -> bool:
        """Send a request without TLS on, never with an identity; tell whether more may follow."""
        destination, target = routing.plain(request)
        return self._exchange(connection, request, parsed, destination, target)

    def _exchange(
        self,
        connection: Connection,
        request: h11.Request,
        parsed: h11.Connection,
        destination: Destination,
        target: bytes,
    ) -> bool:
        """Send a request on and its response back; tell whether another request may follow.

        Raises Refusal while nothing of a response was sent, else Broken.
        """
        is_safe = request.method in _SAFE and not messages.has_body(request)
        fresh = not is_safe
        while True:
            try:
                upstream = self._pool.acquire(destination, fresh=fresh)
            except UpstreamError as error:
                raise Refusal(502, error.code, error.text) from None
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
                raise routing.failure(destination, error) from None
            except BaseException:
                self._pool.discard(upstream)
                raise
            connection.has_served = True
            if transfer.can_reuse:
                self._pool.release(upstream)
            else:
                self._pool.discard(upstream)
            return keep


def _name_check(host: str) -> contexts.OnName:
    """Return what compares the name in a handshake with the tunnel's."""
    expected = None if hostname.is_address(host) else host

    def check(_object: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        given = None if name is None else name.lower().removesuffix(".")
        return None if given == expected else int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)

    return check


def new_secret() -> str:
    """Return a secret for one run, of characters that a URL may have."""
    return secrets.token_urlsafe(32)
