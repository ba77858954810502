"""Run `mtls-run passphrase` with a real keyring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.support import MAIN
from tests.cli.test_cost import imported
from tests.e2e.toolbox import newest_uv
from tests.terminal import PROMPT, session

if TYPE_CHECKING:
    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService
    from tests.sandbox import Canary

pytestmark = [pytest.mark.e2e, pytest.mark.everyday]


@pytest.fixture(autouse=True)
def profiles(bench: Bench, keyring: SecretService, canary: Canary) -> None:
    """Write a profile whose key the canary opens, and lead to the keyring."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem(canary.text))
    bench.profile('client-cert = "~/pki/alice.pem"')
    bench.sandbox.env.update(keyring.env)


@pytest.mark.parametrize(
    ("name", "end"),
    [(["corp"], ""), ([], "\n"), pytest.param([], "\r\n", marks=pytest.mark.slow)],
    ids=["named", "default", "default-crlf"],
)
def test_set_check_use_forget(
    bench: Bench, keyring: SecretService, canary: Canary, name: list[str], end: str
) -> None:
    """A passphrase from standard input is stored, checked, used and forgotten."""
    sandbox = bench.sandbox
    stored = sandbox.run("passphrase", "set", "--stdin", *name, input=canary.text + end)
    assert stored.returncode == 0, stored
    assert keyring.lookup("corp") == canary.text
    checked = sandbox.run("passphrase", "check", *name)
    assert checked.returncode == 0, checked
    bench.assert_installed(bench.run(newest_uv()))
    forgotten = sandbox.run("passphrase", "forget", *name)
    assert forgotten.returncode == 0, forgotten
    assert keyring.lookup("corp") is None
    shown = [done.stdout + done.stderr for done in (stored, checked, forgotten)]
    canary.assert_absent(*shown, below=[sandbox.root, keyring.root])


def test_reading_costs_no_import_of_keyring(
    bench: Bench, keyring: SecretService, canary: Canary
) -> None:
    """A passphrase in an unlocked Secret Service is read without importing keyring."""
    keyring.store("corp", canary.text)
    sandbox = bench.sandbox
    sandbox.write(sandbox.bin / "make", "#!/bin/sh\n", 0o755)
    ours = imported(sandbox, MAIN, "--", "make")
    assert "secretstorage" in ours
    assert "keyring" not in ours


def test_keyring_that_looks_elsewhere(bench: Bench, keyring: SecretService, canary: Canary) -> None:
    """Variables that change where keyring looks hold: in this place nothing is stored."""
    keyring.store("corp", canary.text)
    sandbox = bench.sandbox
    sandbox.write(sandbox.bin / "make", "#!/bin/sh\n", 0o755)
    assert sandbox.run("--", "make").returncode == 0
    sandbox.env["KEYRING_PROPERTY_SCHEME"] = "KeePassXC"
    done = sandbox.run("--", "make")
    assert done.returncode == 125, done
    assert "no passphrase for profile corp is stored in the keyring" in done.stderr


@pytest.mark.parametrize("stored", ["that of last year", None])
def test_check_says_what_is_wrong(
    bench: Bench, keyring: SecretService, canary: Canary, stored: str | None
) -> None:
    """`check` exits 1 for a passphrase that does not fit or is not stored."""
    if stored is not None:
        keyring.store("corp", stored)
    done = bench.sandbox.run("passphrase", "check", "corp")
    assert done.returncode == 1, done
    assert done.stderr + done.stdout != ""
    assert "Traceback" not in done.stderr
    canary.assert_absent(done.stdout, done.stderr)
    assert "that of last year" not in done.stdout + done.stderr


def test_set_at_a_terminal(bench: Bench, keyring: SecretService, canary: Canary) -> None:
    """`set` asks for the passphrase at a terminal, without an echo."""
    sandbox = bench.sandbox
    with session(sandbox, sandbox.program, "passphrase", "set", "corp") as terminal:
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        status = terminal.end()
    assert status == 0, terminal.shown
    assert keyring.lookup("corp") == canary.text
    canary.assert_absent(terminal.shown)


def test_set_replaces(bench: Bench, keyring: SecretService, canary: Canary) -> None:
    """`set` replaces the stored passphrase."""
    keyring.store("corp", "that of last year")
    done = bench.sandbox.run("passphrase", "set", "--stdin", "corp", input=canary.text)
    assert done.returncode == 0, done
    assert keyring.lookup("corp") == canary.text


def test_set_outranks_what_another_program_stored(
    bench: Bench, keyring: SecretService, canary: Canary
) -> None:
    """`set` also replaces an entry that another program made."""
    keyring.store("corp", "that of last year", by_another=True)
    done = bench.sandbox.run("passphrase", "set", "--stdin", "corp", input=canary.text)
    assert done.returncode == 0, done
    assert keyring.entries("corp") == 1
    assert keyring.lookup("corp") == canary.text


