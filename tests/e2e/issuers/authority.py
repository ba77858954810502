"""A CA that issues certificates for seconds, by EST and by the PKI engine of Vault."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import http.server
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.pki import Issued, make_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from tests.e2e.server import Server

VAULT_TOKEN = "hvs.of-the-tests"
_ISSUE = "/v1/pki/issue/developer"


@dataclass
class Authority:
    """The issuer whose certificates the index admits, with each certificate for `life` seconds."""

    server: Server
    life: float
    port: int = 0
    issued: list[float] = field(default_factory=list)
    """When each certificate was issued."""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://localhost:{self.port}"

    def issue(self, common_name: str, *extensions: x509.ExtensionType) -> Issued:
        """Return a new certificate and its key."""
        key = make_key("ec")
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        certificate = self._certificate(subject, key.public_key(), *extensions)
        return Issued(certificate, key, self.server.issuer.chain)

    def reenroll(self, body: bytes) -> bytes:
        """Return the answer to a request of EST's `simplereenroll` (RFC 7030)."""
        request = x509.load_der_x509_csr(base64.b64decode(body))
        assert request.is_signature_valid
        key = request.public_key()
        certificate = self._certificate(request.subject, key)
        chain = [certificate, self.server.issuer.certificate]
        return base64.encodebytes(pkcs7.serialize_certificates(chain, Encoding.DER))

    def vault(self, path: str, token: str | None, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body of Vault's answer, as its API documentation has them."""
        if path != _ISSUE or token != VAULT_TOKEN:
            return 403, b'{"errors": ["permission denied"]}'
        asked = json.loads(body)
        assert asked["ttl"] == "8h"
        found = self.issue(asked["common_name"])
        data = {
            "certificate": found.cert_pem.decode().strip(),
            "issuing_ca": self.server.issuer.pem.decode().strip(),
            "ca_chain": [self.server.issuer.pem.decode().strip()],
            "private_key": found.key_pem().decode().strip(),
            "private_key_type": "ec",
            "expiration": int(found.certificate.not_valid_after_utc.timestamp()),
        }
        return 200, json.dumps({"lease_id": "", "renewable": False, "data": data}).encode()

    def _certificate(
        self, subject: x509.Name, key: CertificatePublicKeyTypes, *more: x509.ExtensionType
    ) -> x509.Certificate:
        issuer, now = self.server.issuer, dt.datetime.now(dt.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(seconds=1))
            .not_valid_after(now + dt.timedelta(seconds=self.life))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        )
        for extension in more:
            builder = builder.add_extension(extension, isinstance(extension, x509.KeyUsage))
        self.issued.append(time.time())
        return builder.sign(issuer.key, hashes.SHA256())


@contextlib.contextmanager
def running(server: Server, life: float) -> Iterator[Authority]:
    """Run the CA. EST asks for a client certificate, as the index does, and Vault for a token."""
    found = Authority(server, life)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.startswith("/v1/"):
                self._answer(*found.vault(self.path, self.headers["X-Vault-Token"], body))
            elif self.connection.getpeercert():
                self._answer(200, found.reenroll(body))
            else:
                self._answer(401, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if self.path.startswith("/v1/"):
                self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.root / "server.pem", server.root / "server.key")
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(server.root / "client-root.pem")
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        found.port = listening.server_address[1]
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield found
        listening.shutdown()
