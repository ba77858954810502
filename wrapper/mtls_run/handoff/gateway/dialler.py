"""Connections to servers: dialled, through the user's own proxy if there is one, and verified."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING

from mtls_run.errors import MtlsRunError
from mtls_run.handoff.gateway import contexts
from mtls_run.handoff.gateway.wire import Wire, tie
from mtls_run.net import hostname, proxy, transport
from mtls_run.net.errors import NetworkError

if TYPE_CHECKING:
    from mtls_run.handoff.gateway.settings import Settings
    from mtls_run.net.proxy import Proxy

TIMEOUT = 30.0
_HANDSHAKE = 60.0
_KINDS = {
    "unknown": "could not resolve host",
    "refused": "connection refused",
    "timeout": "no answer in time",
    "reset": "connection reset",
    "closed": "connection closed",
    "unsupported": "its kind is not supported",
}


class UpstreamError(Exception):
    """A server cannot be reached, verified or shown the identity.

    `code` is for machines, `text` for the user.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


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
        return handshake(connected, context, found.host, shown, None, "proxy"), True

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


def handshake(
    connected: socket.socket,
    context: ssl.SSLContext,
    host: str,
    shown: str,
    session: ssl.SSLSession | None,
    code: str = "tls",
) -> ssl.SSLSocket:
    """Return the connection in TLS, the server verified; close it and raise UpstreamError."""
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


def _sentence(shown: str, error: NetworkError) -> str:
    reason = _KINDS.get(error.kind) or error.reason or "it fails"
    if error.kind == "status":
        reason = f"it answers {error.number} {error.reason}".rstrip()
    return f"{shown}: {reason}"
