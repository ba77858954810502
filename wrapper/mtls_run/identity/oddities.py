"""Find what is unusual in the certificates of an identity. What a tool makes of it, `tools` says.

OpenSSL, under pip, refuses old digests and short keys by its security level. webpki, under uv, does
not know every critical extension and every kind of public key.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, PublicKeyAlgorithmOID

from mtls_run.identity import extensions
from mtls_run.identity.chain import describe
from mtls_run.identity.kind import (
    ANY_PURPOSE,
    CRITICAL,
    DIGEST,
    EXPLICIT_CURVE,
    PSS_KEY,
    SHORT_RSA,
    Oddity,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OLD_DIGESTS = ("md5", "sha1")
_SHORT_BITS = 2048
# Every tool knows these extensions.
_KNOWN = frozenset(
    one.dotted_string
    for one in (
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
    )
)
# id-ecPublicKey (RFC 5480), then a SEQUENCE: parameters, where a curve's name should be.
_EXPLICIT = bytes.fromhex("06072a8648ce3d020130")


def find(certificates: Sequence[x509.Certificate]) -> tuple[Oddity, ...]:
    """Return what is unusual in the leaf and the certificates above it."""
    return tuple(
        Oddity(kind, value, position, describe(one))
        for position, one in enumerate(certificates)
        for kind, value in _of(one, position)
    )


def _of(certificate: x509.Certificate, position: int) -> Iterator[tuple[str, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd serial number is no news here
        digest = _digest(certificate)
        if digest in _OLD_DIGESTS:
            yield DIGEST, "SHA-1" if digest == "sha1" else "MD5"
        if certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
            yield PSS_KEY, ""
        if _EXPLICIT in certificate.tbs_certificate_bytes:
            yield EXPLICIT_CURVE, ""
        bits = _rsa_bits(certificate)
        if bits is not None and bits < _SHORT_BITS:
            yield SHORT_RSA, str(bits)
        for oid in extensions.critical(certificate):
            if oid not in _KNOWN:
                yield CRITICAL, oid
        if position == 0 and _for_any_purpose_alone(certificate):
            yield ANY_PURPOSE, ""


def _digest(certificate: x509.Certificate) -> str | None:
    try:
        found = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    return found.name if found is not None else None


def _rsa_bits(certificate: x509.Certificate) -> int | None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key.key_size if isinstance(key, rsa.RSAPublicKey) else None


def _for_any_purpose_alone(leaf: x509.Certificate) -> bool:
    try:
        usage = extensions.find(leaf, x509.ExtendedKeyUsage)
    except ValueError:
        return False
    return (
        usage is not None
        and ExtendedKeyUsageOID.CLIENT_AUTH not in usage
        and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage
    )
