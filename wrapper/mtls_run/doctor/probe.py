"""Connect to one URL, without the identity and with it, and record what happens."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mtls_run.doctor import index_request, tool_verdicts
from mtls_run.doctor.indexes import Index
from mtls_run.doctor.tool_verdicts import Tools
from mtls_run.doctor.transcript import Attempt, Transcript
from mtls_run.net.certificates import TrustStore
from mtls_run.net.errors import NetworkError
from mtls_run.net.route import Route
from mtls_run.net.tls import ClientIdentity, Tls
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
    tools: Tools = field(default_factory=Tools)


def probe(index: Index, setup: Setup) -> Transcript:
    """Return what the network shows of this index. Each step ends within `setup.timeout`."""
    seen = Transcript(index)
    try:
        proxy = index.route
        if isinstance(proxy, NetworkError):
            raise proxy
        if proxy is not None:
            seen = replace(seen, proxy=proxy.shown, proxy_origin=proxy.origin)
        route = Route(index.host, index.port, proxy, setup.trusted, setup.timeout)
        seen = replace(seen, addresses=route.resolve())
        stream, reached = route.connect(seen.addresses)
        seen = replace(seen, reached=reached)
        anonymous = _single(index, setup, stream, None)
        if setup.identity is None:
            anonymous = _redirected(anonymous, seen, setup, route)
        seen = replace(seen, anonymous=anonymous)
        if setup.identity is not None and anonymous.handshake.verified:
            stream, _ = route.connect(seen.addresses)
            identified = _single(index, setup, stream, setup.identity)
            seen = replace(seen, identified=_redirected(identified, seen, setup, route))
        seen = replace(seen, tools=tool_verdicts.of(seen, setup.tools, route))
    except NetworkError as error:
        return replace(seen, error=error)
    return seen


def _redirected(attempt: Attempt, seen: Transcript, setup: Setup, route: Route) -> Attempt:
    """Return the attempt at the end of all redirects, which must stay at the same origin."""
    redirects: list[str] = []
    while attempt.answer is not None and attempt.answer.location is not None:
        target = seen.index.elsewhere(attempt.answer.location)
        if target is None or len(redirects) == _MOST_REDIRECTS:
            break
        redirects.append(target.target)
        try:
            stream, _ = route.connect(seen.addresses)
        except NetworkError as error:
            attempt = Attempt(attempt.handshake, later_error=error)
        else:
            attempt = _single(target, setup, stream, setup.identity)
    return replace(attempt, redirects=tuple(redirects))


def _single(index: Index, setup: Setup, stream: Stream, identity: ClientIdentity | None) -> Attempt:
    """Return a handshake and, if the server is verified, its answer to a request."""
    with contextlib.closing(stream):
        tls = Tls(stream, index.host, setup.trusted, identity)
        handshake = tls.handshake(time.monotonic() + setup.timeout)
        if handshake.error is not None or not handshake.verified:
            return Attempt(handshake)
        if handshake.asked and handshake.protocol == "TLSv1.3":
            tls.listen(_WAIT_FOR_REFUSAL)
        # If an attempt with the identity follows, this one carries no password either.
        is_first_of_two = setup.identity is not None and identity is None
        authorization = None if is_first_of_two else index.authorization
        try:
            answer = index_request.get(
                tls, index.authority, index.target, authorization, setup.timeout
            )
        except NetworkError as error:
            return Attempt(
                handshake, later_error=error, asked_later=tls.asked and not handshake.asked
            )
        return Attempt(handshake, answer, asked_later=tls.asked and not handshake.asked)
