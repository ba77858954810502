"""Findings from all that was seen, without those that another finding explains. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus

from mtls_run.doctor import client_auth, index_answer, server_tls
from mtls_run.doctor.findings import Finding, Rank, finding, in_order
from mtls_run.doctor.transcript import LocalFacts, Transcript
from mtls_run.identity import checks
from mtls_run.net.errors import NetworkError

# A smaller difference between two clocks does no harm.
_MOST_SKEW = timedelta(minutes=5)
# Codes that say that the identity is unusable, so that no server can be shown one.
_UNUSABLE_IDENTITY = ("identity-", "passphrase-", "keyring-", "config-", "project-", "variable-")
# What another TLS library may see otherwise.
_OF_OWN_TLS = (
    *("server-name-mismatch", "server-expired", "server-not-yet-valid", "server-chain-incomplete"),
    *("server-unknown-ca", "tls-failed", "tls-too-old", "identity-required", "identity-refused"),
    *("identity-wrong-ca", "identity-chain-incomplete", "http-forbidden", "connection-reset"),
)
_BY_THE_CLOCK = ("identity-expired", "identity-not-yet-valid")


def conclude(
    findings: Iterable[Finding], local: LocalFacts, urls: Sequence[Transcript]
) -> tuple[Finding, ...]:
    """Return the findings of this machine and of all URLs, without those that another explains."""
    found = list(findings)
    lacks_identity = any(
        one.rank == "error" and one.code.startswith(_UNUSABLE_IDENTITY) for one in found
    )
    for seen in urls:
        found += [
            replace(one, about=(seen.index.shown,))
            for one in judge(seen, local)
            if not (lacks_identity and one.code == "identity-required")
        ]
    return in_order(_explained_by_the_clock(found, local, urls))


def judge(seen: Transcript, local: LocalFacts) -> list[Finding]:
    """Return the findings for one URL."""
    found: list[Finding] = []
    if seen.anonymous is not None:
        handshake = seen.anonymous.handshake
        found += server_tls.judge(seen.index, handshake, local)
        if local.roots is not None and handshake.verified:
            found += client_auth.judge(seen, local)
            found += index_answer.judge(seen, local)
            found += _skew(seen)
        elif local.roots is None and handshake.error is not None:
            found += client_auth.judge(seen, local)
    if seen.error is not None:
        found.append(_not_connected(seen, seen.error))
    return _by_tool(found, seen)


def _by_tool(found: list[Finding], seen: Transcript) -> list[Finding]:
    """Return the findings with what each tool makes of the server.

    What doctor's own TLS met is left out if it stops none of the tools.
    """
    if not seen.tools:
        return found
    stopped = [one.tool for one in seen.tools if one.works is not True and not one.fact]
    kept = [one for one in found if one.code not in _OF_OWN_TLS or one.rank != "error"]
    if stopped:
        stops = ", ".join(stopped) if len(stopped) < len(seen.tools) else None
        kept = [
            replace(one, stops=stops) if one.code in _OF_OWN_TLS and one.rank == "error" else one
            for one in found
        ]
    for one in seen.tools:
        if one.fact:
            fact = f"{seen.index.shown}: {one.fact}"
            action, origin = one.action, seen.index.origin
            kept.append(replace(finding(one.code, fact, action, origin=origin), stops=one.tool))
    return kept


def _not_connected(seen: Transcript, error: NetworkError) -> Finding:
    index = seen.index
    if error.step == "proxy":
        code, fact, action = _proxy(seen, error)
    else:
        code, fact, action = _network(seen, error)
        fact = f"{index.shown}: {fact}"
    return finding(code, fact, action, origin=index.origin)


def _network(seen: Transcript, error: NetworkError) -> tuple[str, str, str]:
    index = seen.index
    where = f"{index.host}:{index.port}"
    reason = f" ({error.reason})" if error.reason else ""
    if error.step == "name":
        action = "check the name, and that you are in the network (VPN) that knows it"
        if error.kind == "timeout":
            fact = f"could not resolve host {index.host}: the resolver does not answer in time"
            return "name-unknown", fact, action
        return "name-unknown", f"could not resolve host {index.host}{reason}", action
    if error.kind == "refused":
        fact = f"nothing listens on {where}: the connection is refused"
        return "connection-refused", fact, "check the port, and whether the index is up"
    if error.kind == "timeout":
        fact = f"{where} does not answer ({', '.join(seen.addresses)})"
        action = "check the firewall, and whether you need a VPN or a proxy (HTTPS_PROXY)"
        return "connection-timeout", fact, action
    if error.kind == "reset":
        action = "ask the administrator of the index, or of the firewall in front of it"
        return "connection-reset", f"{where} resets the connection", action
    action = "check that the network, or the VPN that leads there, is up"
    return "network-unreachable", f"there is no route to {where}{reason}", action


def _proxy(seen: Transcript, error: NetworkError) -> tuple[str, str, str]:
    index = seen.index
    where = f"{index.host}:{index.port}"
    reason = f": {error.reason}" if error.reason else ""
    if seen.proxy is None:
        action = f"correct the proxy's URL; or add {index.host} to NO_PROXY"
        return "proxy-unreachable", f"{index.shown} cannot be reached{reason}", action
    name = f"the proxy {seen.proxy}, by {seen.proxy_origin},"
    or_bypass = f"or add {index.host} to NO_PROXY if it needs no proxy"
    if error.kind == "unsupported":
        fact = f"{name} is of a kind that doctor does not support; {index.shown} was not tried"
        return "proxy-not-probed", fact, f"try it with curl; {or_bypass}"
    if error.number == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        fact = f"{name} requires a user and a password that it accepts (407)"
        action = f"put them into {seen.proxy_origin}: http://USER:PASSWORD@HOST:PORT"
        return "proxy-auth-required", fact, action
    if error.kind == "status":
        answer = f"{error.number} {error.reason}".strip()
        fact = f"{name} does not connect to {where}: it answers {answer}"
        return "proxy-refused", fact, f"ask the proxy's administrator; {or_bypass}"
    check = f"check that {seen.proxy_origin} names the right host and port"
    if error.kind in ("plain", "closed", "reset", "alert", "protocol"):
        closes = error.kind in ("closed", "reset")
        how = "closes the connection" if closes else "does not speak HTTP"
        return "proxy-refused", f"{name} is no proxy for {where}: it {how}", f"{check}; {or_bypass}"
    fact = (
        f"{name} does not answer"
        if error.kind == "timeout"
        else f"{name} cannot be reached{reason}"
    )
    return "proxy-unreachable", fact, f"{check}, and that the proxy is up; {or_bypass}"


def _skew(seen: Transcript) -> list[Finding]:
    skew = _seconds_ahead(seen)
    if skew is None or abs(skew) <= _MOST_SKEW.total_seconds():
        return []
    direction = "ahead of" if skew > 0 else "behind"
    span = checks.span(timedelta(seconds=abs(skew)))
    return [
        finding(
            "clock-skew",
            f"this machine's clock is {span} {direction} that of {seen.index.host}",
            "set the clock, which decides whether certificates are valid: timedatectl set-ntp true",
            origin=seen.index.origin,
        )
    ]


def _seconds_ahead(seen: Transcript) -> float | None:
    for attempt in (seen.identified, seen.anonymous):
        if attempt is not None and attempt.answer is not None and attempt.answer.skew is not None:
            return attempt.answer.skew
    return None


def _explained_by_the_clock(
    found: list[Finding], local: LocalFacts, urls: Sequence[Transcript]
) -> list[Finding]:
    """Return the findings with new ranks if only a wrong clock makes the identity invalid."""
    leaf = local.leaf
    if leaf is None or not any(one.code in _BY_THE_CLOCK for one in found):
        return found
    skews = [skew for skew in map(_seconds_ahead, urls) if skew is not None]
    times = [local.now - timedelta(seconds=skew) for skew in skews]
    if not any(leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc for at in times):
        return found
    ranks: dict[str, Rank] = {**dict.fromkeys(_BY_THE_CLOCK, "warning"), "clock-skew": "error"}
    return [replace(one, rank=ranks.get(one.code, one.rank)) for one in found]
