"""The odd servers: one nginx with a port for each certificate, and one Apache that asks late.

All of them admit the same clients, and all but a few have the same root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.e2e.packages import write_index
from tests.e2e.ports import bound_pair
from tests.e2e.verdicts import shapes
from tests.e2e.verdicts.shapes import Extensions, Made, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NGINX = """
daemon off;
master_process off;
pid {root}/nginx.pid;
error_log {root}/error.log warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  types {{ text/html html; application/octet-stream whl gz; }}
  ssl_client_certificate {root}/client-root.pem;
  ssl_verify_client on;
  ssl_verify_depth 3;
  root {root}/www;
{servers}
}}
"""
BLOCK = """  server {{
    listen 127.0.0.1:{port} ssl reuseport;
    listen [::1]:{port} ssl reuseport;
    ssl_certificate {root}/{name}.pem;
    ssl_certificate_key {root}/{name}.key;
    {settings}
  }}
"""
# Apache asks for the certificate after the request where a directory wants one: by renegotiation
# in TLS 1.2, and by post-handshake authentication in TLS 1.3.
APACHE = """
ServerRoot {root}
ServerName localhost
PidFile {root}/apache.pid
ErrorLog {root}/apache.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule mime_module {modules}/mod_mime.so
LoadModule ssl_module {modules}/mod_ssl.so
TypesConfig /etc/mime.types
DirectoryIndex index.html
DocumentRoot {root}/www
SSLCACertificateFile {root}/client-root.pem
SSLCertificateFile {root}/late.pem
SSLCertificateKeyFile {root}/late.key
<Directory {root}/www>
  Require all granted
</Directory>
{hosts}
"""
HOST = """
Listen 127.0.0.1:{port}
Listen [::1]:{port}
<VirtualHost *:{port}>
  SSLEngine on
  SSLProtocol {protocol}
  <Location /simple>
    SSLVerifyClient require
    SSLVerifyDepth 3
  </Location>
</VirtualHost>
"""
LATE = {"renegotiation": "-all +TLSv1.2", "post-handshake": "-all +TLSv1.3"}
_MODULES = "/usr/lib/apache2/modules"
# nginx would not load a weak certificate at Debian's security level.
_OPENSSL = """
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = weak
[weak]
CipherString = DEFAULT@SECLEVEL=0
"""


ANY_POLICY = x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), None)
POLICIES: Extensions = {x509.CertificatePolicies: (x509.CertificatePolicies([ANY_POLICY]), True)}
NOBODYS = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
UNKNOWN: Extensions = {x509.UnrecognizedExtension: (NOBODYS, True)}


@dataclass(frozen=True)
class Odd:
    """A server's certificate and its settings; `host` is the name in its URL."""

    made: Made
    settings: str = ""
    host: str = "localhost"
    sends: bytes | None = None
    """What it sends instead of the chain."""
    trusts: tuple[Made, ...] | None = None
    """The roots of the profile where they are not the usual one."""


def _without(kind: type[x509.ExtensionType]) -> dict[type[x509.ExtensionType], None]:
    return {kind: None}


