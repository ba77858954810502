"""A small certificate authority for tests: real keys, real certificates, every form they come in.

Everything is written by `cryptography`, but for PKCS#12 under RC2-40, which only the `openssl`
program still writes.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Union

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = Union[
    rsa.RSAPrivateKey,
    ec.EllipticCurvePrivateKey,
    ed25519.Ed25519PrivateKey,
    ed448.Ed448PrivateKey,
]
KeyKind = Literal["rsa", "ec", "p384", "p521", "ed25519"]
KeyForm = Literal["pkcs8", "pkcs1", "sec1", "legacy"]
P12Kind = Literal["modern", "3des", "rc2"]
Usage = Literal["client", "server", "any"]

_USAGES = {
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}


@functools.cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """Return the RSA 2048 key of this name: made once in a process, for it is slow to make."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def make_key(kind: KeyKind, name: str = "default") -> PrivateKey:
    """Return a new private key; an RSA key is the one that `name` has had since its first use."""
    if kind == "rsa":
        return rsa_key(name)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "p384":
        return ec.generate_private_key(ec.SECP384R1())
    if kind == "p521":
        return ec.generate_private_key(ec.SECP521R1())
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: PrivateKey, passphrase: str | None = None, form: KeyForm = "pkcs8") -> bytes:
    """Return the key as PEM.

    `pkcs8` is encrypted PKCS#8 where there is a passphrase. `pkcs1` (RSA) and `sec1` (EC) are the
    traditional forms; `legacy` is either of them under `Proc-Type: 4,ENCRYPTED`.
    """
    if form == "pkcs8":
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, _encryption(passphrase))
    if (form == "legacy") != (passphrase is not None):
        raise ValueError(f"form {form!r} and passphrase do not go together")
    if (form == "pkcs1" and not isinstance(key, rsa.RSAPrivateKey)) or (
        form == "sec1" and not isinstance(key, ec.EllipticCurvePrivateKey)
    ):
        raise ValueError(f"no {form} form for {type(key).__name__}")
    traditional = PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(Encoding.PEM, traditional, _encryption(passphrase))


@dataclass(frozen=True)
class Issued:
    """A certificate, its key and the intermediates between it and the root."""

    certificate: x509.Certificate
    key: PrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def cert_pem(self) -> bytes:
        """The leaf certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def chain_pem(self) -> bytes:
        """The intermediates as PEM, the leaf's own issuer first; empty where the root issued."""
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.chain)

    @property
    def cert_der(self) -> bytes:
        """The leaf certificate as DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def traces(self) -> tuple[bytes, ...]:
        """What shows an unlocked copy of the key: its DER, and two lines of its PEM.

        The later lines of an EC key hold its public half alone.
        """
        return (self.key_der(), *self.key_pem().splitlines()[1:3])

    def key_pem(self, passphrase: str | None = None, form: KeyForm = "pkcs8") -> bytes:
        """Return the key as PEM; see `key_pem` of this module for the forms."""
        return key_pem(self.key, passphrase, form)

    def key_der(self, passphrase: str | None = None) -> bytes:
        """Return the key as PKCS#8 in DER, encrypted where there is a passphrase."""
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, _encryption(passphrase))

    def pem(self, passphrase: str | None = None, order: str = "leaf-chain-key") -> bytes:
        """Return one PEM with the parts that `order` names, in that order.

        The parts are `leaf`, `chain`, `niahc` (the chain backwards) and `key`, joined by hyphens.
        """
        backwards = b"".join(c.public_bytes(Encoding.PEM) for c in reversed(self.chain))
        parts = {
            "leaf": self.cert_pem,
            "chain": self.chain_pem,
            "niahc": backwards,
            "key": self.key_pem(passphrase),
        }
        return b"".join(parts[word] for word in order.split("-"))

    def p12(self, passphrase: str | None, kind: P12Kind = "modern") -> bytes:
        """Return a PKCS#12 file of leaf, chain and key.

        `modern` is PBES2 with AES-256, `3des` is SHA-1 and 3DES as older programs wrote it, and
        `rc2` has its certificates under 40-bit RC2, as OpenSSL before 3.0 wrote by default.
        """
        if kind == "rc2":
            return self._p12_rc2(passphrase or "")
        encryption: KeySerializationEncryption = NoEncryption()
        if passphrase is not None and kind == "modern":
            encryption = BestAvailableEncryption(passphrase.encode())
        elif passphrase is not None:
            encryption = (
                PrivateFormat.PKCS12.encryption_builder()
                .kdf_rounds(2048)
                .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
                .hmac_hash(hashes.SHA1())  # what those files really use
                .build(passphrase.encode())
            )
        return pkcs12.serialize_key_and_certificates(
            b"identity", self.key, self.certificate, list(self.chain) or None, encryption
        )

    def _p12_rc2(self, passphrase: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "identity.pem")
            source.write_bytes(self.pem())
            command = ["openssl", "pkcs12", "-export", "-legacy", "-in", str(source)]
            command += ["-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-3DES"]
            command += ["-macalg", "sha1", "-passout", "stdin"]
            done = subprocess.run(
                command, input=passphrase.encode() + b"\n", capture_output=True, check=False
            )
        if done.returncode != 0:
            raise RuntimeError(f"openssl could not write RC2: {done.stderr.decode()}")
        return done.stdout


