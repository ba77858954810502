"""Check a certificate before the tool starts.

uv goes on without an identity that it cannot use, and pip hides why a server refused one. So
mtls-run has to find out first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from mtls_run.errors import IdentityError
from mtls_run.identity import extensions, validity
from mtls_run.identity.chain import describe
from mtls_run.identity.validity import RENEW, span, utc_now

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.x509 import Certificate

__all__ = ["RENEW", "check", "expiry_notice", "span", "utc_now"]

_CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)


def check(leaf: Certificate, where: str, now: datetime) -> None:
    """Raise IdentityError where `leaf`, from `where`, cannot serve as a client certificate now."""
    name = f"the certificate {describe(leaf)} in {where}"
    if now > leaf.not_valid_after_utc:
        ago = span(now - leaf.not_valid_after_utc)
        raise IdentityError(
            f"{name} expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, {ago} ago",
            hint=RENEW,
            code="identity-expired",
        )
    if now < leaf.not_valid_before_utc:
        raise IdentityError(
            f"{name} is valid only from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on, "
            f"in {span(leaf.not_valid_before_utc - now)}",
            hint=f"check this machine's clock: it says {now:%Y-%m-%d %H:%M} UTC",
            code="identity-not-yet-valid",
        )
    if leaf.version is not x509.Version.v3:
        raise IdentityError(
            f"{name} is X.509 {leaf.version.name}; uv accepts only v3",
            hint="ask your PKI for an X.509 v3 certificate",
            code="identity-version",
        )
    try:
        usage = extensions.find(leaf, x509.ExtendedKeyUsage)
    except ValueError:
        raise IdentityError(f"{name} has extensions that cannot be read", hint=RENEW) from None
    if usage is not None and not any(purpose in _CLIENT for purpose in usage):
        named = ", ".join(extensions.purposes(usage))
        raise IdentityError(
            f"{name} is not for client authentication: its extended key usage is {named}",
            hint="ask your PKI for a certificate with the extended key usage clientAuth",
            code="identity-not-for-clients",
        )


def expiry_notice(leaf: Certificate, where: str, now: datetime, days: int) -> str | None:
    """Return the notice that the certificate expires soon, or None where none is due."""
    times = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    return validity.notice(describe(leaf), where, times, now.timestamp(), days)
