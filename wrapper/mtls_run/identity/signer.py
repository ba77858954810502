"""Sign TLS handshakes for a client certificate.

A handoff to a tool needs a key that can be exported. A gateway needs no more than a `Signer`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mtls_run.identity import der
from mtls_run.identity.keys import is_pss, public_bytes
from mtls_run.identity.pem import to_pem
from mtls_run.secret import Secret

if TYPE_CHECKING:
    from cryptography import x509

    from mtls_run.identity.keys import PrivateKey


class Algorithm(Enum):
    """The signature schemes of TLS (RFC 8446, section 4.2.3): kind of signature, and hash."""

    RSA_PKCS1_SHA256 = ("pkcs1", hashes.SHA256())
    RSA_PKCS1_SHA384 = ("pkcs1", hashes.SHA384())
    RSA_PKCS1_SHA512 = ("pkcs1", hashes.SHA512())
    RSA_PSS_SHA256 = ("pss", hashes.SHA256())
    RSA_PSS_SHA384 = ("pss", hashes.SHA384())
    RSA_PSS_SHA512 = ("pss", hashes.SHA512())
    ECDSA_SHA256 = ("ecdsa", hashes.SHA256())
    ECDSA_SHA384 = ("ecdsa", hashes.SHA384())
    ECDSA_SHA512 = ("ecdsa", hashes.SHA512())
    EDDSA = ("eddsa", None)


class Signer(Protocol):
    """Whatever holds the private key of a client certificate and signs with it."""

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Return the certificates to present: the leaf, then its intermediates."""

    @property
    def public_key(self) -> bytes:
        """Return the SubjectPublicKeyInfo of the key, as DER."""

    def sign(self, data: bytes, algorithm: Algorithm) -> bytes:
        """Return the signature over `data`, which is not hashed yet.

        Raises ValueError where the key cannot sign by this algorithm.
        """


@dataclass(frozen=True)
class ExportableSigner:
    """A Signer whose private key is in this process and can be handed to a tool."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKey = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """Return the SubjectPublicKeyInfo of the key, as DER."""
        return public_bytes(self.key)

    def sign(self, data: bytes, algorithm: Algorithm) -> bytes:
        """Return the signature over `data`; raise ValueError where the key is of another kind."""
        kind, digest = algorithm.value
        key = self.key
        if isinstance(key, rsa.RSAPrivateKey) and kind == "pkcs1" and not is_pss(self.chain[0]):
            return key.sign(data, padding.PKCS1v15(), digest)
        if isinstance(key, rsa.RSAPrivateKey) and kind == "pss":
            return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        if isinstance(key, ec.EllipticCurvePrivateKey) and kind == "ecdsa":
            return key.sign(data, ec.ECDSA(digest))
        if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)) and kind == "eddsa":
            return key.sign(data)
        raise ValueError(f"the key cannot sign by {algorithm.name}")

    def exportable_pem(self) -> Secret:
        """Return leaf, intermediates and the key as unencrypted PKCS#8, in PEM."""
        parts = [certificate.public_bytes(Encoding.PEM) for certificate in self.chain]
        return Secret(b"".join([*parts, to_pem("PRIVATE KEY", self.pkcs8())]))

    def pkcs8(self) -> bytes:
        """Return the key as PKCS#8, DER, with the algorithm that the leaf has for it.

        cryptography 50.0 writes a key for RSA-PSS alone as one for RSA, without its parameters.
        OpenSSL does not take the two for a pair (`key type mismatch`).
        """
        plain = self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        if not is_pss(self.chain[0]):
            return plain
        # RFC 5280, section 4.1: the seventh part of a certificate of version 3.
        certificate = der.element(self.chain[0].tbs_certificate_bytes).content
        public = der.children(certificate)[6].content
        body = der.element(plain).content
        version, algorithm, _private = der.children(body)
        parts = (
            body[: version.after],
            public[: der.element(public).after],
            body[algorithm.after :],
        )
        return der.encode(der.SEQUENCE, b"".join(parts))
