"""A server's certificate: who issued it, and for which host."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from OpenSSL import crypto
from service_identity.exceptions import CertificateError
from service_identity.hazmat import DNS_ID, DNSPattern

from mtls_run.net import distinguished_names, hostname

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mtls_run.net.distinguished_names import DistinguishedName


@dataclass(frozen=True)
class TrustStore:
    """The roots to verify servers by, ready for OpenSSL."""

    certificates: tuple[crypto.X509, ...]

    @classmethod
    def of(cls, ders: Iterable[bytes]) -> TrustStore:
        """Return a store of these certificates, without those that cannot be parsed."""
        found = []
        for der in ders:
            with contextlib.suppress(crypto.Error):
                one = crypto.load_certificate(crypto.FILETYPE_ASN1, der)
                if parsed(one) is not None:
                    found.append(one)
        return cls(tuple(found))

    @functools.cached_property
    def names(self) -> tuple[DistinguishedName, ...]:
        """Return the subjects, in the order of the certificates."""
        return tuple(
            distinguished_names.of_name(one.subject) for one in all_parsed(self.certificates)
        )

    def issuer_of(self, certificate: x509.Certificate) -> x509.Certificate | None:
        """Return the root that signed the certificate, or None."""
        for candidate in all_parsed(self.certificates):
            with contextlib.suppress(ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
                certificate.verify_directly_issued_by(candidate)
                return candidate
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
