"""What uv's TLS, rustls with webpki, takes of a server's certificates, by version of uv.

Each rule was measured: the released wheels 0.2.11 to 0.13.9 met an nginx with such a certificate,
and docs/verdicts.md shows the result. The source of webpki says why.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_run.identity import extensions
from mtls_run.tools.uv import WEBPKI_EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mtls_run.tools.base import Version


class Objection(NamedTuple):
    """What uv refuses, and what it would take."""

    fact: str
    wanted: str


# uv 0.11.0 moved from ring to aws-lc-rs, which verifies P-521 and, with every curve, SHA-512.
AWS_LC_SINCE = (0, 11, 0)
# webpki 0.102.4 to 0.103.16: `MAX_SUB_CA_COUNT` in verify_cert.rs; 7 were refused, 6 taken.
MOST_INTERMEDIATES = 6
# aws-lc-rs and ring, `RSA_PKCS1_2048_8192_*`.
RSA_BITS = range(2048, 8193)
_SHA2 = ("sha256", "sha384", "sha512")
_CURVES = ("secp256r1", "secp384r1")
# The groups of ring and of aws-lc-rs, as OpenSSL names them.
_GROUPS = {"x25519", "secp256r1", "prime256v1", "secp384r1", "x25519mlkem768"}
_NAMES = {
    "secp256r1": "P-256",
    "secp384r1": "P-384",
    "secp521r1": "P-521",
    "secp224r1": "P-224",
}
# webpki compares all parameters of RSA-PSS (RFC 4055): digest, MGF1 with it, salt of its size.
_PSS = {
    name: bytes.fromhex(
        f"a00f300d0609608648016503040{number}0500a11c301a06092a864886f70d010108300d"
        f"0609608648016503040{number}0500a2030201{size:02x}"
    )
    for name, number, size in (("sha256", "201", 32), ("sha384", "202", 48), ("sha512", "203", 64))
}
_CURRENT = "a certificate with RSA 2048 or more, EC P-256 or P-384, or Ed25519, and SHA-256"


def path(
    presented: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> tuple[list[x509.Certificate], x509.Certificate] | None:
    """Return the certificates from the leaf up to a root, and the root; None where none leads up.

    webpki takes any certificate among the roots for one, an intermediate too.
    """
    found = list(presented[:1])
    anchors = {root.subject: root for root in roots}
    rest = list(presented[1:])
    while found:
        issuer = found[-1].issuer
        if issuer in anchors:
            return found, anchors[issuer]
        above = next((one for one in rest if one.subject == issuer), None)
        if above is None:
            return None
        rest.remove(above)
        found.append(above)
    return None


def objection(
    version: Version, presented: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> Objection | None:
    """Return why this uv refuses a chain that leads to a root, or None where it takes it.

    Dates, the host's name and the root's presence are not looked at: they are the same to OpenSSL.
    """
    led = path(presented, roots)
    if led is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd serial number is no news here
        return next(_objections(version, *led), None)


def _objections(
    version: Version, certificates: list[x509.Certificate], root: x509.Certificate
) -> Iterator[Objection]:
    leaf = certificates[0]
    count = len(certificates) - 1
    if count > MOST_INTERMEDIATES:
        yield Objection(
            f"its chain has {count} intermediates, and webpki takes {MOST_INTERMEDIATES}",
            "a shorter chain",
        )
    key = _key(leaf)
    if key is None or not _signs_handshakes(version, key):
        yield Objection(f"its key is {_shown(key)}, by which rustls verifies no server", _CURRENT)
    if extensions.is_authority(leaf):
        yield Objection(
            "it is a CA's, and webpki takes none for a server", "a certificate of the server's own"
        )
    for index, one in enumerate(certificates):
        above = certificates[index + 1] if index < count else root
        yield from _of_one(version, one, above, _whose(one, index))
    for index, one in enumerate([*certificates[1:], root], start=1):
        if _constrains_directory_names(one):
            yield Objection(
                f"{_whose(one, index)} has a name constraint of the kind directoryName, which "
                "webpki refuses",
                "a CA without it",
            )


def _of_one(
    version: Version, one: x509.Certificate, above: x509.Certificate, whose: str
) -> Iterator[Objection]:
    if one.version is not x509.Version.v3:
        yield Objection(f"{whose} is X.509 {one.version.name}", "an X.509 v3 certificate")
    for oid in extensions.critical(one):
        if oid not in WEBPKI_EXTENSIONS:
            yield Objection(
                f"{whose} has the critical extension {oid}, which webpki does not know",
                "certificates in which it is not critical",
            )
    signature = _unsupported_signature(version, one, above)
    if signature is not None:
        yield Objection(f"{whose} is signed with {signature}, which webpki lacks", _CURRENT)


def _whose(one: x509.Certificate, index: int) -> str:
    return f"the CA {one.subject.rfc4514_string()}" if index else "it"


def _key(certificate: x509.Certificate) -> object | None:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def _shown(key: object | None) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {_NAMES.get(key.curve.name, key.curve.name)}"
    return type(key).__name__.removesuffix("PublicKey") if key is not None else "of another kind"


def needs_probe(leaf: x509.Certificate, group: str | None) -> bool:
    """Tell whether the server may insist on a group that uv does not offer in the key exchange.

    The OpenSSL 3.0 of a server takes its P-521 certificate only from a client that offers P-521.
    That of 3.6 takes it from any.
    """
    if group is not None and group.lower() not in _GROUPS:
        return True
    key = _key(leaf)
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in _CURVES


def _curves(version: Version) -> tuple[str, ...]:
    return (*_CURVES, "secp521r1") if version >= AWS_LC_SINCE else _CURVES


def _signs_handshakes(version: Version, key: object) -> bool:
    """Tell whether rustls verifies a handshake by this key."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size in RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in _curves(version)
    return isinstance(key, ed25519.Ed25519PublicKey)


def _unsupported_signature(
    version: Version, certificate: x509.Certificate, issuer: x509.Certificate
) -> str | None:
    """Return the kind of signature in words, or None where webpki verifies it."""
    key = _key(issuer)
    try:
        digest = certificate.signature_hash_algorithm
        scheme = certificate.signature_algorithm_parameters
    except (ValueError, UnsupportedAlgorithm):
        return "an unknown algorithm"
    name = digest.name if digest is not None else ""
    shown = f"{_shown(key)} and {name.upper()}" if name else _shown(key)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return None
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in RSA_BITS or name not in _SHA2:
            return shown
        if isinstance(scheme, padding.PSS) and digest is not None:
            der = certificate.public_bytes(Encoding.DER)
            return None if _PSS[name] in der else "RSA-PSS with another salt than its digest's size"
        return None
    if isinstance(key, ec.EllipticCurvePublicKey):
        digests = _SHA2 if version >= AWS_LC_SINCE else _SHA2[:2]
        return None if key.curve.name in _curves(version) and name in digests else shown
    return shown


def _constrains_directory_names(certificate: x509.Certificate) -> bool:
    try:
        found = extensions.find(certificate, x509.NameConstraints)
    except ValueError:
        return False
    if found is None:
        return False
    names = (*(found.permitted_subtrees or ()), *(found.excluded_subtrees or ()))
    return any(isinstance(name, x509.DirectoryName) for name in names)
