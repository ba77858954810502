"""`mtls-run profile`: the installed program in a home of its own, without a keyring."""

from __future__ import annotations

import datetime as dt
import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.support import LISTS_IMPORTS, MAIN
from tests.pki import Authority
from tests.terminal import PROMPT, session

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.sandbox import Canary, Sandbox

    Done = subprocess.CompletedProcess[str]

OTHER = """\
# Bob's file: leave it as it is
default-profile = 'other' # the usual

[profiles.other]   # of old
roots='public'

# the end
"""
ROOT = Authority.create("Root")
ISSUER = ROOT.intermediate("Issuer")
ALICE = ISSUER.issue("alice")
NULL = "keyring.backends.null.Keyring"


@pytest.fixture
def home(sandbox: Sandbox) -> Sandbox:
    """Return a sandbox with certificates, without a pip.conf and without a keyring."""
    sandbox.write("pki/alice.pem", ALICE.pem())
    sandbox.write("pki/root.pem", ROOT.pem)
    sandbox.env.update(PIP_CONFIG_FILE=os.devnull, PYTHON_KEYRING_BACKEND=NULL)
    return sandbox


def profile(sandbox: Sandbox, *words: str | Path, **options: Any) -> Done:
    """Run `mtls-run profile` with these words."""
    return sandbox.run("profile", *words, **options)


def refused(done: Done, *words: str) -> None:
    """Check that it ended with an error that has these words, and no answer."""
    assert done.returncode == 125, done
    assert done.stdout == ""
    assert "mtls-run: error: " in done.stderr
    assert "mtls-run: hint: " in done.stderr
    assert "internal error" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def done_well(done: Done) -> str:
    """Check that it ended well, and return its answer."""
    assert done.returncode == 0, done
    return done.stdout


def config(sandbox: Sandbox) -> str:
    """Return the user's file with its line ends."""
    return sandbox.config_file.read_bytes().decode()


def listed(sandbox: Sandbox, **options: Any) -> dict[str, dict[str, Any]]:
    """Return the entry of each profile in `list --json`."""
    found = json.loads(done_well(profile(sandbox, "list", "--json", **options)))
    return {entry["profile"]: entry for entry in found["profiles"]}


# add


def test_first_profile(home: Sandbox) -> None:
    """The first profile makes a private file and becomes the default."""
    done = profile(home, "add", "corp", "--client-cert", "pki/alice.pem")
    out = done_well(done)
    assert "profile corp is in" in out
    assert "CN=alice" in out
    assert "profile corp is the default" in out
    assert done.stderr == ""
    assert config(home) == (
        'default-profile = "corp"\n\n[profiles.corp]\nclient-cert = "~/pki/alice.pem"\n'
    )
    assert stat.S_IMODE(home.config_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.config_file.parent.stat().st_mode) == 0o700


def test_every_option(home: Sandbox) -> None:
    """Every option is written into the configuration."""
    home.write_config(OTHER)
    home.write("pki/alice.crt", ALICE.cert_pem + ALICE.chain_pem)
    home.write("pki/alice.key", ALICE.key_pem("open sesame"))
    home.write("pki/two.pem", ROOT.pem)
    home.write("secret", "open sesame\n")
    words = ["add", "corp", "--client-cert=~/pki/alice.crt", "--client-key", "alice.key"]
    words += ["--ca-cert", "root.pem", "--ca-cert", "../pki/two.pem", "--roots", "none"]
    words += ["--passphrase", "file:../secret", "--extends", "other", "--remember", "1h30m"]
    done_well(profile(home, *words, cwd=home.home / "pki"))
    assert config(home) == OTHER + (
        "\n[profiles.corp]\n"
        'client-cert = "~/pki/alice.crt"\n'
        'client-key = "~/pki/alice.key"\n'
        'ca-cert = ["~/pki/root.pem", "~/pki/two.pem"]\n'
        'roots = "none"\n'
        'passphrase = {file = "~/secret"}\n'
        'extends = "other"\n'
        'remember = "1h30m"\n'
    )


@pytest.mark.parametrize(
    ("spelled", "written"),
    [
        ("keyring", '"keyring"'),
        ("prompt", '"prompt"'),
        ("env:CORP", '{env = "CORP"}'),
        ("file:~/secret", '{file = "~/secret"}'),
        ("command:op read 'a b'", '{command = ["op", "read", "a b"]}'),
        ("command:./bin/pass", '{command = ["~/bin/pass"]}'),
    ],
)
def test_passphrase_sources(home: Sandbox, spelled: str, written: str) -> None:
    """Each source of a passphrase has a spelling."""
    done_well(profile(home, "add", "c", "--client-cert", "pki/alice.pem", "--passphrase", spelled))
    assert f"passphrase = {written}\n" in config(home)


@pytest.mark.parametrize("spelled", ["open sesame", "env:", "command:", "command:'a", "keyring:x"])
def test_passphrase_is_never_typed_here(home: Sandbox, spelled: str) -> None:
    """A passphrase instead of a source is refused and not repeated."""
    done = profile(home, "add", "c", "--client-cert", "pki/alice.pem", "--passphrase", spelled)
    refused(done, "--passphrase")
    assert "sesame" not in done.stderr
    assert not home.config_file.exists()


