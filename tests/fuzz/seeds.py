"""The seeds: each accepted form of an identity, written anew for each run, and a server's words."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x25519
from cryptography.hazmat.primitives.asymmetric.rsa import (
    generate_private_key as generate_rsa_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from OpenSSL import SSL

from tests.pki import Authority, Issued

if TYPE_CHECKING:
    from pathlib import Path

PASSPHRASE = b"canary-passphrase-of-the-fuzzer"


@dataclass(frozen=True)
class Seeds:
    """All of them; `traces` are the secrets in them."""

    pem: tuple[bytes, ...]
    ordinary: tuple[bytes, ...]
    der: tuple[bytes, ...]
    key_der: tuple[bytes, ...]
    locked: tuple[bytes, ...]
    p12: tuple[bytes, ...]
    roots: tuple[bytes, ...]
    cert_pem: bytes
    key_pem: bytes
    outer_file: bytes
    root_der: bytes
    server: tuple[bytes, bytes]
    flights: tuple[bytes, ...]
    scripts: tuple[bytes, ...]
    traces: tuple[bytes, ...]

    def write(self, path: Path) -> None:
        """Write them for the workers, which all begin with the same."""
        path.write_bytes(pickle.dumps(self))

    def server_contexts(self) -> list[SSL.Context]:
        """Return what a server speaks: TLS 1.2 and 1.3, asking for an identity."""
        return _contexts(*self.server, self.root_der)


def read(path: Path) -> Seeds:
    """Return what `write` wrote."""
    found = pickle.loads(path.read_bytes())  # noqa: S301 - of this very run
    assert isinstance(found, Seeds)
    return found


def make() -> Seeds:
    """Return new seeds: keys and salts are random, all else is the same each time."""
    root = Authority.create("Fuzz Root")
    issuer = root.intermediate("Fuzz Issuer")
    alice = issuer.issue("alice")
    # To check a longer one takes 30 ms, each time.
    rsa = issuer.issue("alice rsa", key=generate_rsa_key(65537, 1024))  # noqa: S505 - it keeps nothing
    full = issuer.issue("alice rsa 2048", key="rsa", eku=None)
    edwards = issuer.issue("alice ed25519", key="ed25519")
    word = PASSPHRASE.decode()
    web = issuer.issue("index.example", server=True, hosts=("index.example",))
    everyone = (alice, rsa, edwards)
    locked = [one.key_pem(word) for one in (alice, edwards)]
    locked += [alice.key_der(word), alice.key_pem(word, "legacy"), rsa.key_pem(word, "legacy")]
    locked += [_scrypt(alice)]
    p12 = [_p12(alice, rounds=1), _p12(alice, rounds=1, old=True), alice.p12(None)]
    p12 += [alice.p12(word), alice.p12(word, "rc2"), _p12(edwards, rounds=1)]
    traces = [PASSPHRASE]
    for one in everyone:
        traces += one.traces
    server = (
        b"".join([web.cert_pem, web.chain_pem]),
        web.key_pem(),
    )
    return Seeds(
        pem=(
            alice.pem(),
            alice.pem(order="key-niahc-leaf"),
            edwards.pem(),
            rsa.cert_pem + rsa.chain_pem + rsa.key_pem(form="pkcs1"),
            alice.cert_pem + alice.key_pem(form="sec1"),
            alice.pem(word),
            _with_text(alice.pem()) + root.pem,
            issuer.issue("old", version=1).pem(),
            issuer.issue("late", days=-0.5).pem(),
        ),
        # With its chain a signature shows each change of the leaf, without it none.
        ordinary=(
            *(one.pem() for one in everyone),
            *(one.pem(order="leaf-key") for one in (*everyone, full)),
            full.pem(),
            full.cert_pem + full.key_pem(form="pkcs1"),
        ),
        der=(alice.cert_der, rsa.cert_der, issuer.issue("v1", version=1).cert_der),
        key_der=(*(one.key_der() for one in everyone), *_odd_keys(alice, rsa)),
        locked=tuple(locked),
        p12=tuple(p12),
        roots=(root.pem, root.pem + issuer.pem, root.pem.replace(b" CERT", b" X509 CERT")),
        cert_pem=alice.cert_pem + alice.chain_pem,
        key_pem=alice.key_pem(),
        outer_file=alice.pem(word),
        root_der=root.der,
        server=server,
        flights=(
            *(b"\xff" + _flight(*server, root.der, newest) for newest in (0, 1)),
            b"\x01HTTP/1.1 400 Bad Request\r\n\r\n",
            b"\x01\x15\x03\x03\x00\x02\x02\x28",
            b"\x01SSH-2.0-OpenSSH_9.2\r\n",
        ),
        scripts=(b"\x00", b"\x01", b"\x80", b"\x00\x00\x30\x05\x01\x00\x02", b"\x01\x00\x99\x99"),
        traces=tuple(trace for trace in traces if len(trace) > 16),
    )


def _p12(issued: Issued, *, rounds: int, old: bool = False) -> bytes:
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(rounds)
    if old:
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        builder = builder.hmac_hash(hashes.SHA1())  # noqa: S303 - what old files really use
    return pkcs12.serialize_key_and_certificates(
        b"alice", issued.key, issued.certificate, list(issued.chain), builder.build(PASSPHRASE)
    )


def _scrypt(issued: Issued) -> bytes:
    command = ["openssl", "pkcs8", "-topk8", "-scrypt", "-scrypt_N", "16"]
    command += ["-passout", f"pass:{PASSPHRASE.decode()}"]
    return subprocess.run(command, input=issued.key_pem(), capture_output=True, check=True).stdout


def _odd_keys(alice: Issued, rsa: Issued) -> list[bytes]:
    found = [
        one.key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        for one in (alice, rsa)
    ]
    others = (
        ec.generate_private_key(ec.SECP384R1()),
        ed448.Ed448PrivateKey.generate(),
        x25519.X25519PrivateKey.generate(),
    )
    found += [
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) for key in others
    ]
    return found


def _with_text(data: bytes) -> bytes:
    text = b"Bag Attributes\n    friendlyName: alice\nsubject=/CN=alice \xe9\n\n-----BEGIN "
    return data.replace(b"-----BEGIN ", text)


def _contexts(chain: bytes, key: bytes, root: bytes) -> list[SSL.Context]:
    found = []
    for newest in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_max_proto_version(newest)
        first, *others = x509.load_pem_x509_certificates(chain)
        context.use_certificate(first)
        for one in others:
            context.add_extra_chain_cert(one)
        private = load_pem_private_key(key, None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        context.use_privatekey(private)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        context.add_client_ca(x509.load_der_x509_certificate(root))
        found.append(context)
    return found


def _flight(chain: bytes, key: bytes, root: bytes, newest: int) -> bytes:
    """Return what a server says first."""
    server = SSL.Connection(_contexts(chain, key, root)[newest], None)
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    server.set_accept_state()
    client.set_connect_state()
    for one, other in ((client, server), (server, None)):
        with contextlib.suppress(SSL.WantReadError):
            one.do_handshake()
        data = one.bio_read(65536)
        if other is not None:
            other.bio_write(data)
        else:
            return data
    raise AssertionError
