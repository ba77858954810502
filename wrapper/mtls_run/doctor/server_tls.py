"""Findings about a server's TLS and certificate."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509

from mtls_run.doctor.authorities import (
    calls_itself_root,
    is_related,
    issuers_of,
    subject_of,
)
from mtls_run.doctor.findings import Finding, finding
from mtls_run.doctor.indexes import Index
from mtls_run.doctor.transcript import LocalFacts
from mtls_run.identity import checks
from mtls_run.net.certificates import DistinguishedName, alternative_names, of_name
from mtls_run.net.errors import NetworkError
from mtls_run.net.tls import PROTOCOL_VERSION_ALERT, Handshake, Problem

_SOON = timedelta(days=7)
_MOST_NAMES = 4
# The errors of OpenSSL's verification, by number (x509_vfy.h).
_NOT_YET_VALID, _EXPIRED, _SELF_SIGNED = 9, 10, 18
_UNKNOWN_ISSUER = (2, 19, 20, 21, 27)
_SECURITY_LEVEL = (66, 67, 68)
_OBJECTIONS = {
    7: "a signature in its chain is wrong",
    24: "a certificate above it does not belong to a CA",
    25: "its chain is longer than one of its CAs allows",
    26: "it does not allow server authentication",
    47: "a CA above it may not issue for this name",
    66: "its key is too weak",
    67: "the key of a CA above it is too weak",
    68: "its signature uses a digest that is too weak",
}
_CHECK_CLOCK = "check this machine's clock"
_ASK = "ask the index's administrator"


def judge(index: Index, seen: Handshake, local: LocalFacts) -> list[Finding]:
    """Return findings about the server's TLS and certificate."""
    found = []
    if seen.presented and seen.name_matches is not None:
        found = _certificate(index, seen, local)
        if not seen.verified:
            return found
    # If the server asked for an identity, `client_auth` judges how the handshake ended.
    if seen.error is not None and (seen.error.kind == "timeout" or not seen.asked):
        found.append(_handshake_failed(index, seen.error))
    return found


def is_of_openssl_alone(
    problem: Problem, led: tuple[list[x509.Certificate], x509.Certificate]
) -> bool:
    """Tell whether webpki has no such objection to a chain that leads to a root.

    webpki knows no security level, takes an intermediate for a root, and looks at nothing in a root
    but its name, its key and its name constraints.
    """
    certificates, root = led
    if problem.number in _UNKNOWN_ISSUER or problem.number in _SECURITY_LEVEL:
        return True
    return problem.certificate == root and root not in certificates


def alert_of(error: NetworkError) -> str:
    """Return the name of a TLS alert: the end of OpenSSL's reason, such as `tlsv1 alert …`."""
    return error.reason.rpartition("alert ")[2] or f"number {error.number}"


def _handshake_failed(index: Index, error: NetworkError) -> Finding:
    where = f"{index.host}:{index.port}"
    if error.kind == "plain":
        is_http = error.reason.startswith("HTTP/")
        speaks = "plain HTTP" if is_http else f"no TLS; it sends {error.reason!r}"
        code, fact = "tls-not-spoken", f"{where} speaks {speaks}"
        action = "check the port: it must be the one for https"
    elif error.kind == "protocol" or error.number == PROTOCOL_VERSION_ALERT:
        code = "tls-too-old"
        fact = "the server supports neither TLS 1.2 nor 1.3, and pip and uv nothing older"
        action = f"{_ASK} to enable TLS 1.2 or 1.3"
    elif error.kind == "timeout":
        code, fact = "tls-timeout", f"{where} accepts the connection but does not answer in TLS"
        action = "check the port, and whether a firewall or proxy on the way inspects TLS"
    elif error.kind in ("reset", "closed"):
        code, fact = "connection-reset", f"{where} closes the connection in the TLS handshake"
        action = f"{_ASK}, or that of the load balancer or firewall in front of it"
    else:
        code, fact = (
            "tls-failed",
            f"the TLS handshake fails: {error.reason or 'no reason is given'}",
        )
        if error.kind == "alert":
            fact = f"the server ends the TLS handshake with the alert `{alert_of(error)}`"
        action = f"{_ASK} whether it serves the name {index.host}, with current ciphers"
    return finding(code, f"{index.shown}: {fact}", action, origin=index.origin)


