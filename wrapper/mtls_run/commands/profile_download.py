"""Fetch a small file by HTTPS, from one URL and from a server that is verified."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urljoin, urlsplit

from mtls_run.cache.dependencies import Dependencies
from mtls_run.errors import ConfigurationError, UsageError
from mtls_run.net import hostname, request
from mtls_run.net.certificates import TrustStore
from mtls_run.net.errors import NetworkError
from mtls_run.net.route import Route
from mtls_run.net.tls import Handshake, Tls
from mtls_run.net.transport import CHUNK, Stream
from mtls_run.output.text import quoted
from mtls_run.roots import certificates, stores
from mtls_run.system.urls import without_password
from mtls_run.tools.pip_proxy import PipProxies

LARGEST = 64 * 1024
# Seconds for the whole answer, however slowly it comes, and for each step before it.
TIMEOUT = 10.0
_HTTPS = 443
_OK = 200
_REDIRECTS = range(300, 400)


def fetch(url: str, environ: Mapping[str, str], added: Sequence[bytes] = ()) -> bytes:
    """Return the bytes at the URL; raises ConfigurationError, and UsageError for no such URL.

    The server is verified by the system's roots, and by the CA certificates in `added` (DER).
    """
    host, port, target = _parsed(url)
    store = stores.system_content(Dependencies())
    trusted = TrustStore([*certificates.read_store(store, "the system's roots"), *added])
    try:
        # HTTPS_PROXY, ALL_PROXY and NO_PROXY as requests reads them.
        proxy = PipProxies(environ, None, None).find(host, port)
        route = Route(host, port, proxy, trusted, TIMEOUT)
        stream, _ = route.connect(route.resolve())
        with contextlib.closing(stream):
            deadline = time.monotonic() + TIMEOUT
            tls = Tls(stream, host, trusted)
            seen = tls.handshake(deadline)
            if seen.error is not None:
                raise seen.error
            if not seen.verified:
                raise _distrusted(url, seen, host, added)
            authority = hostname.with_port(host, port).removesuffix(f":{_HTTPS}")
            return _body(url, authority, target, tls, deadline)
    except NetworkError as error:
        raise _failed(url, f"{error.step}: {error.said}") from None
    except http.client.HTTPException as error:
        raise _failed(url, f"the server's answer is damaged: {type(error).__name__}") from None


def _body(url: str, authority: str, target: str, stream: Stream, deadline: float) -> bytes:
    """Return the body of the answer to a request; raises NetworkError and ConfigurationError."""
    headers = {"Host": authority, "Accept": "*/*", "Connection": "close"}
    answer = request.send(stream, "GET", target, headers, deadline)
    if answer.status in _REDIRECTS:
        location = urljoin(url, answer.getheader("location") or "")
        raise ConfigurationError(
            f"{url} redirects to {without_password(location)}, and no redirect is followed",
            hint="ask the publisher for the URL and the SHA-256 of the file itself",
        )
    if answer.status != _OK:
        raise _failed(url, f"the server answers {answer.status} {answer.reason}".strip())
    body = b""
    while data := answer.read1(CHUNK):
        body += data
        if len(body) > LARGEST:
            raise ConfigurationError(
                f"{url} is larger than {LARGEST // 1024} KiB",
                hint="check that this is the URL of a profile",
            )
    if answer.length:
        raise _failed(url, "the server's answer ends too early")
    return body


def _parsed(url: str) -> tuple[str, int, str]:
    """Return host, port and the target of the request; raises UsageError."""
    try:
        parts = urlsplit(url)
        host, port = hostname.to_ascii(parts.hostname or ""), parts.port or _HTTPS
    except ValueError as error:
        raise UsageError(
            f"{without_password(url)} is not a URL: {error}", hint="write https://HOST/PATH"
        ) from None
    if parts.scheme != "https":
        raise UsageError(
            f"{without_password(url)} is not an https URL",
            hint=f"https://{parts.netloc.rpartition('@')[2]}{parts.path}, if the server has it",
        )
    if "@" in parts.netloc:
        raise UsageError(
            f"{without_password(url)} has a user's name or a password, which others could see",
            hint="publish the profile where it can be read without",
        )
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"{url!r} is not a URL", hint="percent-encode it")
    return host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _distrusted(url: str, seen: Handshake, host: str, added: Sequence[bytes]) -> ConfigurationError:
    if seen.problem is None:
        return _failed(url, f"the server's certificate is not for {host}")
    and_added = " and --ca-cert" if added else ""
    fact = f"the system's roots{and_added} do not verify the server's certificate"
    return _failed(url, fact, "name the server's CA by --ca-cert, or ")


def _failed(url: str, reason: str, hint: str = "") -> ConfigurationError:
    return ConfigurationError(
        f"cannot fetch {url}: {reason}", hint=f"{hint}see why: mtls-run doctor {quoted(url)}"
    )
