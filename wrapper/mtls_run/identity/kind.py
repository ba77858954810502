"""Name the kind of an identity's key, and what is unusual in its certificates. Plain data."""

from __future__ import annotations

from mtls_run.system.record import Record


class KeyKind(Record):
    """A kind of key (`RSA 2048`, `EC P-256`), and whether rustls, and so uv, signs with it."""

    name: str
    rustls: bool


# The kinds of oddities; `value` is the digest, the number of bits, or the extension's number.
DIGEST = "digest"
SHORT_RSA = "rsa"
CRITICAL = "critical"
PSS_KEY = "pss-key"
EXPLICIT_CURVE = "explicit-curve"
ANY_PURPOSE = "any-purpose"
# OpenSSL does not count it for a client (`xku_reject` in v3_purp.c; nginx 1.22 answers 400).
ANY_PURPOSE_FACT = (
    "has the extended key usage anyExtendedKeyUsage without clientAuth: servers that use OpenSSL, "
    "such as nginx and Apache, refuse it"
)


class Oddity(Record):
    """What is unusual in a certificate of an identity, so that some tool or server refuses it.

    `certificate` is its subject, `position` 0 for the leaf and more for an intermediate.
    """

    kind: str
    value: str
    position: int
    certificate: str

    @property
    def whose(self) -> str:
        """Return the certificate in words."""
        return f"the {'intermediate' if self.position else 'certificate'} {self.certificate}"
