"""Read the extensions of a certificate, which cryptography decodes only on demand."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.x509 import Certificate

Extension = TypeVar("Extension", bound=x509.ExtensionType)

# The names of RFC 5280, section 4.2.1.12, which X.509 tools show.
_PURPOSES = {
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
}


def find(certificate: Certificate, kind: type[Extension]) -> Extension | None:
    """Return the extension of this kind, or None where the certificate has none.

    Raises ValueError where an extension cannot be read. cryptography decodes all of them here, and
    warns of oddities such as an issuer's serial number of 0.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return certificate.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None
        except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType, KeyError) as error:
            # KeyError: a TLS feature whose number has no name (cryptography 50.0).
            raise ValueError(str(error)) from None


def critical(certificate: Certificate) -> list[str]:
    """Return the numbers of the critical extensions, as far as they can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = certificate.extensions
        except (ValueError, KeyError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            return []
    return [one.oid.dotted_string for one in found if one.critical]


def purposes(usage: Iterable[x509.ObjectIdentifier]) -> list[str]:
    """Return the purposes of an extended key usage by name, or by number where none is usual."""
    return [_PURPOSES.get(purpose, purpose.dotted_string) for purpose in usage]


def is_authority(certificate: Certificate) -> bool:
    """Return whether the certificate is a CA's, as far as its extensions can be read."""
    try:
        found = find(certificate, x509.BasicConstraints)
    except ValueError:
        return False
    return found is not None and found.ca
