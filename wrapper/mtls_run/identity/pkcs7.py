"""PKCS#7, which holds certificates and no key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs7

from mtls_run.errors import IdentityError
from mtls_run.identity.pem import COPY_AGAIN
from mtls_run.output.text import quoted

if TYPE_CHECKING:
    from cryptography import x509

    from mtls_run.identity.pem import Block


def load(block: Block) -> list[x509.Certificate]:
    """Return the certificates in a PKCS#7 block; raise IdentityError where it cannot be read."""
    try:
        return pkcs7.load_der_pkcs7_certificates(block.content)
    except (ValueError, UnsupportedAlgorithm):
        raise IdentityError(f"{block.where} is PKCS#7, but damaged", hint=COPY_AGAIN) from None


def alone(block: Block) -> IdentityError:
    """Return the error for a file with nothing but PKCS#7."""
    file, new = quoted(block.file), quoted(f"{block.file}.pem")
    form = "DER" if block.label == "DER" else "PEM"
    command = f"openssl pkcs7 -inform {form} -print_certs -in {file} -out {new}"
    if block.label == "CMS":
        command = f"openssl cms -cmsout -inform PEM -in {file} -certsout {new} -out {new}.cms"
    return IdentityError(
        f"{block.where} is PKCS#7, which holds certificates and no key",
        hint=f"convert it to PEM: {command}",
    )
