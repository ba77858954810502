"""Certificates of any shape: with any extensions, algorithms and keys."""

from __future__ import annotations

import datetime as dt
import functools
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Optional, Union

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.pki import Authority, PrivateKey

if TYPE_CHECKING:
    from collections.abc import Sequence

Extensions = Mapping[type[x509.ExtensionType], Optional[tuple[x509.ExtensionType, bool]]]

Digest = Union[hashes.SHA224, hashes.SHA256, hashes.SHA384, hashes.SHA512]

CURVES: dict[str, ec.EllipticCurve] = {
    "P-224": ec.SECP224R1(),
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
}
SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@functools.cache
def key_of(name: str) -> PrivateKey:
    """Return the key of this name, which begins with its kind, such as `RSA-2048` or `P-256`."""
    kind = name.partition(" ")[0]
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind])
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "Ed448":
        return ed448.Ed448PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.split("-")[1]))


@dataclass(frozen=True)
class Made:
    """A certificate and its key, and the certificates above it, nearest first."""

    certificate: x509.Certificate
    key: PrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def chain_pem(self) -> bytes:
        """The certificate and those above it."""
        every = (self.certificate, *self.above)
        return b"".join(one.public_bytes(Encoding.PEM) for one in every)

    @property
    def cert_pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as unencrypted PKCS#8."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def pem(self) -> bytes:
        """One PEM with everything."""
        return self.chain_pem + self.key_pem


@dataclass(frozen=True)
class Shape:
    """How a certificate differs from an ordinary one. In `extensions`, None leaves one out."""

    key: str = "P-256"
    extensions: Extensions = field(default_factory=dict)
    digest: Digest = field(default_factory=hashes.SHA256)
    old_digest: Literal["sha1", "md5"] | None = None
    """The digest of an RSA signature, where it is one that cryptography does not sign with."""
    pss: int | None = None
    """The salt of an RSA-PSS signature by the issuer; None for the older kind."""
    subject: str | None = None
    serial: int | None = None
    bare: bool = False
    """Without any extension."""
    days: tuple[float, float] = (-1, 365)


def root(name: str, shape: Shape | None = None) -> Made:
    """Return a self-signed root."""
    return _made(name, shape or Shape(), None, ca=True)


def below(issuer: Made | Authority, name: str, shape: Shape | None = None) -> Made:
    """Return an intermediate."""
    return _made(name, shape or Shape(), _issuer(issuer), ca=True)


def leaf(
    issuer: Made | Authority,
    name: str,
    shape: Shape | None = None,
    *,
    hosts: Sequence[str | x509.GeneralName] = ("localhost",),
    client: bool = False,
) -> Made:
    """Return a server's certificate for these hosts, or a client's."""
    return _made(name, shape or Shape(), _issuer(issuer), ca=False, hosts=hosts, client=client)


def _issuer(issuer: Made | Authority) -> Made:
    if isinstance(issuer, Authority):
        return Made(issuer.certificate, issuer.key, issuer.chain[1:] if issuer.chain else ())
    return issuer


def _made(
    name: str,
    shape: Shape,
    issuer: Made | None,
    *,
    ca: bool,
    hosts: Sequence[str | x509.GeneralName] = (),
    client: bool = False,
) -> Made:
    key = key_of(f"{shape.key} of {name}")
    signer = issuer.key if issuer else key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, shape.subject or name)])
    now = dt.datetime.now(dt.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(shape.serial or x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=shape.days[0]))
        .not_valid_after(now + dt.timedelta(days=shape.days[1]))
    )
    usual = {} if shape.bare else _usual(key, signer, ca=ca, hosts=hosts, client=client)
    extensions = {**usual, **shape.extensions}
    for entry in extensions.values():
        if entry is not None:
            builder = builder.add_extension(entry[0], entry[1])
    edwards = isinstance(signer, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
    scheme = None
    if shape.pss is not None:
        scheme = padding.PSS(padding.MGF1(shape.digest), shape.pss)
    signed = builder.sign(signer, None if edwards else shape.digest, rsa_padding=scheme)
    if shape.old_digest is not None:
        signed = _with_old_digest(signed, signer, shape.old_digest)
    above: tuple[x509.Certificate, ...] = ()
    if issuer is not None and issuer.certificate.subject != issuer.certificate.issuer:
        above = (issuer.certificate, *issuer.above)
    return Made(signed, key, above)


def _with_old_digest(
    certificate: x509.Certificate, signer: PrivateKey, digest: Literal["sha1", "md5"]
) -> x509.Certificate:
    """Return the certificate, signed again by openssl with this digest."""
    last = {"sha256": b"\x0b", "sha1": b"\x05", "md5": b"\x04"}
    oid = bytes.fromhex("06092a864886f70d0101")  # sha…WithRSAEncryption, but for its last byte
    whole = certificate.public_bytes(Encoding.DER)
    signed = certificate.tbs_certificate_bytes.replace(oid + last["sha256"], oid + last[digest])
    with tempfile.NamedTemporaryFile() as file:
        file.write(signer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        command = ["openssl", "dgst", f"-{digest}", "-sign", file.name]
        done = subprocess.run(command, input=signed, capture_output=True, check=True)
    whole = whole.replace(certificate.tbs_certificate_bytes, signed)
    whole = whole.replace(oid + last["sha256"], oid + last[digest])
    return x509.load_der_x509_certificate(whole.replace(certificate.signature, done.stdout))


def _usual(
    key: PrivateKey,
    signer: PrivateKey,
    *,
    ca: bool,
    hosts: Sequence[str | x509.GeneralName],
    client: bool,
) -> Extensions:
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    found: dict[type[x509.ExtensionType], tuple[x509.ExtensionType, bool]] = {
        x509.BasicConstraints: (x509.BasicConstraints(ca=ca, path_length=None), True),
        x509.SubjectKeyIdentifier: (own, False),
        x509.AuthorityKeyIdentifier: (above, False),
    }
    if ca:
        found[x509.KeyUsage] = (SIGNS, True)
        return found
    purpose = x509.OID_CLIENT_AUTH if client else x509.OID_SERVER_AUTH
    found[x509.ExtendedKeyUsage] = (x509.ExtendedKeyUsage([purpose]), False)
    if not client:
        names = [
            host if isinstance(host, x509.GeneralName) else x509.DNSName(host) for host in hosts
        ]
        found[x509.SubjectAlternativeName] = (x509.SubjectAlternativeName(names), False)
    return found
