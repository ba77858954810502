"""What one URL showed, as rows for a person and as facts for a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mtls_run.doctor import admission
from mtls_run.doctor.names import listed, named
from mtls_run.doctor.rows import row
from mtls_run.identity import checks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtls_run.doctor.observations import Attempt, Handshake, Observed, Trouble
    from mtls_run.doctor.rows import Row


def rows(seen: Observed) -> list[Row]:
    """Return what was seen on the way, step by step, and at the end."""
    return list(_rows(seen))


def facts(seen: Observed) -> dict[str, Any]:
    """Return what a script may ask of one URL; None is what was not come to."""
    shaken = seen.anonymous.handshake if seen.anonymous else None
    best = seen.identified or seen.anonymous
    return {
        "address": seen.reached,
        "proxy": seen.proxy,
        "protocol": shaken.protocol if shaken else None,
        "verified": shaken.verified if shaken else None,
        "asks_for_identity": shaken.asked if shaken else None,
        "accepted": [one.shown for one in shaken.accepted] if shaken else [],
        "http_status": best.answer.status if best and best.answer else None,
        "page": best.answer.page if best and best.answer else None,
    }


def _rows(seen: Observed) -> Iterator[Row]:
    yield row("named by", seen.index.origin)
    if seen.proxy is not None:
        yield row("proxy", seen.proxy, seen.proxy_origin)
    if seen.addresses:
        others = [one for one in seen.addresses if one != seen.reached]
        also = f" (also {', '.join(others)})" if others and seen.reached else ""
        yield row("address", (seen.reached or ", ".join(seen.addresses)) + also)
    if seen.anonymous is not None:
        yield from _handshake(seen.anonymous.handshake)
        yield row("without identity", _outcome(seen.anonymous))
    if seen.identified is not None:
        yield row("with identity", _outcome(seen.identified))
    if seen.trouble is not None:
        yield row("stopped", _words(seen.trouble))


def _handshake(seen: Handshake) -> Iterator[Row]:
    if seen.presented:
        leaf = seen.presented[0]
        cipher = f", {seen.cipher}" if seen.cipher else ""
        yield row("TLS", f"{seen.protocol}{cipher}")
        yield row("server", named(leaf.subject).shown)
        until = f"{leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        left = leaf.not_valid_after_utc - checks.utc_now()
        yield row("valid until", f"{until}, {checks.span(left)} left")
        names = [named(one.subject).shown for one in seen.presented[1:]]
        yield row("chain sent", " ← ".join(["leaf", *names]))
        if seen.chain:
            yield row("verified by", named(seen.chain[-1].subject).shown)
        elif seen.name_fits is None:
            yield row("verified by", "nothing: which roots to verify by is not known")
        elif seen.problem is not None:
            yield row("verified by", "none of the roots here; so no request was sent")
        if seen.name_fits is False:
            yield row("name", "not in the certificate; so no request was sent")
    if seen.asked:
        of = f" of {listed(seen.accepted)}" if seen.accepted else ", whatever its CA"
        yield row("asks for", f"a client certificate{of}")
    elif seen.finished:
        yield row("asks for", "no client certificate")


def _outcome(attempt: Attempt) -> str:
    shaken = attempt.handshake
    if admission.is_refusal(attempt):
        return f"refused: {admission.how(attempt)}"
    trouble = shaken.trouble or attempt.trouble
    if trouble is not None:
        return _words(trouble)
    answer = attempt.answer
    if answer is None:
        return "TLS, and nothing asked"
    through = f", after a redirect to {attempt.redirects[-1]}" if attempt.redirects else ""
    if answer.page is not None:
        return f"{answer.status}, {answer.page}{through}"
    return f"{answer.status}{f', {answer.media}' if answer.media else ''}{through}"


def _words(trouble: Trouble) -> str:
    words = {
        "timeout": "no answer in time",
        "refused": "the connection is refused",
        "reset": "the connection is reset",
        "closed": "the connection is closed",
        "unreachable": "there is no way there",
        "unknown": "nobody knows the name",
    }.get(trouble.kind, trouble.words or trouble.kind)
    number = f" {trouble.number}" if trouble.number else ""
    return f"{trouble.step}: {words}{number}"