def _certificate(index: Index, seen: Handshake, local: LocalFacts) -> list[Finding]:
    leaf = seen.presented[0]
    if seen.problem is not None:
        return [_rejected(index, seen, seen.problem, local)]
    if seen.name_matches is False:
        code, action = "server-name-mismatch", "use a name in the URL that the certificate has"
        fact = f"the server's certificate is for {_names(leaf)}, not for {index.host}"
    elif leaf.not_valid_after_utc - local.now < _SOON:
        code, action = "server-expires-soon", "tell the index's administrator"
        fact = (
            "the server's certificate expires in "
            f"{checks.span(leaf.not_valid_after_utc - local.now)}, "
            f"on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        )
    else:
        return []
    return [finding(code, f"{index.shown}: {fact}", action, origin=index.origin)]


def _rejected(index: Index, seen: Handshake, problem: Problem, local: LocalFacts) -> Finding:
    culprit = problem.certificate or seen.presented[0]
    whose = "the server's certificate"
    if problem.depth > 0:
        whose = f"the CA certificate {subject_of(culprit)} above the server's"
    now = f"{local.now:%Y-%m-%d %H:%M} UTC"
    if problem.number == _EXPIRED:
        end = culprit.not_valid_after_utc
        code, fact = (
            "server-expired",
            (f"{whose} expired on {end:%Y-%m-%d %H:%M} UTC, {checks.span(local.now - end)} ago"),
        )
        action = (
            "tell the index's administrator; if it is valid on other machines, "
            f"{_CHECK_CLOCK}: it says {now}"
        )
    elif problem.number == _NOT_YET_VALID:
        begin = culprit.not_valid_before_utc
        code = "server-not-yet-valid"
        fact = f"{whose} is not valid before {begin:%Y-%m-%d %H:%M} UTC"
        action = f"{_CHECK_CLOCK}: it says {now}"
    elif problem.number == _SELF_SIGNED or problem.number in _UNKNOWN_ISSUER:
        code, fact, action = _unknown_issuer(seen, local)
    else:
        objection = _OBJECTIONS.get(problem.number, f"OpenSSL's error {problem.number}")
        code, fact = "tls-failed", f"the server's certificate is not accepted: {objection}"
        action = f"{_ASK} for a certificate that current TLS clients accept"
    return finding(code, f"{index.shown}: {fact}", action, origin=index.origin)


def _unknown_issuer(seen: Handshake, local: LocalFacts) -> tuple[str, str, str]:
    """Return code, fact and action for a chain that does not end in one of the roots here."""
    code = "server-unknown-ca"
    roots = local.roots or ()
    leaf, top = seen.presented[0], seen.presented[-1]
    issuer = issuers_of([top])[0]
    missing = f"the roots here ({local.roots_label}) do not include it"
    action = (
        "add that CA's certificate to the profile: ca-cert = \"FILE\"; the index's administrator "
        "has it"
    )
    if leaf.subject == leaf.issuer:
        action = f"{_ASK} for its CA; add a self-signed certificate of your own to ca-cert"
        return code, f"the server's certificate is self-signed, and {missing}", action
    if top.subject == top.issuer:
        return code, f"the server's CA is {issuer.text}, and {missing}", action
    if issuer in roots:
        signer = local.issuer_of(top)
        if signer is not None:  # one of the roots here, but itself issued by another CA
            return _not_a_root(issuer, issuers_of([signer])[0], local)
        fact = (
            f"the server's CA has the same name, {issuer.text}, as one of the roots here "
            f"({local.roots_label}), but its key differs"
        )
        action = f"{_ASK} for its CA: it was renewed, or another server is answering"
        return code, fact, action
    trusted = [name for name in (of_name(one.subject) for one in seen.presented) if name in roots]
    if trusted:
        return _not_a_root(trusted[-1], issuer, local)
    if not calls_itself_root(issuer) and is_related(issuer, roots):
        sends = "only its own certificate" if len(seen.presented) == 1 else "an incomplete chain"
        fact = f"the server sends {sends}; the intermediate {issuer.text} is missing"
        action = (
            f"{_ASK} to send the whole chain (nginx: ssl_certificate with leaf and intermediate); "
            'until then, add the intermediate: ca-cert = "FILE"'
        )
        return "server-chain-incomplete", fact, action
    return code, f"the server's certificate was issued by {issuer.text}, and {missing}", action


def _not_a_root(
    trusted: DistinguishedName, root: DistinguishedName, local: LocalFacts
) -> tuple[str, str, str]:
    fact = (
        f"{trusted.text} is among the roots here ({local.roots_label}), and is no root: pip "
        f"requires the root above it, {root.text}"
    )
    return (
        "server-unknown-ca",
        fact,
        f'add that root\'s certificate: ca-cert = "FILE of {root.text}"',
    )


def _names(leaf: x509.Certificate) -> str:
    names = alternative_names(leaf)
    if names is None:
        return f"no name at all (its subject, {subject_of(leaf)}, does not count)"
    every = [*names.get_values_for_type(x509.DNSName)]
    every += map(str, names.get_values_for_type(x509.IPAddress))
    rest = len(every) - _MOST_NAMES
    return ", ".join(every[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")
