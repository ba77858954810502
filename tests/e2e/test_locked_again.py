"""The second run of a command with a locked key and a real keyring: it resolves nothing again."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import MAIN
from tests.cli.test_cost import imported
from tests.e2e import secret_service
from tests.e2e.toolbox import newest_uv
from tests.pki import Authority

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService
    from tests.sandbox import Canary

pytestmark = [pytest.mark.e2e, pytest.mark.everyday]

RESOLVES = {"tomllib", "tomli"}
FORMS = ["PEM", "two files", "PKCS#12"]


class Locked:
    """A profile whose passphrase is in the keyring, before a tool that keeps what it is handed."""

    def __init__(self, bench: Bench, keyring: SecretService, canary: Canary) -> None:
        self.bench, self.keyring, self.canary = bench, keyring, canary
        self.sandbox = bench.sandbox
        self.sandbox.env.update(keyring.env)
        keyring.store("corp", canary.text)
        script = '#!/bin/sh\ncat "$SSL_CLIENT_CERT" >>"$HOME/handed"; echo "$SSL_CLIENT_CERT"\n'
        self.sandbox.write(self.sandbox.bin / "make", script, 0o755)
        self.profile("PEM")

    def profile(self, form: str, more: str = "") -> None:
        """Write the identity and its profile."""
        alice, passphrase = self.bench.alice, self.canary.text
        keys = 'client-cert = "~/pki/alice"\n'
        if form == "PEM":
            self.sandbox.write("pki/alice", alice.pem(passphrase))
        elif form == "PKCS#12":
            self.sandbox.write("pki/alice", alice.p12(passphrase))
        else:
            self.sandbox.write("pki/alice", alice.cert_pem + alice.chain_pem)
            self.sandbox.write("pki/alice.key", alice.key_pem(passphrase))
            keys += 'client-key = "~/pki/alice.key"\n'
        self.bench.profile(keys + more)

    def run(
        self, *words: str, env: Mapping[str, str | None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `make`."""
        return self.sandbox.run(*words, "--", "make", env=env, timeout=120)

    def imported(self) -> set[str]:
        """Run `make`, and return what Python imported."""
        return imported(self.sandbox, MAIN, "--", "make")

    @property
    def handed(self) -> bytes:
        """What all runs were handed."""
        return (self.sandbox.home / "handed").read_bytes()


@pytest.fixture
def locked(bench: Bench, keyring: SecretService, canary: Canary) -> Locked:
    """Return the profile."""
    return Locked(bench, keyring, canary)


@pytest.mark.parametrize("form", FORMS)
def test_same_identity(locked: Locked, form: str) -> None:
    """The second run hands over the same bytes, and reads no configuration for it."""
    locked.profile(form)
    assert locked.imported() & RESOLVES
    assert locked.handed == locked.bench.alice.pem()
    ours = locked.imported()
    assert "secretstorage" in ours
    assert not ours & {*RESOLVES, "keyring"}
    assert locked.handed == locked.bench.alice.pem() * 2
    locked.canary.assert_absent(below=[locked.sandbox.home / ".cache"])


def test_a_real_tool(locked: Locked) -> None:
    """The first run and the second let uv install from the index."""
    for _ in range(2):
        done = locked.bench.run(newest_uv(), "alpha-pkg")
        assert done.returncode == 0, done
    assert locked.bench.subject in {one.subject for one in locked.bench.server.requests()}


def test_no_second_run_without_the_passphrase(locked: Locked) -> None:
    """Once the keyring has no passphrase, or one that does not fit, the next run says so."""
    assert locked.run().returncode == 0
    locked.keyring.clear("corp")
    done = locked.run()
    assert done.returncode == 125
    assert "no passphrase for profile corp is stored in the keyring" in done.stderr
    locked.keyring.store("corp", "that of last year")
    done = locked.run()
    assert done.returncode == 125
    assert "the passphrase stored for profile corp does not open" in done.stderr
    locked.keyring.store("corp", locked.canary.text)
    assert locked.run().returncode == 0
    assert locked.handed == locked.bench.alice.pem() * 2


