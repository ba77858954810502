"""Whether a server accepts the identity, concluded from its alerts, its answers and its CAs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mtls_run.doctor.authorities import (
    calls_itself_root,
    is_related,
    issuers_of,
    listed,
    named_by,
)
from mtls_run.doctor.findings import Finding, finding
from mtls_run.doctor.indexes import Index
from mtls_run.doctor.server_tls import alert_of
from mtls_run.doctor.transcript import Answer, Attempt, LocalFacts, Transcript
from mtls_run.net.certificates import DistinguishedName
from mtls_run.net.tls import Handshake

_REVOKED, _EXPIRED, _UNKNOWN_CA = 44, 45, 48
_FORBIDDEN = 403
# nginx's own statuses for a certificate that it refuses, and for none. It sends 400 unless the
# configuration handles them.
_OF_NGINX = (495, 496)
_BAD_REQUEST = 400
_ABOUT_CERTIFICATES = re.compile(
    r"(ssl|client|tls)[ -]certificate|certificate (error|required)", re.IGNORECASE
)
_TITLE = re.compile(r"<title>([^<]*)", re.IGNORECASE)
_APPEND = "append the intermediate's certificate to the file of client-cert, after the leaf"


def judge(seen: Transcript, local: LocalFacts) -> Iterator[Finding]:
    """Yield findings about the request for an identity, and about the identity that was shown."""
    anonymous, identified = seen.anonymous, seen.identified
    assert anonymous is not None
    if identified is None:
        if not local.identity and is_refusal(anonymous):
            yield _required(seen.index, anonymous, local)
        return
    asked = anonymous.handshake.asked or identified.handshake.asked
    if is_refusal(identified):
        yield _refused(seen.index, anonymous, identified, local)
    elif not asked and identified.error is None:
        yield finding(
            "identity-not-asked-for",
            f"{seen.index.shown} does not ask for a client certificate, so {local.identity_label} "
            "is not used there",
            "do nothing if the index is meant to be public; otherwise ask its administrator",
            origin=seen.index.origin,
        )
    elif identified.answer is not None:
        yield from _accepted_by_luck(seen.index, identified.handshake, local)


def is_refusal(attempt: Attempt) -> bool:
    """Tell whether the server refused the client for its certificate, or for lack of one."""
    handshake, error = attempt.handshake, attempt.error
    if error is not None:
        if error.kind == "alert":
            return handshake.asked
        # Some servers close the connection without an alert.
        return handshake.asked and handshake.error is not None and error.kind in ("closed", "reset")
    return attempt.answer is not None and refuses(attempt.answer, asked=handshake.asked)


def refuses(answer: Answer, *, asked: bool) -> bool:
    """Tell whether an answer refuses the client for its certificate, or for lack of one."""
    if answer.status in _OF_NGINX:
        return True
    if answer.status == _BAD_REQUEST or (answer.status == _FORBIDDEN and asked):
        return _ABOUT_CERTIFICATES.search(answer.text) is not None
    return False


def how(attempt: Attempt) -> str:
    """Return in words how the server refused."""
    error = attempt.error
    if error is None:
        assert attempt.answer is not None
        status = str(attempt.answer.status)
        title = _TITLE.search(attempt.answer.text)
        text = title.group(1).strip() if title else ""
        return f"it answers {text if text.startswith(status) else status}"
    if error.kind == "alert":
        return f"it ends TLS with the alert `{alert_of(error)}`"
    return "it closes the connection"


def _required(index: Index, attempt: Attempt, local: LocalFacts) -> Finding:
    accepted = attempt.handshake.accepted
    issued_by = f" issued by {listed(accepted)}" if accepted else ""
    if local.profile is None:
        lack = "no profile applies"
        action = "create one: mtls-run profile add NAME --client-cert FILE"
    else:
        lack, action = f"{local.profile} has none", 'add to the profile: client-cert = "FILE"'
    fact = f"{index.shown} requires a client certificate{issued_by}, and {lack}: {how(attempt)}"
    return finding("identity-required", fact, action, origin=index.origin)


def _refused(index: Index, anonymous: Attempt, attempt: Attempt, local: LocalFacts) -> Finding:
    error = attempt.error
    alert = error.number if error is not None and error.kind == "alert" else None
    if alert in (_REVOKED, _EXPIRED):
        state = "revoked" if alert == _REVOKED else "expired, by the server's clock"
        fact = f"{index.shown} says that {local.identity_label} is {state}"
        action = "ask your PKI for a new certificate"
        return finding("identity-refused", fact, action, origin=index.origin)
    accepted = attempt.handshake.accepted or anonymous.handshake.accepted
    explained = _explained_by_cas(index, accepted, attempt, alert, local)
    if explained is not None:
        return explained
    return finding(
        "identity-refused",
        f"{index.shown} refuses {local.identity_label}: {how(attempt)}",
        "ask the index's administrator for the reason: the certificate may be revoked, its chain "
        "too long for the server, or its subject not allowed",
        origin=index.origin,
    )


def _explained_by_cas(
    index: Index,
    accepted: Sequence[DistinguishedName],
    attempt: Attempt,
    alert: int | None,
    local: LocalFacts,
) -> Finding | None:
    """Return the finding if the accepted CAs, or the alert for an unknown CA, explain a refusal."""
    leaf = local.identity[0]
    top = issuers_of(local.identity)[-1]
    if accepted:
        if named_by(local.identity) & set(accepted):
            return None
        is_incomplete = not calls_itself_root(top) and is_related(top, accepted)
    elif alert == _UNKNOWN_CA:
        is_incomplete = len(local.identity) == 1 and not calls_itself_root(top)
    else:
        return None
    accepts = f"; it accepts certificates issued by {listed(accepted)}" if accepted else ""
    if is_incomplete and leaf.subject != leaf.issuer:
        fact = f"{index.shown} refuses {local.identity_label}: {how(attempt)}{accepts}"
        return _incomplete(index, top, fact)
    return finding(
        "identity-wrong-ca",
        f"{index.shown} does not know the CA of {local.identity_label}, {top.text}{accepts}: "
        f"{how(attempt)}",
        "use the identity that was issued for this index, in a profile of its own",
        origin=index.origin,
    )


def _incomplete(
    index: Index, missing: DistinguishedName, fact: str, *, warning: bool = False
) -> Finding:
    return finding(
        "identity-chain-incomplete",
        f"{fact}; the intermediate {missing.text} is missing from the identity's file",
        _APPEND,
        origin=index.origin,
        rank="warning" if warning else "error",
    )


def _accepted_by_luck(index: Index, handshake: Handshake, local: LocalFacts) -> Iterator[Finding]:
    """Yield a warning if the server has the missing intermediate itself."""
    issuer = issuers_of(local.identity)[-1]
    roots = [one for one in handshake.accepted if one != issuer and calls_itself_root(one)]
    if (
        len(local.identity) == 1
        and issuer in handshake.accepted
        and not calls_itself_root(issuer)
        and is_related(issuer, roots)
    ):
        fact = f"{index.shown} accepts {local.identity_label} only because it has the CA itself"
        yield _incomplete(index, issuer, fact, warning=True)
