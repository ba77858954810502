"""Find the leaf that belongs to a key, and put its intermediates in the order of a handshake."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mtls_run import identity
from mtls_run.errors import IdentityError
from mtls_run.identity.keys import public_bytes
from mtls_run.identity.pem import COPY_AGAIN, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mtls_run.identity.pem import Block

# Of a random serial number of 20 bytes, the beginning is enough to find the certificate.
_SERIAL_DIGITS, _LONGEST_SERIAL = 8, 12


def load(block: Block) -> x509.Certificate:
    """Return the certificate in `block`; raise IdentityError where it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd serial numbers and the like
            return x509.load_der_x509_certificate(block.content)
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
        raise IdentityError(f"{block.where} is not an X.509 certificate", hint=COPY_AGAIN) from None


def load_all(blocks: Sequence[Block]) -> list[x509.Certificate]:
    """Return all certificates in these blocks, those of a PKCS#7 block beside others included.

    pip and uv pass over PKCS#7 beside certificates, and find nothing in PKCS#7 alone: that is an
    IdentityError, as is a certificate that cannot be read.
    """
    found = [load(block) for block in blocks if block.kind is Kind.CERTIFICATE]
    for block in blocks:
        if block.kind is Kind.PKCS7:
            if not found:
                raise identity.pkcs7.alone(block)
            found += identity.pkcs7.load(block)
    return found


def der(certificate: x509.Certificate) -> bytes:
    """Return the certificate's DER."""
    return certificate.public_bytes(Encoding.DER)


def to_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return the certificates as PEM."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def unique(certificates: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    """Return the certificates, each once, in their order."""
    return list({der(certificate): certificate for certificate in certificates}.values())


def same_key(certificate: x509.Certificate, public: bytes) -> bool:
    """Return whether the certificate is for the key with these public bytes."""
    try:
        return public_bytes(certificate) == public
    except (ValueError, UnsupportedAlgorithm):
        return False  # a key of an unknown kind


def short_name(name: x509.Name) -> str:
    """Return the common name, as `CN=alice`, or the whole name if it has none."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return f"CN={found[0].value!s}" if found else name.rfc4514_string() or "(no name)"


def describe(certificate: x509.Certificate) -> str:
    """Return the subject and the beginning of the serial number, as messages name a certificate."""
    subject = certificate.subject.rfc4514_string() or "(no subject)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a serial number of 0
        serial = f"{certificate.serial_number:x}"
    shown = serial if len(serial) <= _LONGEST_SERIAL else f"{serial[:_SERIAL_DIGITS]}…"
    return f"{subject} (serial {shown})"


def find_leaf(
    certificates: Sequence[x509.Certificate], public: bytes, where: str
) -> x509.Certificate:
    """Return the one certificate for the key with these public bytes.

    Raises IdentityError where there is none, and where there are several, since mtls-run does not
    choose one of two.
    """
    leaves = [found for found in certificates if same_key(found, public)]
    if len(leaves) == 1:
        return leaves[0]
    if leaves:
        named = " and ".join(
            f"{describe(leaf)}, valid until {leaf.not_valid_after_utc:%Y-%m-%d}" for leaf in leaves
        )
        raise IdentityError(
            f"{where} holds {len(leaves)} certificates for the one key: {named}",
            hint="keep one of them, and remove the others from the file",
            code="identity-ambiguous",
        )
    named = ", ".join(describe(found) for found in certificates)
    raise IdentityError(
        f"the private key does not belong to the certificate in {where}: {named}",
        hint="name the key that the certificate was issued for",
        code="identity-key-mismatch",
    )


def intermediates(
    leaf: x509.Certificate, certificates: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """Return the certificates that lead up from the leaf, nearest first.

    Roots are left out, since the server has its own, and so are unrelated certificates.
    """
    ordered: list[x509.Certificate] = []
    frontier = [leaf]
    left = [found for found in certificates if found != leaf and not _issued(found, found)]
    while frontier:
        below = frontier.pop(0)
        above = [found for found in left if _issued(below, found)]
        left = [found for found in left if found not in above]
        ordered += above
        frontier += above
    return ordered


def _issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    if below.issuer != above.subject:
        return False
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, UnsupportedAlgorithm):
        return True  # SHA-1 and MD5, which cryptography 50 does not verify: the names have to do
    except (InvalidSignature, TypeError):
        return False
    return True