def test_path_outside_of_home(home: Sandbox, tmp_path: Path) -> None:
    """A path outside the home directory is written as an absolute path."""
    outside = home.write(tmp_path / "else where/alice.pem", ALICE.pem())
    done_well(profile(home, "add", "c", "--client-cert", outside.name, cwd=outside.parent))
    assert f'client-cert = "{outside}"' in config(home)


def test_path_through_a_link(home: Sandbox) -> None:
    """A link is written as it was typed, and `..` after a link stays."""
    (home.home / "current").symlink_to("pki")
    done_well(profile(home, "add", "c", "--client-cert", "current/../pki/alice.pem"))
    done_well(profile(home, "add", "d", "--client-cert", "current/alice.pem"))
    assert 'client-cert = "~/current/alice.pem"' in config(home)
    assert listed(home)["c"]["problem"] is None


def test_linked_home(home: Sandbox, tmp_path: Path) -> None:
    """Paths below a home directory that is a link are written with `~`."""
    link = tmp_path / "linked"
    link.symlink_to(home.home)
    env = {"HOME": str(link)}
    done_well(profile(home, "add", "c", "--client-cert", "alice.pem", cwd=link / "pki", env=env))
    assert 'client-cert = "~/pki/alice.pem"' in config(home)


def identities() -> dict[str, tuple[bytes, str]]:
    """Return identities that cannot work, and words of the error for each."""
    other = ISSUER.issue("bob")
    return {
        "expired": (ISSUER.issue("old", starts=-9, days=-2).pem(), "expired"),
        "not yet": (ISSUER.issue("new", starts=2).pem(), "valid only from"),
        "server": (ISSUER.issue("server", eku="server").pem(), "client authentication"),
        "version 1": (ISSUER.issue("v1", version=1).pem(), "X.509 v1"),
        "no key": (ALICE.cert_pem, "no private key"),
        "another's key": (ALICE.cert_pem + other.key_pem(), "does not belong"),
        "expired and locked": (
            ISSUER.issue("old", starts=-9, days=-2).pem("open sesame"),
            "expired",
        ),
        "empty": (b"", "empty"),
        "text": (b"hello", "neither PEM"),
    }


@pytest.mark.parametrize("name", identities())
def test_identity_that_cannot_work(home: Sandbox, name: str) -> None:
    """An identity that cannot work is an error, and nothing is written."""
    content, fact = identities()[name]
    home.write_config(OTHER)
    home.write("pki/bad.pem", content)
    refused(profile(home, "add", "corp", "--client-cert", "pki/bad.pem"), fact, "bad.pem")
    assert config(home) == OTHER


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        (["--client-cert", "pki/none.pem"], "none.pem"),
        (["--client-cert", ""], "path is empty"),
        (["--client-cert", "pki"], "Is a directory"),
        (["--client-key", "pki/alice.pem"], "--client-key"),
        (["--ca-cert", "pki/none.pem"], "--ca-cert"),
        (["--ca-cert", "pki/alice.key"], "no certificate"),
        (["--roots", "none"], "trusts nobody"),
        (["--roots", "sistem"], "--roots"),
        (["--extends", "ohter"], "ohter"),
        (["--extends", "corp"], "cycle"),
        (["--remember", "soon"], "--remember"),
        ([], "would be empty"),
        (["--nix"], "--nix"),
    ],
)
def test_refused_options(home: Sandbox, words: list[str], fact: str) -> None:
    """A wrong option is an error that names it, and the file stays the same."""
    home.write_config(OTHER)
    home.write("pki/alice.key", ALICE.key_pem())
    refused(profile(home, "add", "corp", *words), fact)
    assert config(home) == OTHER


@pytest.mark.parametrize(
    ("action", "name"),
    [
        *(("add", name) for name in ("a/b", "a\nb", "\x1b[2Ja", "", "\u00e4", "a b", "../a")),
        *(
            (action, "\x1b[2Ja")
            for action in ("import", "remove", "default", "show", "show --brief")
        ),
    ],
)
def test_names(home: Sandbox, action: str, name: str) -> None:
    """A wrong name is an error in printable words for every command."""
    home.write_config(OTHER)
    done = profile(home, *action.split(), name)
    refused(done, "cannot name a profile")
    assert all(char.isprintable() for char in done.stderr.replace("\n", ""))
    assert len(done.stderr.splitlines()) == 2
    assert config(home) == OTHER


def test_present(home: Sandbox) -> None:
    """An existing profile is replaced only with --force, and keeps its place."""
    home.write_config(OTHER)
    refused(profile(home, "add", "other", "--client-cert", "pki/alice.pem"), "already", "--force")
    assert config(home) == OTHER
    done_well(profile(home, "add", "other", "--client-cert", "pki/alice.pem", "--force"))
    assert config(home) == OTHER.replace("roots='public'", 'client-cert = "~/pki/alice.pem"')


