"""Sign the handshakes of TLS by a private key in a token.

This is the one module that imports sslcontext, which makes OpenSSL ask Python for each signature
(docs/decisions/0014-hardware-keys.md).
"""

from __future__ import annotations

import logging
import ssl
import sys
from typing import TYPE_CHECKING

import pkcs11
import sslcontext
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from pkcs11 import MGF, Attribute, Mechanism

from mtls_run.errors import IdentityError
from mtls_run.identity import chain, cryptoki
from mtls_run.system import installer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cryptography import x509

    from mtls_run.identity.cryptoki import Handle, Token
    from mtls_run.secret import Secret

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# RFC 8017, section 9.2, note 1: the DER of DigestInfo up to the digest.
_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
_PROBE = b"\x5a" * 32  # a digest that is signed to see whether the key fits

# sslcontext logs each failed signature with a traceback, and `Signer.failure` has the reason.
_logger = logging.getLogger("sslcontext")
_logger.propagate, _logger.disabled = False, True


class Signer:
    """Signs digests by a private key in a token (sslcontext's `Signer`)."""

    def __init__(
        self,
        token: Token,
        session: Handle,
        key: Handle,
        leaf: x509.Certificate,
        pin: Secret | None,
        where: str,
    ) -> None:
        self.failure: IdentityError | None = None
        self._token, self._session, self._key = token, session, key
        self._public = leaf.public_key()
        self._where = where
        # sslcontext reads this one.
        self.supports_pss = Mechanism.RSA_PKCS_PSS in token.mechanisms
        always = cryptoki.attribute(key, Attribute.ALWAYS_AUTHENTICATE)
        # A smart card's signature key wants the PIN before every signature; others never again.
        self._pin = pin if always else None
        self._usable = True

    @property
    def mechanism(self) -> str:
        """Return how the key signs, in words."""
        if isinstance(self._public, ec.EllipticCurvePublicKey):
            return "ECDSA"
        return "RSA-PSS" if self.supports_pss else "RSA PKCS#1 v1.5, so TLS 1.2 alone"

    def sign(
        self,
        digest: bytes,
        *,
        hash: str,  # noqa: A002 - sslcontext's name
        padding: Any = None,  # noqa: ANN401 - sslcontext's enumeration
        salt_length: int | None = None,
    ) -> bytes:
        """Return the signature of the digest, as TLS has it; a failure is kept for `failure`."""
        is_pss = getattr(padding, "value", None) == "pss"
        try:
            return self._sign(digest, hash, is_pss=is_pss, salt=salt_length or len(digest))
        except IdentityError as error:
            self.failure = error
            raise

    def load(self, context: ssl.SSLContext, presented: Sequence[x509.Certificate]) -> None:
        """Make the context present these certificates, leaf first, and sign by this key.

        Raises IdentityError where this Python's OpenSSL cannot be made to.
        """
        if isinstance(self._public, rsa.RSAPublicKey) and not self.supports_pss:
            _limit_to_tls_1_2(context, self._where)
        _load(context, presented, self)

    def check_fits(self) -> None:
        """Raise IdentityError where the key does not belong to the certificate, or cannot sign."""
        signature = self._sign(_PROBE, "sha256", is_pss=self.supports_pss, salt=len(_PROBE))
        digest, public = Prehashed(hashes.SHA256()), self._public
        try:
            if isinstance(public, rsa.RSAPublicKey):
                form: padding.AsymmetricPadding = padding.PKCS1v15()
                if self.supports_pss:
                    form = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
                public.verify(signature, _PROBE, form, digest)
            else:
                assert isinstance(public, ec.EllipticCurvePublicKey)
                public.verify(signature, _PROBE, ec.ECDSA(digest))
        except InvalidSignature:
            raise IdentityError(
                f"the key in the token does not belong to the certificate: {self._where}",
                hint="name the key that the certificate was issued for: client-key = pkcs11:…;id=…",
                code="identity-key-mismatch",
            ) from None

    def close(self) -> None:
        """Log out."""
        self._usable = False
        cryptoki.log_out(self._token, self._session)

    def _sign(self, digest: bytes, name: str, *, is_pss: bool, salt: int) -> bytes:
        if name not in _HASHES or not self._usable:
            raise IdentityError(
                f"the token cannot sign for {name}: {self._where}"
                if self._usable
                else f"the token refused the PIN before: {self._where}",
                hint="use a server that takes SHA-256",
                code="token-failed",
            )
        parameters: tuple[Any, Any, int] | None = None
        if isinstance(self._public, ec.EllipticCurvePublicKey):
            mechanism, data = Mechanism.ECDSA, digest[: (self._public.key_size + 7) // 8]
        elif is_pss:
            mechanism, data = Mechanism.RSA_PKCS_PSS, digest
            upper = name.upper()
            parameters = (getattr(Mechanism, upper), getattr(MGF, upper), salt)
        else:
            mechanism, data = Mechanism.RSA_PKCS, _DIGEST_INFO[name] + digest
        options: dict[str, Any] = {"mechanism": mechanism}
        if parameters is not None:
            options["mechanism_param"] = parameters
        if self._pin is not None:
            options["pin"] = self._pin.reveal().decode("utf-8")
        try:
            with self._token.module.lock:
                raw = bytes(self._key.sign(data, **options))
        except pkcs11.PKCS11Error as error:
            if isinstance(error, (pkcs11.PinIncorrect, pkcs11.PinLocked)):
                self._usable = False
            raise cryptoki.unusable(f"the token {self._token.label} does not sign", error) from None
        if mechanism is not Mechanism.ECDSA:
            return raw
        half = len(raw) // 2
        return encode_dss_signature(
            int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        )


class _NoSigner:
    """Stands for a signer where a context is never used."""

    def sign(self, digest: bytes, **_: object) -> bytes:
        """Fail: nobody asks."""
        raise NotImplementedError


def check_openssl(leaf: x509.Certificate) -> None:
    """Raise IdentityError where this Python's OpenSSL cannot be made to ask for signatures."""
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), (leaf,), _NoSigner())


def _load(
    context: ssl.SSLContext, presented: Sequence[x509.Certificate], signer: Signer | _NoSigner
) -> None:
    leaf, *above = map(chain.der, presented)
    try:
        sslcontext.load_identity(context, sslcontext.Identity(leaf, signer, tuple(above)))
    except (sslcontext.SSLContextError, ValueError) as error:
        raise IdentityError(
            f"the OpenSSL of {sys.executable} cannot sign by a token: {error}",
            # The Pythons that uv downloads have OpenSSL built in, and hide its symbols.
            hint=f"install mtls-run by another Python: "
            f"uv tool install --force --python /usr/bin/python3 'mtls-run[{installer.FOR_TOKENS}]'",
            code="token-failed",
        ) from None


def _limit_to_tls_1_2(context: ssl.SSLContext, where: str) -> None:
    """Keep the context from TLS 1.3, which has no RSA signature but PSS (RFC 8446, 4.2.3)."""
    if context.minimum_version == ssl.TLSVersion.TLSv1_3:
        raise IdentityError(
            f"the token cannot sign by RSA-PSS, which TLS 1.3 needs: {where}",
            hint="use an EC key, or a server that takes TLS 1.2",
            code="identity-key-kind",
        )
    context.maximum_version = ssl.TLSVersion.TLSv1_2
