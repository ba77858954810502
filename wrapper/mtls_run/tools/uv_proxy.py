"""The proxies that uv uses, by the rules of the reqwest that each version brings.

Measured with uv 0.2.11 to 0.13.9 on Linux, against proxies that note who asks them. A version here
is the first one measured that has the rule.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from mtls_run.config.document import table
from mtls_run.config.origin import Origin, Setting
from mtls_run.net import proxy
from mtls_run.system.record import Record
from mtls_run.tools.proxies import Proxies
from mtls_run.tools.uv_configuration import configurations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mtls_run.net.proxy import Proxy
    from mtls_run.tools.base import Version

_HTTPS_BEATS_ALL = (0, 3, 5)
_SOCKS = (0, 4, 14)
_STRICT_URLS = (0, 7, 22)  # reqwest takes the rules of hyper-util
_USER_ALONE = (0, 9, 22)
_KEYS = (0, 9, 23)  # `https-proxy`, `http-proxy` and `no-proxy` in uv.toml
_ANY_CASE = (0, 9, 29)
_SOCKS_PORT_OF_KEYS = (0, 11)

_URL = re.compile(
    r"(?:(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://)?"
    r"(?:(?P<userinfo>[^@/?#\s]*)@)?"
    r"(?P<host>[A-Za-z0-9._~%!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])(?P<port>:[^/?#:\s]*)?"
    r"(?P<path>[/?#]\S*)?"
)
_SOCKS_SCHEMES = ("socks4", "socks4a", "socks5", "socks5h")


class UvProxies(Proxies):
    """The proxies of a uv, from its configuration and the variables."""

    def __init__(
        self,
        environ: Mapping[str, str],
        arguments: Sequence[str],
        directory: Path,
        version: Version | None,
    ) -> None:
        """Read uv's configuration; raises ConfigurationError where a file cannot be read."""
        self._environ = environ
        self._version = version
        self._https: Setting[str] | None = None
        self._own: Setting[str] | None = None
        # Where a file names a proxy, what it lists beside it; uv then reads none of the variables.
        self._no_proxy: tuple[Setting[str], ...] | None = None
        if self._is_since(_KEYS):
            found = _configured(arguments, environ, directory)
            self._https = found.https
            self._own = found.https or found.http
            self._no_proxy = found.no_proxy if found.https or found.http else None

    @property
    def is_configured(self) -> bool:
        """Tell whether uv's own files name a proxy."""
        return self._no_proxy is not None

    def find(self, host: str, port: int) -> Proxy | None:
        """Return the proxy in front of this host, or None; raises NetworkError for a bad one."""
        if self.bypassed_by(host, port) is not None:
            return None
        if self.is_configured:
            return None if self._https is None else self._parse_key(self._https)
        if self._is_since(_STRICT_URLS) and "REQUEST_METHOD" in self._environ:
            return None  # a CGI program, where a client can set HTTP_PROXY
        kinds = ["HTTPS_PROXY", "ALL_PROXY"]
        for kind in kinds if self._is_since(_HTTPS_BEATS_ALL) else reversed(kinds):
            found = self._variable(kind)
            parsed = None if found is None else self._parse(*found)
            if parsed is not None:
                return parsed
        return None

    def beats_variables(self) -> Setting[str] | None:
        """Return the proxy of uv's own files: beside one, uv reads none of the variables."""
        return self._own

    def bypassed_by(self, host: str, port: int) -> str | None:
        """Return the setting that has uv connect to this host directly, or None."""
        listed = self._no_proxy
        if listed is None:
            found = self._variable("NO_PROXY")
            listed = () if found is None else (Setting(found[0], Origin(found[1])),)
        for setting in listed:
            if self._lists(setting.value.split(","), host):
                return str(setting.origin)
        return None

    def _variable(self, name: str) -> tuple[str, str] | None:
        """Return the value of a variable and its spelling; uv reads the upper-case one first."""
        for spelling in (name, name.lower()):
            value = self._environ.get(spelling)
            # NO_PROXY counts where it is set, and so do the others since they are strict.
            if value or (
                value is not None and (name == "NO_PROXY" or self._is_since(_STRICT_URLS))
            ):
                return value, spelling
        return None

    def _parse(self, url: str, origin: str) -> Proxy | None:
        """Return the proxy that a variable names, or None where uv ignores the value."""
        is_strict = self._is_since(_STRICT_URLS)
        if not is_strict:
            url = re.sub(r"^(https?):/*", r"\1://", url.strip()).removeprefix("//")
        parts = _URL.fullmatch(url)
        if parts is None or (parts["scheme"] is None and parts["path"] and is_strict):
            return None
        scheme = parts["scheme"] or "http"
        if scheme.lower() not in ("http", "https"):
            supported = scheme if is_strict else scheme.lower()
            if supported not in _SOCKS_SCHEMES or not self._is_since(_SOCKS):
                return None
        userinfo = parts["userinfo"]
        is_alone = userinfo is not None and ":" not in userinfo
        if is_alone and is_strict and not self._is_since(_USER_ALONE):
            return None
        if not is_strict and (parts["port"] or ":0")[1:].isdecimal() is False:
            return None
        # Since it is strict, uv connects to port 80 where a SOCKS proxy's URL has no port.
        found = proxy.parse(url, origin, 80 if is_strict else 1080)
        if userinfo is not None and not is_strict and not userinfo.partition(":")[2]:
            return replace(found, user="", password=None)
        return found

    def _parse_key(self, setting: Setting[str]) -> Proxy:
        """Return the proxy of the key; uv itself refuses a value that is no URL."""
        port = 1080 if self._is_since(_SOCKS_PORT_OF_KEYS) else 80
        return proxy.parse(setting.value.strip(), str(setting.origin), port)

    def _lists(self, entries: Iterable[str], host: str) -> bool:
        """Tell whether an entry is the host, a domain above it, its address or its network.

        An entry with a port is none of these, and `*` stands for names alone.
        """
        address = _address(host)
        for entry in map(str.strip, entries):
            if address is not None:
                if _contains(entry, address):
                    return True
            elif entry == "*" or (entry and self._is_domain_of(entry, host)):
                return True
        return False

    def _is_domain_of(self, entry: str, host: str) -> bool:
        entry = entry.lower() if self._is_since(_ANY_CASE) else entry
        if entry.startswith("."):
            return host == entry[1:] or host.endswith(entry)
        return host == entry or host.endswith(f".{entry}")

    def _is_since(self, version: Version) -> bool:
        return self._version is None or self._version >= version


class _Configured(Record):
    """What uv's files say of proxies: the first file with a key has it, and lists are joined."""

    https: Setting[str] | None
    http: Setting[str] | None
    no_proxy: tuple[Setting[str], ...]


def _configured(
    arguments: Sequence[str], environ: Mapping[str, str], directory: Path
) -> _Configured:
    named: dict[str, Setting[str]] = {}
    no_proxy = []
    for document, place in configurations(arguments, environ, directory):
        settings = table(document.tables, *place)
        for key in ("https-proxy", "http-proxy"):
            value = settings.get(key)
            if isinstance(value, str):
                named.setdefault(key, Setting(value, document.origin(*place, key)))
        entries = settings.get("no-proxy")
        if isinstance(entries, list):
            origin = document.origin(*place, "no-proxy")
            no_proxy.append(Setting(",".join(map(str, entries)), origin))
    return _Configured(named.get("https-proxy"), named.get("http-proxy"), tuple(no_proxy))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _contains(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    _, slash, bits = entry.partition("/")
    if slash and not bits.isdecimal():  # a netmask in dots is none here
        return False
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
