"""What the tests of the installed program share: an identity, a CA, and a profile over both."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

from mtls_run.roots import certificates
from tests.pki import Authority, Issued

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.sandbox import Sandbox

ROOT = Authority.create("Root")
ISSUER = ROOT.intermediate("Issuer")
# Every variable that says something of trust or identity to pip, uv, requests or curl.
AMBIENT_NAMES = "SSL_CERT_FILE SSL_CERT_DIR SSL_CLIENT_CERT REQUESTS_CA_BUNDLE CURL_CA_BUNDLE"
AMBIENT = dict.fromkeys(
    [*AMBIENT_NAMES.split(), "PIP_CERT", "PIP_CLIENT_CERT"], "/ambient/wrong.pem"
)
NATIVE = ("UV_NATIVE_TLS", "UV_SYSTEM_CERTS")
BUNDLE = (
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"),
    *("NODE_EXTRA_CA_CERTS", "npm_config_cafile", "CARGO_HTTP_CAINFO"),
)
IDENTITY = ("SSL_CLIENT_CERT", "PIP_CLIENT_CERT")
# mtls-run as its launcher starts it, by a Python that lists on stderr what it imports. A variable
# would not do: the launcher's Python is isolated.
LISTS_IMPORTS = [sys.executable, "-I", "-X", "importtime", "-c"]
MAIN = (
    "import sys; sys.argv = ['mtls-run', *sys.argv[1:]]; from mtls_run.__main__ import main; main()"
)


@functools.cache
def alice() -> Issued:
    """Return the identity of these tests."""
    return ISSUER.issue("alice")


def bundle() -> bytes:
    """Return the bundle that the profile's roots make."""
    return certificates.to_pem([ROOT.der])


def ready(sandbox: Sandbox, more: str = "") -> Path:
    """Write a profile over an identity that is ready as it stands, and return its file."""
    path = sandbox.write("pki/alice.pem", alice().pem())
    sandbox.write("pki/root.pem", ROOT.pem)
    write_profile(sandbox, more)
    return path


def locked(sandbox: Sandbox, passphrase: str) -> None:
    """Write a profile over an encrypted identity, whose passphrase is in CORP_PASSPHRASE."""
    sandbox.write("pki/alice.pem", alice().pem(passphrase))
    sandbox.write("pki/root.pem", ROOT.pem)
    write_profile(sandbox, 'passphrase = { env = "CORP_PASSPHRASE" }')
    sandbox.env["CORP_PASSPHRASE"] = passphrase


def write_profile(sandbox: Sandbox, more: str = "") -> None:
    """Write a user file with the profile corp, which is the default."""
    sandbox.write_config(
        'default-profile = "corp"\n[profiles.corp]\nclient-cert = "~/pki/alice.pem"\n'
        f'ca-cert = "~/pki/root.pem"\nroots = "none"\n{more}\n'
    )


def failed(
    done: subprocess.CompletedProcess[str], fact: str, hint: str | None = None, status: int = 125
) -> None:
    """Fail unless it ended with this status, an error with this fact, and nothing on stdout."""
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (status, ""), done
    assert lines, done
    assert lines[0].startswith("mtls-run: error: "), done
    assert fact in lines[0], done
    assert all(line.startswith("mtls-run: hint: ") for line in lines[1:]), done
    if hint is not None:
        assert hint in done.stderr, done
