"""Connections to the servers: dialled, verified, and used again for the same identity alone."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mtls_run.errors import MtlsRunError
from mtls_run.handoff.gateway import contexts
from mtls_run.handoff.gateway.wire import Broken, Wire, tie
from mtls_run.net import hostname, proxy, transport
from mtls_run.net.errors import NetworkError

if TYPE_CHECKING:
    from mtls_run.handoff.gateway.settings import ScopedIdentity, Settings
    from mtls_run.net.proxy import Proxy

TIMEOUT = 30.0
# A server sees so many connections at once, and one more each time that a request waits longer
# than `_PATIENCE` seconds for one of them: slow downloads must not keep the others out.
AT_ONCE = 8
_PATIENCE = 2.0
# Servers end an idle connection after 60 seconds (AWS) or 75 (nginx).
_IDLE = 45.0
_HANDSHAKE = 60.0


class UpstreamError(Exception):
    """A server cannot be reached, verified or shown the identity.

    `code` is for machines, `text` for the user.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Destination(NamedTuple):
    """A server, and the identity that it is shown: its place in the settings, or None.

    Without an identity the server is spoken to without TLS.
    """

    identity: int | None
    host: str
    port: int

    @property
    def shown(self) -> str:
        """Return the host and the port."""
        return hostname.with_port(self.host, self.port)


@dataclass
class Upstream:
    """A connection to a destination.

    `proxy` is the HTTP proxy that it ends at, for a request without TLS. `is_reused` tells that an
    earlier request used it, `since` when that ended.
    """

    destination: Destination
    wire: Wire
    proxy: Proxy | None = None
    is_reused: bool = False
    since: float = 0.0


@dataclass
class _Host:
    """What is kept of one destination. `turn` lets one handshake run until there is a session."""

    changed: threading.Condition
    turn: threading.Lock = field(default_factory=threading.Lock)
    idle: list[Upstream] = field(default_factory=list)
    open: int = 0
    session: ssl.SSLSession | None = None


def _is_usable(upstream: Upstream) -> bool:
    """Tell whether an idle connection is fresh, and the server has not sent or ended anything."""
    try:
        return time.monotonic() - upstream.since < _IDLE and not upstream.wire.has_data()
    except Broken:
        return False


class Identities:
    """The TLS contexts of the identities, each made when it is first needed.

    An identity that could not be opened is not tried again: a token counts wrong PINs.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._locks = [threading.Lock() for _ in settings.identities]
        self._found: dict[int, ssl.SSLContext | MtlsRunError] = {}

    def context(self, number: int) -> ssl.SSLContext:
        """Return the context of this identity; raises UpstreamError."""
        with self._locks[number]:
            if number not in self._found:
                self._found[number] = self._open(self._settings.identities[number])
            found = self._found[number]
        if isinstance(found, MtlsRunError):
            raise UpstreamError("identity", found.fact)
        return found

    def failure(self, number: int) -> MtlsRunError | None:
        """Return why this identity did not sign the last handshake, if that is known."""
        return self._settings.identities[number].failure()

    def _open(self, identity: ScopedIdentity) -> ssl.SSLContext | MtlsRunError:
        context = contexts.for_server(self._settings.roots)
        context.set_alpn_protocols(contexts.ALPN)
        try:
            identity.load(context)
        except MtlsRunError as error:
            return error
        return context


class Dialler:
    """Opens TCP connections, through the user's own proxy where there is one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def proxy(self, host: str, port: int) -> Proxy | None:
        """Return the proxy in front of a host; raises UpstreamError."""
        try:
            return self._settings.find_proxy(host, port)
        except NetworkError as error:
            raise UpstreamError("proxy", _sentence("the proxy", error)) from None

    def connect(self, host: str, port: int) -> socket.socket:
        """Return a connection to the host; raises UpstreamError."""
        found = self.proxy(host, port)
        if found is None:
            return self._direct(host, port, hostname.with_port(host, port))
        connected, is_tls = self.to_proxy(found)
        try:
            proxy.tunnel(transport.Socket(connected), found, host, port, TIMEOUT)
        except NetworkError as error:
            connected.close()
            raise UpstreamError("proxy", _sentence(f"the proxy {found.shown}", error)) from None
        return _bridged(connected) if is_tls else connected

    def to_proxy(self, found: Proxy) -> tuple[socket.socket, bool]:
        """Return a connection to the proxy itself, and whether it is TLS; raises UpstreamError."""
        shown = f"the proxy {found.shown}"
        if not found.is_supported:
            raise UpstreamError("proxy", f"{shown}: its kind is not supported")
        connected = self._direct(found.host, found.port, shown, "proxy")
        if found.scheme != "https":
            return connected, False
        context = contexts.for_server(self._settings.roots)
        return _handshake(connected, context, found.host, shown, None, "proxy"), True

    def _direct(self, host: str, port: int, shown: str, code: str = "connect") -> socket.socket:
        try:
            addresses = transport.resolve(host, port, TIMEOUT)
            found, _ = transport.connect(addresses, port, TIMEOUT)
        except NetworkError as error:
            raise UpstreamError(code, _sentence(shown, error)) from None
        with contextlib.suppress(OSError):
            found.connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found.connected


def _bridged(connected: socket.socket) -> socket.socket:
    """Return a plain socket that carries what goes through the TLS connection to a proxy.

    The standard library's TLS socket cannot run inside another one.
    """
    ours, theirs = socket.socketpair()

    def carry() -> None:
        ends = Wire(theirs), Wire(connected)
        for _ in tie(*ends, idle=3600):
            pass
        for end in ends:
            end.close()

    threading.Thread(target=carry, daemon=True).start()
    return ours


