"""Refuse an identity that cannot work before the tool starts, without a connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable

import pytest

from tests.e2e import secret_service
from tests.e2e.toolbox import Tool, newest_pip, newest_uv
from tests.pki import make_key

if TYPE_CHECKING:
    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService
    from tests.sandbox import Canary

pytestmark = [pytest.mark.e2e, pytest.mark.everyday]

TOOLS = [newest_pip(), newest_uv()]


def expired(bench: Bench) -> bytes:
    """Return an identity that ended yesterday."""
    return bench.server.issuer.issue("alice", starts=-10, days=-1).pem()


def not_yet_valid(bench: Bench) -> bytes:
    """Return an identity that begins tomorrow."""
    return bench.server.issuer.issue("alice", starts=1, days=10).pem()


def key_of_another(bench: Bench) -> bytes:
    """Return a certificate beside the key of another."""
    other = bench.server.issuer.issue("bob")
    return bench.alice.cert_pem + bench.alice.chain_pem + other.key_pem()


def two_keys(bench: Bench) -> bytes:
    """Return an identity with a second key."""
    return bench.alice.pem() + bench.server.issuer.issue("bob").key_pem()


def two_leaves(bench: Bench) -> bytes:
    """Return two certificates for the same key."""
    key = make_key("ec")
    second = bench.server.issuer.issue("alice-renewed", key=key)
    return second.cert_pem + bench.server.issuer.issue("alice", key=key).pem()


def server_usage_only(bench: Bench) -> bytes:
    """Return an identity for servers."""
    return bench.server.issuer.issue("alice", eku="server").pem()


def version_1(bench: Bench) -> bytes:
    """Return an identity of X.509 version 1."""
    return bench.server.issuer.issue("alice", version=1).pem()


def certificate_only(bench: Bench) -> bytes:
    """Return a chain without a key."""
    return bench.alice.cert_pem + bench.alice.chain_pem


def key_only(bench: Bench) -> bytes:
    """Return a key without a certificate."""
    return bench.alice.key_pem()


def empty(bench: Bench) -> bytes:
    """Return nothing."""
    del bench
    return b""


def garbage(bench: Bench) -> bytes:
    """Return what no program wrote."""
    del bench
    return bytes(range(256)) * 8


def torn(bench: Bench) -> bytes:
    """Return an identity whose last line never arrived."""
    return bench.alice.pem()[:-60]


@pytest.mark.parametrize("tool", TOOLS, ids=str)
@pytest.mark.parametrize(
    ("content", "word"),
    [
        (expired, "expired"),
        (not_yet_valid, "valid only from"),
        (key_of_another, "key"),
        (two_keys, "key"),
        (two_leaves, "alice-renewed"),
        (server_usage_only, "client"),
        (version_1, "v1"),
        (certificate_only, "key"),
        (key_only, "certificate"),
        (empty, "empty"),
        (garbage, ""),
        (torn, ""),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_unusable_identity(
    bench: Bench, tool: Tool, content: Callable[[Bench], bytes], word: str
) -> None:
    """mtls-run exits 125 with one error that names the file, and a hint."""
    identity = bench.sandbox.write("pki/alice.pem", content(bench))
    bench.profile('client-cert = "~/pki/alice.pem"')
    done = bench.run(tool)
    bench.assert_refused(done)
    assert str(identity) in done.stderr or "~/pki/alice.pem" in done.stderr
    assert word in done.stderr


@pytest.mark.parametrize("tool", TOOLS, ids=str)
@pytest.mark.parametrize("missing", ["client-cert", "client-key", "ca-cert"])
def test_missing_file(bench: Bench, tool: Tool, missing: str) -> None:
    """A missing file is an error with the line that names it."""
    bench.sandbox.write("pki/alice.pem", bench.alice.cert_pem + bench.alice.chain_pem)
    bench.sandbox.write("pki/alice.key", bench.alice.key_pem())
    files = {
        "client-cert": "~/pki/alice.pem",
        "client-key": "~/pki/alice.key",
        "ca-cert": str(bench.ca),
        missing: "~/pki/nowhere.pem",
    }
    bench.profile("\n".join(f'{name} = "{path}"' for name, path in files.items()))
    done = bench.run(tool)
    bench.assert_refused(done)
    assert "nowhere.pem" in done.stderr
    assert str(bench.sandbox.config_file) in done.stderr


@pytest.mark.parametrize("tool", TOOLS, ids=str)
@pytest.mark.parametrize("form", ["pem", "p12"])
def test_wrong_passphrase(bench: Bench, canary: Canary, tool: Tool, form: str) -> None:
    """A wrong passphrase exits 125 and is not shown."""
    content = bench.alice.pem("the right one")
    if form == "p12":
        content = bench.alice.p12("the right one")
    bench.sandbox.write("pki/alice.pem", content)
    secret = bench.sandbox.write("passphrase", canary.text)
    bench.profile('client-cert = "~/pki/alice.pem"\npassphrase = { file = "~/passphrase" }')
    done = bench.run(tool)
    bench.assert_refused(done)
    assert "passphrase" in done.stderr
    canary.assert_absent(done.stderr, below=[bench.sandbox.root], but=[secret])


@pytest.mark.parametrize("stored", [True, False], ids=["unfitting", "none"])
def test_keyring_without_a_terminal(
    bench: Bench, keyring: SecretService, canary: Canary, stored: bool
) -> None:
    """Without a fitting passphrase and without a terminal, the hint is `passphrase set`."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem("the right one"))
    bench.profile('client-cert = "~/pki/alice.pem"')
    if stored:
        keyring.store("corp", canary.text)
    done = bench.run(newest_uv(), env=keyring.env)
    bench.assert_refused(done)
    assert "mtls-run passphrase set" in done.stderr
    assert keyring.lookup("corp") == (canary.text if stored else None)
    canary.assert_absent(done.stderr, below=[bench.sandbox.root])


