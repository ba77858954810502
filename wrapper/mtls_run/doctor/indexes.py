"""The URLs to examine: those on the command line, or those that the settings name here."""

from __future__ import annotations

import netrc
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urlsplit

from mtls_run.config import pip_settings
from mtls_run.config.origin import Origin, Setting
from mtls_run.doctor.findings import finding, from_error
from mtls_run.errors import MtlsRunError
from mtls_run.net import hostname
from mtls_run.net.request import basic_authorization
from mtls_run.output.text import printable
from mtls_run.system.urls import without_password
from mtls_run.tools import registry, uv_indexes
from mtls_run.tools.pip import TOOL as PIP
from mtls_run.tools.uv import TOOL as UV

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mtls_run.doctor.findings import Finding
    from mtls_run.net.errors import NetworkError
    from mtls_run.net.proxy import Proxy
    from mtls_run.secret import Secret
    from mtls_run.tools.base import PipScope

    # A URL, the tools that ask for it, by kind, and whether it is there to publish to.
    Candidate = tuple[Setting[str], tuple[str, ...], bool]

BOTH = (PIP.KIND, UV.KIND)
FURTHER = tuple(map(registry.load, registry.MODULES))
_HTTPS = 443
_COMMAND_LINE = Origin("the command line")
_WRITE_URL = "write it as https://HOST/PATH/"


@dataclass(frozen=True)
class Index:
    """One URL, parsed. `shown` is the URL without its password, `origin` what names it.

    `host` is in ASCII, `target` is path and query. `login` says where user and password come from.
    `asked_by` are the kinds of the tools that ask for it, and `receives` tells that they only
    publish to it. `route` is the proxy, the error in its
    setting, or None; `bypass` is the setting that has the tools go directly.
    """

    shown: str
    origin: str
    host: str = ""
    port: int = _HTTPS
    target: str = "/"
    authorization: Secret | None = None
    login: str | None = None
    asked_by: tuple[str, ...] = ()
    receives: bool = False
    route: Proxy | NetworkError | None = None
    bypass: str | None = None

    @property
    def authority(self) -> str:
        """Return host and port as in the `Host` header."""
        return hostname.with_port(self.host, self.port).removesuffix(f":{_HTTPS}")

    def elsewhere(self, url: str) -> Index | None:
        """Return the index at the target of a redirect, or None if that has another origin."""
        try:
            parts = urlsplit(url)
            origin = (hostname.to_ascii(parts.hostname or ""), parts.port or _HTTPS)
        except ValueError:
            return None
        if parts.scheme != "https" or origin != (self.host, self.port):
            return None
        return replace(self, target=_target(parts))


@dataclass(frozen=True)
class Indexes:
    """The URLs to examine, and findings about those that cannot be examined."""

    found: tuple[Index, ...]
    findings: tuple[Finding, ...] = ()


def named(urls: Iterable[str], environ: Mapping[str, str]) -> Indexes:
    """Return the indexes on the command line, for which both tools ask."""
    return _parsed([(Setting(url, _COMMAND_LINE), BOTH, False) for url in urls], environ)


def configured(
    environ: Mapping[str, str],
    directory: Path,
    scope: PipScope,
    handed_over: Mapping[str, str],
) -> Indexes:
    """Return the indexes that the tools use in this directory, with pip's settings of `scope`.

    `handed_over` are the variables by which a run hands pip's own to `uv pip`.
    """
    candidates: list[Candidate] = []
    findings: list[Finding] = []
    is_shared = any("INDEX" in name for name in handed_over)
    try:
        settings = pip_settings.read(environ, scope)
        urls = [settings.index_url, *settings.extra_index_urls]
        asked_by = BOTH if is_shared else (PIP.KIND,)
        candidates += [(url, asked_by, False) for url in urls if url is not None]
    except MtlsRunError as error:
        findings.append(from_error(error))
    try:
        found = uv_indexes.configured(environ, directory)
        candidates += [(url, (UV.KIND,), False) for url in found]
    except MtlsRunError as error:
        findings.append(from_error(error))
    for tool in FURTHER:
        try:
            for one in tool.indexes(environ, directory):
                candidates.append((Setting(one.url, one.origin), (tool.KIND,), one.receives))
        except MtlsRunError as error:
            findings.append(from_error(error))
    parsed = _parsed(candidates, environ)
    return Indexes(parsed.found, (*findings, *parsed.findings))