def odd_servers() -> tuple[Made, dict[str, Odd]]:  # noqa: PLR0915 - a list
    """Return the usual root, and each odd server by its name."""
    top = shapes.root("Acme Root CA")
    usual = shapes.below(top, "Acme Issuing CA")
    found: dict[str, Odd] = {}

    def leaf(
        name: str, shape: Shape | None = None, issuer: Made = usual, settings: str = ""
    ) -> None:
        found[name] = Odd(shapes.leaf(issuer, name, shape), settings)

    def issuer(name: str, shape: Shape, leaf_shape: Shape | None = None) -> None:
        above = shapes.below(top, f"Acme {name} CA", shape)
        found[name] = Odd(shapes.leaf(above, name, leaf_shape))

    leaf("ordinary")
    # What Python 3.13 wants (VERIFY_X509_STRICT).
    leaf("leaf without AKI", Shape(extensions=_without(x509.AuthorityKeyIdentifier)))
    leaf("leaf without SKI", Shape(extensions=_without(x509.SubjectKeyIdentifier)))
    issuer("CA without AKI", Shape(extensions=_without(x509.AuthorityKeyIdentifier)))
    issuer("CA without SKI", Shape(extensions=_without(x509.SubjectKeyIdentifier)))
    issuer("CA without keyUsage", Shape(extensions=_without(x509.KeyUsage)))
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    issuer(
        "CA with basicConstraints not critical",
        Shape(extensions={x509.BasicConstraints: (constraints, False)}),
    )
    # What webpki does not know.
    policy = x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), None)
    issuer(
        "CA with critical certificatePolicies",
        Shape(extensions={x509.CertificatePolicies: (x509.CertificatePolicies([policy]), True)}),
    )
    issuer(
        "CA with critical policyConstraints",
        Shape(
            extensions={
                x509.CertificatePolicies: (x509.CertificatePolicies([policy]), False),
                x509.PolicyConstraints: (x509.PolicyConstraints(0, None), True),
            }
        ),
    )
    leaf(
        "leaf with critical certificatePolicies",
        Shape(extensions={x509.CertificatePolicies: (x509.CertificatePolicies([policy]), True)}),
    )
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
    issuer(
        "CA with an unknown critical extension",
        Shape(extensions={x509.UnrecognizedExtension: (unknown, True)}),
    )
    directory = x509.DirectoryName(
        x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Acme")])
    )
    issuer(
        "CA with directoryName excluded",
        Shape(
            extensions={
                x509.NameConstraints: (x509.NameConstraints(None, [directory]), True),
            }
        ),
    )
    common = x509.DirectoryName(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA with directoryName permitted")])
    )
    issuer(
        "CA with directoryName permitted",
        Shape(extensions={x509.NameConstraints: (x509.NameConstraints([common], None), True)}),
    )
    issuer(
        "CA with dNSName permitted",
        Shape(
            extensions={
                x509.NameConstraints: (
                    x509.NameConstraints([x509.DNSName("localhost")], None),
                    True,
                )
            }
        ),
    )
    mail = x509.RFC822Name("acme.example")
    issuer(
        "CA with rfc822Name permitted",
        Shape(extensions={x509.NameConstraints: (x509.NameConstraints([mail], None), True)}),
    )
    uri = x509.UniformResourceIdentifier("acme.example")
    issuer(
        "CA with URI permitted",
        Shape(extensions={x509.NameConstraints: (x509.NameConstraints([uri], None), True)}),
    )
    # Algorithms.
    for kind in ("brainpoolP256r1", "secp256k1", "P-224", "Ed448", "Ed25519", "P-384", "P-521"):
        leaf(f"{kind} leaf", Shape(kind))
        issuer(f"{kind} CA", Shape(kind))
    leaf("RSA-2048 leaf", Shape("RSA-2048"))
    leaf("RSA-1024 leaf", Shape("RSA-1024"))
    issuer("RSA-1024 CA", Shape("RSA-1024"))
    issuer("RSA-2048 CA", Shape("RSA-2048"))
    issuer("RSA-PSS signature", Shape("RSA-2048"), Shape(pss=32))
    issuer("RSA-PSS signature with salt 20", Shape("RSA-2048"), Shape(pss=20))
    issuer("SHA-1 signature by RSA", Shape("RSA-2048"), Shape(old_digest="sha1"))
    leaf("SHA-224 signature by ECDSA", Shape(digest=hashes.SHA224()))
    leaf("SHA-384 signature by P-256", Shape(digest=hashes.SHA384()))
    leaf("SHA-512 signature by P-256", Shape(digest=hashes.SHA512()))
    issuer("SHA-256 signature by P-384", Shape("P-384"))
    issuer("SHA-512 signature by P-384", Shape("P-384"), Shape(digest=hashes.SHA512()))
    issuer("SHA-512 signature by P-521", Shape("P-521"), Shape(digest=hashes.SHA512()))
    # Length.
    for count in (6, 7, 9):
        above = top
        for number in range(count):
            above = shapes.below(above, f"Acme CA {count} {number}")
        found[f"{count} intermediates"] = Odd(shapes.leaf(above, f"{count} intermediates"))
    # Purposes and kinds.
    every = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    leaf("leaf for any purpose alone", Shape(extensions={x509.ExtendedKeyUsage: (every, False)}))
    leaf("leaf without EKU", Shape(extensions=_without(x509.ExtendedKeyUsage)))
    leaf("leaf without basicConstraints", Shape(extensions=_without(x509.BasicConstraints)))
    leaf("leaf that is a CA", Shape(extensions={x509.BasicConstraints: (constraints, True)}))
    issuer("CA without basicConstraints", Shape(extensions=_without(x509.BasicConstraints)))
    issuer("CA for any purpose alone", Shape(extensions={x509.ExtendedKeyUsage: (every, False)}))
    # Names.
    found["address as a dNSName"] = Odd(
        shapes.leaf(usual, "address as a dNSName", hosts=("127.0.0.1",)), host="127.0.0.1"
    )
    found["address as a dNSName beside localhost"] = Odd(
        shapes.leaf(usual, "address as a dNSName beside", hosts=("127.0.0.1", "localhost"))
    )
    leaf(
        "common name alone",
        Shape(subject="localhost", extensions=_without(x509.SubjectAlternativeName)),
    )
    wild = shapes.leaf(usual, "malformed", hosts=("*.*.example", "local_host", "localhost"))
    found["odd names beside localhost"] = Odd(wild)
    # Servers.
    leaf("TLS 1.2 alone", settings="ssl_protocols TLSv1.2;")
    leaf(
        "TLS 1.2 and CBC alone",
        settings="ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-SHA256;",
    )
    found["DHE alone"] = Odd(
        shapes.leaf(usual, "DHE alone", Shape("RSA-2048")),
        "ssl_protocols TLSv1.2; ssl_ciphers DHE-RSA-AES128-GCM-SHA256; ssl_dhparam {root}/dh.pem;",
    )
    leaf("P-521 exchange alone", settings="ssl_ecdh_curve secp521r1;")
    leaf("root sent too")
    ordinary = found["root sent too"].made
    found["root sent too"] = Odd(
        ordinary,
        sends=ordinary.chain_pem + top.cert_pem,
    )
    # Roots.
    found["intermediate as root"] = Odd(ordinary, trusts=(usual,))
    bare = shapes.root("Bare Root", Shape(bare=True))
    found["root without extensions"] = Odd(shapes.leaf(bare, "below bare"), trusts=(bare,))
    weak = shapes.root("Weak Root", Shape("RSA-1024"))
    found["RSA-1024 root"] = Odd(shapes.leaf(weak, "below weak"), trusts=(weak,))
    old = shapes.root("Old Root", Shape("RSA-2048", old_digest="sha1"))
    found["SHA-1 root"] = Odd(shapes.leaf(old, "below old"), trusts=(old,))
    strange = shapes.root(
        "Strange Root", Shape(extensions={x509.UnrecognizedExtension: (unknown, True)})
    )
    found["unrelated CA with an unknown critical extension"] = Odd(ordinary, trusts=(top, strange))
    policied = shapes.root(
        "Policy Root",
        Shape(extensions={x509.CertificatePolicies: (x509.CertificatePolicies([policy]), True)}),
    )
    found["unrelated CA with critical certificatePolicies"] = Odd(ordinary, trusts=(top, policied))
    return top, found


