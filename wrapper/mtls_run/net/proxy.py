"""A proxy in front of a host, and a tunnel through it.

Which proxy a tool uses is the tool's own rule: `Tool.proxies`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from mtls_run import net
from mtls_run.net import hostname, request, transport
from mtls_run.net.errors import NetworkError
from mtls_run.net.transport import Stream
from mtls_run.secret import Secret
from mtls_run.system.urls import without_passwords

_PORTS = {"http": 80, "https": 443}
# With socks5 the client resolves the host's name, with socks5h the proxy does (curl's names).
_SOCKS = ("socks5", "socks5h")


@dataclass(frozen=True)
class Proxy:
    """A proxy.

    `shown` is its URL without the password, `origin` the setting that names it. `password` is None
    where there is no login. `headers` are sent with each CONNECT.
    """

    scheme: str
    host: str
    port: int
    shown: str
    origin: str
    user: str = ""
    password: Secret | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def is_supported(self) -> bool:
        """Tell whether `tunnel` can use this proxy."""
        return self.scheme in _PORTS or self.is_socks

    @property
    def is_socks(self) -> bool:
        """Tell whether this is a SOCKS proxy of version 5."""
        return self.scheme in _SOCKS

    @property
    def authorization(self) -> Secret | None:
        """Return the value of a `Proxy-Authorization` header, or None where there is no login."""
        if self.password is None:
            return None
        password = self.password.reveal().decode("utf-8", "surrogateescape")
        return request.basic_authorization(self.user, password)


def parse(url: str, origin: str, socks_port: int = 1080) -> Proxy:
    """Return the proxy at this URL; raises NetworkError if it is not a proxy's URL.

    `socks_port` is the port of a SOCKS proxy whose URL has none.
    """
    url = url if "://" in url else f"http://{url}"
    shown = without_passwords(url)
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, socks_port)
        host = hostname.to_ascii(parts.hostname or "")
    except ValueError:
        raise NetworkError("proxy", "failed", f"{shown}, by {origin}, is no proxy's URL") from None
    password = None
    if parts.username is not None:
        password = Secret(unquote(parts.password or "").encode("utf-8", "surrogateescape"))
    return Proxy(parts.scheme, host, port, shown, origin, unquote(parts.username or ""), password)


def tunnel(stream: Stream, proxy: Proxy, host: str, port: int, timeout: float) -> None:
    """Have the proxy connect this stream to the host; raises NetworkError."""
    if proxy.is_socks:
        if proxy.scheme == "socks5":
            host = transport.resolve(host, port, timeout)[0]
        net.socks.tunnel(stream, proxy, host, port, time.monotonic() + timeout)
        return
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