def _parsed(candidates: Iterable[Candidate], environ: Mapping[str, str]) -> Indexes:
    """Return each URL once, with all the origins that name it."""
    found: dict[tuple[str, int, str], Index] = {}
    findings = []
    for setting, asked_by, receives in candidates:
        if setting.value.startswith("file:") and setting.origin is not _COMMAND_LINE:
            continue  # to pip, a directory of files is an index too
        index = _parse(setting.value.strip(), str(setting.origin), environ)
        if not isinstance(index, Index):
            findings.append(index)
            continue
        key = (index.host, index.port, index.target.rstrip("/"))
        if key in found:
            first = found[key]
            origins = dict.fromkeys([*first.origin.split(", "), index.origin])
            found[key] = replace(
                first,
                origin=", ".join(origins),
                authorization=first.authorization or index.authorization,
                login=first.login or index.login,
                asked_by=tuple(dict.fromkeys([*first.asked_by, *asked_by])),
                receives=first.receives and receives,
            )
        else:
            found[key] = replace(index, asked_by=asked_by, receives=receives)
    return Indexes(tuple(found.values()), tuple(findings))


def _parse(url: str, origin: str, environ: Mapping[str, str]) -> Index | Finding:
    shown = printable(without_password(url))
    try:
        parts = urlsplit(url)
        port = parts.port or _HTTPS
    except ValueError as error:
        reason = "its port is no number" if "ort" in str(error) else "it cannot be parsed"
        return _invalid(shown, reason, origin)
    if parts.scheme == "http" and parts.hostname:
        return finding(
            "url-insecure",
            f"{shown} is plain HTTP: it cannot ask for an identity, and its server is not verified",
            f"use https:// if the index offers it: {without_password('https' + shown[4:])}",
            origin=origin,
        )
    if parts.scheme not in ("http", "https"):
        return _invalid(shown, "it is not https://", origin)
    if not parts.hostname:
        return _invalid(shown, "it has no host", origin)
    try:
        host = hostname.to_ascii(parts.hostname)
    except ValueError as error:
        return _invalid(shown, str(error), origin)
    authorization, login = _authorization(parts, host, origin, environ)
    return Index(shown, origin, host, port, _target(parts), authorization, login)


def _invalid(shown: str, reason: str, origin: str) -> Finding:
    fact = f"{shown} is not the URL of an index: {reason}"
    return finding("url-invalid", fact, _WRITE_URL, origin=origin)


def _target(parts: SplitResult) -> str:
    """Return path and query, with the characters escaped that no request line can hold."""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return quote(target, safe="".join(map(chr, range(0x21, 0x7F))), errors="surrogateescape")


def _authorization(
    parts: SplitResult, host: str, origin: str, environ: Mapping[str, str]
) -> tuple[Secret | None, str | None]:
    """Return the `Authorization` header and where it comes from, or None for both.

    As pip and uv do, this reads the URL, uv's variables and .netrc. It asks no keyring.
    """
    if parts.username:
        return basic_authorization(
            unquote(parts.username), unquote(parts.password or "")
        ), "the URL"
    name = re.match(r"uv index ([^\s,]+)", origin)
    if name:
        variable = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", name.group(1).upper())
        user = environ.get(f"{variable}_USERNAME", "")
        password = environ.get(f"{variable}_PASSWORD", "")
        if user or password:
            return basic_authorization(user, password), f"{variable}_USERNAME"
    path = environ.get("NETRC") or pip_settings.expand_user("~/.netrc", environ)
    if not (environ.get("NETRC") or os.path.isabs(path)):
        return None, None  # without a home, this would be a file in the current directory
    try:
        entry = netrc.netrc(path).authenticators(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None, None
    if entry is None:
        return None, None
    return basic_authorization(entry[0] or "", entry[2] or ""), path
