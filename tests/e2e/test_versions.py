"""One profile means the same to every version of pip and uv."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.bench import WHEELS
from tests.e2e.toolbox import Tool, in_slow_tier, newest_pip, newest_uv, pips, uvs
from tests.tiers import rotated

if TYPE_CHECKING:
    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService
    from tests.pki import KeyKind, P12Kind
    from tests.sandbox import Canary

pytestmark = pytest.mark.e2e

# The oldest and the newest of each first; what is between them in the slow tier.
EDGES = [
    *(tool for found in (pips(), uvs()) for tool in (found[0], found[-1])),
    *in_slow_tier(*pips()[1:-1], *uvs()[1:-1]),
]
ENV, FILE = '{ env = "CORP_PASSPHRASE" }', '{ file = "~/passphrase" }'


@pytest.mark.everyday
@pytest.mark.parametrize("tool", EDGES, ids=str)
def test_encrypted_key(bench: Bench, keyring: SecretService, canary: Canary, tool: Tool) -> None:
    """Every version installs wheel and sdist with an encrypted key, unlocked from the keyring."""
    alice = bench.alice
    bench.sandbox.write("pki/alice.pem", alice.cert_pem + alice.chain_pem)
    bench.sandbox.write("pki/alice.key", alice.key_pem(canary.text))
    bench.profile('client-cert = "~/pki/alice.pem"\nclient-key = "~/pki/alice.key"')
    keyring.store("corp", canary.text)
    done = bench.run(tool, env=keyring.env)
    bench.assert_installed(done)
    canary.assert_absent(done.stdout, done.stderr, below=[bench.sandbox.root])


def pkcs12(bench: Bench, canary: Canary, tool: Tool, source: str) -> None:
    """Install everything with a PKCS#12 file whose passphrase comes from this source."""
    bench.sandbox.write("pki/alice.p12", bench.alice.p12(canary.text))
    secret = bench.sandbox.write("passphrase", canary.text + "\n")
    bench.profile(f'client-cert = "~/pki/alice.p12"\npassphrase = {source}')
    done = bench.run(tool, env={"CORP_PASSPHRASE": canary.text} if source == ENV else {})
    bench.assert_installed(done)
    canary.assert_absent(done.stdout, done.stderr, below=[bench.sandbox.root], but=[secret])


@pytest.mark.parametrize(
    "tool", [newest_pip(), newest_uv(), *in_slow_tier(*pips()[:-1], *uvs()[:-1])], ids=str
)
def test_pkcs12(bench: Bench, canary: Canary, tool: Tool) -> None:
    """Every version installs wheel and sdist with PKCS#12, unlocked from variable or file."""
    pkcs12(bench, canary, tool, ENV if tool.kind == "pip" else FILE)


@pytest.mark.slow
@pytest.mark.parametrize("tool", EDGES, ids=str)
def test_pkcs12_from_the_other_source(bench: Bench, canary: Canary, tool: Tool) -> None:
    """Every version does so with the passphrase from file or variable, the other way round."""
    pkcs12(bench, canary, tool, FILE if tool.kind == "pip" else ENV)


@pytest.mark.parametrize("kind", ["3des", "rc2"])
def test_old_pkcs12(bench: Bench, canary: Canary, kind: P12Kind) -> None:
    """PKCS#12 as older programs wrote it serves as well."""
    bench.sandbox.write("pki/alice.p12", bench.alice.p12(canary.text, kind))
    bench.profile(f'client-cert = "~/pki/alice.p12"\npassphrase = {ENV}')
    done = bench.run(newest_uv(), "alpha-pkg", env={"CORP_PASSPHRASE": canary.text})
    bench.assert_installed(done, WHEELS)


@pytest.mark.parametrize("roots", ["system", "public"])
@pytest.mark.parametrize(
    "tool", [newest_pip(), newest_uv(), *in_slow_tier(*pips("24.0"), *uvs("0.9.30"))], ids=str
)
def test_ca_beside_other_roots(bench: Bench, tool: Tool, roots: str) -> None:
    """A CA that is added to the system's or the public roots admits its server."""
    identity = bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    bench.profile(f'client-cert = "{identity}"\nroots = "{roots}"')
    bench.assert_installed(bench.run(tool))


@pytest.mark.parametrize(
    "tool", [newest_pip(), newest_uv(), *in_slow_tier(*pips("24.0"), *uvs("0.2.11"))], ids=str
)
def test_roots_of_the_environment(bench: Bench, tool: Tool) -> None:
    """With `environment`, the roots are what SSL_CERT_FILE names, for pip too."""
    identity = bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    bench.sandbox.write_config(
        'default-profile = "corp"\n[profiles.corp]\nroots = "environment"\n'
        f'client-cert = "{identity}"\n'
    )
    bench.assert_installed(bench.run(tool, env={"SSL_CERT_FILE": str(bench.ca)}))


@pytest.mark.parametrize(
    ("kind", "tool"),
    rotated(("rsa", "p384", "p521", "ed25519"), (newest_uv(), newest_pip())),
    ids=str,
)
def test_kinds_of_keys(bench: Bench, canary: Canary, tool: Tool, kind: KeyKind) -> None:
    """Each kind of key is handed on so that the tool can use it."""
    alice = bench.server.issuer.issue("alice", key=kind)
    bench.sandbox.write("pki/alice.pem", alice.pem(canary.text, "key-niahc-leaf"))
    bench.profile(f'client-cert = "~/pki/alice.pem"\npassphrase = {ENV}')
    done = bench.run(tool, "alpha-pkg", env={"CORP_PASSPHRASE": canary.text})
    bench.assert_installed(done, WHEELS)


@pytest.mark.parametrize("tool", uvs("0.2.11", "0.9.30"), ids=str)
def test_curve_that_this_uv_cannot_use(bench: Bench, tool: Tool) -> None:
    """A P-521 key before uv 0.11.0, which would panic, stops with the version that can."""
    alice = bench.server.issuer.issue("alice", key="p521")
    identity = bench.sandbox.write("pki/alice.pem", alice.pem())
    bench.profile(f'client-cert = "{identity}"')
    done = bench.run(tool)
    bench.assert_refused(done)
    assert "0.11.0" in done.stderr


@pytest.mark.parametrize("tool", [newest_pip(), newest_uv()], ids=str)
def test_plain_identity_by_its_own_path(bench: Bench, tool: Tool) -> None:
    """An unencrypted PEM in the right order is handed on as it lies there."""
    identity = bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    bench.profile(f'client-cert = "{identity}"')
    record = bench.sandbox.root.with_name("record.json")
    bench.assert_installed(bench.run(tool, env={"GAMMA_RECORD": str(record)}))
    seen = json.loads(record.read_text())
    for name in ("SSL_CLIENT_CERT", "PIP_CLIENT_CERT"):
        assert seen["env"][name] == str(identity)


@pytest.mark.parametrize("tool", [newest_pip(), newest_uv()], ids=str)
def test_python_dash_m(bench: Bench, canary: Canary, tool: Tool) -> None:
    """`python -m pip` and a path to the tool do what the bare name does."""
    bench.sandbox.write("pki/alice.p12", bench.alice.p12(canary.text))
    bench.profile(f'client-cert = "~/pki/alice.p12"\npassphrase = {ENV}')
    _, *rest = bench.install(tool, "alpha-pkg")
    found = tool.ready()
    command = [found.python, "-m", "pip"] if tool.kind == "pip" else [found.program]
    env = bench.tool_env(None, {"CORP_PASSPHRASE": canary.text})
    bench.assert_installed(bench.sandbox.run(*command, *rest, env=env, timeout=120), WHEELS)
