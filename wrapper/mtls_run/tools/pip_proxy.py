"""The proxies that pip uses, by the rules of the requests and urllib3 that it brings.

Measured with pip 21.3 to 26.3 on Linux, against proxies that note who asks them.
"""

from __future__ import annotations

import ipaddress
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING

from mtls_run.cache.dependencies import Dependencies
from mtls_run.config import pip_settings
from mtls_run.config.origin import Origin, Setting
from mtls_run.net import proxy
from mtls_run.net.errors import NetworkError
from mtls_run.system.urls import without_passwords
from mtls_run.tools.proxies import Proxies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.net.proxy import Proxy
    from mtls_run.tools.base import Target, Tool, Version

_HTTPS = 443
# --proxy and `proxy` beat the variables; before, an HTTPS_PROXY that applies beat them.
_SETTING_BEATS_VARIABLES = (22, 2)
# `corp.example` in NO_PROXY is no more the end of `mycorp.example` (requests 2.33).
_WHOLE_LABELS = (26, 2)
_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


def of_pip(pip: Tool, target: Target, flag: str | None, environ: Mapping[str, str]) -> PipProxies:
    """Return the proxies of this pip: those of its --proxy, its settings, or the variables."""
    if flag:
        setting: Setting[str] | None = Setting(flag, Origin("--proxy"))
    else:
        scope = pip.pip_scope(target.call, target.path, Dependencies())
        setting = pip_settings.read(environ, scope).proxy
    return PipProxies(environ, setting, target.version)


class PipProxies(Proxies):
    """The proxies of pip, or of another program that is built on requests.

    `setting` is pip's own: --proxy, PIP_PROXY, or `proxy` in its files.
    """

    def __init__(
        self, environ: Mapping[str, str], setting: Setting[str] | None, version: Version | None
    ) -> None:
        self._environ = environ
        self._setting = setting
        self._version = version

    def find(self, host: str, port: int) -> Proxy | None:
        """Return the proxy in front of this host, or None; raises NetworkError for a bad one."""
        setting = self._setting
        if setting is not None and self._is_since(_SETTING_BEATS_VARIABLES):
            return parse(setting.value, str(setting.origin))
        is_bypassed = self._listed_in_no_proxy(host, port) is not None
        for name in ("https_proxy", "all_proxy"):
            found = None if is_bypassed else _variable(name, self._environ)
            if found is not None:
                return parse(*found)
            if setting is not None:
                return parse(setting.value, str(setting.origin))
        return None

    def beats_variables(self) -> Setting[str] | None:
        """Return pip's own setting, where this pip prefers it."""
        return self._setting if self._is_since(_SETTING_BEATS_VARIABLES) else None

    def bypassed_by(self, host: str, port: int) -> str | None:
        """Return the variable that has pip connect to this host directly, or None."""
        if self._setting is not None:
            return None
        return self._listed_in_no_proxy(host, port)

    def _listed_in_no_proxy(self, host: str, port: int) -> str | None:
        """Return the variable that lists the host (`requests.utils.should_bypass_proxies`).

        An entry may have a port, which counts where the index's URL has one.
        """
        for name in ("no_proxy", "NO_PROXY"):
            listed = self._environ.get(name)
            if listed:
                entries = [entry for entry in listed.replace(" ", "").split(",") if entry]
                if any(self._matches(entry, host, port) for entry in entries):
                    return name
                break
        # requests asks urllib next: it knows `*`, if that stands alone, and ignores case.
        found = _variable("no_proxy", self._environ)
        if found is not None and urllib.request.proxy_bypass_environment(  # type: ignore[attr-defined] # typeshed lacks it
            host, {"no": found[0]}
        ):
            return found[1]
        return None

    def _matches(self, entry: str, host: str, port: int) -> bool:
        if _is_ipv4(host):
            return entry == host or _contains(entry, host)
        names = (host,) if port == _HTTPS else (host, f"{host}:{port}")
        if not self._is_since(_WHOLE_LABELS):
            return any(name.endswith(entry) for name in names)
        entry = entry.lstrip(".")
        return any(name == entry or name.endswith(f".{entry}") for name in names)

    def _is_since(self, version: Version) -> bool:
        return self._version is None or self._version >= version


def _variable(name: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the value of a variable and its spelling, as urllib takes it in any case.

    The lower-case one beats the others, even if it is empty (`urllib.request.getproxies`).
    """
    if name in environ:
        return (environ[name], name) if environ[name] else None
    found = None
    for spelling, value in environ.items():
        if spelling.lower() == name and value:
            found = value, spelling
    return found


def parse(url: str, origin: str) -> Proxy:
    """Return the proxy as pip takes it, with or without a scheme; raises NetworkError."""
    shown = without_passwords(url)
    scheme, separator, rest = url.partition("://")
    if not separator and "@" in url:
        raise NetworkError(
            "proxy", "failed", f"pip takes no user in {shown}, by {origin}, without http://"
        )
    if separator and scheme.lower() not in _SCHEMES:
        raise NetworkError("proxy", "failed", f"pip knows no proxy like {shown}, by {origin}")
    is_cut = not rest if separator else url.startswith(("http:", "https:"))
    if is_cut or any(character in url for character in " \t\r\n\"'"):
        raise NetworkError("proxy", "failed", f"{shown}, by {origin}, is no proxy's URL")
    found = proxy.parse(url.removeprefix("//"), origin)
    # A user without a password is not sent.
    userinfo = rest.split("/")[0].rpartition("@")[0]
    return found if ":" in userinfo else replace(found, user="", password=None)


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _contains(network: str, address: str) -> bool:
    """Tell whether an IPv4 network has this address; requests takes prefixes of 1 to 32 bits."""
    _, slash, bits = network.partition("/")
    if not (slash and bits.isdecimal() and bits.isascii() and 0 < int(bits[:4]) <= 32):  # noqa: PLR2004
        return False
    try:
        return ipaddress.IPv4Address(address) in ipaddress.IPv4Network(network, strict=False)
    except ValueError:
        return False
