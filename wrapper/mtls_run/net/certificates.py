"""Certificates and the names in them: who issued one, and for which host."""

from __future__ import annotations

import contextlib
import ipaddress
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import NameOID
from OpenSSL import crypto
from service_identity.exceptions import CertificateError
from service_identity.hazmat import DNS_ID, DNSPattern

from mtls_run.net import hostname


@dataclass(frozen=True)
class DistinguishedName:
    """A name in DER, as text (RFC 4514), and its two attributes that say whose it is."""

    der: bytes
    text: str
    common_name: str = ""
    organization: str = ""


def of_name(name: x509.Name) -> DistinguishedName:
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


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


class TrustStore:
    """The roots to verify servers by, ready for OpenSSL."""

    def __init__(self, ders: Iterable[bytes]) -> None:
        """Take these certificates, without those that cannot be parsed."""
        self.certificates: list[crypto.X509] = []
        self._parsed: list[x509.Certificate] = []
        for der in ders:
            with contextlib.suppress(crypto.Error):
                found = crypto.load_certificate(crypto.FILETYPE_ASN1, der)
                certificate = parsed(found)
                if certificate is not None:
                    self.certificates.append(found)
                    self._parsed.append(certificate)

    def __iter__(self) -> Iterator[x509.Certificate]:
        return iter(self._parsed)

    @property
    def names(self) -> tuple[DistinguishedName, ...]:
        """Return the subjects."""
        return tuple(of_name(one.subject) for one in self)

    def issuer_of(self, certificate: x509.Certificate) -> x509.Certificate | None:
        """Return the root that signed the certificate, or None."""
        for root in self:
            with contextlib.suppress(ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
                certificate.verify_directly_issued_by(root)
                return root
        return None


def is_issued_for(leaf: x509.Certificate, host: str) -> bool:
    """Tell whether the certificate's alternative names include the host (RFC 9525).

    A malformed name is passed over, as OpenSSL does. service-identity's functions for a whole
    certificate would refuse it for one such name, for instance an address in a DNS name.
    """
    names = alternative_names(leaf)
    if names is None:
        return False
    if hostname.is_address(host):
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    for name in names.get_values_for_type(x509.DNSName):
        with contextlib.suppress(CertificateError, ValueError):
            pattern = DNSPattern.from_bytes(name.rstrip(".").encode("ascii"))
            if DNS_ID(host.rstrip(".")).verify(pattern):
                return True
    return False


def alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    """Return the alternative names, or None if there are none or they cannot be parsed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd extension is no news here
        try:
            extensions = certificate.extensions
            return extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            return None
        except (ValueError, KeyError):  # KeyError: a TLS feature without a name (cryptography 50)
            return None


def parsed(found: crypto.X509) -> x509.Certificate | None:
    """Return the certificate, or None if OpenSSL can parse it and cryptography cannot."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd serial number is no news here
            certificate = found.to_cryptography()
            _ = certificate.subject, certificate.issuer  # parsed only on access
    except (ValueError, TypeError, x509.InvalidVersion):
        return None
    return certificate


def all_parsed(found: Iterable[crypto.X509]) -> tuple[x509.Certificate, ...]:
    """Return those of the certificates that cryptography can parse."""
    return tuple(one for one in map(parsed, found) if one is not None)