def test_make_it_the_default(home: Sandbox) -> None:
    """A second profile becomes the default only with --default."""
    home.write_config(OTHER)
    out = done_well(profile(home, "add", "one", "--roots", "public"))
    assert "is the default" not in out
    assert config(home).startswith(OTHER)
    done_well(profile(home, "add", "two", "--roots", "public", "--default"))
    assert 'default-profile = "two" # the usual\n' in config(home)


def test_broken_file_is_not_touched(home: Sandbox) -> None:
    """An error in the file is named with its line, and the file stays the same."""
    home.write_config("x = 1\n")
    refused(profile(home, "add", "c", "--roots", "public"), "config.toml:1")
    assert config(home) == "x = 1\n"


def test_two_at_once(home: Sandbox) -> None:
    """Many commands at once lose no profile of another."""
    home.write_config(OTHER)
    names = [f"p{number}" for number in range(12)]
    words = ["--client-cert", "pki/alice.pem"]
    running = [home.start([home.program, "profile", "add", name, *words]) for name in names]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert config(home).startswith(OTHER)
    assert set(listed(home)) == {"other", *names}
    assert [path.name for path in home.config_file.parent.iterdir()] == ["config.toml"]


def test_two_first_ones_at_once(home: Sandbox) -> None:
    """Of two first profiles at once, exactly one becomes the default."""
    names = ["one", "two"]
    words = ["--client-cert", "pki/alice.pem"]
    running = [home.start([home.program, "profile", "add", name, *words]) for name in names]
    said = ""
    for process in running:
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        said += out
    assert said.count("is the default") == 1
    found = listed(home)
    assert set(found) == {"one", "two"}
    assert [entry["default"] for entry in found.values()].count(True) == 1


def unprivileged(home: Sandbox) -> list[str | Path]:
    """Return the program, started so that permissions bind root too."""
    if os.geteuid() != 0:
        return [home.program]
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", str(home.program)]


@pytest.mark.parametrize("action", ["add corp --roots public", "default other", "remove other"])
def test_directory_cannot_be_written(home: Sandbox, action: str) -> None:
    """A directory that cannot be written is a clear error, and the file stays the same."""
    text = OTHER.replace("default-profile = 'other' # the usual", "")
    home.write_config(text)
    home.config_file.parent.chmod(0o500)
    try:
        done = home.execute([*unprivileged(home), "profile", *action.split()])
    finally:
        home.config_file.parent.chmod(0o700)
    refused(done, f"cannot write {home.config_file}", "Permission denied")
    assert config(home) == text


def test_home_that_does_not_exist(home: Sandbox, tmp_path: Path) -> None:
    """A home directory that does not exist is a clear error, and is not made."""
    nobody = tmp_path / "nobody"
    env = {"HOME": str(nobody), "XDG_CONFIG_HOME": None}
    refused(
        profile(home, "add", "corp", "--roots", "public", env=env),
        f"{nobody}: there is no home directory",
    )
    assert not nobody.exists()
    assert "there are no profiles" in done_well(profile(home, "list", env=env))


def test_something_in_the_way(home: Sandbox) -> None:
    """A file in place of the directory is a clear error."""
    home.write(home.root / "config/mtls-run", "")
    refused(profile(home, "add", "corp", "--roots", "public"), "cannot write", "config.toml")


def test_named_file_is_made(home: Sandbox) -> None:
    """A missing file that MTLS_RUN_CONFIG names is made; its directory keeps its mode."""
    home.home.chmod(0o755)
    env = {"MTLS_RUN_CONFIG": "~/mine.toml"}
    done_well(profile(home, "add", "corp", "--roots", "public", env=env))
    assert set(listed(home, env=env)) == {"corp"}
    assert stat.S_IMODE(home.home.stat().st_mode) == 0o755
    assert not home.config_file.exists()


def test_symlinked_config(home: Sandbox) -> None:
    """A config.toml that is a link stays a link."""
    target = home.write("dotfiles/mtls-run.toml", OTHER)
    home.config_file.parent.mkdir(parents=True)
    home.config_file.symlink_to(target)
    done_well(profile(home, "add", "corp", "--client-cert", "pki/alice.pem"))
    assert home.config_file.is_symlink()
    assert target.read_text() == OTHER + '\n[profiles.corp]\nclient-cert = "~/pki/alice.pem"\n'


def test_locked_without_a_terminal(home: Sandbox, canary: Canary) -> None:
    """Without a terminal, a locked key is not opened, with a notice; the profile is written."""
    home.write("pki/alice.p12", ALICE.p12(canary.text))
    done = profile(home, "add", "corp", "--client-cert", "pki/alice.p12")
    done_well(done)
    assert "was not opened" in done.stderr
    assert "mtls-run passphrase set --stdin corp" in done.stderr
    assert listed(home)["corp"]["locked"] is True


def test_passphrase_from_its_source(home: Sandbox, canary: Canary) -> None:
    """A passphrase from its source opens the key; a wrong one is an error."""
    home.write("pki/alice.p12", ALICE.p12(canary.text))
    words = ["add", "corp", "--client-cert", "pki/alice.p12", "--passphrase", "env:CORP"]
    refused(profile(home, *words, env={"CORP": "wrong one"}), "does not open", "variable CORP")
    assert not home.config_file.exists()
    done = profile(home, *words, env={"CORP": canary.text})
    assert "CN=alice" in done_well(done)
    assert done.stderr == ""
    canary.assert_absent(done.stdout, below=[home.root])