def test_locked_keyring(locked: Locked, own_keyring: SecretService) -> None:
    """Once the keyring is locked, the next run says so."""
    own_keyring.store("corp", locked.canary.text)
    assert locked.run(env=dict(own_keyring.env)).returncode == 0
    own_keyring.lock()
    done = locked.run(env=dict(own_keyring.env))
    assert done.returncode == 125
    assert "is locked" in done.stderr
    assert locked.handed == locked.bench.alice.pem()


@pytest.mark.slow
def test_a_keyring_that_does_not_answer(locked: Locked) -> None:
    """The next run waits for the keyring as long as the first would, and says so once."""
    assert locked.run().returncode == 0
    with secret_service.mute() as mute:
        began = time.monotonic()
        done = locked.run(env=dict(mute.env))
    assert done.returncode == 125
    assert done.stderr.count("waiting for your keyring") == 1
    assert "did not answer within 30 s" in done.stderr
    assert time.monotonic() - began < 40


@pytest.mark.parametrize("what", ["identity", "key", "CA", "configuration", "expired"])
def test_something_else_on_the_disk(locked: Locked, what: str) -> None:
    """What changed since the first run counts in the second."""
    bench, sandbox, passphrase = locked.bench, locked.sandbox, locked.canary.text
    locked.profile("two files")
    assert locked.run().returncode == 0
    expected, status = bench.alice.pem() * 2, 0
    if what == "identity":
        other = bench.server.issuer.issue("alice")
        sandbox.write("pki/alice", other.cert_pem + other.chain_pem)
        sandbox.write("pki/alice.key", other.key_pem(passphrase))
        expected = bench.alice.pem() + other.pem()
    elif what == "key":
        sandbox.write("pki/alice.key", bench.server.issuer.issue("bob").key_pem(passphrase))
        expected, status = bench.alice.pem(), 125
    elif what == "CA":
        sandbox.write("pki/server-ca.pem", Authority.create("Other").pem)
    elif what == "configuration":
        bench.profile('client-cert = "~/pki/absent.pem"')
        expected, status = bench.alice.pem(), 125
    else:
        old = bench.server.issuer.issue("alice", days=-1)
        sandbox.write("pki/alice", old.cert_pem + old.chain_pem)
        sandbox.write("pki/alice.key", old.key_pem(passphrase))
        expected, status = bench.alice.pem(), 125
    done = locked.run()
    assert done.returncode == status, done
    assert locked.handed == expected


@pytest.mark.slow
def test_one_that_expires_meanwhile(locked: Locked) -> None:
    """A certificate that expires between two runs stops the second."""
    soon = locked.bench.server.issuer.issue("alice", days=6 / 86400)
    locked.sandbox.write("pki/alice", soon.pem(locked.canary.text))
    config = locked.sandbox.config_file
    config.write_text(f"expiry-notice-days = 0\n{config.read_text()}")
    assert locked.run().returncode == 0
    time.sleep(7)
    done = locked.run()
    assert done.returncode == 125
    assert "expired" in done.stderr
    assert locked.handed == soon.pem()


@pytest.mark.parametrize("source", ["prompt", "file", "variable"])
def test_other_sources_are_asked_each_time(locked: Locked, source: str) -> None:
    """A passphrase from elsewhere than the keyring is taken from there in each run."""
    secret = locked.sandbox.write("passphrase", locked.canary.text, 0o600)
    said = {
        "prompt": '"prompt"',
        "file": f'{{ file = "{secret}" }}',
        "variable": '{ env = "PP" }',
    }
    locked.profile("PEM", f"passphrase = {said[source]}\n")
    found = []
    for given in (locked.canary.text, "wrong"):
        secret.write_text(given)
        found.append(locked.run(env={"PP": given}).returncode)
    assert found == ([125, 125] if source == "prompt" else [0, 125])


def test_a_private_file_is_of_one_run(locked: Locked) -> None:
    """With `--handoff supervise` each run has a private file of its own."""
    for _ in range(2):
        done = locked.run("--handoff", "supervise")
        assert done.returncode == 0, done
        assert done.stdout.strip().endswith("/identity.pem")
    assert locked.handed == locked.bench.alice.pem() * 2


@pytest.mark.skipif(sys.platform != "linux", reason="memory that has a path is Linux's")
def test_in_memory(locked: Locked) -> None:
    """The unlocked key of both runs is in memory alone."""
    for _ in range(2):
        assert locked.run().stdout.startswith("/proc/")
