"""Services that hand out identities, each run by the Python of an environment of its own."""

from __future__ import annotations

import contextlib
import select
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.e2e import toolbox
from tests.pki import key_pem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.e2e.issuers.authority import Authority
    from tests.e2e.server import Server
    from tests.pki import Issued

HERE = Path(__file__).parent
_PATIENCE = 30.0

_ACME = """
[CAhandler]
handler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: {root}/issuer.key
issuing_ca_cert: {root}/issuer.pem
issuing_ca_crl: {root}/issuer.crl
cert_validity_days: 1
cert_save_path: {root}/issued
openssl_conf: {root}/extensions
cn_enforce: True
[DBhandler]
handler_module: acme2certifier.dbhandlers.wsgi_handler
dbfile: {root}/acme.db
[Challenge]
challenge_validation_disable: True
"""
_EXTENSIONS = """
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
"""


@contextlib.contextmanager
def workload_api(authority: Authority, folder: Path) -> Iterator[tuple[Path, Issued]]:
    """Run SPIFFE's Workload API; yields its socket and the SVID that it hands out."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(SPIFFE_ID)])
    svid = authority.issue("alice", names, signatures())
    chain = [svid.certificate, *svid.chain]
    files = {
        "svid": b"".join(one.public_bytes(Encoding.DER) for one in chain),
        "key": svid.key_der(),
        "bundle": authority.server.client_root.der,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    socket = folder / "agent.sock"
    words = [HERE / "workload_api.py", socket, *(folder / name for name in files)]
    with _started("spiffe", *words):
        deadline = time.monotonic() + _PATIENCE
        while not socket.exists():
            assert time.monotonic() < deadline, "the Workload API does not start"
            time.sleep(0.05)
        yield socket, svid


SPIFFE_ID = "spiffe://corp.example/alice"


def signatures() -> x509.KeyUsage:
    """Return the key usage that an SVID has to have."""
    others = "content_commitment key_encipherment data_encipherment key_agreement key_cert_sign"
    names = f"{others} crl_sign encipher_only decipher_only".split()
    return x509.KeyUsage(digital_signature=True, **dict.fromkeys(names, False))


@contextlib.contextmanager
def acme(server: Server, folder: Path, clock: str = "+0") -> Iterator[str]:
    """Run acme2certifier, which issues for a day; yields the URL of its directory.

    `clock` is how far its clock is off, as faketime has it. It takes every name as proven.
    """
    (folder / "issued").mkdir(exist_ok=True)
    (folder / "issuer.pem").write_bytes(server.issuer.pem)
    (folder / "issuer.key").write_bytes(key_pem(server.issuer.key))
    (folder / "extensions").write_text(_EXTENSIONS)
    (folder / "acme_srv.cfg").write_text(_ACME.format(root=folder))
    env = {
        "ACME_SRV_CONFIGFILE": str(folder / "acme_srv.cfg"),
        "ACME2CERTIFIER_I_KNOW_THE_RISK": "1",  # of not proving names
        "PATH": "/usr/bin:/bin",
    }
    words = [HERE / "acme_server.py", server.root / "server.pem", server.root / "server.key"]
    with _started("acme2certifier", *words, env=env, before=("faketime", "-f", clock)) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], _PATIENCE)[0], "it does not start"
        yield f"https://localhost:{int(process.stdout.readline())}/directory"


@contextlib.contextmanager
def _started(
    name: str,
    *words: Path,
    env: Mapping[str, str] | None = None,
    before: tuple[str, ...] = (),
) -> Iterator[subprocess.Popen[str]]:
    """Run a script by the Python of this environment until the block ends."""
    command = [*before, str(toolbox.program(name) / "python"), *map(str, words)]
    with subprocess.Popen(
        command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()
