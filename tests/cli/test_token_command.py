"""Management commands with a key in a token: the installed program, SoftHSM and a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ISSUER, failed
from tests.terminal import session
from tests.tokens import PIN, PublicOnly, SoftToken, identity

if TYPE_CHECKING:
    from typing import Any

    from tests.sandbox import Sandbox

HOST = ["--host", "pypi.corp.example"]
NULL = "keyring.backends.null.Keyring"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    """Return a token with an identity `alice` of P-256."""
    place = SoftToken(tmp_path_factory.mktemp("hsm"))
    identity(place, ISSUER, "p256")
    return place


@pytest.fixture
def home(sandbox: Sandbox, token: SoftToken) -> Sandbox:
    """Return a sandbox in which the token's module finds the token; there is no keyring."""
    sandbox.env.update(token.environ, PYTHON_KEYRING_BACKEND=NULL)
    return sandbox


def corp(sandbox: Sandbox, token: SoftToken, pin: str, more: str = "") -> None:
    """Write the profile corp, whose PIN is in CORP_PIN."""
    sandbox.env["CORP_PIN"] = pin
    sandbox.write_config(
        f'default-profile = "corp"\n[profiles.corp]\nclient-cert = "{token.uri()}"\n'
        f'passphrase = {{ env = "CORP_PIN" }}\nroots = "public"\n{more}'
    )