def test_locked_keyring_without_a_terminal(bench: Bench, own_keyring: SecretService) -> None:
    """A locked keyring is an error with a command to run, and does not hang."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem("the right one"))
    bench.profile('client-cert = "~/pki/alice.pem"')
    own_keyring.store("corp", "the right one")
    own_keyring.lock()
    done = bench.run(newest_uv(), env=own_keyring.env)
    bench.assert_refused(done)
    assert "locked" in done.stderr
    assert "mtls-run passphrase" in done.stderr


@pytest.mark.slow
def test_keyring_that_waits_for_a_dialog(bench: Bench) -> None:
    """mtls-run stops waiting for a keyring after 30 seconds."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem("the right one"))
    bench.profile('client-cert = "~/pki/alice.pem"')
    with secret_service.mute() as keyring:
        started = time.monotonic()
        done = bench.run(newest_uv(), env=keyring.env, timeout=90)
        taken = time.monotonic() - started
    bench.assert_refused(done)
    assert 29 < taken < 45
    assert "30" in done.stderr


def test_no_keyring_without_a_terminal(bench: Bench) -> None:
    """Without a keyring and without a terminal, the error says so."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem("the right one"))
    bench.profile('client-cert = "~/pki/alice.pem"')
    done = bench.run(newest_uv())
    bench.assert_refused(done)
    assert "keyring" in done.stderr


def test_debug_shows_no_secret(bench: Bench, canary: Canary) -> None:
    """MTLS_RUN_DEBUG shows a traceback without the passphrase."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem("the right one"))
    bench.profile('client-cert = "~/pki/alice.pem"\npassphrase = { env = "CORP_PASSPHRASE" }')
    env = {"CORP_PASSPHRASE": canary.text, "MTLS_RUN_DEBUG": "1"}
    done = bench.run(newest_uv(), env=env)
    assert done.returncode == 125
    assert "Traceback" in done.stderr
    canary.assert_absent(done.stdout, done.stderr, below=[bench.sandbox.root])
    assert bench.server.requests() == []
