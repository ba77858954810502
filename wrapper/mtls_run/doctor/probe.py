"""Connect to one URL, without the identity and with it, and record what happens."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mtls_run.doctor import index_request
from mtls_run.doctor.transcript import Attempt, Transcript
from mtls_run.net import proxy, transport
from mtls_run.net.errors import NetworkError
from mtls_run.net.tls import Tls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.doctor.indexes import Index
    from mtls_run.net.certificates import TrustStore
    from mtls_run.net.proxy import Proxy
    from mtls_run.net.tls import ClientIdentity
    from mtls_run.net.transport import Stream

_MOST_REDIRECTS = 5
# In TLS 1.3 a server refuses a certificate after the handshake. If a request is already under way
# when it closes, a reset may overtake its alert.
_WAIT_FOR_REFUSAL = 0.25


@dataclass(frozen=True)
class Setup:
    """What every URL is tried with. Without `trusted`, nothing is verified and nothing is sent."""

    trusted: TrustStore | None
    identity: ClientIdentity | None
    environ: Mapping[str, str]
    timeout: float


def probe(index: Index, setup: Setup) -> Transcript:
    """Return what the network shows of this index. Each step ends within `setup.timeout`."""
    seen = Transcript(index)
    try:
        route = _Route(index, setup, index.proxy(setup.environ))
        if route.proxy is not None:
            seen = replace(seen, proxy=route.proxy.shown, proxy_origin=route.proxy.origin)
        route = replace(route, addresses=_resolved(route))
        seen = replace(seen, addresses=route.addresses)
        stream, reached = route.open()
        seen = replace(seen, reached=reached)
        anonymous = _attempt(route, stream, None, follow=setup.identity is None)
        seen = replace(seen, anonymous=anonymous)
        if setup.identity is not None and anonymous.handshake.verified:
            stream, _ = route.open()
            identified = _attempt(route, stream, setup.identity, follow=True)
            seen = replace(seen, identified=identified)
    except NetworkError as error:
        return replace(seen, error=error)
    return seen


@dataclass(frozen=True)
class _Route:
    """The way to an index, opened anew for each connection."""

    index: Index
    setup: Setup
    proxy: Proxy | None = None
    addresses: tuple[str, ...] = ()

    def open(self) -> tuple[Stream, str]:
        """Return a stream to the host, and the address it goes to; raises NetworkError."""
        index, timeout = self.index, self.setup.timeout
        if self.proxy is None:
            return transport.connect(self.addresses, index.port, timeout)
        stream: Stream
        try:
            stream, reached = transport.connect(self.addresses, self.proxy.port, timeout)
            if self.proxy.scheme == "https":
                stream = self._tls_to_proxy(stream, self.proxy.host)
        except NetworkError as error:
            raise replace(error, step="proxy") from None
        try:
            proxy.tunnel(stream, self.proxy, index.host, index.port, timeout)
        except NetworkError:
            stream.close()
            raise
        return stream, reached

    def _tls_to_proxy(self, stream: Stream, host: str) -> Stream:
        tls = Tls(stream, host, self.setup.trusted)
        handshake = tls.handshake(time.monotonic() + self.setup.timeout)
        if handshake.error is not None:
            raise handshake.error
        if not handshake.verified:
            raise NetworkError("proxy", "failed", "its certificate is not trusted")
        return tls


def _resolved(route: _Route) -> tuple[str, ...]:
    """Return the addresses to connect to. A proxy resolves the index's name itself."""
    if route.proxy is None:
        return transport.resolve(route.index.host, route.index.port, route.setup.timeout)
    if not route.proxy.is_supported:
        raise NetworkError("proxy", "unsupported")
    try:
        return transport.resolve(route.proxy.host, route.proxy.port, route.setup.timeout)
    except NetworkError as error:
        raise replace(error, step="proxy") from None


def _attempt(
    route: _Route, stream: Stream, identity: ClientIdentity | None, *, follow: bool
) -> Attempt:
    """Return a handshake and, if the server is verified, its answer to a request.

    Redirects are followed within the same origin.
    """
    index = route.index
    redirects: list[str] = []
    while True:
        attempt = replace(_single(route.setup, stream, index, identity), redirects=tuple(redirects))
        stream.close()
        location = attempt.answer.location if attempt.answer is not None else None
        next_index = index.elsewhere(location) if follow and location is not None else None
        if next_index is None or len(redirects) == _MOST_REDIRECTS:
            return attempt
        index = next_index
        redirects.append(index.target)
        try:
            stream, _ = route.open()
        except NetworkError as error:
            return replace(attempt, answer=None, later_error=error)


def _single(setup: Setup, stream: Stream, index: Index, identity: ClientIdentity | None) -> Attempt:
    tls = Tls(stream, index.host, setup.trusted, identity)
    handshake = tls.handshake(time.monotonic() + setup.timeout)
    if handshake.error is not None or not handshake.verified:
        return Attempt(handshake)
    if handshake.asked and handshake.protocol == "TLSv1.3":
        tls.listen(_WAIT_FOR_REFUSAL)
    # The attempt without the identity carries no password either, if another one follows.
    is_rehearsal = setup.identity is not None and identity is None
    authorization = None if is_rehearsal else index.authorization
    try:
        answer = index_request.get(tls, index.authority, index.target, authorization, setup.timeout)
    except NetworkError as error:
        return Attempt(handshake, later_error=error)
    return Attempt(handshake, answer)
