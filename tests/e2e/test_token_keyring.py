"""The PIN of a token in a real keyring: stored after it was tried, and never tried twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ISSUER
from tests.terminal import session
from tests.tokens import PIN, SoftToken, identity

if TYPE_CHECKING:
    from tests.e2e.secret_service import SecretService
    from tests.sandbox import Sandbox

HOST = ["--host", "pypi.corp.example"]
pytestmark = pytest.mark.e2e


def test_a_pin_in_the_keyring(sandbox: Sandbox, keyring: SecretService) -> None:
    """`set` stores only a PIN that opens; a stored one that no longer does is tried once."""
    place = SoftToken(sandbox.root / "hsm")
    identity(place, ISSUER, "p256")
    sandbox.env.update({**place.environ, **keyring.env})
    sandbox.write_config(f'[profiles.corp]\nclient-cert = "{place.uri()}"\n')

    done = sandbox.run("passphrase", "set", "--stdin", "corp", input="0000\n")
    assert done.returncode == 125
    assert "the token Lab refuses the PIN; it was tried once" in done.stderr
    assert keyring.lookup("corp") is None

    done = sandbox.run("passphrase", "set", "--stdin", "corp", input=f"{PIN}\n")
    assert done.returncode == 0, done
    assert "the PIN for profile corp is stored in" in done.stdout
    assert keyring.lookup("corp") == PIN
    assert sandbox.run("passphrase", "check", "corp").returncode == 0

    place.tool("--login", "--pin", PIN, "--change-pin", "--new-pin", "another-9")
    with session(sandbox, sandbox.program, "passphrase", "check", "corp") as terminal:
        assert terminal.end() == 1, terminal.shown
    assert "tried once" in terminal.shown
    assert "mtls-run passphrase forget corp" in terminal.shown
    assert PIN not in terminal.shown

    assert sandbox.run("passphrase", "forget", "corp").returncode == 0
    done = sandbox.run("passphrase", "check", "corp")
    assert done.returncode == 1
    assert "no PIN for profile corp is stored in the keyring" in done.stderr


def test_add_offers_to_keep_the_pin(sandbox: Sandbox, keyring: SecretService) -> None:
    """A typed PIN that opened the token may be stored."""
    place = SoftToken(sandbox.root / "hsm")
    identity(place, ISSUER, "p256")
    sandbox.env.update({**place.environ, **keyring.env})
    words = ["profile", "add", "corp", "--roots", "public", *HOST, "--client-cert", place.uri()]
    with session(sandbox, sandbox.program, *words) as terminal:
        terminal.expect(r"PIN for profile corp .*: ?$")
        terminal.type(PIN)
        terminal.expect(r"store the PIN for profile corp in the keyring\? ")
        terminal.type("y")
        assert terminal.end() == 0, terminal.shown
    assert keyring.lookup("corp") == PIN
