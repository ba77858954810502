"""Write an identity as the tool is handed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mtls_run.identity import chain, der
from mtls_run.identity.keys import is_pss
from mtls_run.identity.pem import to_pem
from mtls_run.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from mtls_run.identity.keys import PrivateKey


def pem(certificates: Sequence[x509.Certificate], key: PrivateKey) -> Secret:
    """Return leaf, intermediates and the key as unencrypted PKCS#8, in PEM."""
    key_pem = to_pem("PRIVATE KEY", pkcs8(certificates[0], key))
    return Secret(chain.to_pem(certificates) + key_pem)


def pkcs8(leaf: x509.Certificate, key: PrivateKey) -> bytes:
    """Return the key as PKCS#8, DER, with the algorithm that the leaf has for it.

    cryptography 50.0 writes a key for RSA-PSS alone as one for RSA, without its parameters.
    OpenSSL does not take the two for a pair (`key type mismatch`).
    """
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if not is_pss(leaf):
        return plain
    # RFC 5280, section 4.1: the seventh part of a certificate of version 3.
    certificate = der.element(leaf.tbs_certificate_bytes).content
    public = der.children(certificate)[6].content
    body = der.element(plain).content
    version, algorithm, _private = der.children(body)
    parts = (
        body[: version.after],
        public[: der.element(public).after],
        body[algorithm.after :],
    )
    return der.encode(der.SEQUENCE, b"".join(parts))