def test_source_that_is_not_there_yet(home: Sandbox, canary: Canary) -> None:
    """A source without a passphrase is a notice: it may have one at the time of a run."""
    home.write("pki/alice.p12", ALICE.p12(canary.text))
    words = ["add", "corp", "--client-cert", "pki/alice.p12", "--passphrase", "env:CORP"]
    done = profile(home, *words)
    done_well(done)
    assert "CORP" in done.stderr
    assert "was not opened" in done.stderr


# add at a terminal


def test_asked_for_what_is_missing(home: Sandbox, canary: Canary) -> None:
    """At a terminal, mtls-run asks for certificate, key, CA and passphrase, the last unseen."""
    home.write("pki/alice.crt", ALICE.cert_pem + ALICE.chain_pem)
    home.write("pki/alice.key", ALICE.key_pem(canary.text))
    with session(home, home.program, "profile", "add", "corp") as terminal:
        terminal.expect("client certificate .*: ")
        terminal.type("pki/alice.crt")
        terminal.expect("private key .*: ")
        terminal.type("~/pki/alice.key")
        terminal.expect("CA certificate .*: ")
        terminal.type("pki/root.pem")
        terminal.expect(PROMPT)
        terminal.type("a slip")
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        terminal.expect("URL of the index.*: ")
        terminal.type("")
        assert terminal.end() == 0, terminal.shown
    assert config(home).endswith(
        "[profiles.corp]\n"
        'client-cert = "~/pki/alice.crt"\n'
        'client-key = "~/pki/alice.key"\n'
        'ca-cert = "~/pki/root.pem"\n'
    )
    assert "will not be stored" in " ".join(terminal.shown.split())  # there is no keyring here
    canary.assert_absent(terminal.shown, below=[home.root])


def test_not_asked_for_what_is_said(home: Sandbox) -> None:
    """mtls-run asks for nothing that an option gives."""
    words = ["add", "corp", "--client-cert", "pki/alice.pem", "--roots", "system"]
    with session(home, home.program, "profile", *words) as terminal:
        assert terminal.end() == 0, terminal.shown
    assert "? " not in terminal.shown
    assert "(a file" not in terminal.shown


def test_interrupted_question(home: Sandbox) -> None:
    """Ctrl-C at a question ends with status 130, and nothing is written."""
    with session(home, home.program, "profile", "add", "corp") as terminal:
        terminal.expect("client certificate .*: ")
        terminal.interrupt()
        assert terminal.end() == 130, terminal.shown
    assert not home.config_file.exists()


def test_three_wrong_passphrases(home: Sandbox, canary: Canary) -> None:
    """Three wrong passphrases end with status 125, and nothing is written."""
    home.write("pki/alice.p12", ALICE.p12(canary.text))
    with session(home, home.program, "profile", "import", "corp", "--from", "pki/alice.p12") as at:
        for _ in range(3):
            at.expect(PROMPT)
            at.type("a wrong guess")
        assert at.end() == 125, at.shown
    assert "wrong guess" not in at.shown
    assert not home.config_file.exists()


# list and show


def test_list(home: Sandbox, canary: Canary) -> None:
    """The list has the certificate, the days left and the places of each profile, aligned."""
    home.write("pki/locked.p12", ALICE.p12(canary.text))
    home.write("pki/locked.pem", ALICE.pem(canary.text))
    home.write("pki/old.pem", ISSUER.issue("old", starts=-9, days=-2.5).pem())
    home.write("pki/open.p12", ALICE.p12(None))
    home.write_config(
        'default-profile = "corp"\n'
        '[profiles.corp]\nclient-cert = "~/pki/alice.pem"\n'
        '[profiles.p12]\nclient-cert = "~/pki/locked.p12"\n'
        '[profiles.open]\nclient-cert = "~/pki/open.p12"\n'
        '[profiles.pem]\nclient-cert = "~/pki/locked.pem"\n'
        '[profiles.old]\nclient-cert = "~/pki/old.pem"\n'
        '[profiles.gone]\nclient-cert = "~/pki/gone.pem"\n'
        '[profiles.ca]\nca-cert = "~/pki/root.pem"\n'
        '[[directories]]\npath = "~/src"\nprofile = "old"\n'
    )
    work = home.home / "src/deep"
    work.mkdir(parents=True)
    done = profile(home, "list", cwd=work)
    lines = done_well(done).splitlines()
    assert done.stderr == ""
    heading, *rows = lines[:8]
    old, gone, here = lines[8:]
    cells = {row.split()[0]: row for row in rows}
    assert heading.split() == ["NAME", "APPLIES", "SUBJECT", "ISSUER", "STATE"]
    subject = heading.index("SUBJECT")
    usual = ["CN=alice", "CN=Issuer", "✓", "364", "days", "left"]
    assert cells["corp"].split() == ["corp", "default", *usual]
    assert cells["corp"][subject:].startswith("CN=alice")
    assert cells["open"].split()[1:] == ["-", *usual]
    assert cells["p12"].split()[1:] == ["-", "locked", "locked", "✓", "locked"]
    assert cells["pem"].split()[1:] == ["-", *usual]
    assert cells["ca"].endswith("  ✓ no client certificate")
    assert cells["gone"].split()[1:] == ["-", "-", "-", "✗", "missing"]
    assert gone.startswith("gone: cannot read ")
    assert gone.endswith(": No such file or directory")
    assert cells["old"].split()[1:3] == ["here,", f"{home.home}/src"]
    assert cells["old"][subject:].startswith("CN=old")
    assert cells["old"].endswith("  ✗ expired 2 days ago")
    assert old.startswith("old: the certificate CN=old (serial ")
    assert here == f"here: profile old, by {home.config_file}:18"
    found = listed(home, cwd=work)
    assert found["old"]["days_left"] == -3
    assert found["old"]["here"] is True
    assert found["old"]["directories"] == [f"{home.home}/src"]
    assert found["corp"]["default"] is True
    assert found["p12"] | {"directories": []} == {
        "profile": "p12",
        "default": False,
        "directories": [],
        "here": False,
        "subject": None,
        "issuer": None,
        "valid_until": None,
        "days_left": None,
        "locked": True,
        "problem": None,
        "code": None,
        "state": "locked",
        "renewal": None,
    }
    until = dt.datetime.fromisoformat(found["corp"]["valid_until"])
    assert until == ALICE.certificate.not_valid_after_utc


