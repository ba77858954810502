"""What follows from what was seen: pure functions from observations to findings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from mtls_run.doctor import admission, answers
from mtls_run.doctor.findings import finding, in_order
from mtls_run.doctor.server import of_handshake
from mtls_run.identity import checks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mtls_run.doctor.admission import Known
    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.indexes import Index
    from mtls_run.doctor.observations import Observed, Trouble

# A clock that is off by less spoils nothing.
_SKEW = timedelta(minutes=5)
# What tells that the identity itself cannot be used, so that a server has none to take.
_OWN_FAULTS = ("identity-", "passphrase-", "keyring-", "config-", "project-", "variable-")
_BY_THE_CLOCK = ("identity-expired", "identity-not-yet-valid")


@dataclass(frozen=True)
class Seen:
    """All that an examination saw: of the machine, findings; of the network, observations."""

    local: tuple[Finding, ...]
    known: Known
    urls: tuple[Observed, ...]


def conclude(seen: Seen) -> tuple[Finding, ...]:
    """Return all findings in their order, without those that another one explains."""
    found = list(seen.local)
    lacks_identity = any(
        one.rank == "error" and one.code.startswith(_OWN_FAULTS) for one in seen.local
    )
    for observed in seen.urls:
        found += [
            one
            for one in of_url(observed, seen.known)
            if not (lacks_identity and one.code == "identity-required")
        ]
    return in_order(_by_the_clock(found, seen))


def of_url(seen: Observed, known: Known) -> list[Finding]:
    """Return what one URL's observations mean."""
    index = seen.index
    found: list[Finding] = []
    if seen.anonymous is not None:
        found += of_handshake(index, seen.anonymous.handshake, known)
        judged = known.roots is not None
        if judged and seen.anonymous.handshake.verified:
            found += admission.judge(seen, known)
            found += answers.judge(seen, known)
            found += _skew(seen)
        elif not judged and seen.anonymous.handshake.trouble is not None:
            found += admission.judge(seen, known)
    if seen.trouble is not None:
        found.append(of_trouble(seen, seen.trouble))
    return found


def of_trouble(seen: Observed, trouble: Trouble) -> Finding:
    """Return what kept a URL from being connected to."""
    index = seen.index
    if trouble.step == "proxy":
        return _of_proxy(seen, trouble)
    where = f"{index.host}:{index.port}"
    said = f" ({trouble.words})" if trouble.words else ""
    if trouble.step == "name":
        fact = f"{index.shown}: the name {index.host} is not known here{said}"
        if trouble.kind == "timeout":
            fact = f"{index.shown}: the name {index.host} is not resolved in time"
        mend = "see that the name is right, and that you are in the network (VPN) that knows it"
        return _of(index, "name-unknown", fact, mend)
    if trouble.kind == "refused":
        fact = f"{index.shown}: nothing listens on {where}: the connection is refused"
        return _of(index, "connection-refused", fact, "see that the port is right and the index up")
    if trouble.kind == "timeout":
        fact = f"{index.shown}: {where} does not answer ({', '.join(seen.addresses)})"
        mend = "see whether a firewall drops it, or a VPN or a proxy (HTTPS_PROXY) is needed"
        return _of(index, "connection-timeout", fact, mend)
    if trouble.kind == "reset":
        fact = f"{index.shown}: {where} resets the connection"
        mend = "ask who runs the index, or the firewall before it"
        return _of(index, "connection-reset", fact, mend)
    fact = f"{index.shown}: there is no way to {where}{said}"
    mend = "see that the network, or the VPN that leads there, is up"
    return _of(index, "network-unreachable", fact, mend)


def _of_proxy(seen: Observed, trouble: Trouble) -> Finding:
    proxy, index = seen.proxy or "the proxy", seen.index
    said = f": {trouble.words}" if trouble.words else ""
    named = f"the proxy {proxy}, by {seen.proxy_origin}," if seen.proxy else "the proxy"
    unless = f"put {index.host} into NO_PROXY where no proxy is needed"
    if trouble.kind == "unsupported":
        fact = f"{named} is of a kind that doctor does not speak; {index.shown} is not tried"
        return _of(index, "proxy-not-probed", fact, f"try it with curl; or {unless}")
    if trouble.number == 407:  # noqa: PLR2004 - Proxy Authentication Required
        fact = f"{named} wants a user and a password that it knows (407)"
        mend = f"write them into {seen.proxy_origin}: http://USER:PASSWORD@HOST:PORT"
        return _of(index, "proxy-auth-required", fact, mend)
    if trouble.kind == "status":
        answer = f"{trouble.number} {trouble.words}".strip()
        fact = f"{named} does not connect to {index.host}:{index.port}: it answers {answer}"
        return _of(index, "proxy-refused", fact, f"ask who runs the proxy; or {unless}")
    if trouble.kind in ("plain", "closed", "reset", "alert", "protocol"):
        ends = "hangs up" if trouble.kind in ("closed", "reset") else "speaks no HTTP"
        fact = f"{named} is no proxy for {index.host}:{index.port}: it {ends}"
        mend = f"see that {seen.proxy_origin} names the right host and port; or {unless}"
        return _of(index, "proxy-refused", fact, mend)
    if seen.proxy is None:
        fact = f"{index.shown} cannot be reached{said}"
    elif trouble.kind == "timeout":
        fact = f"{named} does not answer"
    else:
        fact = f"{named} cannot be reached{said}"
    mend = f"see that {seen.proxy_origin or 'it'} is right and the proxy up; or {unless}"
    return _of(index, "proxy-unreachable", fact, mend)


def _of(index: Index, code: str, fact: str, action: str) -> Finding:
    return finding(code, fact, action, origin=index.origin)


def _skew(seen: Observed) -> Iterable[Finding]:
    skew = _seconds(seen)
    if skew is not None and abs(skew) > _SKEW.total_seconds():
        ahead = "ahead of" if skew > 0 else "behind"
        span = checks.span(timedelta(seconds=abs(skew)))
        yield _of(
            seen.index,
            "clock-skew",
            f"this machine's clock is {span} {ahead} that of {seen.index.host}",
            "set the clock: certificates are valid by it (timedatectl set-ntp true)",
        )


def _seconds(seen: Observed) -> float | None:
    for attempt in (seen.identified, seen.anonymous):
        if attempt is not None and attempt.answer is not None and attempt.answer.skew is not None:
            return attempt.answer.skew
    return None


def _by_the_clock(found: list[Finding], seen: Seen) -> list[Finding]:
    """Return the findings, and where a wrong clock alone makes the identity invalid, say so."""
    leaf = seen.known.leaf
    if leaf is None or not any(one.code in _BY_THE_CLOCK for one in found):
        return found
    skews = [skew for skew in map(_seconds, seen.urls) if skew is not None]
    there = [seen.known.now - timedelta(seconds=skew) for skew in skews]
    if not any(leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc for at in there):
        return found
    # By the server's clock it is valid: that it is not here is the consequence.
    return [
        replace(one, rank="warning")
        if one.code in _BY_THE_CLOCK
        else replace(one, rank="error")
        if one.code == "clock-skew"
        else one
        for one in found
    ]