def test_add_lists_tokens_and_certificates(home: Sandbox, token: SoftToken) -> None:
    """`pkcs11:` alone lists what is there, each with a URI to paste, which then works."""
    bare = f"pkcs11:?module-path={token.module}"
    done = home.run("profile", "add", "corp", "--client-cert", bare)
    assert done.returncode == 125
    assert "the URI names no certificate; the profile is not written" in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("token Lab: pkcs11:token=Lab;serial=")
    assert "CN=alice" in lines[1]
    assert not home.config_file.exists()
    uri = lines[2].strip().strip("'")
    assert f"mtls-run: hint: name one of these: --client-cert '{uri}'" in done.stderr
    home.env["CORP_PIN"] = PIN
    words = ["--client-cert", uri, *HOST, "--passphrase", "env:CORP_PIN"]
    done = home.run("profile", "add", "corp", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "CN=alice, 364 days left" in done.stdout
    assert uri in home.config_file.read_text()


def test_import_of_googles_file(home: Sandbox, token: SoftToken) -> None:
    """Slot, label and module of a certificate_config.json make a profile whose token opens."""
    slots = home.execute(["softhsm2-util", "--show-slots"]).stdout
    slot = next(line.split()[1] for line in slots.splitlines() if line.startswith("Slot "))
    named = {"slot": hex(int(slot)), "label": "alice", "module": str(token.module)}
    home.write("c.json", json.dumps({"cert_configs": {"pkcs11": {**named, "user_pin": PIN}}}))
    failed(home.run("profile", "import", "corp", "--from", "c.json"), "names no host", "--host")
    with session(home, home.program, "profile", "import", "corp", "--from", "c.json", *HOST) as at:
        at.expect(r"PIN for profile corp .*: ?$")
        at.type(PIN)
        assert at.end() == 0, at.shown
    assert "CN=alice, 364 days left" in at.shown
    assert f"pkcs11:slot-id={slot};object=alice?" in home.config_file.read_text()
    assert PIN not in home.config_file.read_text()


def test_add_asks_for_the_pin_once(home: Sandbox, token: SoftToken) -> None:
    """A wrong PIN ends it; no second try is made, and nothing is written."""
    words = ["profile", "add", "corp", "--roots", "public", *HOST, "--client-cert", token.uri()]
    with session(home, home.program, *words) as terminal:
        terminal.expect(r"PIN for profile corp .*: ?$")
        terminal.type("0000-wrong")
        assert terminal.end() == 125, terminal.shown
    assert "the token Lab refuses the PIN; it was tried once" in terminal.shown
    assert "0000" not in terminal.shown
    assert not home.config_file.exists()
    with session(home, home.program, *words) as terminal:
        terminal.expect(r"PIN for profile corp .*: ?$")
        terminal.type(PIN)
        assert terminal.end() == 0, terminal.shown
    assert token.uri() in home.config_file.read_text()


def test_add_checks_the_certificate_without_a_terminal(home: Sandbox, token: SoftToken) -> None:
    """The certificate shows without a PIN; a notice says that the key was not opened."""
    done = home.run("profile", "add", "corp", *HOST, "--client-cert", token.uri())
    assert done.returncode == 0, done
    assert "the key in the token Lab was not opened" in done.stderr
    assert "CN=alice" in done.stdout


def test_check_warns_before_it_uses_a_try(home: Sandbox, token: SoftToken) -> None:
    """The notice comes first; the status says whether the PIN opens the token."""
    corp(home, token, PIN)
    done = home.run("passphrase", "check")
    assert done.returncode == 0, done
    assert "this uses a try of the PIN of Lab" in done.stderr
    assert "the token Lab opens with the PIN from: variable CORP_PIN; it signs by ECDSA" in (
        done.stdout
    )
    corp(home, token, "wrong")
    done = home.run("passphrase", "check")
    assert done.returncode == 1, done
    assert "the token Lab refuses the PIN; it was tried once" in done.stderr
    assert "mtls-run passphrase set corp" in done.stderr
    assert "wrong\n" not in done.stderr


def test_few_tries_are_not_used_up(home: Sandbox, token: SoftToken) -> None:
    """After a wrong PIN, doctor tries none, and `check` asks first; without a terminal it ends."""
    corp(home, token, "wrong")
    assert home.run("passphrase", "check").returncode == 1
    corp(home, token, PIN)
    findings = json.loads(home.run("doctor", "--json").stdout)["findings"]
    (found,) = [finding for finding in findings if finding["code"] == "token-tries-low"]
    assert "a wrong PIN was tried before" in found["fact"]
    done = home.run("passphrase", "check")
    assert done.returncode == 1
    assert "the PIN of the token Lab was not tried: a wrong PIN was tried before" in done.stderr
    with session(home, home.program, "passphrase", "check") as terminal:
        terminal.expect(r"try the PIN from: variable CORP_PIN\? ")
        terminal.type("y")
        assert terminal.end() == 0, terminal.shown
    assert home.run("passphrase", "check").returncode == 0


def test_doctor_shows_the_token(home: Sandbox, token: SoftToken) -> None:
    """Token, label, tries, kind and mechanism have a row each."""
    corp(home, token, PIN)
    assert home.run("passphrase", "check").returncode == 0  # after a wrong PIN of another test
    done = home.run("doctor", "--json")
    rows: dict[str, Any] = {row["what"]: row["value"] for row in json.loads(done.stdout)["machine"]}
    assert rows["token"].startswith("Lab: pkcs11:token=Lab;serial=")
    assert rows["PIN"] == "the token does not say how many tries are left"
    assert rows["private key"] == "EC P-256, in the token; it signs by ECDSA"
    assert rows["certificate"] == "CN=alice"


def test_doctor_says_what_is_missing(home: Sandbox) -> None:
    """A token that is not there is a finding."""
    home.write_config('[profiles.corp]\nclient-cert = "pkcs11:token=No?module-path=/no.so"\n')
    done = home.run("-p", "corp", "doctor", "--json")
    assert done.returncode == 1
    codes = [finding["code"] for finding in json.loads(done.stdout)["findings"]]
    assert "token-missing" in codes


def test_without_the_extra_the_error_names_the_command(home: Sandbox, token: SoftToken) -> None:
    """The hint is the command of the installer that mtls-run came by."""
    corp(home, token, PIN)
    code = (
        "import sys; sys.modules['pkcs11'] = None; sys.argv = ['mtls-run', *sys.argv[1:]]; "
        "from mtls_run.__main__ import main; main()"
    )
    python = home.program.with_name("python")
    done = home.execute([python, "-I", "-c", code, "passphrase", "check"])
    assert done.returncode == 1
    assert "a key in a token needs the package pkcs11, which is not installed" in done.stderr
    assert "-m pip install 'mtls-run[gateway,pkcs11]'" in done.stderr


def test_a_project_may_not_name_a_token(home: Sandbox, token: SoftToken) -> None:
    """Its module is code, and a repository brings none."""
    home.write("project/.mtls-run.toml", f'client-cert = "{token.uri()}"\n')
    home.fake_tool("uv")
    done = home.run("uv", "pip", "install", "x", cwd=home.home / "project")
    failed(done, "a project file may not name a token: its module is code that mtls-run loads")


def test_show_and_list_load_no_module(home: Sandbox) -> None:
    """`profile list` and `show` read a configuration, and run no code of a token."""
    home.write_config('[profiles.corp]\nclient-cert = "pkcs11:token=No?module-path=/no.so"\n')
    assert "pkcs11:token=No?module-path=/no.so" in home.run("profile", "show", "corp").stdout
    done = home.run("profile", "list")
    assert (done.returncode, done.stderr) == (0, "")


def test_ambiguous_certificates_are_listed(sandbox: Sandbox) -> None:
    """Where two certificates fit, `profile add` lists both, and the profile is not written."""
    place = SoftToken(sandbox.root / "two")
    identity(place, ISSUER, "p256")
    public: Any = PublicOnly(place.make_key("p256", number="02"))
    place.put(ISSUER.issue("other", key=public).certificate, number="02")
    sandbox.env.update(place.environ)
    done = sandbox.run("profile", "add", "corp", "--client-cert", place.uri())
    assert done.returncode == 125
    assert "2 certificates fit" in done.stderr
    assert "CN=other" in done.stdout
    assert done.stdout.count("object=alice;id=%0") == 2
    assert not sandbox.config_file.exists()


def test_add_wants_a_host(home: Sandbox, token: SoftToken) -> None:
    """A gateway signs by the token, and shows the certificate to named hosts alone."""
    done = home.run("profile", "add", "corp", "--client-cert", token.uri())
    failed(done, "profile corp names no host", "--host pypi.corp.example")
    assert not home.config_file.exists()