def test_list_cannot_move_the_cursor(home: Sandbox) -> None:
    """Terminal escapes and direction marks in a subject are escaped."""
    evil = ISSUER.issue("alice\x1b]0;owned\x07\x1b[2J\r\u202e\u200b\x9b")
    home.write("pki/evil.pem", evil.pem())
    home.write_config('[profiles.corp]\nclient-cert = "~/pki/evil.pem"\n')
    for words in (["list"], ["list", "--json"], ["add", "b", "--client-cert", "pki/evil.pem"]):
        done = profile(home, *words)
        for char in (done_well(done) + done.stderr).replace("\n", ""):
            assert char.isprintable(), (words, done.stdout)
    assert "\\x1b[2J" in profile(home, "list").stdout


def test_list_asks_nobody(home: Sandbox, canary: Canary) -> None:
    """A list at a terminal asks nothing, runs no command, and opens no keyring."""
    home.write("pki/locked.p12", ALICE.p12(canary.text))
    ran = home.home / "ran"
    home.write_config(
        '[profiles.a]\nclient-cert = "~/pki/locked.p12"\n'
        '[profiles.b]\nclient-cert = "~/pki/locked.p12"\n'
        f'passphrase = {{ command = ["touch", "{ran}"] }}\n'
    )
    with session(home, home.program, "profile", "list") as terminal:
        assert terminal.end() == 0, terminal.shown
    assert "keyring" not in terminal.shown
    assert "passphrase" not in terminal.shown
    assert not ran.exists()


def test_list_where_the_project_file_is_not_allowed(home: Sandbox) -> None:
    """The list is printed even if the project file is not allowed."""
    home.write_config(OTHER)
    home.write("repo/.mtls-run.toml", 'ca-cert = "evil.pem"\n')
    done = profile(home, "list", cwd=home.home / "repo")
    assert "other" in done_well(done)
    assert "here" not in done.stdout
    assert "is not allowed" in done.stderr


EXTENDED = """\
default-profile = "corp"
[profiles.corp]
extends = "base"
client-cert = "~/pki/alice.pem"
remember = "90m"
[profiles.base]
extends = "root"
ca-cert = ["~/a.pem", "~/b.pem"]
[profiles.root]
roots = "none"
client-cert = "~/other.pem"
client-key = "~/other.key"
"""


def test_show(home: Sandbox) -> None:
    """Every value is shown with its line, also a value of an extended profile.

    -v adds what is a default.
    """
    file = home.write_config(EXTENDED)
    assert done_well(home.run("-v", "profile", "show")).count(" default\n") == 1
    lines = [line.split() for line in done_well(profile(home, "show")).splitlines()]
    assert lines == [
        ["profile", "corp"],
        ["applies", "here", f"{file}:1"],
        ["extends", "base", f"{file}:3"],
        ["root", f"{file}:7"],
        ["client-cert", f"{home.home}/pki/alice.pem", f"{file}:4"],
        ["ca-cert", f"{home.home}/a.pem", f"{file}:8"],
        [f"{home.home}/b.pem", f"{file}:8"],
        ["roots", "none", f"{file}:10"],
        ["passphrase", "keyring", "(service", "mtls-run,", "user", "corp)"],
        ["remember", "90m", f"{file}:5"],
    ]


