"""The certificate authority of one run: its key is in memory alone, and it is for few hosts."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mtls_run.net import hostname
from mtls_run.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mtls_run.config.scope import HostPattern

_VALID = dt.timedelta(days=1)
_BEFORE = dt.timedelta(hours=1)  # for a clock that is set back meanwhile
# A name of no host (RFC 6761) and an address of none: a constraint that lists no name of a kind
# leaves that kind unlimited (RFC 5280, section 4.2.1.10).
_NO_NAME, _NO_ADDRESS = x509.DNSName("invalid"), ipaddress.ip_network("0.0.0.0/32")


class RunAuthority:
    """A CA that can issue for the hosts of these patterns alone."""

    def __init__(self, patterns: Iterable[HostPattern]) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._starts = dt.datetime.now(dt.timezone.utc) - _BEFORE
        self._name = _name("mtls-run gateway: the CA of this run")
        self.certificate = self._sign(
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(is_authority=True), critical=True)
            .add_extension(_constraints(patterns), critical=True)
        )
        self.pem = self.certificate.public_bytes(Encoding.PEM)

    def issue(self, host: str) -> Secret:
        """Return a certificate for the host and its key, as PEM."""
        if hostname.is_address(host):
            name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        else:
            name = x509.DNSName(host)
        certificate = self._sign(
            self._builder(_name("mtls-run gateway"), self._leaf_key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(is_authority=False), critical=True)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        )
        key = self._leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Secret(certificate.public_bytes(Encoding.PEM) + key)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._starts)
            .not_valid_after(self._starts + _BEFORE + _VALID)
            .add_extension(own, critical=False)
            .add_extension(above, critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self._key, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    # Python 3.13 asks an authority for its usage (VERIFY_X509_STRICT).
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _constraints(patterns: Iterable[HostPattern]) -> x509.NameConstraints:
    hosts = sorted({one.suffix for one in patterns})
    names = [x509.DNSName(one) for one in hosts if not hostname.is_address(one)]
    networks = [ipaddress.ip_network(one) for one in hosts if hostname.is_address(one)]
    permitted: list[x509.GeneralName] = [*(names or [_NO_NAME])]
    permitted += [x509.IPAddress(one) for one in networks or [_NO_ADDRESS]]
    return x509.NameConstraints(permitted, None)
