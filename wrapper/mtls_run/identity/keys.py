"""Open private keys, with a passphrase where they need one, and tell what kind they are."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Union

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import PublicKeyAlgorithmOID

from mtls_run.errors import IdentityError, WrongPassphraseError
from mtls_run.identity import ciphers, kdf_limits
from mtls_run.identity.kind import KeyKind
from mtls_run.identity.pem import COPY_AGAIN, Kind, to_pem

if TYPE_CHECKING:
    from cryptography import x509

    from mtls_run.identity.pem import Block
    from mtls_run.secret import Secret

PrivateKey = Union[
    rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey
]
PublicKey = Union[rsa.RSAPublicKey, ec.EllipticCurvePublicKey]

_TRY = "try the passphrase that the file was made with"
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
# aws-lc-rs, which uv signs with, takes RSA of 2048 to 8192 bits.
_RSA_BITS = range(2048, kdf_limits.MOST_BITS + 1)
# The longer prime of an RSA key may exceed half of the modulus by this much.
_UNEVEN_BITS = 256
_MESSAGE = b"mtls-run"


def is_pss(certificate: x509.Certificate) -> bool:
    """Return whether the key of the certificate is for RSA-PSS alone (RFC 8017, appendix A.2.3)."""
    return certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS


def kind_of(key: PrivateKey | PublicKey, *, pss: bool = False) -> KeyKind:
    """Return what kind of key this is; `pss` says that its certificate is for RSA-PSS alone."""
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)) and pss:
        return KeyKind(f"RSA-PSS {key.key_size}", rustls=False)
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        return KeyKind(f"RSA {key.key_size}", key.key_size in _RSA_BITS)
    if isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)):
        name = key.curve.name
        return KeyKind(f"EC {_CURVES.get(name, name)}", name in _CURVES)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return KeyKind("Ed25519", rustls=True)
    return KeyKind("Ed448", rustls=False)


def public_bytes(key: PrivateKey | x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo of a key or certificate, by which the two are matched."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def open_key(block: Block, passphrase: Secret | None) -> PrivateKey:
    """Return the key in `block`.

    Raises WrongPassphraseError where the passphrase does not open it. Raises IdentityError for a
    key that is damaged, that no TLS client signs with, that is encrypted in an unsupported way, or
    that would cost more to open than an honest file does.
    """
    kdf_limits.check(block)
    password = passphrase.reveal() if passphrase and block.kind is Kind.LOCKED_KEY else None
    try:
        key = _usable(_load(block, password), block)
        if isinstance(key, rsa.RSAPrivateKey):
            _check_numbers(key)
    except UnsupportedAlgorithm:
        raise ciphers.unsupported(block) from None
    except TypeError:
        raise WrongPassphraseError(f"the key in {block.where} is encrypted", hint=_TRY) from None
    except InternalError:  # an Ed25519 key of 40 bytes (cryptography 50.0)
        raise _damaged(block) from None
    except ValueError:
        if block.kind is not Kind.LOCKED_KEY:
            raise _damaged(block) from None
        # What a wrong passphrase decrypts can have valid padding, and be no key all the same.
        raise _wrong(block) from None
    return key


def _load(block: Block, password: bytes | None) -> object:
    """Return the key in `block`; raise as cryptography does."""
    load = load_pem_private_key if block.is_pem else load_der_private_key
    try:
        # OpenSSL's check of a large RSA key takes hours; `_check_numbers` has a cheaper one.
        return load(block.content, password, unsafe_skip_rsa_key_validation=True)
    except ValueError:
        if password is None or block.is_pem:
            raise
    # cryptography 50.0 reads no encrypted PKCS#8 of version 2 (Bouncy Castle), and no RC2 of 40 or
    # 64 bits. The OpenSSL that comes with it does.
    from OpenSSL import crypto  # noqa: PLC0415 - hardly ever

    pem = to_pem("ENCRYPTED PRIVATE KEY", block.content)
    try:
        return crypto.load_privatekey(crypto.FILETYPE_PEM, pem, password).to_cryptography_key()
    except crypto.Error:
        raise ValueError from None


def open_pkcs12(
    block: Block, passphrase: Secret | None
) -> tuple[PrivateKey | None, list[x509.Certificate]]:
    """Return the key of a PKCS#12 file, or None where it has none, and its certificates.

    Raises as `open_key` does.
    """
    kdf_limits.check(block)
    password = passphrase.reveal() if passphrase else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd serial numbers and the like
            loaded = pkcs12.load_pkcs12(block.content, password)
    except UnsupportedAlgorithm:
        raise IdentityError(
            f"{block.where} is encrypted in a way that is not supported",
            hint="export it again, with AES-256",
        ) from None
    except (InternalError, ValueError) as error:
        if "password" not in str(error).lower():
            raise IdentityError(f"{block.where} is PKCS#12, but damaged", hint=COPY_AGAIN) from None
        raise _wrong(block) from None
    found = [entry.certificate for entry in (loaded.cert, *loaded.additional_certs) if entry]
    for one in found:
        check_names(one, block.where)
    return (_usable(loaded.key, block) if loaded.key else None), found


def check_names(certificate: x509.Certificate, where: str) -> None:
    """Raise IdentityError for a name that cannot be read: cryptography decodes it only here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a name that is too long
            _ = certificate.subject, certificate.issuer
    except (ValueError, TypeError):
        raise IdentityError(
            f"{where} is damaged: a name in a certificate cannot be read", hint=COPY_AGAIN
        ) from None