def test_show_json(home: Sandbox) -> None:
    """The JSON has the same, and whether the profile applies here."""
    file = home.write_config(EXTENDED)
    found = json.loads(done_well(profile(home, "show", "base", "--json")))
    assert (found["profile"], found["applies"], found["origin"]) == ("base", False, None)
    assert found["extends"] == [{"profile": "root", "origin": f"{file}:7"}]
    assert found["settings"]["ca-cert"] == {
        "value": [f"{home.home}/a.pem", f"{home.home}/b.pem"],
        "origin": f"{file}:8",
    }
    assert found["settings"]["roots"] == {"value": "none", "origin": f"{file}:10"}
    assert found["settings"]["passphrase"]["origin"] == "default"
    assert json.loads(done_well(profile(home, "show", "corp", "--json")))["applies"] is True


def test_show_what_it_won_over(home: Sandbox) -> None:
    """The profiles that would apply otherwise are shown."""
    file = home.write_config(EXTENDED)
    out = done_well(profile(home, "show", env={"MTLS_RUN_PROFILE": "root"}))
    lines = [line.split() for line in out.splitlines()]
    assert lines[1] == ["applies", "here", "MTLS_RUN_PROFILE"]
    assert lines[2] == ["rather", "than", "profile", "corp", f"{file}:1"]


@pytest.mark.parametrize(
    ("words", "folder", "shown"),
    [
        ([], "", "corp\n"),
        ([], "src", "lab\n"),
        (["lab"], "", "lab\n"),
        ([], "repo", "(the profile of this directory)\n"),
    ],
)
def test_brief(home: Sandbox, words: list[str], folder: str, shown: str) -> None:
    """--brief is one line with the profile that applies."""
    home.write_config(
        'default-profile = "corp"\ntrusted-directories = ["~/repo"]\n'
        "[profiles.corp]\n[profiles.lab]\n"
        '[[directories]]\npath = "~/src"\nprofile = "lab"\n'
    )
    home.write("repo/.mtls-run.toml", 'roots = "public"\n')
    (home.home / "src").mkdir()
    done = profile(home, "show", *words, "--brief", cwd=home.home / folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, shown, "")
    other = profile(home, "show", "--brief", *words, cwd=home.home / folder)
    assert other.stdout == shown


@pytest.mark.parametrize("words", [["-v", "profile", "show"], ["profile", "show", "-v"]])
def test_brief_with_its_state(home: Sandbox, words: list[str]) -> None:
    """With -v, --brief adds the days that are left, or what is wrong; it asks for nothing."""
    home.write("pki/old.pem", ISSUER.issue("old", starts=-9, days=-2.5).pem())
    home.write("pki/alice.crt", ALICE.cert_pem)
    home.write_config(
        'default-profile = "corp"\n'
        '[profiles.corp]\nclient-cert = "~/pki/alice.pem"\n'
        '[profiles.old]\nclient-cert = "~/pki/old.pem"\n'
        '[profiles.half]\nclient-cert = "~/pki/alice.crt"\n'
        '[profiles.ca]\nca-cert = "~/pki/root.pem"\n'
    )
    assert done_well(home.run(*words, "--brief")) == "corp 364 days left\n"
    assert done_well(home.run(*words, "old", "--brief")) == "old expired 2 days ago\n"
    assert done_well(home.run(*words, "half", "--brief")) == "half no key\n"
    assert done_well(home.run(*words, "ca", "--brief")) == "ca\n"
    assert done_well(home.run("profile", "show", "--brief")) == "corp\n"


def test_brief_where_none_applies(home: Sandbox) -> None:
    """Without a profile --brief prints nothing, with status 0."""
    done = profile(home, "show", "--brief")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert done_well(profile(home, "show")) == "no profile applies here\n"


