"""Distinguished names of certificates and of the CAs that a server lists in a handshake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.x509 import Name, ObjectIdentifier


@dataclass(frozen=True)
class DistinguishedName:
    """A name in DER, as text (RFC 4514), and its two attributes that say whose it is."""

    der: bytes
    text: str
    common_name: str = ""
    organization: str = ""


def of_name(name: Name) -> DistinguishedName:
    """Return the name of a certificate's subject or issuer."""
    return DistinguishedName(
        name.public_bytes(),
        name.rfc4514_string() or "(no name)",
        _first(name, NameOID.COMMON_NAME),
        _first(name, NameOID.ORGANIZATION_NAME),
    )


def of_components(der: bytes, components: Iterable[tuple[bytes, bytes]]) -> DistinguishedName:
    """Return the name with these attributes, each under its short name such as `CN`.

    cryptography reads no name on its own, and OpenSSL gives the names in a handshake in this form.
    """
    pairs = [(key.decode("ascii"), value.decode("utf-8", "replace")) for key, value in components]
    attributes = dict(pairs)
    text = ",".join(f"{key}={value}" for key, value in reversed(pairs))
    return DistinguishedName(
        der, text or "(no name)", attributes.get("CN", ""), attributes.get("O", "")
    )


def _first(name: Name, oid: ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""
