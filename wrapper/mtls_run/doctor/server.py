"""What a handshake says of the server: whether it speaks TLS, and whether it is to be trusted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from mtls_run.doctor.findings import finding
from mtls_run.doctor.names import above, named
from mtls_run.identity import checks, extensions

if TYPE_CHECKING:
    from mtls_run.doctor.admission import Known
    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.indexes import Index
    from mtls_run.doctor.names import Named
    from mtls_run.doctor.observations import Handshake, Problem, Trouble

SOON = timedelta(days=7)
_PROTOCOL_VERSION = 70
# TLS's alerts (RFC 8446, section 6.2) in words.
ALERTS = {
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    47: "illegal parameter",
    48: "unknown CA",
    49: "access denied",
    50: "decode error",
    51: "decrypt error",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    86: "inappropriate fallback",
    112: "unrecognised name",
    116: "certificate required",
    120: "no application protocol",
}
# What OpenSSL's verification objects to, by its numbers (x509_vfy.h).
_NOT_YET, _EXPIRED, _SELF_SIGNED = 9, 10, 18
_UNKNOWN_ISSUER = (2, 19, 20, 21, 27)
_OBJECTIONS = {
    7: "a signature in its chain is wrong",
    24: "a certificate above it is no CA's",
    25: "its chain is longer than a CA in it allows",
    26: "it is not for servers",
    47: "a CA above it may not issue for this name",
    66: "its key is too weak",
    67: "the key of a CA above it is too weak",
    68: "it is signed with a digest that is too weak",
}


def of_handshake(index: Index, seen: Handshake, known: Known) -> list[Finding]:
    """Return what is wrong with the server's TLS or certificate; nothing where a client is."""
    found = []
    if seen.presented and seen.name_fits is not None:
        found = _of_certificate(index, seen, known)
        if not seen.verified:
            return found
    trouble = seen.trouble
    # Who was asked for an identity and turned down for it: see `admission`.
    if trouble is not None and (trouble.kind == "timeout" or not seen.asked):
        found.append(_of_trouble(index, trouble))
    return found


def _of_trouble(index: Index, trouble: Trouble) -> Finding:
    where = f"{index.host}:{index.port}"
    if trouble.kind == "plain":
        http = trouble.words.startswith("HTTP/")
        speaks = "plain HTTP" if http else f"no TLS: it says {trouble.words!r}"
        return finding(
            "tls-not-spoken",
            f"{index.shown}: {where} speaks {speaks}",
            "see that the port is right: the one for https",
            origin=index.origin,
        )
    if trouble.kind == "protocol" or trouble.number == _PROTOCOL_VERSION:
        return finding(
            "tls-too-old",
            f"{index.shown}: the server speaks neither TLS 1.2 nor 1.3, and pip and uv no older",
            "ask who runs the index to switch TLS 1.2 or 1.3 on",
            origin=index.origin,
        )
    if trouble.kind == "timeout":
        return finding(
            "tls-timeout",
            f"{index.shown}: {where} takes the connection and does not answer in TLS",
            "see that the port is right, and whether something between inspects TLS",
            origin=index.origin,
        )
    if trouble.kind in ("reset", "closed"):
        return finding(
            "connection-reset",
            f"{index.shown}: {where} closes the connection in the TLS handshake",
            "ask who runs the index, or the balancer or firewall before it",
            origin=index.origin,
        )
    if trouble.kind == "alert":
        said = ALERTS.get(trouble.number or 0, f"number {trouble.number}")
        why = f"the server ends the TLS handshake with the alert `{said}`"
    else:
        why = f"the TLS handshake fails: {trouble.words or 'no reason is given'}"
    return finding(
        "tls-failed",
        f"{index.shown}: {why}",
        f"ask who runs the index: does it serve the name {index.host}, with today's ciphers?",
        origin=index.origin,
    )


def _of_certificate(index: Index, seen: Handshake, known: Known) -> list[Finding]:
    found = []
    leaf = seen.presented[0]
    if seen.problem is not None:
        found.append(_of_problem(index, seen, seen.problem, known))
    elif seen.name_fits is False:
        found.append(
            finding(
                "server-name-mismatch",
                f"{index.shown}: the server's certificate is for {_names(leaf)}, "
                f"not for {index.host}",
                "write the URL with a name that the certificate has",
                origin=index.origin,
            )
        )
    left = leaf.not_valid_after_utc - known.now
    if not found and left < SOON:
        found.append(
            finding(
                "server-expires-soon",
                f"{index.shown}: the server's certificate expires in {checks.span(left)}, "
                f"on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
                "tell who runs the index",
                origin=index.origin,
            )
        )
    return found


