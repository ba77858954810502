"""Identities, profiles and passphrases as a user of Windows meets them first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.windows.machine import EACH_PYTHON, RECORD

if TYPE_CHECKING:
    from subprocess import CompletedProcess

    from tests.sandbox import Canary
    from tests.windows.machine import Machine

pytestmark = pytest.mark.windows

STORE = "your keyring (Windows Credential Manager)"


def refused(done: CompletedProcess[str], fact: str, hint: str) -> None:
    """Fail unless it ended with one error and a hint, and with nothing on stdout."""
    assert (done.returncode, done.stdout) == (125, ""), done
    # On a busy machine a notice that the keyring is slow comes first.
    lines = [line for line in done.stderr.splitlines() if ": notice: " not in line]
    assert lines[0].startswith("mtls-run: error: "), done.stderr
    assert fact in lines[0], done.stderr
    assert lines[1].startswith("mtls-run: hint: "), done.stderr
    assert hint in lines[1], done.stderr
    assert len(lines) == 2, done.stderr


@EACH_PYTHON
def test_first_hour(windows: Machine, canary: Canary) -> None:
    """Add a profile, store its passphrase in the Credential Manager, install, and forget it."""
    p12 = windows.path(windows.write("pki/ä lice.p12", windows.alice.p12(canary.text)))
    ca = windows.path(windows.write("pki/ca.pem", windows.server.server_ca.pem))
    add = ["profile", "add", "corp", "--client-cert", p12, "--ca-cert", ca, "--roots", "none"]
    done = windows.run(*add, "--default")
    assert done.returncode == 0, done
    assert 'client-cert = "~/src/pki/ä lice.p12"' in windows.config_file.read_text("utf-8")
    refused(
        windows.run(*windows.install("uv", "beta-pkg")),
        "no passphrase for profile corp",
        "set corp",
    )
    try:
        stored = windows.run("passphrase", "set", "--stdin", "corp", input=f"{canary.text}\n")
        assert f"is stored in {STORE}" in stored.stdout
        assert windows.run("passphrase", "check", "corp").returncode == 0
        windows.assert_installed(windows.run(*windows.install("uv", "beta-pkg")), "beta_pkg-0.7")
        assert "corp  here, default" in windows.run("profile", "list").stdout
        assert f"client-cert  {p12}" in windows.run("profile", "show", "corp").stdout
        show = windows.run("--explain", *windows.install("uv", "beta-pkg"))
        assert "runs      C:\\uv\\uv.exe pip install" in show.stdout
        canary.assert_absent(show.stdout, show.stderr, below=[windows.local])
    finally:
        gone = windows.run("passphrase", "forget", "corp")
    assert f"is no longer in {STORE}" in gone.stdout
    assert windows.run("passphrase", "check", "corp").returncode == 1
    windows.assert_nothing_left()


def test_typed_passphrase(windows: Machine, canary: Canary) -> None:
    """At a console it is asked for until it opens the key, and what is typed does not show."""
    path = windows.path(windows.write("pki/alice.p12", windows.alice.p12(canary.text)))
    windows.profile(f"client-cert = '{path}'\npassphrase = 'prompt'")
    record = windows.work / "record.json"
    windows.env["RECORD"] = windows.path(record)
    script = windows.path(windows.write("record.py", RECORD))
    answers = [("alice.p12):", "mistyped"), ("does not open", canary.text)]
    status, shown = windows.at_terminal("mtls-run", "--", "python", script, answers=answers)
    assert status == 0, shown
    assert "PRIVATE KEY" in json.loads(record.read_text())["identity"]
    assert "mistyped" not in shown
    canary.assert_absent(shown)
    windows.assert_nothing_left()


def test_typed_profile(windows: Machine, canary: Canary) -> None:
    """`profile add` asks at a console, for paths with letters beyond ASCII too."""
    path = windows.path(windows.write("pki/ä lice.p12", windows.alice.p12(canary.text)))
    answers = [
        ("client certificate (a file", path),
        ("CA certificate of the index", ""),
        ("passphrase for profile corp", canary.text),
        ("URL of the index", ""),
    ]
    windows.env["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    status, shown = windows.at_terminal(
        "mtls-run", "profile", "add", "corp", answers=answers, timeout=30
    )
    assert status == 0, shown
    assert 'client-cert = "~/src/pki/ä lice.p12"' in windows.config_file.read_text("utf-8")
    canary.assert_absent(shown)


def test_edited_profile(windows: Machine) -> None:
    """`profile edit` starts the editor that is set, by a path with backslashes and blanks."""
    windows.profile("")
    append = "import sys; open(sys.argv[1], 'a').write('[profiles.second]\\nextends = \"corp\"\\n')"
    script = windows.path(windows.write("my editor/append.py", append))
    python = f"C:\\{windows.python.folder}\\python.exe"
    done = windows.run("profile", "edit", env={"EDITOR": f'{python} "{script}"'})
    assert done.returncode == 0, done
    assert windows.run("profile", "list", "--names").stdout.split() == ["corp", "second"]


def test_typed_command(windows: Machine, canary: Canary) -> None:
    """A command for the passphrase may be typed with a path of Windows."""
    windows.locked(canary.text)
    path = windows.path(windows.work / "pki" / "alice.p12")
    printed = windows.path(windows.write("print pp.py", f"print({canary.text!r})"))
    command = f'command:C:\\{windows.python.folder}\\python.exe "{printed}"'
    add = ["profile", "add", "typed", "--client-cert", path, "--passphrase", command]
    done = windows.run(*add)
    assert done.returncode == 0, done
    checked = windows.run("passphrase", "check", "typed")
    assert checked.returncode == 0, checked


def test_largest_passphrase(windows: Machine) -> None:
    """A long one comes back whole, or is refused before anything is stored."""
    windows.write("pki/alice.p12", windows.alice.p12("x" * 1200))
    windows.profile(f"client-cert = '{windows.path(windows.work / 'pki' / 'alice.p12')}'")
    windows.run("passphrase", "set", "--stdin", "corp", input="x" * 1200 + "\n")
    assert windows.run("passphrase", "check", "corp").returncode == 0
    windows.run("passphrase", "forget", "corp")


@pytest.mark.parametrize("form", ["locked PEM", "open PEM", "CRLF", "DER"])
def test_forms(windows: Machine, canary: Canary, form: str) -> None:
    """Each form of an identity is handed on."""
    alice, windows.env["CORP_PASSPHRASE"] = windows.alice, canary.text
    contents = {
        "locked PEM": alice.pem(canary.text),
        "open PEM": alice.pem(),
        "CRLF": alice.pem().replace(b"\n", b"\r\n"),
        "DER": alice.cert_der,
    }
    text = f"client-cert = '{windows.path(windows.write('pki/alice', contents[form]))}'\n"
    if form == "DER":
        key = windows.path(windows.write("pki/alice.key", alice.key_der(canary.text)))
        text += f"client-key = '{key}'\n"
    windows.profile(text + "passphrase = { env = 'CORP_PASSPHRASE' }")
    seen = windows.record()
    assert alice.key_pem().decode() in str(seen["identity"]).replace("\r\n", "\n")
    assert "CORP_PASSPHRASE" not in seen["env"]
    windows.assert_nothing_left()


def test_refused(windows: Machine, canary: Canary) -> None:
    """A wrong passphrase and an expired certificate stop the run; nothing is sent."""
    install = windows.install("uv", "beta-pkg")
    windows.locked(canary.text)
    windows.env["CORP_PASSPHRASE"] = "wrong"
    refused(windows.run(*install), "the passphrase does not open C:\\users\\", "right passphrase")
    windows.alice = windows.server.issuer.issue("alice", starts=-9, days=-3)
    windows.locked(canary.text)
    refused(windows.run(*install), "expired on ", "ask your PKI for a new certificate")
    assert windows.server.requests() == []
    windows.assert_nothing_left()


@pytest.mark.parametrize(
    ("value", "fact", "hint"),
    [
        (
            r'"C:\Users\alice.p12"',
            "config.toml:5: the configuration is not valid TOML",
            "in single quotes",
        ),
        (r'"C:\temp\new.p12"', "is a path with a control character", "in single quotes"),
        (r"'%USERPROFILE%\alice.p12'", "is a path with a variable", "`~` is the home directory"),
        (r"'\\server\pki\alice.p12'", r"cannot read \\server\pki\alice.p12", "a file that exists"),
        (r"'nul'", "config.toml:5: it is not a regular file", "a file that exists"),
    ],
)
def test_paths_in_toml(windows: Machine, value: str, fact: str, hint: str) -> None:
    """A mistake in a path is named, with its line."""
    windows.profile(f"client-cert = {value}")
    refused(windows.run(*windows.install("uv", "beta-pkg")), fact, hint)


def test_on_a_file_server(windows: Machine, canary: Canary) -> None:
    """An identity, a CA and a project may lie on a share of another machine."""
    share = windows.prefix.path / "dosdevices" / "unc" / "fileserver" / "team"
    (share / "app").mkdir(parents=True)
    (share / "alice.p12").write_bytes(windows.alice.p12(canary.text))
    (share / "ca.pem").write_bytes(windows.server.server_ca.pem)
    windows.env["CORP_PASSPHRASE"] = canary.text
    add = ["profile", "add", "corp", "--client-cert", r"\\fileserver\team\alice.p12"]
    add += ["--ca-cert", r"\\fileserver\team\ca.pem", "--roots", "none"]
    done = windows.run(*add, "--passphrase", "env:CORP_PASSPHRASE")
    assert done.returncode == 0, done
    (share / "app" / ".mtls-run.toml").write_text("profile = 'corp'\n")
    done = windows.run("allow", r"\\fileserver\team\app")
    assert (done.returncode, done.stderr) == (0, "")
    words = ["mtls-run", *windows.install("uv", "beta-pkg")]
    call = rf"import subprocess; exit(subprocess.call({words}, cwd=r'\\fileserver\team\app'))"
    windows.assert_installed(windows.execute("python", "-c", call), "beta_pkg-0.7")
    windows.assert_nothing_left()


def test_roots_of_the_system(windows: Machine) -> None:
    """The tool reads the system's store itself; with `ca-cert` it gets a copy with the CA added."""
    store = "import ssl; print(len({der for der, _, _ in ssl.enum_certificates('ROOT')}))"
    count = int(windows.execute("python", "-c", store).stdout)
    assert count > 0
    windows.profile("")
    text = windows.config_file.read_text().replace("roots = 'none'", "")
    windows.config_file.write_text(text)
    bundle = windows.record()["roots"]
    assert bundle.count("-----BEGIN CERTIFICATE") == count + 1
    assert windows.server.server_ca.pem.decode().strip() in bundle
    windows.config_file.write_text("default-profile = 'corp'\n[profiles.corp]\n")
    seen = windows.record()
    assert seen["roots"] is None
    assert seen["env"]["UV_SYSTEM_CERTS"] == "true"


def test_uninstall_keeps_the_configuration(windows: Machine) -> None:
    """The state is removed, and the configuration, in the directory above, is not."""
    windows.write(".mtls-run.toml", "roots = 'none'\n")
    windows.profile("")
    assert windows.run("allow").returncode == 0
    assert (windows.local / "State").is_dir()
    assert windows.run("uninstall").returncode == 0
    assert [path.name for path in windows.local.iterdir()] == ["config.toml"]
