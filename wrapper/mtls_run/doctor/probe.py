"""The network steps to one URL, without and with the identity; facts only."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mtls_run.doctor import exchange, proxy, transport
from mtls_run.doctor.observations import Attempt, Observed, StoppedError, Trouble
from mtls_run.doctor.tls import Tls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.doctor.indexes import Index
    from mtls_run.doctor.observations import Answer
    from mtls_run.doctor.proxy import Proxy
    from mtls_run.doctor.tls import Roots
    from mtls_run.doctor.transport import Wire
    from mtls_run.identity.material import Identity

_MOST_REDIRECTS = 5
# A refusal in TLS 1.3 comes after the handshake, and a server that closes then may have its alert
# overtaken by a reset where a request is under way already.
_REFUSAL_PATIENCE = 0.25
_TLS_1_3 = "TLSv1.3"


@dataclass(frozen=True)
class Setup:
    """What every URL is tried with. Without `roots` nobody is verified and nothing is sent."""

    roots: Roots | None
    identity: Identity | None
    environ: Mapping[str, str]
    timeout: float


def probe(index: Index, setup: Setup) -> Observed:
    """Return what the network shows of this index; every step ends within `setup.timeout`."""
    seen = Observed(index)
    try:
        way = proxy.find(index, setup.environ)
        if way is not None:
            seen = replace(seen, proxy=way.shown, proxy_origin=way.origin)
        addresses = _resolved(index, way, setup.timeout)
        seen = replace(seen, addresses=addresses)
        line = _Line(index, way, addresses, setup)
        wire, reached = line.opened()
        seen = replace(seen, reached=reached)
    except StoppedError as stopped:
        return replace(seen, trouble=stopped.trouble)
    anonymous = _attempt(line, wire, None, follow=setup.identity is None)
    seen = replace(seen, anonymous=anonymous)
    if setup.identity is not None and anonymous.handshake.verified:
        try:
            wire, _ = line.opened()
        except StoppedError as stopped:
            return replace(seen, trouble=stopped.trouble)
        seen = replace(seen, identified=_attempt(line, wire, setup.identity, follow=True))
    return seen


def _resolved(index: Index, way: Proxy | None, timeout: float) -> tuple[str, ...]:
    """Return the addresses to connect to; behind a proxy, the name is the proxy's to resolve."""
    if way is None:
        return transport.resolve(index.host, index.port, timeout)
    if not way.is_spoken:
        raise StoppedError(Trouble("proxy", "unsupported"))
    try:
        return transport.resolve(way.host, way.port, timeout)
    except StoppedError as stopped:
        raise StoppedError(replace(stopped.trouble, step="proxy")) from None


@dataclass(frozen=True)
class _Line:
    """The way to an index, to be opened once for each connection."""

    index: Index
    way: Proxy | None
    addresses: tuple[str, ...]
    setup: Setup

    def opened(self) -> tuple[Wire, str]:
        """Return bytes' way to the host itself, and the address; raises StoppedError."""
        index, way, timeout = self.index, self.way, self.setup.timeout
        if way is None:
            return transport.connect(self.addresses, index.port, timeout)
        wire: Wire
        try:
            wire, reached = transport.connect(self.addresses, way.port, timeout)
            if way.scheme == "https":
                wire = self._secured(wire, way.host)
        except StoppedError as stopped:
            raise StoppedError(replace(stopped.trouble, step="proxy")) from None
        try:
            proxy.tunnel(wire, way, index.host, index.port, timeout)
        except StoppedError:
            wire.close()
            raise
        return wire, reached

    def _secured(self, wire: Wire, host: str) -> Wire:
        """Return TLS to the proxy itself; a proxy that is not verified is not spoken to."""
        tls = Tls(wire, host, self.setup.roots)
        shaken = tls.handshake(time.monotonic() + self.setup.timeout)
        if shaken.trouble is not None:
            raise StoppedError(shaken.trouble)
        if not shaken.verified:
            raise StoppedError(Trouble("proxy", "failed", "its certificate is not to be trusted"))
        return tls


def _attempt(line: _Line, wire: Wire, identity: Identity | None, *, follow: bool) -> Attempt:
    """Return what comes of a handshake and, at a verified server, of a request.

    Redirects are followed as far as they stay at the same origin.
    """
    index = line.index
    redirects: list[str] = []
    while True:
        attempt = _once(line, wire, index, identity)
        wire.close()
        answer = attempt.answer
        attempt = replace(attempt, redirects=tuple(redirects))
        if not follow or answer is None or answer.location is None:
            return attempt
        onward = index.elsewhere(answer.location)
        if onward is None or len(redirects) == _MOST_REDIRECTS:
            return attempt
        redirects.append(onward.target)
        index = onward
        try:
            wire, _ = line.opened()
        except StoppedError as stopped:
            return replace(attempt, answer=None, trouble=stopped.trouble)


def _once(line: _Line, wire: Wire, index: Index, identity: Identity | None) -> Attempt:
    setup = line.setup
    tls = Tls(wire, index.host, setup.roots, identity)
    shaken = tls.handshake(time.monotonic() + setup.timeout)
    if shaken.trouble is not None or not shaken.verified:
        return Attempt(shaken)
    answer: Answer | None = None
    try:
        if shaken.asked and shaken.protocol == _TLS_1_3:
            tls.listen(_REFUSAL_PATIENCE)
        # Who did not show the identity yet does not show a password either.
        alone = setup.identity is not None and identity is None
        authorization = None if alone else index.authorization
        answer = exchange.get(tls, index.authority, index.target, authorization, setup.timeout)
    except StoppedError as stopped:
        return Attempt(shaken, trouble=stopped.trouble)
    return Attempt(shaken, answer)