def is_locked(block: Block) -> bool:
    """Return whether the block needs a passphrase; an empty one of PKCS#12 counts as none."""
    if block.kind is not Kind.PKCS12:
        return block.kind is Kind.LOCKED_KEY
    try:
        open_pkcs12(block, None)
    except WrongPassphraseError:
        return True
    return False


def _check_numbers(key: rsa.RSAPrivateKey) -> None:
    """Raise ValueError where the numbers of an RSA key do not fit each other (RFC 8017, 3.2).

    OpenSSL's own check also proves that the factors are primes, which takes three starts of Python.
    OpenSSL and aws-lc, which sign in pip and uv, do not ask for primes of a key they are given. So
    the numbers have to fit, and the key has to sign what its public half verifies.
    """
    its = key.private_numbers()
    n, e, p, q = its.public_numbers.n, its.public_numbers.e, its.p, its.q
    fits = (
        # Numbers of a very uneven key would take long to check.
        max(p, q).bit_length() <= (n.bit_length() + 1) // 2 + _UNEVEN_BITS
        and min(p, q) > 1
        and p % 2 == q % 2 == e % 2 == 1
        and n == p * q
        and 0 < its.d < n
        and 0 < its.iqmp < p
        and its.d * e % (p - 1) == its.d * e % (q - 1) == 1
        and (its.dmp1, its.dmq1) == (its.d % (p - 1), its.d % (q - 1))
        and its.iqmp * q % p == 1
    )
    if not fits:
        raise ValueError
    try:
        signed = key.sign(_MESSAGE, padding.PKCS1v15(), hashes.SHA256())
        key.public_key().verify(signed, _MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise ValueError from None


def _usable(key: object, block: Block) -> PrivateKey:
    """Return the key if TLS clients sign with its kind and size; raise IdentityError if not."""
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size > kdf_limits.MOST_BITS:
        raise kdf_limits.too_large(block)
    if isinstance(
        key,
        (
            rsa.RSAPrivateKey,
            ec.EllipticCurvePrivateKey,
            ed25519.Ed25519PrivateKey,
            ed448.Ed448PrivateKey,
        ),
    ):
        return key
    kind = type(key).__name__.lstrip("_").replace("PrivateKey", "")
    raise IdentityError(
        f"the private key in {block.where} is of kind {kind}, which cannot sign for TLS",
        hint="ask for a certificate with an RSA, EC or Ed25519 key",
    )


def _damaged(block: Block) -> IdentityError:
    return IdentityError(f"the private key in {block.where} is damaged", hint=COPY_AGAIN)


def _wrong(block: Block) -> WrongPassphraseError:
    return WrongPassphraseError(f"the passphrase does not open {block.where}", hint=_TRY)
