"""The proxy in front of a host: which one the settings name, and a tunnel through it."""

from __future__ import annotations

import ipaddress
import time
import urllib.request
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mtls_run.net import hostname, request
from mtls_run.net.errors import NetworkError
from mtls_run.system.urls import without_passwords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.net.transport import Stream
    from mtls_run.secret import Secret

_PORTS = {"http": 80, "https": 443}
_SOCKS_PORT = 1080
# requests and reqwest, under pip and uv, read the lower-case name first.
_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@dataclass(frozen=True)
class Proxy:
    """A proxy.

    `shown` is its URL without the password, `origin` the setting that names it. `headers` are sent
    with each CONNECT.
    """

    scheme: str
    host: str
    port: int
    shown: str
    origin: str
    authorization: Secret | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def is_supported(self) -> bool:
        """Tell whether `tunnel` can use this proxy."""
        return self.scheme in _PORTS


def find(host: str, port: int, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that the variables name for this host, or None.

    Raises NetworkError if the variable's value is not a proxy's URL.
    """
    if is_bypassed(host, port, environ):
        return None
    for name in _VARIABLES:
        if environ.get(name):
            return parse(environ[name], name)
    return None


def parse(url: str, origin: str) -> Proxy:
    """Return the proxy at this URL; raises NetworkError if it is not a proxy's URL."""
    url = url if "://" in url else f"http://{url}"
    shown = without_passwords(url)
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, _SOCKS_PORT)
        host = hostname.to_ascii(parts.hostname or "")
    except ValueError:
        raise NetworkError("proxy", "failed", f"{shown}, by {origin}, is no proxy's URL") from None
    authorization = None
    if parts.username is not None:
        authorization = request.basic_authorization(
            unquote(parts.username), unquote(parts.password or "")
        )
    return Proxy(parts.scheme, host, port, shown, origin, authorization)


def is_bypassed(host: str, port: int, environ: Mapping[str, str]) -> bool:
    """Tell whether NO_PROXY lists the host: by name, parent domain, address or network.

    `urllib` knows no networks; requests and reqwest do.
    """
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if urllib.request.proxy_bypass_environment(  # type: ignore[attr-defined] # typeshed lacks it
        f"{host}:{port}", {"no": listed}
    ):
        return True
    return any(_contains(entry.strip(), host) for entry in listed.split(","))


def _contains(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def tunnel(stream: Stream, proxy: Proxy, host: str, port: int, timeout: float) -> None:
    """Have the proxy connect this stream to the host; raises NetworkError."""
    authority = hostname.with_port(host, port)
    headers = {"Host": authority, **dict(proxy.headers)}
    if proxy.authorization is not None:
        headers["Proxy-Authorization"] = proxy.authorization.reveal().decode("latin-1")
    try:
        response = request.send(stream, "CONNECT", authority, headers, time.monotonic() + timeout)
    except NetworkError as error:
        raise replace(error, step="proxy") from None
    if response.status not in range(200, 300):  # RFC 9110, section 9.3.6
        reason = response.reason[: request.LONGEST_REASON]
        raise NetworkError("proxy", "status", reason, response.status)
