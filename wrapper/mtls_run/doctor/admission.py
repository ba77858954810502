"""Whether a server takes the identity: concluded from its alerts, its answers and its CAs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from mtls_run.doctor.findings import finding
from mtls_run.doctor.names import above, listed, named
from mtls_run.doctor.server import ALERTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.indexes import Index
    from mtls_run.doctor.names import Named
    from mtls_run.doctor.observations import Answer, Attempt, Handshake, Observed

_REVOKED, _EXPIRED, _UNKNOWN_CA = 44, 45, 48
_FORBIDDEN = 403
# nginx's own, for a certificate that is refused, and for none (495 and 496 inside, 400 outside).
_OF_NGINX = (495, 496)
_BAD_REQUEST = 400
_OF_CERTIFICATE = re.compile(
    r"(ssl|client|tls)[ -]certificate|certificate (error|required)", re.IGNORECASE
)


@dataclass(frozen=True)
class Known:
    """What is known when the network's observations are judged.

    `leaf` is the identity's certificate, also where it cannot be used; `identity` has leaf and
    intermediates of one that was shown. `roots` names those that servers were verified by, or
    None where nobody was, and `issuer_of` finds the one of them that signed a certificate;
    `profile` is what the profile is called, None where none applies.
    """

    now: datetime
    profile: str | None = None
    leaf: Certificate | None = None
    identity: tuple[Certificate, ...] = ()
    identity_label: str = ""
    roots: tuple[Named, ...] | None = None
    roots_label: str = ""
    issuer_of: Callable[[Certificate], Certificate | None] = lambda _: None


def judge(seen: Observed, known: Known) -> Iterator[Finding]:
    """Yield what is to be said of asking for an identity, and of the one that was shown."""
    anonymous, identified = seen.anonymous, seen.identified
    assert anonymous is not None
    if identified is None:
        if not known.identity and is_refusal(anonymous):
            yield _required(seen.index, anonymous, known)
        return
    asked = anonymous.handshake.asked or identified.handshake.asked
    if is_refusal(identified):
        yield _refused(seen.index, anonymous, identified, known)
    elif not asked and identified.trouble is None and identified.handshake.trouble is None:
        yield finding(
            "identity-not-asked-for",
            f"{seen.index.shown} asks for no client certificate; {known.identity_label} is not used"
            " there",
            "nothing, if it is to be public; else ask who runs the index",
            origin=seen.index.origin,
        )
    elif identified.answer is not None:
        yield from _taken_by_luck(seen.index, identified.handshake, known)


def is_refusal(attempt: Attempt) -> bool:
    """Tell whether the server turned the client down for its certificate, or for having none."""
    shaken = attempt.handshake
    trouble = shaken.trouble or attempt.trouble
    if trouble is not None:
        if trouble.kind == "alert":
            return shaken.asked
        # Some hang up without a word; with an identity that may have many another reason.
        return shaken.asked and shaken.trouble is not None and trouble.kind in ("closed", "reset")
    answer = attempt.answer
    return answer is not None and _refuses(answer, asked=shaken.asked)


def _refuses(answer: Answer, *, asked: bool) -> bool:
    if answer.status in _OF_NGINX:
        return True
    if answer.status == _BAD_REQUEST:
        return _OF_CERTIFICATE.search(answer.text) is not None
    return answer.status == _FORBIDDEN and asked and bool(_OF_CERTIFICATE.search(answer.text))


def how(attempt: Attempt) -> str:
    """Return how the server said no, in words."""
    trouble = attempt.handshake.trouble or attempt.trouble
    if trouble is None:
        status = attempt.answer.status if attempt.answer else 0
        title = re.search(
            r"<title>\s*(.*?)\s*</title>", attempt.answer.text if attempt.answer else ""
        )
        said = title.group(1) if title else ""
        return f"it answers {said if said.startswith(str(status)) else status}"
    if trouble.kind == "alert":
        return f"it ends TLS with the alert `{ALERTS.get(trouble.number or 0, trouble.number)}`"
    return "it hangs up"


def _required(index: Index, attempt: Attempt, known: Known) -> Finding:
    accepted = attempt.handshake.accepted
    of = f" of {listed(accepted)}" if accepted else ""
    if known.profile is None:
        lacks, mend = "no profile applies", "make one: mtls-run profile add NAME --client-cert FILE"
    else:
        lacks = f"{known.profile} has none"
        mend = 'give the profile its identity: client-cert = "FILE"'
    fact = f"{index.shown} wants a client certificate{of}, and {lacks}: {how(attempt)}"
    return finding("identity-required", fact, mend, origin=index.origin)


def _refused(index: Index, anonymous: Attempt, attempt: Attempt, known: Known) -> Finding:
    trouble = attempt.handshake.trouble or attempt.trouble
    alert = trouble.number if trouble is not None and trouble.kind == "alert" else None
    if alert in (_REVOKED, _EXPIRED):
        said = "revoked" if alert == _REVOKED else "expired, by the server's clock"
        fact = f"{index.shown} says that {known.identity_label} is {said}"
        mend = "ask your PKI for a new certificate"
        return finding("identity-refused", fact, mend, origin=index.origin)
    accepted = attempt.handshake.accepted or anonymous.handshake.accepted
    better = _of_authorities(index, accepted, attempt, alert, known)
    if better is not None:
        return better
    fact = f"{index.shown} refuses {known.identity_label}: {how(attempt)}"
    mend = (
        "ask who runs the index why: it may be revoked, its chain longer than the server goes, "
        "or its subject not admitted"
    )
    return finding("identity-refused", fact, mend, origin=index.origin)


def _of_authorities(
    index: Index, accepted: Sequence[Named], attempt: Attempt, alert: int | None, known: Known
) -> Finding | None:
    """Return what the server's CAs, or its not knowing ours, explain; None where they do not."""
    leaf = known.identity[0]
    ours = above(known.identity)
    top = ours[-1]
    if accepted:
        own = {*ours, *(named(one.subject) for one in known.identity[1:])}
        if own & set(accepted):
            return None
        is_incomplete = not top.is_like_a_root and top.is_akin(accepted)
    elif alert == _UNKNOWN_CA:
        is_incomplete = len(known.identity) == 1 and not top.is_like_a_root
    else:
        return None
    takes = f"; it takes those of {listed(accepted)}" if accepted else ""
    if is_incomplete and leaf.subject != leaf.issuer:
        return _incomplete(
            index, top, f"{index.shown} refuses {known.identity_label}: {how(attempt)}{takes}"
        )
    return finding(
        "identity-wrong-ca",
        f"{index.shown} does not know the CA of {known.identity_label}, {top.shown}{takes}: "
        f"{how(attempt)}",
        "use the identity that was issued for this index, with a profile of its own",
        origin=index.origin,
    )


def _incomplete(index: Index, missing: Named, before: str, *, warning: bool = False) -> Finding:
    return finding(
        "identity-chain-incomplete",
        f"{before}; the intermediate {missing.shown} is missing from the identity's file",
        "append the intermediate's certificate to the file of client-cert, after the leaf",
        origin=index.origin,
        rank="warning" if warning else "error",
    )


def _taken_by_luck(index: Index, shaken: Handshake, known: Known) -> Iterator[Finding]:
    """Yield a warning where the server happens to have the intermediate that is missing."""
    ours = above(known.identity)
    issuer = ours[-1]
    others = [one for one in shaken.accepted if one != issuer and one.is_like_a_root]
    if (
        len(known.identity) == 1
        and issuer in shaken.accepted
        and not issuer.is_like_a_root
        and issuer.is_akin(others)
    ):
        before = f"{index.shown} takes {known.identity_label} since it has the CA itself"
        yield _incomplete(index, issuer, before, warning=True)