def test_forget_leaves_no_entry(bench: Bench, keyring: SecretService, canary: Canary) -> None:
    """`forget` deletes all entries of a profile."""
    keyring.store("corp", "that of last year", by_another=True)
    keyring.store("corp", canary.text)
    assert keyring.entries("corp") == 2
    done = bench.sandbox.run("passphrase", "forget", "corp")
    assert done.returncode == 0, done
    assert keyring.entries("corp") == 0


def test_set_needs_a_source(bench: Bench, keyring: SecretService, canary: Canary) -> None:
    """Without a terminal and without --stdin, `set` does not read standard input."""
    done = bench.sandbox.run("passphrase", "set", "corp", input=canary.text)
    bench.assert_refused(done)
    assert "--stdin" in done.stderr
    assert keyring.lookup("corp") is None


@pytest.mark.parametrize("action", ["set", "check"])
def test_unknown_profile(bench: Bench, keyring: SecretService, action: str) -> None:
    """An unknown profile is an error with the nearest right spelling."""
    options = ["--stdin"] if action == "set" else []
    done = bench.sandbox.run("passphrase", action, *options, "crop", input="x")
    assert done.returncode == 125, done
    assert "mtls-run: error: " in done.stderr
    assert "corp" in done.stderr
    assert keyring.lookup("crop") is None


@pytest.mark.parametrize(
    ("backend", "name"),
    [
        ("keyrings.alt.file.PlaintextKeyring", "PlaintextKeyring"),
        ("keyring.backends.null.Keyring", "null"),
        ("keyring.backends.fail.Keyring", "fail"),
    ],
)
def test_set_refuses_weak_keyrings(bench: Bench, canary: Canary, backend: str, name: str) -> None:
    """`set` refuses a keyring that stores nothing or stores plain text."""
    env = {"PYTHON_KEYRING_BACKEND": backend}
    done = bench.sandbox.run("passphrase", "set", "--stdin", "corp", input=canary.text, env=env)
    bench.assert_refused(done)
    assert name in done.stderr
    canary.assert_absent(done.stderr, below=[bench.sandbox.root])


def test_set_with_a_locked_keyring(
    bench: Bench, own_keyring: SecretService, canary: Canary
) -> None:
    """A keyring that stays locked is a clear error."""
    own_keyring.lock()
    command = ["passphrase", "set", "--stdin", "corp"]
    done = bench.sandbox.run(*command, input=canary.text, env=own_keyring.env)
    bench.assert_refused(done)
    assert "locked" in done.stderr


LAB = """hosts = ["pypi.corp.example"]
[[profiles.corp.identities]]
hosts = ["lab.corp.example:8443", "*.lab.corp.example"]
client-cert = "~/pki/lab.pem"
"""


def test_a_further_identity_is_named_by_its_host(
    bench: Bench, keyring: SecretService, canary: Canary
) -> None:
    """`--host` takes the passphrase of the identity for that host, and leaves the profile's."""
    sandbox = bench.sandbox
    path = sandbox.write("pki/lab.pem", bench.alice.pem("of the lab 7"))
    bench.profile(f'client-cert = "~/pki/alice.pem"\n{LAB}')
    keyring.store("corp", canary.text)
    host = ["--host", "lab.corp.example:8443"]
    missing = sandbox.run("passphrase", "check", *host)
    assert missing.returncode == 1
    assert "mtls-run passphrase set corp --host lab.corp.example:8443" in missing.stderr
    for given, status in ((canary.text, 125), ("of the lab 7", 0)):
        done = sandbox.run("passphrase", "set", "--stdin", "corp", *host, input=f"{given}\n")
        assert done.returncode == status, done
    assert keyring.lookup(f"file:{path}") == "of the lab 7"
    assert keyring.lookup("corp") == canary.text
    assert sandbox.run("passphrase", "check", "--host", "a.lab.corp.example").returncode == 0
    assert sandbox.run("passphrase", "forget", *host).returncode == 0
    assert (keyring.lookup(f"file:{path}"), keyring.lookup("corp")) == (None, canary.text)


@pytest.mark.parametrize(
    ("host", "more", "fact"),
    [
        ("other.example", LAB, "no identities of profile corp are for that host"),
        ("lab.corp.example", LAB, "no identities"),  # port 443
        ("https://lab.corp.example", LAB, "without a scheme or a path"),
        ("lab.corp.example", "", "no identities"),
    ],
)
def test_a_host_that_no_identity_is_for(bench: Bench, host: str, more: str, fact: str) -> None:
    """The error lists the hosts that there are."""
    bench.sandbox.write("pki/lab.pem", bench.alice.pem("of the lab 7"))
    bench.profile(f'client-cert = "~/pki/alice.pem"\n{more}')
    done = bench.sandbox.run("passphrase", "set", "--stdin", "--host", host, input="x\n")
    assert done.returncode == 125
    assert fact in done.stderr
    if more and "://" not in host:
        assert "pypi.corp.example, lab.corp.example:8443, *.lab.corp.example" in done.stderr