def _handshake(
    connected: socket.socket,
    context: ssl.SSLContext,
    host: str,
    shown: str,
    session: ssl.SSLSession | None,
    code: str = "tls",
) -> ssl.SSLSocket:
    connected.settimeout(_HANDSHAKE)
    try:
        return context.wrap_socket(
            connected, server_hostname=host, session=session, suppress_ragged_eofs=False
        )
    except ssl.SSLCertVerificationError as error:
        connected.close()
        reason = error.verify_message.rstrip(".")
        kind = "certificate" if code == "tls" else code
        raise UpstreamError(kind, f"{shown}: its certificate is refused: {reason}") from None
    except (OSError, ValueError) as error:
        connected.close()
        raise UpstreamError(code, f"{shown}: no TLS: {_reason(error)}") from None
    except MtlsRunError as error:  # a token that signs the handshake
        connected.close()
        raise UpstreamError("identity", error.fact) from None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error) or "timeout"


_KINDS = {
    "unknown": "could not resolve host",
    "refused": "connection refused",
    "timeout": "no answer in time",
    "reset": "connection reset",
    "closed": "connection closed",
    "unsupported": "its kind is not supported",
}


def _sentence(shown: str, error: NetworkError) -> str:
    reason = _KINDS.get(error.kind) or error.reason or "it fails"
    if error.kind == "status":
        reason = f"it answers {error.number} {error.reason}".rstrip()
    return f"{shown}: {reason}"


class Pool:
    """The connections to servers, each for one destination, identity included."""

    def __init__(self, settings: Settings, dialler: Dialler, at_once: int = AT_ONCE) -> None:
        self._identities = Identities(settings)
        self._dialler = dialler
        self._at_once = at_once
        self._lock = threading.Lock()
        self._hosts: dict[Destination, _Host] = {}
        self._closed = False

    def acquire(self, destination: Destination, *, fresh: bool = False) -> Upstream:
        """Return a connection for one request; raises UpstreamError.

        With `fresh`, it is one that no earlier request used.
        """
        with self._lock:
            host = self._hosts.setdefault(destination, _Host(threading.Condition(self._lock)))
            deadline = time.monotonic() + _PATIENCE
            while True:
                while host.idle and not fresh:
                    found = host.idle.pop()
                    if _is_usable(found):
                        return found
                    self._drop(host, found)
                if fresh and host.idle and host.open >= self._at_once:
                    self._drop(host, host.idle.pop(0))
                remaining = deadline - time.monotonic()
                if host.open < self._at_once or remaining <= 0:
                    host.open += 1
                    break
                host.changed.wait(remaining)
        try:
            if destination.identity is None:
                return self._open_plain(destination)
            return Upstream(destination, self._open(destination, destination.identity, host))
        except BaseException:
            with self._lock:
                host.open -= 1
                host.changed.notify()
            raise

    def release(self, upstream: Upstream) -> None:
        """Take back a connection whose request ended as it should."""
        connected = upstream.wire.socket
        # CPython 3.11 loses 6 KB each time that a session is asked for.
        session = None
        if isinstance(connected, ssl.SSLSocket) and not upstream.is_reused:
            session = connected.session
        upstream.is_reused, upstream.since = True, time.monotonic()
        with self._lock:
            host = self._hosts[upstream.destination]
            host.session = session or host.session
            if self._closed:
                self._drop(host, upstream)
                return
            host.idle.append(upstream)
            host.changed.notify()

    def discard(self, upstream: Upstream) -> None:
        """Close a connection that no other request can use."""
        with self._lock:
            self._drop(self._hosts[upstream.destination], upstream)

    def close_idle(self) -> bool:
        """Close the connections that no request uses, and tell whether there were any."""
        with self._lock:
            found = [(host, one) for host in self._hosts.values() for one in host.idle]
            for host, one in found:
                host.idle.remove(one)
                self._drop(host, one)
        return bool(found)

    def close(self) -> None:
        """Close the idle connections now, and the others when their requests end."""
        self._closed = True
        self.close_idle()

    def _drop(self, host: _Host, upstream: Upstream) -> None:
        upstream.wire.close()
        host.open -= 1
        host.changed.notify()

    def _open_plain(self, destination: Destination) -> Upstream:
        found = self._dialler.proxy(destination.host, destination.port)
        if found is None or not found.scheme.startswith("http"):
            connected = self._dialler.connect(destination.host, destination.port)
            return Upstream(destination, Wire(connected))
        connected, _ = self._dialler.to_proxy(found)
        return Upstream(destination, Wire(connected), found)

    def _open(self, destination: Destination, number: int, host: _Host) -> Wire:
        context = self._identities.context(number)
        # A full handshake costs a signature, by a token half a second perhaps. The next ones resume
        # its session, which is there once a first request has ended.
        with host.turn if host.session is None else contextlib.nullcontext():
            connected = self._dialler.connect(destination.host, destination.port)
            session = host.session
            try:
                secured = _handshake(
                    connected, context, destination.host, destination.shown, session
                )
            except UpstreamError:
                host.session = None
                failed = self._identities.failure(number)
                if failed is not None:
                    raise UpstreamError("identity", failed.fact) from None
                raise
        return Wire(secured)


def alert_reason(error: Broken) -> str | None:
    """Return the server's alert about the client certificate, or None if it is another error."""
    text = str(error)
    return text if "alert" in text or "certificate" in text else None
