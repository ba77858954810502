"""Which URLs to look at: those that were named, or those that pip and uv are set up for here."""

from __future__ import annotations

import netrc
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from mtls_run.config import pip_settings
from mtls_run.config.origin import Origin, Setting
from mtls_run.doctor import proxy
from mtls_run.doctor.findings import finding, of_error
from mtls_run.errors import MtlsRunError
from mtls_run.output import printable
from mtls_run.tools import uv_indexes
from mtls_run.tools.uv_indexes import without_password

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mtls_run.doctor.findings import Finding
    from mtls_run.secret import Secret

_HTTPS = 443
_NAMED = Origin("the command line")


@dataclass(frozen=True)
class Index:
    """One URL, taken apart; `shown` has no password, and what has one is a Secret.

    `origin` says who names it, `target` is path and query. `pip_proxy` is pip's own setting, for
    an index that pip is asked for; `login` says where user and password come from, if there are.
    """

    shown: str
    origin: str
    host: str = ""
    port: int = _HTTPS
    target: str = "/"
    authorization: Secret | None = None
    login: str | None = None
    pip_proxy: Setting[str] | None = None

    @property
    def authority(self) -> str:
        """Return host and port as the header `Host` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _HTTPS else f"{host}:{self.port}"

    def elsewhere(self, url: str) -> Index | None:
        """Return the index at a URL of the same origin that this one redirects to, else None."""
        try:
            parts = urlsplit(url)
            port = parts.port or _HTTPS
        except ValueError:
            return None
        if parts.scheme != "https" or (parts.hostname, port) != (self.host, self.port):
            return None
        return replace(self, target=_target(parts))


@dataclass(frozen=True)
class Indexes:
    """The URLs to look at, and what is wrong with those that cannot be."""

    found: tuple[Index, ...]
    findings: tuple[Finding, ...] = ()


def named(urls: Iterable[str], environ: Mapping[str, str], prefix: Path | None) -> Indexes:
    """Return what the command line names."""
    try:
        pip_proxy = pip_settings.read(environ, command="install", prefix=prefix).proxy
    except MtlsRunError:
        pip_proxy = None  # said where the settings are examined
    if not any(environ.get(name) for name in ("https_proxy", "HTTPS_PROXY")):
        return _parsed([(Setting(url, _NAMED), pip_proxy) for url in urls], environ)
    return _parsed([(Setting(url, _NAMED), None) for url in urls], environ)


def configured(environ: Mapping[str, str], directory: Path, prefix: Path | None) -> Indexes:
    """Return what pip and uv are set up for in this directory; `prefix` is pip's environment."""
    settings: list[tuple[Setting[str], Setting[str] | None]] = []
    findings: list[Finding] = []
    try:
        said = pip_settings.read(environ, command="install", prefix=prefix)
    except MtlsRunError as error:
        findings.append(of_error(error))
    else:
        urls = [said.index_url, *said.extra_index_urls]
        settings += [(url, said.proxy) for url in urls if url is not None]
    try:
        settings += [(url, None) for url in uv_indexes.configured(environ, directory)]
    except MtlsRunError as error:
        findings.append(of_error(error))
    found = _parsed(settings, environ)
    return Indexes(found.found, (*findings, *found.findings))


def _parsed(
    settings: Iterable[tuple[Setting[str], Setting[str] | None]], environ: Mapping[str, str]
) -> Indexes:
    """Return each URL once, under all the origins that name it."""
    found: dict[tuple[str, int, str], Index] = {}
    findings = []
    for setting, pip_proxy in settings:
        if setting.value.startswith("file:") and setting.origin is not _NAMED:
            continue  # a directory of files is an index to pip, and no matter of the network
        shown = printable(without_password(setting.value.strip()))
        parsed = _one(setting.value.strip(), shown, str(setting.origin), environ)
        if not isinstance(parsed, Index):
            findings.append(parsed)
            continue
        key = (parsed.host, parsed.port, parsed.target.rstrip("/"))
        if key in found:
            before = found[key]
            origins = dict.fromkeys([*before.origin.split(", "), parsed.origin])
            found[key] = replace(
                before,
                origin=", ".join(origins),
                authorization=before.authorization or parsed.authorization,
                login=before.login or parsed.login,
            )
        else:
            found[key] = replace(parsed, pip_proxy=pip_proxy)
    return Indexes(tuple(found.values()), tuple(findings))


def _one(url: str, shown: str, origin: str, environ: Mapping[str, str]) -> Index | Finding:
    write = "write it as https://HOST/PATH/"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        reason = "its port is no number" if "ort" in str(error) else "it cannot be read"
        return finding("url-invalid", f"{shown} is no URL: {reason}", write, origin=origin)
    if parts.scheme == "http" and host:
        return finding(
            "url-insecure",
            f"{shown} is plain HTTP: no identity can be asked for, and nobody is verified",
            f"use https:// where the index has it: {without_password('https' + shown[4:])}",
            origin=origin,
        )
    if parts.scheme != "https" or not host:
        reason = "it has no host" if parts.scheme in ("http", "https") else "it is not https://"
        return finding("url-invalid", f"{shown} is no index's URL: {reason}", write, origin=origin)
    authorization, login = _authorization(parts, host, origin, environ)
    return Index(shown, origin, host, port or _HTTPS, _target(parts), authorization, login)


def _target(parts: SplitResult) -> str:
    whole = parts.path or "/"
    whole += f"?{parts.query}" if parts.query else ""
    # What a browser would escape too; h11 refuses the rest.
    return re.sub(r"[^!-~]", lambda found: _escaped(found.group()), whole)


def _escaped(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))


def _authorization(
    parts: SplitResult, host: str, origin: str, environ: Mapping[str, str]
) -> tuple[Secret | None, str | None]:
    """Return user and password as they are sent, and whence; both None where there are none.

    pip and uv take them from the URL, and from .netrc. Their keyrings are not asked.
    """
    if parts.username:
        said = proxy.basic(unquote(parts.username), unquote(parts.password or ""))
        return said, "the URL"
    name = re.match(r"uv index ([^\s,]+)", origin)
    if name:
        variable = re.sub(r"[^A-Z0-9]", "_", name.group(1).upper())
        user = environ.get(f"UV_INDEX_{variable}_USERNAME", "")
        password = environ.get(f"UV_INDEX_{variable}_PASSWORD", "")
        if user or password:
            return proxy.basic(user, password), f"UV_INDEX_{variable}_USERNAME"
    path = environ.get("NETRC") or os.path.join(environ.get("HOME", ""), ".netrc")
    try:
        entry = netrc.netrc(path).authenticators(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None, None
    if entry is None:
        return None, None
    return proxy.basic(entry[0] or "", entry[2] or ""), path