def test_brief_is_light(home: Sandbox) -> None:
    """A prompt does not wait for the libraries of other commands."""
    home.write_config(EXTENDED)
    done = home.execute([*LISTS_IMPORTS, MAIN, "profile", "show", "--brief"])
    assert done_well(done) == "corp\n"
    imported = {line.rsplit("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "mtls_run.config.selection" in imported
    heavy = ("click", "cryptography", "keyring", "tomlkit")
    assert [name for name in imported if name.split(".")[0] in heavy] == []


# default and remove


def test_default(home: Sandbox) -> None:
    """A new default changes one line; an unknown name is an error."""
    text = OTHER + "[profiles.corp]\n"
    home.write_config(text)
    done_well(profile(home, "default", "corp"))
    assert config(home) == text.replace("'other' # the", '"corp" # the')
    refused(profile(home, "default", "crop"), "`crop`", "did you mean `corp`?")
    assert config(home) == text.replace("'other' # the", '"corp" # the')


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
@pytest.mark.parametrize("action", ["default lab", "add corp --roots public", "remove lab"])
def test_mode_is_kept(home: Sandbox, action: str, mode: int) -> None:
    """A change keeps the mode of the file, which may let a group read it."""
    home.write_config(OTHER + '[profiles.lab]\nroots = "public"\n').chmod(mode)
    done_well(profile(home, *action.split()))
    assert stat.S_IMODE(home.config_file.stat().st_mode) == mode


NAMED = """\
default-profile = "corp" # the usual

# corp
[profiles.corp]
roots = "public"

# lab
[profiles.lab]
extends = "corp"
roots = "public" # too

[[directories]]
path = "~/src"
profile = "corp"
"""


def test_remove_what_is_named(home: Sandbox) -> None:
    """A profile that is still named is not removed; --force removes these settings too."""
    file = home.write_config(NAMED)
    refused(
        profile(home, "remove", "corp"),
        *(f"{file}:1 (`default-profile`)", f"{file}:9 (`extends`)", f"{file}:12 (`[[direct"),
    )
    assert config(home) == NAMED
    done_well(profile(home, "remove", "corp", "--force"))
    assert config(home) == ('# corp\n\n# lab\n[profiles.lab]\nroots = "public" # too\n\n')


def test_remove(home: Sandbox) -> None:
    """A profile is removed and nothing else is; an unknown profile is an error."""
    home.write_config(OTHER + '\n[profiles.lab]\nroots = "public"\n')
    done = profile(home, "remove", "lab")
    assert "profile lab is removed from" in done_well(done)
    assert done.stderr == ""  # its key was never locked, so the keyring is no matter
    assert config(home).rstrip("\n") == OTHER.rstrip("\n")
    refused(profile(home, "remove", "lab"), "unknown profile `lab`", "other")


def test_remove_without_a_keyring(home: Sandbox, canary: Canary) -> None:
    """A keyring that cannot be used is a notice, not an error."""
    home.write("pki/locked.p12", ALICE.p12(canary.text))
    home.write_config('[profiles.lab]\nclient-cert = "~/pki/locked.p12"\n')
    done = profile(home, "remove", "lab")
    done_well(done)
    assert "mtls-run: notice: " in done.stderr
    assert "mtls-run passphrase forget lab" in done.stderr
    assert config(home) == ""


# edit


def editor(home: Sandbox, script: str) -> dict[str, str]:
    """Return the variable for an editor that runs this script; `$2` is the file."""
    path = home.write("an editor", f"#!/bin/sh\n{script}\n", 0o755)
    return {"EDITOR": f"'{path}' --wait"}


def test_edit(home: Sandbox) -> None:
    """The editor works on a private copy, which replaces the file."""
    home.write_config(OTHER)
    look = 'ls -ld "$(dirname "$2")" "$2" > "$HOME/seen"; echo "$1" >> "$HOME/seen"; '
    env = editor(home, look + 'printf "[profiles.new]\\n" >> "$2"')
    out = done_well(profile(home, "edit", env=env))
    assert out == f"{home.config_file} is changed\n"
    assert config(home) == OTHER + "[profiles.new]\n"
    folder, copy, option = (home.home / "seen").read_text().splitlines()
    assert copy.startswith("-rw-------")
    assert str(home.config_file) not in copy
    assert folder.startswith("drwx------")
    assert option == "--wait"
    assert list((home.root / "tmp").iterdir()) == []


def test_visual_comes_first(home: Sandbox) -> None:
    """VISUAL comes before EDITOR."""
    home.write_config(OTHER)
    env = {**editor(home, "exit 3"), "VISUAL": "true"}
    assert done_well(profile(home, "edit", env=env)) == "nothing was changed\n"


def test_edit_makes_the_file(home: Sandbox) -> None:
    """A new file begins with an example in comments."""
    env = editor(home, 'grep -q "^# client-cert" "$2" && echo "[profiles.a]" > "$2"')
    done_well(profile(home, "edit", env=env))
    assert config(home) == "[profiles.a]\n"
    assert stat.S_IMODE(home.config_file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("script", "fact"),
    [
        ("exit 3", "ended with status 3"),
        ("kill -9 $$", "by signal 9"),
        ('echo "[profiles.x" >> "$2"', "not valid TOML"),
        ("""echo "default-profile = 'x'" > "$2" """, "unknown profile"),
        ('printf "\\377" > "$2"', "not UTF-8"),
        ('rm "$2"', "cannot read"),
        ('rm "$2"; mkfifo "$2"', "cannot read"),
    ],
)
def test_edit_that_fails(home: Sandbox, script: str, fact: str) -> None:
    """An editor that fails or saves an error changes nothing, and leaves no copy."""
    home.write_config(OTHER)
    refused(profile(home, "edit", env=editor(home, script)), fact)
    assert config(home) == OTHER
    assert list((home.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("value", "fact"),
    [
        ("no-such-editor", "cannot start the editor"),
        ("true; touch pwned", "cannot start the editor"),
        ("'unclosed", "cannot split"),
    ],
)
def test_editor_that_is_none(home: Sandbox, value: str, fact: str) -> None:
    """A missing editor is a clear error, and no shell reads its name."""
    home.write_config(OTHER)
    refused(profile(home, "edit", env={"EDITOR": value}), fact, "EDITOR")
    assert config(home) == OTHER
    assert not (home.home / "pwned").exists()


def test_edit_beside_another(home: Sandbox) -> None:
    """A change by others meanwhile stays, and the error names the edited copy."""
    home.write_config(OTHER)
    add = f'"{home.program}" profile add meanwhile --roots public'
    env = editor(home, f'{add} > /dev/null; echo "# mine" >> "$2"')
    done = profile(home, "edit", env=env)
    refused(done, "has changed meanwhile", "so your edit does not replace it")
    assert set(listed(home)) == {"other", "meanwhile"}
    (folder,) = (home.root / "tmp").iterdir()
    assert str(folder / "config.toml") in done.stderr
    assert (folder / "config.toml").read_text() == OTHER + "# mine\n"


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 125)])
def test_edit_again(home: Sandbox, answer: str, status: int) -> None:
    """At a terminal, an error is shown, and the same copy can be edited again."""
    home.write_config(OTHER)
    env = editor(home, 'if grep -q rootz "$2"; then sed -i s/rootz/roots/ "$2"; else\n'
                 """echo '[profiles.new]\nrootz = "none"' >> "$2"; fi""")  # fmt: skip
    with session(home, home.program, "profile", "edit", env=env) as terminal:
        terminal.expect(r"edit it again\?")
        assert "did you mean `roots`?" in terminal.shown
        terminal.type(answer)
        assert terminal.end() == status, terminal.shown
    expected = OTHER + '[profiles.new]\nroots = "none"\n' if answer == "y" else OTHER
    assert config(home) == expected


