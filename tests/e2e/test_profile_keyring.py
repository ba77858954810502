"""`mtls-run profile` with a real keyring: what it stores there, and what it deletes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.pki import Authority
from tests.terminal import OFFER, PROMPT, session

if TYPE_CHECKING:
    from tests.e2e.secret_service import SecretService
    from tests.sandbox import Canary, Sandbox

pytestmark = pytest.mark.e2e

ALICE = Authority.create("Root").intermediate("Issuer").issue("alice")


@pytest.fixture
def home(sandbox: Sandbox, keyring: SecretService, canary: Canary) -> Sandbox:
    """Return a sandbox with the keyring, and an identity that the canary opens."""
    sandbox.write("pki/alice.p12", ALICE.p12(canary.text))
    sandbox.env.update(keyring.env, PIP_CONFIG_FILE=os.devnull)
    return sandbox


ADD = ["profile", "add", "corp", "--client-cert", "pki/alice.p12", "--roots", "system"]


@pytest.mark.parametrize("answer", ["y", "n"])
def test_add_offers_to_keep_it(
    home: Sandbox, keyring: SecretService, canary: Canary, answer: str
) -> None:
    """A passphrase that opens the key is stored only if the user says yes."""
    with session(home, home.program, *ADD) as terminal:
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        terminal.expect(OFFER)
        terminal.type(answer)
        assert terminal.end() == 0, terminal.shown
    assert keyring.lookup("corp") == (canary.text if answer == "y" else None)
    assert ("is stored in" in terminal.shown) == (answer == "y")
    assert home.run("passphrase", "check", "corp").returncode == (0 if answer == "y" else 1)
    canary.assert_absent(terminal.shown, below=[home.root, keyring.root])


def test_add_does_not_keep_what_is_not_written(
    home: Sandbox, keyring: SecretService, canary: Canary
) -> None:
    """Where the profile cannot be written, nothing is offered to the keyring or stored in it."""
    home.write(home.root / "config/mtls-run", "in the way")
    with session(home, home.program, *ADD) as terminal:
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        assert terminal.end() == 125, terminal.shown
    assert "cannot write" in terminal.shown
    assert keyring.lookup("corp") is None


def test_add_uses_what_is_kept(home: Sandbox, keyring: SecretService, canary: Canary) -> None:
    """mtls-run does not ask for a stored passphrase that opens the key."""
    keyring.store("corp", canary.text)
    with session(home, home.program, *ADD) as terminal:
        assert terminal.end() == 0, terminal.shown
    assert "CN=alice" in terminal.shown
    assert "? " not in terminal.shown


def test_replacing_replaces_it(home: Sandbox, keyring: SecretService, canary: Canary) -> None:
    """A stored passphrase of another key is asked for, and replaced if the user says yes."""
    keyring.store("corp", "that of the old key")
    with session(home, home.program, *ADD) as terminal:
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        assert "replace" in terminal.expect(OFFER)
        terminal.type("")
        assert terminal.end() == 0, terminal.shown
    assert keyring.lookup("corp") == canary.text


def test_import_of_a_file_keeps_it(home: Sandbox, keyring: SecretService, canary: Canary) -> None:
    """An import asks for the passphrase, checks it and stores it without a question."""
    words = ["profile", "import", "--from", "pki/alice.p12", "corp"]
    with session(home, home.program, *words) as terminal:
        terminal.expect(PROMPT)
        terminal.type("a slip")
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        assert terminal.end() == 0, terminal.shown
    assert keyring.lookup("corp") == canary.text
    assert home.config_file.read_text().endswith('client-cert = "~/pki/alice.p12"\n')
    tool = home.fake_tool("uv")
    done = home.run("uv", "pip", "install", "x")
    assert done.returncode == 0, done
    assert tool.seen().files["SSL_CLIENT_CERT"].startswith(ALICE.cert_pem)
    canary.assert_absent(terminal.shown, below=[home.root, keyring.root])


def test_remove_forgets_it(home: Sandbox, keyring: SecretService, canary: Canary) -> None:
    """The passphrase of a removed profile is deleted; other profiles keep theirs."""
    home.write_config(
        '[profiles.corp]\nclient-cert = "~/pki/alice.p12"\n'
        '[profiles.lab]\nclient-cert = "~/pki/alice.p12"\n'
    )
    keyring.store("corp", canary.text)
    keyring.store("lab", canary.text)
    done = home.run("profile", "remove", "corp")
    assert done.returncode == 0, done
    assert "its passphrase is no longer in" in done.stdout
    assert keyring.lookup("corp") is None
    assert keyring.lookup("lab") == canary.text
    done = home.run("profile", "remove", "nobody")
    assert done.returncode == 125
    again = home.run("passphrase", "forget", "corp")
    assert again.returncode == 0


def test_refused_remove_forgets_nothing(
    home: Sandbox, keyring: SecretService, canary: Canary
) -> None:
    """A profile that is not removed keeps its passphrase."""
    home.write_config(
        'default-profile = "corp"\n[profiles.corp]\nclient-cert = "~/pki/alice.p12"\n'
    )
    keyring.store("corp", canary.text)
    assert home.run("profile", "remove", "corp").returncode == 125
    assert keyring.lookup("corp") == canary.text


def test_remove_before_a_locked_keyring(
    home: Sandbox, own_keyring: SecretService, canary: Canary
) -> None:
    """A locked keyring is a notice, and the profile is removed."""
    home.write_config('[profiles.corp]\nclient-cert = "~/pki/alice.p12"\n')
    own_keyring.store("corp", canary.text)
    own_keyring.lock()
    done = home.run("profile", "remove", "corp", env=own_keyring.env)
    assert done.returncode == 0, done
    assert "mtls-run: notice: " in done.stderr
    assert "locked" in done.stderr
    assert "mtls-run passphrase forget corp" in done.stderr
    assert home.config_file.read_text() == ""


def test_list_leaves_the_keyring_alone(
    home: Sandbox, own_keyring: SecretService, canary: Canary
) -> None:
    """A list does not wait for a locked keyring, and does not mention it."""
    home.write_config('[profiles.corp]\nclient-cert = "~/pki/alice.p12"\n')
    own_keyring.store("corp", canary.text)
    own_keyring.lock()
    done = home.run("profile", "list", env=own_keyring.env, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    assert "locked" in done.stdout
    assert "CN=" not in done.stdout
