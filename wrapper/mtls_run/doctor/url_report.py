"""What one URL showed: rows for a person, facts for a script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mtls_run.doctor import client_auth
from mtls_run.doctor.authorities import listed, subject_of
from mtls_run.doctor.findings import Row, row
from mtls_run.doctor.transcript import Attempt, ToolVerdict, Transcript
from mtls_run.identity import checks
from mtls_run.net.errors import NetworkError
from mtls_run.net.tls import Handshake

_VERDICTS = {
    "works": "nothing stops it",
    "fails": "does not work, see below",
    "unknown": "not known: doctor's own attempts stand for it",
}


def rows(seen: Transcript) -> list[Row]:
    """Return a row for each step, and for the outcome."""
    return list(_rows(seen))


def outcome(seen: Transcript) -> str:
    """Return what came of it, in a few words."""
    last = seen.identified or seen.anonymous
    if seen.error is not None or last is None:
        return _text(seen.error) if seen.error is not None else "not tried"
    return _outcome(last)


def facts(seen: Transcript) -> dict[str, Any]:
    """Return what a script may ask about the URL. None means that the step was not reached."""
    handshake = seen.anonymous.handshake if seen.anonymous else None
    last = seen.identified or seen.anonymous
    answer = last.answer if last else None
    return {
        "address": seen.reached,
        "asked_by": list(seen.index.asked_by),
        "proxy": seen.proxy,
        "protocol": handshake.protocol if handshake else None,
        "verified": handshake.verified if handshake else None,
        "asks_for_identity": handshake.asked if handshake else None,
        "accepted": [one.text for one in handshake.accepted] if handshake else [],
        "http_status": answer.status if answer else None,
        "page": answer.page if answer else None,
        "tools": {one.kind: _verdict(one) for one in seen.tools},
    }


def _verdict(one: ToolVerdict) -> str:
    return "unknown" if one.works is None else "works" if one.works else "fails"


def _rows(seen: Transcript) -> Iterator[Row]:
    yield row("named by", seen.index.origin)
    if seen.index.asked_by:
        yield row("asked by", ", ".join(seen.index.asked_by))
    if seen.proxy is not None:
        yield row("proxy", seen.proxy, seen.proxy_origin)
    elif seen.index.bypass is not None:
        yield row("proxy", "none", seen.index.bypass)
    if seen.addresses:
        others = [one for one in seen.addresses if one != seen.reached]
        also = f" (also {', '.join(others)})" if others and seen.reached else ""
        yield row("address", (seen.reached or ", ".join(seen.addresses)) + also)
    if seen.anonymous is not None:
        yield from _handshake(seen.anonymous.handshake)
        yield row("without identity", _outcome(seen.anonymous))
    if seen.identified is not None:
        yield row("with identity", _outcome(seen.identified))
    for one in seen.tools:
        yield row(one.tool, _VERDICTS[_verdict(one)])
    if seen.error is not None:
        yield row("stopped", _text(seen.error))


def _handshake(seen: Handshake) -> Iterator[Row]:
    if seen.presented:
        leaf = seen.presented[0]
        yield row("TLS", f"{seen.protocol}{f', {seen.cipher}' if seen.cipher else ''}")
        yield row("server", subject_of(leaf))
        remaining = checks.span(leaf.not_valid_after_utc - checks.utc_now())
        yield row("valid until", f"{leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, {remaining} left")
        yield row("chain sent", " ← ".join(["leaf", *map(subject_of, seen.presented[1:])]))
        if seen.chain:
            yield row("verified by", subject_of(seen.chain[-1]))
        elif seen.name_matches is None:
            yield row("verified by", "nothing: the roots are not known")
        elif seen.problem is not None:
            yield row("verified by", "none of the roots here, so no request was sent")
        if seen.name_matches is False:
            yield row("name", "not in the certificate, so no request was sent")
    if seen.asked:
        issued_by = f"issued by {listed(seen.accepted)}" if seen.accepted else "of any CA"
        yield row("asks for", f"a client certificate {issued_by}")
    elif seen.finished:
        yield row("asks for", "no client certificate")


def _outcome(attempt: Attempt) -> str:
    if client_auth.is_refusal(attempt):
        return f"refused: {client_auth.how(attempt)}"
    if attempt.error is not None:
        return _text(attempt.error)
    answer = attempt.answer
    if answer is None:
        return "TLS only; no request was sent"
    kind = answer.page or answer.media
    redirect = f", after a redirect to {attempt.redirects[-1]}" if attempt.redirects else ""
    return f"{answer.status}{f', {kind}' if kind else ''}{redirect}"


def _text(error: NetworkError) -> str:
    reason = error.said or error.kind
    return f"{error.step}: {reason}{f' {error.number}' if error.number else ''}"
