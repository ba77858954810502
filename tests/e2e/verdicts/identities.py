"""The odd identities, all of them issued for the servers' clients."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.e2e.verdicts import shapes
from tests.e2e.verdicts.servers import POLICIES, UNKNOWN
from tests.e2e.verdicts.shapes import Made, Shape

if TYPE_CHECKING:
    from tests.e2e.verdicts.servers import Servers

EXTENSIONS = "basicConstraints=critical,CA:false\nextendedKeyUsage=clientAuth\n"


def odd_identities(servers: Servers) -> dict[str, bytes]:
    """Return each odd identity by its name, as one PEM with chain and key."""
    root, issuing = servers.client_root, servers.client_issuer
    rsa = shapes.below(root, "Client RSA CA", Shape("RSA-2048"))
    found: dict[str, bytes] = {}

    def leaf(name: str, shape: Shape | None = None, issuer: Made = issuing) -> None:
        found[name] = shapes.leaf(issuer, name, shape, client=True).pem

    def issuer(name: str, shape: Shape) -> None:
        leaf(name, None, shapes.below(root, f"Client {name}", shape))

    leaf("ordinary identity")
    leaf("leaf with SHA-1", Shape(old_digest="sha1"), rsa)
    leaf("leaf with MD5", Shape(old_digest="md5"), rsa)
    leaf("leaf of RSA 1024", Shape("RSA-1024"))
    leaf("leaf of RSA 1536", Shape("RSA-1536"))
    issuer("intermediate of RSA 1024", Shape("RSA-1024"))
    leaf("leaf with critical certificatePolicies", Shape(extensions=POLICIES))
    issuer("intermediate with critical certificatePolicies", Shape(extensions=POLICIES))
    leaf("leaf with an unknown critical extension", Shape(extensions=UNKNOWN))
    issuer("intermediate with an unknown critical extension", Shape(extensions=UNKNOWN))
    every = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    leaf("leaf for any purpose alone", Shape(extensions={x509.ExtendedKeyUsage: (every, False)}))
    leaf("leaf of brainpoolP256r1", Shape("brainpoolP256r1"))
    issuer("intermediate of brainpoolP256r1", Shape("brainpoolP256r1"))
    leaf("leaf of Ed448", Shape("Ed448"))
    found["leaf of kind rsassaPss"] = _by_openssl(
        issuing, "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"
    )
    explicit = ("-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit")
    found["leaf with explicit curve parameters"] = _by_openssl(
        issuing, "-algorithm", "EC", *explicit
    )
    return found


def _by_openssl(issuer: Made, *key: str) -> bytes:
    """Return an identity with a key of a kind that cryptography does not write."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        (at / "ca.pem").write_bytes(issuer.cert_pem)
        (at / "ca.key").write_bytes(issuer.key_pem)
        (at / "extensions").write_text(EXTENSIONS)
        commands = [
            ["genpkey", *key, "-out", "key.pem"],
            ["req", "-new", "-key", "key.pem", "-subj", "/CN=alice", "-out", "request.pem"],
            [
                *("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key"),
                *("-days", "30", "-sha256", "-extfile", "extensions", "-out", "leaf.pem"),
            ],
        ]
        for command in commands:
            subprocess.run(["openssl", *command], cwd=at, capture_output=True, check=True)
        return b"".join((at / name).read_bytes() for name in ("leaf.pem", "ca.pem", "key.pem"))