def _of_problem(index: Index, seen: Handshake, problem: Problem, known: Known) -> Finding:
    leaf = seen.presented[0]
    at_fault = problem.certificate or leaf
    whose = "the server's certificate"
    if problem.depth > 0:
        whose = f"the CA certificate {named(at_fault.subject).shown} above the server's"
    if problem.number == _EXPIRED:
        ended = at_fault.not_valid_after_utc
        return finding(
            "server-expired",
            f"{index.shown}: {whose} expired on {ended:%Y-%m-%d %H:%M} UTC, "
            f"{checks.span(known.now - ended)} ago",
            "tell who runs the index; if it is valid elsewhere, look at this machine's clock: "
            f"{known.now:%Y-%m-%d %H:%M} UTC",
            origin=index.origin,
        )
    if problem.number == _NOT_YET:
        begins = at_fault.not_valid_before_utc
        return finding(
            "server-not-yet-valid",
            f"{index.shown}: {whose} is valid only from {begins:%Y-%m-%d %H:%M} UTC on",
            f"look at this machine's clock: it says {known.now:%Y-%m-%d %H:%M} UTC",
            origin=index.origin,
        )
    if problem.number == _SELF_SIGNED or problem.number in _UNKNOWN_ISSUER:
        return _of_unknown_issuer(index, seen, known)
    objection = _OBJECTIONS.get(problem.number, f"OpenSSL's objection {problem.number}")
    return finding(
        "tls-failed",
        f"{index.shown}: the server's certificate is not accepted: {objection}",
        "ask who runs the index for a certificate that TLS clients of today accept",
        origin=index.origin,
    )


def _of_unknown_issuer(index: Index, seen: Handshake, known: Known) -> Finding:
    roots = known.roots or ()
    leaf, top = seen.presented[0], seen.presented[-1]
    issuer = above([top])[0]
    trusts = f"the roots here ({known.roots_label}) do not have it"
    mend = 'add that CA\'s certificate to the profile: ca-cert = "FILE"; ask who runs the index'
    if leaf.subject == leaf.issuer:
        fact = f"{index.shown}: the server's certificate is signed by itself, and {trusts}"
        mend = "ask who runs the index for its CA; a certificate that is your own goes to ca-cert"
        return finding("server-unknown-ca", fact, mend, origin=index.origin)
    if top.subject == top.issuer:
        fact = f"{index.shown}: the server's CA is {issuer.shown}, and {trusts}"
        return finding("server-unknown-ca", fact, mend, origin=index.origin)
    signer = known.issuer_of(top) if issuer in roots else None
    if signer is not None:  # it is a root here, and no end of a chain
        return _of_no_root(index, issuer, above([signer])[0], known)
    if issuer in roots:
        fact = (
            f"{index.shown}: the server's CA is called {issuer.shown} as one of the roots here "
            f"({known.roots_label}), and is another: its key differs"
        )
        mend = "the CA was renewed, or somebody else answers: ask who runs the index for its CA"
        return finding("server-unknown-ca", fact, mend, origin=index.origin)
    no_root = [one for one in map(_subject, seen.presented) if one in roots]
    if no_root:
        return _of_no_root(index, no_root[-1], issuer, known)
    if not issuer.is_like_a_root and issuer.is_akin(roots):
        sent = "only its own certificate" if len(seen.presented) == 1 else "a chain that ends early"
        fact = f"{index.shown}: the server sends {sent}; the intermediate {issuer.shown} is missing"
        mend = (
            "ask who runs the index to send the whole chain (nginx: ssl_certificate with leaf and "
            'intermediate); until then, ca-cert = "FILE of the intermediate" helps'
        )
        return finding("server-chain-incomplete", fact, mend, origin=index.origin)
    fact = f"{index.shown}: the server's certificate is issued by {issuer.shown}, and {trusts}"
    return finding("server-unknown-ca", fact, mend, origin=index.origin)


def _subject(certificate: x509.Certificate) -> Named:
    return named(certificate.subject)


def _names(leaf: x509.Certificate) -> str:
    try:
        found = extensions.find(leaf, x509.SubjectAlternativeName)
    except ValueError:
        found = None
    if found is None:
        return f"no name at all (its subject, {named(leaf.subject).shown}, does not count)"
    every = [*found.get_values_for_type(x509.DNSName)]
    every += map(str, found.get_values_for_type(x509.IPAddress))
    shown = ", ".join(every[:4])
    return f"{shown} and {len(every) - 4} more" if len(every) > 4 else shown  # noqa: PLR2004


def _of_no_root(index: Index, trusted: Named, root: Named, known: Known) -> Finding:
    return finding(
        "server-unknown-ca",
        f"{index.shown}: {trusted.shown} is among the roots here ({known.roots_label}), "
        f"and is no root: pip wants the one above it, {root.shown}",
        f'name the root\'s certificate: ca-cert = "FILE of {root.shown}"',
        origin=index.origin,
    )