# import


def test_import_from_pip(home: Sandbox) -> None:
    """Settings of pip make a profile, with the CA added to the system's roots."""
    home.write(
        "pip.conf",
        f"[global]\ncert = {home.home}/pki/root.pem\nclient_cert = {home.home}/pki/alice.pem\n",
    )
    env = {"PIP_CONFIG_FILE": str(home.home / "pip.conf")}
    done_well(profile(home, "import", "--from", "pip", "corp", env=env))
    assert config(home) == (
        'default-profile = "corp"\n\n[profiles.corp]\n'
        'client-cert = "~/pki/alice.pem"\nca-cert = "~/pki/root.pem"\n'
    )


def test_import_from_pip_without(home: Sandbox) -> None:
    """Settings of pip without a certificate are an error."""
    refused(profile(home, "import", "corp"), "neither `cert` nor `client-cert`")
    assert not home.config_file.exists()


def test_import_from_pip_checks(home: Sandbox) -> None:
    """The files in pip's settings are checked, and the error has their origin."""
    env = {"PIP_CLIENT_CERT": "/nowhere/alice.pem"}
    refused(profile(home, "import", "corp", env=env), "/nowhere/alice.pem", "PIP_CLIENT_CERT")
    assert not home.config_file.exists()


def test_import_from_uv(home: Sandbox) -> None:
    """The roots are "none", since uv trusts SSL_CERT_FILE alone."""
    env = {"SSL_CERT_FILE": "pki/root.pem", "SSL_CLIENT_CERT": str(home.home / "pki/alice.pem")}
    done_well(profile(home, "import", "corp", "--from=uv", env=env))
    assert config(home).endswith(
        "[profiles.corp]\n"
        'client-cert = "~/pki/alice.pem"\nca-cert = "~/pki/root.pem"\nroots = "none"\n'
    )


def test_import_from_uv_without_a_ca(home: Sandbox) -> None:
    """Without SSL_CERT_FILE the roots are the system's; without both variables it is an error."""
    env = {"SSL_CLIENT_CERT": str(home.home / "pki/alice.pem")}
    done_well(profile(home, "import", "corp", "--from", "uv", env=env))
    assert config(home).endswith('[profiles.corp]\nclient-cert = "~/pki/alice.pem"\n')
    refused(profile(home, "import", "lab", "--from", "uv"), "SSL_CLIENT_CERT", "SSL_CERT_FILE")


@pytest.mark.parametrize("name", ["alice.pem", "./pip"])
def test_import_from_a_file(home: Sandbox, name: str) -> None:
    """A file of any name makes a profile, and --force replaces one."""
    home.write_config(OTHER)
    home.write("pki/pip", ALICE.p12(None))
    done_well(profile(home, "import", "--from", name, "corp", cwd=home.home / "pki"))
    path = f"~/pki/{name}".replace("./", "")
    assert config(home) == f'{OTHER}\n[profiles.corp]\nclient-cert = "{path}"\n'
    refused(profile(home, "import", "--from", "pki/alice.pem", "other"), "already")
    done_well(profile(home, "import", "--from", "pki/alice.pem", "other", "--force"))


def test_import_of_googles_file(home: Sandbox) -> None:
    """The files that a certificate_config.json names make a profile, and are checked."""
    pki = home.home / "pki"
    for key, said in (("alice.pem", ""), ("none.key", "none.key, `client-key` at ~/c.json")):
        named = {"cert_path": str(pki / "alice.pem"), "key_path": str(pki / key)}
        home.write("c.json", json.dumps({"cert_configs": {"workload": named}}))
        done = profile(home, "import", "--from", "c.json", f"corp-{key}")
        refused(done, said) if said else done_well(done)
    assert config(home).endswith('[profiles."corp-alice.pem"]\nclient-cert = "~/pki/alice.pem"\n')


def test_help_says_what_it_takes(home: Sandbox) -> None:
    """The help has the options of a command and the sources of a passphrase."""
    assert "command:" in done_well(profile(home, "add", "--help"))
    assert "--from pip|uv|FILE" in done_well(profile(home, "import", "--help"))
    refused(profile(home, "nix"), "nix", "mtls-run profile --help")
