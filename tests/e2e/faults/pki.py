"""The certificates of the servers and clients: a valid one, and many that are not."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.pki import Authority, Issued

if TYPE_CHECKING:
    from pathlib import Path

EVERYWHERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class World:
    """The two authorities that count, one for the servers and one for the clients."""

    server_root: Authority
    server_issuer: Authority
    client_root: Authority
    client_issuer: Authority
    stranger: Authority
    """A foreign root, for servers and clients."""
    alice: Issued
    """The identity that the servers accept."""
    revoked: Issued
    """A revoked identity of the same kind."""

    @classmethod
    def create(cls) -> World:
        """Return a new world."""
        # As in a company: only its name relates a missing intermediate to a root.
        server_root = Authority.create("Acme Server Root CA")
        client_root = Authority.create("Acme Staff Root CA")
        issuer = client_root.intermediate("Acme Staff Issuing CA 2")
        return cls(
            server_root=server_root,
            server_issuer=server_root.intermediate("Acme Server Issuing CA 1"),
            client_root=client_root,
            client_issuer=issuer,
            stranger=Authority.create("Umbrella Root CA"),
            alice=issuer.issue("alice"),
            revoked=issuer.issue("alice"),
        )

    @functools.cached_property
    def servers(self) -> dict[str, tuple[bytes, bytes]]:
        """Return each server's certificates and key, by name."""
        issue = functools.partial(
            self.server_issuer.issue, "localhost", server=True, hosts=EVERYWHERE
        )
        good = issue()
        of_stranger = self.stranger.issue("localhost", server=True, hosts=EVERYWHERE)
        weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        issued = {
            "good": good,
            "rsa": issue(key="rsa"),
            "expired": issue(starts=-30, days=-2),
            "not-yet-valid": issue(starts=20, days=60),
            "expires-soon": issue(days=3),
            "other-name": self.server_issuer.issue(
                "index.example", server=True, hosts=("index.example", "*.corp.example")
            ),
            "stranger": of_stranger,
            "client-usage": _with_usage_of_clients(self),
            "address-in-names": _with_address_in_names(self),
            "no-names": self.server_issuer.issue("localhost", eku=None),
            "ed25519": issue(key="ed25519"),
            "twin": Authority.create("Acme Server Root CA").issue(
                "localhost", server=True, hosts=EVERYWHERE
            ),
            "weak": issue(key=weak),
        }
        found = {
            name: (one.cert_pem + one.chain_pem, one.key_pem()) for name, one in issued.items()
        }
        whole, key = found["good"]
        found["with-root"] = (whole + self.server_root.pem, key)
        found["no-chain"] = (good.cert_pem, good.key_pem())
        distant = self.stranger.intermediate("Umbrella Issuing CA")
        lone = distant.issue("localhost", server=True, hosts=EVERYWHERE)
        found["stranger-no-chain"] = (lone.cert_pem, lone.key_pem())
        found["self-signed"] = self_signed("localhost")
        return found

    @property
    def revocations(self) -> bytes:
        """Return the CRLs of both client authorities; nginx requires one for each in the chain."""
        lists = [
            _revocation_list(self.client_root, ()),
            _revocation_list(self.client_issuer, (self.revoked,)),
        ]
        return b"".join(one.public_bytes(Encoding.PEM) for one in lists)

    def write(self, folder: Path) -> None:
        """Write all files of the servers into this directory."""
        for name, (certificates, key) in self.servers.items():
            (folder / f"{name}.pem").write_bytes(certificates)
            (folder / f"{name}.key").write_bytes(key)
        for name, content in {
            "client-root": self.client_root.pem,
            "client-both": self.client_root.pem + self.client_issuer.pem,
            "stranger-root": self.stranger.pem,
            "crl": self.revocations,
        }.items():
            (folder / f"{name}.pem").write_bytes(content)


def self_signed(name: str) -> tuple[bytes, bytes]:
    """Return a self-signed certificate and its key, as PEM."""
    authority = Authority.create(name)
    own = authority.issue(name, key=authority.key, server=True, hosts=EVERYWHERE)
    return own.cert_pem, own.key_pem()


def expired_root(world: World) -> bytes:
    """Return a root that expired last year, with its own name."""
    now = dt.datetime.now(dt.timezone.utc)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root of last year")])
    key = world.stranger.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=4000))
        .not_valid_after(now - dt.timedelta(days=400))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def for_agreement_only(world: World) -> Issued:
    """Return an identity whose key usage lacks digitalSignature, which TLS 1.3 needs."""
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=True,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return _issued_with(world.client_issuer, "alice", usage)


def _with_usage_of_clients(world: World) -> Issued:
    """Return a server's certificate that allows client authentication alone."""
    return _issued_with(
        world.server_issuer,
        "localhost",
        x509.SubjectAlternativeName([x509.DNSName("localhost")]),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
    )


def _with_address_in_names(world: World) -> Issued:
    """Return a server's certificate with an address in a DNS name, which OpenSSL passes over."""
    names = [x509.DNSName("127.0.0.1"), x509.DNSName("localhost")]
    return _issued_with(world.server_issuer, "localhost", x509.SubjectAlternativeName(names))


def _issued_with(authority: Authority, name: str, *extensions: x509.ExtensionType) -> Issued:
    """Return a certificate with these extensions and no others."""
    now = dt.datetime.now(dt.timezone.utc)
    base = authority.issue(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(base.certificate.subject)
        .issuer_name(base.certificate.issuer)
        .public_key(base.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    certificate = builder.sign(authority.key, hashes.SHA256())
    return Issued(certificate, base.key, base.chain)


def _revocation_list(
    authority: Authority, revoked: tuple[Issued, ...]
) -> x509.CertificateRevocationList:
    now = dt.datetime.now(dt.timezone.utc)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now - dt.timedelta(days=1))
        .next_update(now + dt.timedelta(days=30))
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
        builder = builder.add_revoked_certificate(
            entry.revocation_date(now - dt.timedelta(hours=1)).build()
        )
    return builder.sign(authority.key, hashes.SHA256())
