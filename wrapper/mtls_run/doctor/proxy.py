"""The proxy on the way to a host, if one is set: which one, and the tunnel through it."""

from __future__ import annotations

import base64
import ipaddress
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import h11

from mtls_run.doctor.exchange import AGENT, refuse_other
from mtls_run.doctor.observations import StoppedError, Trouble
from mtls_run.secret import Secret
from mtls_run.tools.uv_indexes import without_password

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.doctor.indexes import Index
    from mtls_run.doctor.observations import Kind
    from mtls_run.doctor.transport import Wire

_PORTS = {"http": 80, "https": 443}
_LONGEST_HEAD = 64 * 1024
_AUTH_REQUIRED = 407
# As requests and reqwest read them: the lower-case one first.
_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_NOT_FOR = ("no_proxy", "NO_PROXY")


@dataclass(frozen=True)
class Proxy:
    """A proxy; `shown` is its URL without a password, `origin` what says so."""

    scheme: str
    host: str
    port: int
    shown: str
    origin: str
    authorization: Secret | None = None

    @property
    def is_spoken(self) -> bool:
        """Tell whether doctor can speak to such a proxy."""
        return self.scheme in _PORTS


def find(index: Index, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy on the way to this index, or None; raises StoppedError for one that is none.

    pip's own setting beats the variables, for what pip is asked for; uv knows the variables alone.
    """
    if index.pip_proxy is not None:
        return _parsed(index.pip_proxy.value, str(index.pip_proxy.origin))
    if _is_excepted(index.host, index.port, environ):
        return None
    for name in _VARIABLES:
        if environ.get(name):
            return _parsed(environ[name], name)
    return None


def _parsed(url: str, origin: str) -> Proxy:
    whole = url if "://" in url else f"http://{url}"
    shown = without_password(whole)
    try:
        parts = urlsplit(whole)
        port = parts.port or _PORTS.get(parts.scheme, 1080)
    except ValueError:
        raise _invalid(shown, origin) from None
    if not parts.hostname:
        raise _invalid(shown, origin)
    authorization = None
    if parts.username is not None:
        authorization = basic(unquote(parts.username), unquote(parts.password or ""))
    return Proxy(parts.scheme, parts.hostname, port, shown, origin, authorization)


def _invalid(shown: str, origin: str) -> StoppedError:
    return StoppedError(Trouble("proxy", "failed", f"{shown}, by {origin}, is no proxy's URL"))


def _is_excepted(host: str, port: int, environ: Mapping[str, str]) -> bool:
    """Tell whether NO_PROXY names the host: by name, by a domain above, by address or network."""
    said = next((environ[name] for name in _NOT_FOR if environ.get(name)), "")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    for entry in (part.strip().lower() for part in said.split(",")):
        if entry == "*":
            return True
        if not entry:
            continue
        if address is not None:
            try:
                if address in ipaddress.ip_network(entry.strip("[]"), strict=False):
                    return True
            except ValueError:
                continue
            continue
        name, _, its_port = entry.partition(":")
        if its_port and its_port != str(port):
            continue
        name = name.lstrip("*").lstrip(".")
        if name and (host.lower() == name or host.lower().endswith(f".{name}")):
            return True
    return False


def basic(user: str, password: str) -> Secret:
    """Return the value of a header that says who asks (RFC 7617)."""
    said = f"{user}:{password}".encode("utf-8", "surrogateescape")
    return Secret(b"Basic " + base64.b64encode(said))


def tunnel(wire: Wire, proxy: Proxy, host: str, port: int, timeout: float) -> None:
    """Have the proxy connect this wire to the host; raises StoppedError."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    headers = [("Host", where), ("User-Agent", AGENT)]
    if proxy.authorization is not None:
        said = proxy.authorization.reveal().decode("latin-1")
        headers.append(("Proxy-Authorization", said))
    deadline = time.monotonic() + timeout
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
    try:
        request = h11.Request(method="CONNECT", target=where, headers=headers)
        sent = connection.send(request) or b""
        wire.send(sent + (connection.send(h11.EndOfMessage()) or b""), deadline)
        event = connection.next_event()
        while event is h11.NEED_DATA or isinstance(event, h11.InformationalResponse):
            if event is h11.NEED_DATA:
                connection.receive_data(wire.receive(deadline))
                refuse_other(connection)
            event = connection.next_event()
    except h11.RemoteProtocolError:
        # It said something else, or nothing at all.
        kind: Kind = "plain" if connection.trailing_data[0] else "closed"
        raise StoppedError(Trouble("proxy", kind)) from None
    except StoppedError as stopped:
        found = stopped.trouble
        raise StoppedError(Trouble("proxy", found.kind, found.words)) from None
    if not isinstance(event, h11.Response):
        raise StoppedError(Trouble("proxy", "closed"))
    if not 200 <= event.status_code < 300:  # noqa: PLR2004 - success (RFC 9110, section 9.3.6)
        reason = bytes(event.reason).decode("latin-1")
        raise StoppedError(Trouble("proxy", "status", reason, event.status_code))


def wants_password(trouble: Trouble) -> bool:
    """Tell whether the proxy asks who it is."""
    return trouble.number == _AUTH_REQUIRED
