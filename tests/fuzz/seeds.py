"""The seeds: the vectors, a server's TLS flights, and files of settings."""

from __future__ import annotations

import contextlib

from OpenSSL import SSL

from tests.pki import Authority
from tests.vectors.index import CA_FILES, IDENTITIES, PASSPHRASE, WORKS

__all__ = ["PASSPHRASE"]


def _files(names: str) -> tuple[bytes, ...]:
    """Return the first file of each of these vectors."""
    vectors = {str(vector): vector for vector in IDENTITIES}
    return tuple(vectors[name].contents[0][1] for name in names.split())


PEM = _files(
    "leaf-chain-key key-chain-backwards-leaf ed25519 rsa-pkcs1 ec-sec1 locked text-between"
)
LOCKED = _files("locked ed25519-locked proc-type proc-type-rsa")
PKCS12 = _files("pkcs12-3des pkcs12-rc2 pkcs12-open pkcs12-rsa")
(CERTIFICATE,) = _files("der")
CERT_PEM, SEPARATE_KEY = (
    data for v in IDENTITIES if v.name == "der-sec1" for _, data in v.contents
)
ROOTS = tuple(v.contents[0][1] for v in CA_FILES if v.verdicts["ca"] == WORKS)


def flights() -> tuple[bytes, ...]:
    """Return what servers say first: TLS 1.2 and 1.3, and what is no TLS at all."""
    web = Authority.create("Fuzz Root").issue("web", server=True, hosts=("index.example",))
    found = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28", b"SSH-2.0-x\r\n"]
    for newest in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_max_proto_version(newest)
        context.use_certificate(web.certificate)
        context.use_privatekey(web.key)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        server = SSL.Connection(context, None)
        server.set_accept_state()
        client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        client.set_connect_state()
        with contextlib.suppress(SSL.WantReadError):
            client.do_handshake()
        server.bio_write(client.bio_read(65536))
        with contextlib.suppress(SSL.WantReadError):
            server.do_handshake()
        found.append(server.bio_read(65536))
    return tuple(found)


CONFIGURATIONS = (
    (
        b'default-profile = "corp"\nexpiry-notice-days = 3\n[profiles.corp]\n'
        b'client-cert = "~/a.pem"\n'
        b'client-key = "a.key"\nca-cert = ["a", "b"]\nroots = "none"\npassphrase = "prompt"\n'
        b'remember = "8h"\n\n[profiles."x.y"] # words\nextends = "corp"\n'
        b'passphrase = { env = "A" }\n[[directories]]\npath = "~/src"\nprofile = "corp"\n'
    ),
    b'[profiles]\na = { cert = "x" }\nb = { extends = "a", passphrase = { file = "y" } }\n',
    b"profiles.a.roots = \"\"\"public\"\"\"\nprofiles.a.ca-cert = '''x'''\n",
)
PROJECT_FILES = (
    b'[project]\nname = "x"\n[tool.mtls-run]\nprofile = "corp"\n[tool.uv]\nindex-url = "https://x"\n',
    b'profile = "corp"\n',
    b'client-cert = "a.pem"\npassphrase = { file = "x" }\nca-cert = ["~/a"]\n',
)
UV_FILES = (
    (
        b'[[index]]\nname = "corp"\nurl = "https://u:p@x/simple/"\nexplicit = true\n[pip]\n'
        b'extra-index-url = ["https://a", "https://b"]\n'
    ),
    (
        b'[project]\nname = "x"\n[tool.uv]\nindex-url = "https://x"\nmanaged = true\n'
        b'[tool.uv.workspace]\nmembers = ["a*"]\n[[tool.uv.index]]\nurl = "https://y"\n'
    ),
)
PIP_FILES = (
    (
        b"[global]\nindex-url = https://alice:secret@index.example/simple/\ncert = ~/root.pem\n"
        b"client-cert: /pki/alice.pem\n[install]\nextra-index-url =\n    https://a/\n    https://b/\n"
    ),
    b"[DEFAULT]\nproxy = http://u:p@proxy:3128\n[download]\n--cert=x\n; words\n",
)
TOML_WORDS = (
    *(b"client-cert", b"ca-cert", b"cert", b"roots", b"passphrase", b"extends", b"remember"),
    *(b"[profiles.x]\n", b"[[directories]]\n", b"default-profile", b"'corp'", b"true", b"-1"),
    *(b"{ file = 'x' }", b"{ env = 'A' }", b'{ command = ["x"] }', b"['a', 'b']", b"1979-05-27"),
    *(b"'8h'", b"trusted-directories", b"'~nobody/x'", b"''", b"[tool.mtls-run]\n", b"inf"),
    *(b"index", b"[[index]]\n", b"[[tool.uv.index]]\n", b"url = 'https://u:p@h/'", b"index-url"),
    *(b"explicit = true", b"[pip]\n", b"members = ['*']", b"managed = false", b'"\\u0000"'),
)
PIP_WORDS = (
    *(b"[global]", b"[install]", b"cert = /x", b"client-cert=~/x", b"index-url: x", b"; x", b"[x"),
    *(b"extra-index-url =\n    https://a\n    https://b\n", b"%(cert)s", b"--cert", b"proxy"),
)
