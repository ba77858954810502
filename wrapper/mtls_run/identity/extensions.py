"""The extensions of a certificate, which cryptography reads only when it is asked for them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

Extension = TypeVar("Extension", bound=x509.ExtensionType)


def find(certificate: Certificate, kind: type[Extension]) -> Extension | None:
    """Return the extension of this kind, or None where the certificate has none.

    Raises ValueError where its extensions cannot be read. Only then does cryptography look at any
    of them, and warn of what is odd in one, such as an issuer's serial number of 0: no news here.
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