@dataclass
class Servers:
    """The running servers: the port of each, by its name."""

    root: Path
    ports: Mapping[str, int]
    odd: Mapping[str, Odd]
    top: Made
    client_root: Made
    client_issuer: Made
    late: Mapping[str, int]

    def url(self, name: str) -> str:
        """Return the URL of the index at this server."""
        if name in self.late:
            return f"https://localhost:{self.late[name]}/simple/"
        return f"https://{self.odd[name].host}:{self.ports[name]}/simple/"

    def roots(self, name: str) -> bytes:
        """Return the roots that the profile has for this server."""
        trusts = self.odd[name].trusts if name in self.odd else None
        return b"".join(one.cert_pem for one in trusts or (self.top,))


@contextlib.contextmanager
def running() -> Iterator[Servers]:
    """Run the servers as long as the context lasts."""
    top, odd = odd_servers()
    client_root = shapes.root("Client Root")
    client_issuer = shapes.below(client_root, "Client Issuing CA")
    with tempfile.TemporaryDirectory(prefix="mr-odd-") as folder, contextlib.ExitStack() as stack:
        root = Path(folder)
        (root / "client-root.pem").write_bytes(client_root.cert_pem)
        (root / "openssl.cnf").write_text(_OPENSSL)
        write_index(root / "www")
        # RFC 7919's ffdhe2048: openssl has it by name.
        dh = ["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048"]
        (root / "dh.pem").write_bytes(subprocess.run(dh, capture_output=True, check=True).stdout)
        ports = {}
        blocks = []
        for number, (name, one) in enumerate(odd.items()):
            ports[name] = _port(stack)
            (root / f"s{number}.pem").write_bytes(one.sends or one.made.chain_pem)
            (root / f"s{number}.key").write_bytes(one.made.key_pem)
            settings = one.settings.replace("{root}", str(root))
            blocks.append(
                BLOCK.format(root=root, port=ports[name], name=f"s{number}", settings=settings)
            )
        (root / "nginx.conf").write_text(NGINX.format(root=root, servers="".join(blocks)))
        with contextlib.ExitStack() as held:  # Apache shares no port, so they are let go again
            late = {name: _port(held) for name in LATE}
        ordinary = odd["ordinary"].made
        (root / "late.pem").write_bytes(ordinary.chain_pem)
        (root / "late.key").write_bytes(ordinary.key_pem)
        hosts = [HOST.format(port=late[name], protocol=LATE[name]) for name in LATE]
        (root / "apache.conf").write_text(
            APACHE.format(root=root, modules=_MODULES, hosts="".join(hosts))
        )
        commands = {
            "nginx": ["-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"],
            "apache2": ["-X", "-f", f"{folder}/apache.conf"],
        }
        waits = {"nginx": next(iter(ports.values())), "apache2": next(iter(late.values()))}
        for program, words in commands.items():
            stack.enter_context(_process(program, words, waits[program], root))
        yield Servers(root, ports, odd, top, client_root, client_issuer, late)


def _port(stack: contextlib.ExitStack) -> int:
    held, port = bound_pair(shared=True)
    for one in held:
        stack.callback(one.close)
    return port


@contextlib.contextmanager
def _process(program: str, words: list[str], port: int, root: Path) -> Iterator[None]:
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise AssertionError(f"{program} is missing: tests/run installs it")
    with (root / f"{program}.stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [path, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            env={**os.environ, "OPENSSL_CONF": str(root / "openssl.cnf")},
        )
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                logs = [one.read_text() for one in root.glob("*.log")]
                logs += [one.read_text() for one in root.glob("*.stderr")]
                raise AssertionError(f"{program} does not start:\n" + "\n".join(logs)[-3000:])
            time.sleep(0.01)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