@dataclass(frozen=True)
class Authority:
    """A certificate authority: a root, or an intermediate below one."""

    certificate: x509.Certificate
    key: PrivateKey
    chain: tuple[x509.Certificate, ...] = ()
    """What a leaf that this authority issues has to bring along: none below a root."""

    @classmethod
    def create(cls, common_name: str) -> Authority:
        """Return a new self-signed root."""
        key = make_key("ec")
        name = _name(common_name)
        builder = _builder(name, name, key, -1, 3650)
        return cls(_sign(_extend_authority(builder, key, key), key), key)

    @property
    def pem(self) -> bytes:
        """This authority's own certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        """This authority's own certificate as DER."""
        return self.certificate.public_bytes(Encoding.DER)

    def intermediate(self, common_name: str) -> Authority:
        """Return a new intermediate authority that this one signed."""
        key = make_key("ec")
        builder = _builder(_name(common_name), self.certificate.subject, key, -1, 1825)
        certificate = _sign(_extend_authority(builder, key, self.key), self.key)
        return Authority(certificate, key, (certificate, *self.chain))

    def issue(
        self,
        common_name: str,
        *,
        key: KeyKind | PrivateKey = "ec",
        days: float = 365,
        starts: float = -1,
        server: bool = False,
        hosts: tuple[str, ...] = ("localhost",),
        eku: Usage | None = "client",
        version: Literal[1, 3] = 3,
    ) -> Issued:
        """Return a new certificate and its key.

        It is valid from `starts` until `days`, both in days from now. A `server` certificate
        names `hosts` and carries the server usage, whatever `eku` says. Version 1 has no
        extensions: a version 3 certificate without them, from whose DER the version field is cut
        (X.509 v1 is the default there, RFC 5280 section 4.1.2.1), signed again.
        """
        private = make_key(key, common_name) if isinstance(key, str) else key
        builder = _builder(_name(common_name), self.certificate.subject, private, starts, days)
        if version == 1:
            certificate = version_1(_sign(builder, self.key), self.key)
            return Issued(certificate, private, self.chain)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = _add_identifiers(builder, private, self.key)
        usage: Usage | None = "server" if server else eku
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([_USAGES[usage]]), False)
        if server:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, False)
        return Issued(_sign(builder, self.key), private, self.chain)


def _encryption(passphrase: str | None) -> KeySerializationEncryption:
    return NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, starts: float, days: float
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=starts))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _add_identifiers(
    builder: x509.CertificateBuilder, key: PrivateKey, issuer: PrivateKey
) -> x509.CertificateBuilder:
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    return builder.add_extension(own, False).add_extension(above, False)


def _extend_authority(
    builder: x509.CertificateBuilder, key: PrivateKey, issuer: PrivateKey
) -> x509.CertificateBuilder:
    # Python 3.13 asks for every one of these (VERIFY_X509_STRICT).
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    return _add_identifiers(builder.add_extension(usage, True), key, issuer)


def _sign(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    edwards = isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
    algorithm = None if edwards else hashes.SHA256()
    return builder.sign(key, algorithm)


def _der(tag: int, content: bytes) -> bytes:
    """Return one DER element with this tag."""
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _der_content(element: bytes) -> bytes:
    """Return what is inside the DER element that these bytes begin with."""
    if element[1] < 0x80:
        return element[2 : 2 + element[1]]
    start = 2 + (element[1] & 0x7F)
    return element[start : start + int.from_bytes(element[2:start], "big")]


def version_1(certificate: x509.Certificate, key: PrivateKey) -> x509.Certificate:
    """Return the version 3 certificate, which has no extensions, as version 1, signed again."""
    fields = _der_content(certificate.tbs_certificate_bytes)
    version = bytes.fromhex("a003020102")
    if not fields.startswith(version):
        raise AssertionError("the certificate does not begin with its version")
    to_be_signed = _der(0x30, fields[len(version) :])
    outer = _der_content(certificate.public_bytes(Encoding.DER))
    rest = outer[len(certificate.tbs_certificate_bytes) :]
    algorithm = _der(0x30, _der_content(rest))
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(to_be_signed, padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(to_be_signed, ec.ECDSA(hashes.SHA256()))
    else:
        signature = key.sign(to_be_signed)
    whole = _der(0x30, to_be_signed + algorithm + _der(0x03, b"\0" + signature))
    return x509.load_der_x509_certificate(whole)
