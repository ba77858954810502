"""The certificate of an identity: its subject, validity and usage, and the chain above it."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.x509 import Certificate

from mtls_run.config.profile import Profile
from mtls_run.doctor.authorities import subject_of
from mtls_run.doctor.inspection import Inspection
from mtls_run.handoff import nested
from mtls_run.identity import chain, checks, extensions, oddities, validity
from mtls_run.identity.extensions import Extension
from mtls_run.identity.kind import ANY_PURPOSE, ANY_PURPOSE_FACT
from mtls_run.identity.material import Identity
from mtls_run.net.certificates import TrustStore, of_name


def examine(leaf: Certificate, profile: Profile, notice_days: int, here: Inspection) -> None:
    """Report the certificate: whose it is, how long it is valid, and what is odd in it."""
    now = checks.utc_now()
    remaining = leaf.not_valid_after_utc - now
    until = f"{leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    state = validity.state(leaf.not_valid_before_utc, leaf.not_valid_after_utc, now)
    whose, issuer = chain.short_name(leaf.subject), chain.short_name(leaf.issuer)
    here.part("identity", f"{whose} of {profile.label}, issued by {issuer}, {state}")
    usages, may_sign = _usages(leaf)
    here.row("certificate", subject_of(leaf))
    here.row("issued by", of_name(leaf.issuer).text)
    here.row("serial", f"{leaf.serial_number:x}")
    here.row("valid", f"{leaf.not_valid_before_utc:%Y-%m-%d} to {until}, {state}")
    here.row("usage", usages)
    named = (profile.client_cert, profile.client_key)
    where = " and ".join(str(setting.value) for setting in named if setting is not None)
    origin = profile.client_cert.origin if profile.client_cert else None
    fact = checks.expiry_notice(leaf, where, now, notice_days)
    if fact is not None and remaining > timedelta() and nested.renewal_key(profile) is None:
        here.finding("identity-expires-soon", fact, checks.RENEW, origin=origin)
    for one in oddities.find([leaf]):
        if one.kind == ANY_PURPOSE:
            here.finding(
                "identity-any-purpose",
                f"{one.whose} in {where} {ANY_PURPOSE_FACT}",
                "ask your PKI for a certificate with the extended key usage clientAuth",
                origin=origin,
            )
    if not may_sign:
        here.finding(
            "identity-key-usage",
            f"the key usage of the certificate {chain.describe(leaf)} in {where} lacks "
            "digitalSignature, which TLS 1.3 needs: many servers refuse it",
            "ask your PKI for a certificate with the key usage digitalSignature",
            origin=origin,
        )


def examine_chain(identity: Identity, roots: TrustStore | None, here: Inspection) -> None:
    """Report the chain above the leaf, by the roots here; a server may have others."""
    top = identity.intermediates[-1] if identity.intermediates else identity.leaf
    shown = " ← ".join(["leaf", *map(subject_of, identity.intermediates)])
    if top.subject == top.issuer:
        here.row("chain", f"{shown}: self-signed")
        return
    issuer = of_name(top.issuer).text
    known = next((root for root in roots or () if root.subject == top.issuer), None)
    if known is None:
        here.row("chain", f"{shown}; the server has to know {issuer}, which is no root here")
    elif known.subject == known.issuer:
        here.row("chain", f"{shown}, complete up to the root {issuer}")
    else:
        shown = f"{shown}; the intermediate {issuer} is missing"
        here.row("chain", shown)
        here.finding(
            "identity-chain-incomplete",
            f"{identity.where} lacks an intermediate: {shown}",
            "append the intermediate's certificate to the file of client-cert, after the leaf",
        )


def _extension(certificate: Certificate, kind: type[Extension]) -> Extension | None:
    """Return the extension, or None, also if it cannot be parsed: that would stop a run."""
    try:
        return extensions.find(certificate, kind)
    except ValueError:
        return None


def _usages(leaf: Certificate) -> tuple[str, bool]:
    """Return key usage and extended key usage in words, and whether the key may sign."""
    words, may_sign = [], True
    usage = _extension(leaf, x509.KeyUsage)
    if usage is not None:
        may_sign = usage.digital_signature
        flags = ("digital_signature", "key_encipherment", "key_agreement", "key_cert_sign")
        words += [name.replace("_", " ") for name in flags if getattr(usage, name)]
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    if extended is not None:
        words += [getattr(purpose, "_name", purpose.dotted_string) for purpose in extended]
    return ", ".join(words) or "any: the certificate has no restriction", may_sign
