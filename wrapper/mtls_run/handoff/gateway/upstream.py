"""The pool of connections to servers, each used again for the same identity alone."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mtls_run.errors import MtlsRunError
from mtls_run.handoff.gateway import contexts
from mtls_run.handoff.gateway.dialler import UpstreamError, handshake
from mtls_run.handoff.gateway.wire import Broken, Wire
from mtls_run.net import hostname

if TYPE_CHECKING:
    from mtls_run.handoff.gateway.dialler import Dialler
    from mtls_run.handoff.gateway.settings import Rotation, ScopedIdentity, Settings
    from mtls_run.net.proxy import Proxy

# A server sees so many connections at once, and one more each time that a request waits longer
# than `_PATIENCE` seconds for one of them: slow downloads must not keep the others out.
AT_ONCE = 8
_PATIENCE = 2.0
# Servers end an idle connection after 60 seconds (AWS) or 75 (nginx).
_IDLE = 45.0
# Seconds between two looks for a newer identity.
LOOK = 5.0


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
    """What is kept of one destination. `turn` lets one handshake run until there is a session.

    `context` is the one that the session belongs to.
    """

    changed: threading.Condition
    turn: threading.Lock = field(default_factory=threading.Lock)
    idle: list[Upstream] = field(default_factory=list)
    open: int = 0
    session: ssl.SSLSession | None = None
    context: ssl.SSLContext | None = None


def _is_usable(upstream: Upstream, context: ssl.SSLContext | None) -> bool:
    """Tell whether an idle connection is of this context and fresh, and the server left it alone.

    A connection of another context showed an identity that has been renewed since.
    """
    if context is not None and getattr(upstream.wire.socket, "context", None) is not context:
        return False
    try:
        return time.monotonic() - upstream.since < _IDLE and not upstream.wire.has_data()
    except Broken:
        return False


class Identities:
    """The TLS contexts of the identities, each made when it is first needed.

    An identity that could not be opened is not tried again: a token counts wrong PINs. One that is
    renewed gets a new context, and the old one serves until then.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._locks = [threading.Lock() for _ in settings.identities]
        self._turns = [threading.Lock() for _ in settings.identities]
        self._next_look = [0.0 for _ in settings.identities]
        self._found: dict[int, ssl.SSLContext | MtlsRunError] = {}

    def context(self, number: int) -> ssl.SSLContext:
        """Return the context of this identity; raises UpstreamError."""
        with self._locks[number]:
            is_new = number not in self._found
            if is_new:
                self._found[number] = self._open(self._settings.identities[number])
                self._next_look[number] = time.monotonic() + LOOK
            found = self._found[number]
        if not is_new and not isinstance(found, MtlsRunError):
            self._rotate(number)
            found = self._found[number]
        if isinstance(found, MtlsRunError):
            raise UpstreamError("identity", found.fact)
        return found

    def failure(self, number: int) -> MtlsRunError | None:
        """Return why this identity did not sign the last handshake, if that is known."""
        return self._settings.identities[number].failure()

    def _rotate(self, number: int) -> None:
        """Have the identity renewed where that is due; wait for it only where it is urgent."""
        rotation = self._settings.identities[number].rotation
        if rotation is None or time.monotonic() < self._next_look[number]:
            return
        if rotation.is_urgent():
            self._renew(number, rotation)
        elif not self._turns[number].locked():
            threading.Thread(target=self._renew, args=(number, rotation), daemon=True).start()

    def _renew(self, number: int, rotation: Rotation) -> None:
        with self._turns[number]:
            if time.monotonic() < self._next_look[number]:
                return  # another request waited for it
            try:
                found = self._open(self._settings.identities[number]) if rotation.renew() else None
            except MtlsRunError:
                found = None  # the old one serves for as long as the server takes it
            if isinstance(found, ssl.SSLContext):
                self._found[number] = found
            self._next_look[number] = time.monotonic() + LOOK

    def _open(self, identity: ScopedIdentity) -> ssl.SSLContext | MtlsRunError:
        context = contexts.for_server(self._settings.roots)
        context.set_alpn_protocols(contexts.ALPN)
        try:
            identity.load(context)
        except MtlsRunError as error:
            return error
        return context


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
        number = destination.identity
        context = None if number is None else self._identities.context(number)
        with self._lock:
            host = self._hosts.setdefault(destination, _Host(threading.Condition(self._lock)))
            deadline = time.monotonic() + _PATIENCE
            while True:
                while host.idle and not fresh:
                    found = host.idle.pop()
                    if _is_usable(found, context):
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
            if number is None or context is None:
                return self._open_plain(destination)
            return Upstream(destination, self._open(destination, number, context, host))
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
            if session is not None and getattr(connected, "context", None) is host.context:
                host.session = session
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

    def _open(
        self, destination: Destination, number: int, context: ssl.SSLContext, host: _Host
    ) -> Wire:
        with self._lock:
            if host.context is not context:
                host.context, host.session = context, None
        # A full handshake costs a signature, by a token half a second perhaps. The next ones resume
        # its session, which is there once a first request has ended.
        with host.turn if host.session is None else contextlib.nullcontext():
            connected = self._dialler.connect(destination.host, destination.port)
            with self._lock:
                session = host.session if host.context is context else None
            try:
                secured = handshake(
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
