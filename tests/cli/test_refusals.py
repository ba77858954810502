"""Whatever mtls-run cannot do ends before the tool starts: its status, one fact, one hint."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ISSUER, ROOT, alice, failed, locked, ready, write_profile
from tests.pki import Authority

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Canary, Sandbox

pytestmark = pytest.mark.everyday

USAGE: list[tuple[list[str], str, str]] = [
    ([], "there is no tool to run", "mtls-run profile add corp"),
    (["--"], "there is no tool to run", "mtls-run help"),
    (["-q"], "there is no tool to run", "mtls-run demo"),
    (["make"], "unknown command 'make'", "mtls-run -- make"),
    (["conda", "install"], "unknown command 'conda'", "mtls-run -- conda"),
    (["python", "x.py"], "unknown command 'python x.py'", "mtls-run -- python x.py"),
    (["-"], "unknown command '-'", "mtls-run -- -"),
    ([""], "unknown command ''", "mtls-run -- "),
    (["--bogus", "uv"], "mtls-run has no option --bogus", "before TOOL"),
    (["-x"], "mtls-run has no option -x", "--help"),
    (["--json", "uv", "sync"], "--json goes with --explain", "--explain --json"),
    (["-q", "-v", "uv", "sync"], "--quiet and --verbose contradict", ""),
    (["-p", "a", "--no-profile", "uv"], "--profile and --no-profile contradict", ""),
    (["-p"], "-p lacks its value", "NAME"),
    (["--handoff", "x", "uv", "sync"], "there is no handoff `x`", "memfd, supervise"),
    (["passphrase"], "missing command", "passphrase --help"),
    (["profile"], "missing command", "profile --help"),
    (["passphrase", "bogus"], "bogus", "passphrase --help"),
    (["passphrase", "set", "--bogus"], "--bogus", "--help"),
]


@pytest.mark.parametrize(("words", "fact", "hint"), USAGE, ids=lambda value: repr(value)[:40])
def test_usage(sandbox: Sandbox, words: list[str], fact: str, hint: str) -> None:
    """A wrong command line is 125, and says what to write."""
    tool = sandbox.fake_tool("uv")
    done = sandbox.run(*words)
    assert done.returncode == 125, done
    assert fact in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
    assert tool.runs == tool.version_questions == 0
    failed(done, fact, hint)


def test_help_and_version(sandbox: Sandbox) -> None:
    """--help and --version answer on stdout with status 0, whatever the configuration."""
    sandbox.write_config("broken = = =")
    for words, start in (
        (["--help"], "mtls-run runs pip"),
        (["-h"], "mtls-run"),
        (["--version"], "mtls-run "),
    ):
        done = sandbox.run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(start)
    assert str(sandbox.config_file) in sandbox.run("--help").stdout
    assert sandbox.run("--version").stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "status", "fact"),
    [
        (["uv", "sync"], 127, "there is no `uv` on PATH"),
        (["uv", "cache", "dir"], 127, "there is no `uv` on PATH"),
        (["--no-profile", "uv", "sync"], 127, "there is no `uv` on PATH"),
        (["./uv", "sync"], 127, "./uv does not exist"),
        (["--", "./plain"], 126, "./plain is not executable"),
        (["--", "."], 127, "there is no `.` on PATH"),
        (["--", "./"], 126, "./ is a directory"),
        (["--", ""], 127, "the name of the tool is empty"),
        (["-q", "--", "./no-interpreter"], 126, "the interpreter that its first line names"),
        (["-q", "--", "./no-program"], 126, "no program for this system"),
    ],
)
def test_tool_that_cannot_start(sandbox: Sandbox, words: list[str], status: int, fact: str) -> None:
    """126 and 127 are as a shell has them, also where a profile would apply."""
    sandbox.write("plain", "#!/bin/sh\n")
    sandbox.write("no-interpreter", "#!/nowhere/at/all\n", 0o755)
    sandbox.write("no-program", b"\x7fELF\0\0", 0o755)
    failed(sandbox.run(*words), fact, status=status)
    ready(sandbox)
    failed(sandbox.run(*words), fact, status=status)


CONFIGURATIONS: list[tuple[str, str, str]] = [
    ("x = = 1", ":1: the configuration is not valid TOML", ""),
    ('default-profil = "x"', ":1: unknown key `default-profil`", "did you mean `default-profile`?"),
    ("\n[profiles.x]\nrots = 1", ":3: unknown key in [profiles.x] `rots`", "did you mean `roots`?"),
    ("[profiles.x]\nroots = 1", ":2: `roots` is a number", '"system"'),
    (
        'default-profile = "y"\n[profiles.x]',
        ":1: unknown profile in default-profile: `y`",
        "known: x",
    ),
    (
        '[profiles.x]\nextends = "x"\n[profiles.y]\n[[directories]]\npath = "/"\nprofile = "x"',
        ":2: `extends` forms a cycle: x -> x",
        "",
    ),
    (
        'default-profile = "x"\n[profiles.x]\nclient-key = "k"',
        ":3: `client-key` needs `client-cert`",
        "",
    ),
    (
        'default-profile = "x"\n[profiles.x]\nroots = "none"',
        ':3: roots = "none" without `ca-cert` trusts nobody',
        "ca-cert",
    ),
    (
        'default-profile = "x"\n[profiles.x]\nroots = "environment"',
        ':3: roots = "environment", but neither SSL_CERT_FILE nor SSL_CERT_DIR is set',
        "",
    ),
    (
        'default-profile = "x"\n[profiles.x]\nca-cert = "none.pem"',
        "config.toml:3: No such file or directory",
        "",
    ),
]


@pytest.mark.parametrize(("text", "fact", "hint"), CONFIGURATIONS, ids=range(len(CONFIGURATIONS)))
def test_configuration(sandbox: Sandbox, text: str, fact: str, hint: str) -> None:
    """A mistake in the file is 125 with file, line and what is right; the tool is not started."""
    sandbox.write_config(text)
    tool = sandbox.fake_tool("pip", "24.0")
    done = sandbox.run("pip", "install", "x")
    failed(done, fact, hint)
    assert str(sandbox.config_file) in done.stderr
    assert tool.runs == 0


def test_unknown_profile(sandbox: Sandbox) -> None:
    """A profile that there is not is an error with its origin, by flag and by variable."""
    ready(sandbox)
    sandbox.fake_tool("uv")
    failed(sandbox.run("-p", "crop", "uv", "sync"), "--profile: unknown profile `crop`", "`corp`")
    done = sandbox.run("uv", "sync", env={"MTLS_RUN_PROFILE": "crop"})
    failed(done, "MTLS_RUN_PROFILE: unknown profile `crop`", "`corp`")
    failed(sandbox.run("-p", "a/b", "uv", "sync"), "--profile: `a/b` cannot name a profile")
    done = sandbox.run("uv", "sync", env={"MTLS_RUN_CONFIG": "/nowhere/at/all"})
    failed(done, "MTLS_RUN_CONFIG names /nowhere/at/all, which does not exist")
    done = sandbox.run("uv", "sync", env={"MTLS_RUN_DISABLE": "maybe"})
    failed(done, "MTLS_RUN_DISABLE is `maybe`")


IDENTITIES: dict[str, tuple[bytes, str]] = {
    "expired": (ISSUER.issue("x", starts=-9, days=-1).pem(), "expired on"),
    "not yet": (ISSUER.issue("x", starts=1, days=9).pem(), "is valid only from"),
    "server": (ISSUER.issue("x", eku="server").pem(), "not for client authentication"),
    "version 1": (ISSUER.issue("x", version=1).pem(), "is X.509 v1"),
    "key of another": (
        ISSUER.issue("x").cert_pem + ISSUER.issue("y").key_pem(),
        "does not belong to the certificate",
    ),
    "two keys": (ISSUER.issue("x").pem() + ISSUER.issue("y").key_pem(), "holds 2 private keys"),
    "no key": (ISSUER.issue("x").cert_pem, "has no private key"),
    "no certificate": (ISSUER.issue("x").key_pem(), "has no certificate"),
    "garbage": (b"garbage", "is neither PEM, DER nor PKCS#12"),
    "empty": (b"", "is empty"),
    "escape": (Authority.create("\x1b[31mred").issue("\x1b[2J", days=-0.5).pem(), "expired on"),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identity(sandbox: Sandbox, name: str) -> None:
    """An identity that cannot work is 125; no tool is started, and nothing moves the cursor."""
    content, fact = IDENTITIES[name]
    ready(sandbox)
    sandbox.write("pki/alice.pem", content)
    tool = sandbox.fake_tool("uv")
    done = sandbox.run("uv", "sync")
    failed(done, fact)
    assert f"{sandbox.home}/pki/alice.pem" in done.stderr
    assert "\x1b" not in done.stderr
    assert tool.runs == 0


@pytest.mark.parametrize(
    ("source", "fact"),
    [
        ('{ env = "NOT_SET" }', "the variable NOT_SET, named for the passphrase at "),
        ('{ env = "WRONG" }', "the passphrase does not open "),
        ('{ file = "secret" }', "every user can read the passphrase file "),
        ('{ command = ["false"] }', "the passphrase command `false`, named at "),
        ('{ command = ["/nowhere/at/all"] }', "cannot be started"),
        ('{ command = ["echo", "wrong"] }', "the passphrase does not open "),
        ('"prompt"', "there is no terminal to ask at"),
        ('"keyring"', "there is no terminal to ask at"),
    ],
)
def test_passphrase(sandbox: Sandbox, canary: Canary, source: str, fact: str) -> None:
    """Without the right passphrase it is 125, and no wrong one is repeated."""
    locked(sandbox, canary.text)
    write_profile(sandbox, f"passphrase = {source}")
    sandbox.write(sandbox.config_file.parent / "secret", "x\n", 0o644)
    tool = sandbox.fake_tool("uv")
    done = sandbox.run("uv", "sync", env={"WRONG": "wrong-canary-passphrase"})
    failed(done, fact)
    assert "wrong-canary" not in done.stderr
    canary.assert_absent(done.stderr)
    assert tool.runs == 0


@pytest.mark.parametrize("debug", [None, "", "0", "1"])
def test_debug(sandbox: Sandbox, canary: Canary, debug: str | None) -> None:
    """A traceback is shown with MTLS_RUN_DEBUG=1 alone, and no secret even then."""
    locked(sandbox, "another passphrase")
    sandbox.fake_tool("uv")
    env = {"CORP_PASSPHRASE": canary.text}
    if debug is not None:
        env["MTLS_RUN_DEBUG"] = debug
    done = sandbox.run("uv", "sync", env=env)
    assert done.returncode == 125
    assert ("Traceback" in done.stderr) is (debug == "1")
    canary.assert_absent(done.stderr)
    assert "mtls-run: error: the passphrase does not open" in done.stderr


def test_gates(sandbox: Sandbox) -> None:
    """A uv that would go on anonymously is stopped, and told which version can."""
    ready(sandbox)
    old = sandbox.fake_tool("uv", "0.2.10")
    failed(sandbox.run("uv", "sync"), "uv 0.2.10 cannot present a client certificate; uv 0.2.11")
    assert old.runs == 0
    uvx = sandbox.fake_tool("uvx", "0.2.10")
    failed(sandbox.run("uvx", "ruff"), "cannot present a client certificate")
    assert uvx.runs == 0
    sandbox.write("pki/alice.pem", ISSUER.issue("x", key="p521").pem())
    sandbox.fake_tool("uv", "0.10.9")
    failed(sandbox.run("uv", "sync"), "with a P-521 key; uv 0.11.0 and newer can")
    able = sandbox.fake_tool("uv", "0.11.0")
    assert sandbox.run("uv", "sync").returncode == 0
    assert able.runs == 1
    pip = sandbox.fake_tool("pip", "24.0")
    assert sandbox.run("pip", "install").returncode == 0
    assert pip.runs == 1


def test_tool_that_does_not_say_its_version(sandbox: Sandbox) -> None:
    """A program that only has a tool's name is an error with the way round."""
    ready(sandbox)
    sandbox.write(sandbox.bin / "uv", "#!/bin/sh\necho I am another\n", 0o755)
    failed(sandbox.run("uv", "sync"), "does not answer as uv does: 'I am another'", "mtls-run -- ")


def test_removed_directory(sandbox: Sandbox) -> None:
    """A current directory that is no longer there is an error, not a traceback."""
    ready(sandbox)
    sandbox.fake_tool("uv")
    script = f"mkdir gone; cd gone; rmdir ../gone; exec '{sandbox.program}' uv sync"
    done = sandbox.execute(["/bin/sh", "-c", script])
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


@pytest.mark.parametrize("reader", ["/dev/full", "closed"])
def test_answer_that_cannot_be_written(sandbox: Sandbox, reader: str) -> None:
    """An answer that cannot be written is no success, and no traceback."""
    ready(sandbox)
    sandbox.fake_tool("uv")
    redirect = ">/dev/full" if reader == "/dev/full" else ">&-"
    for words in ("--version", "--help", "--explain uv sync"):
        done = sandbox.execute(["/bin/sh", "-c", f"'{sandbox.program}' {words} {redirect}"])
        assert "Traceback" not in done.stderr, done
        assert "Exception ignored" not in done.stderr, done
        assert (done.returncode == 125) or reader == "closed", done


def test_files_of_this_test_are_real(sandbox: Sandbox, tmp_path: Path) -> None:
    """The identity that every test here breaks works as long as it is whole."""
    ready(sandbox)
    tool = sandbox.fake_tool("uv")
    assert sandbox.run("uv", "sync").returncode == 0
    assert tool.seen().files["SSL_CLIENT_CERT"] == alice().pem()
    assert ROOT.pem in tool.seen().files["SSL_CERT_FILE"]
    assert tmp_path.exists()
    assert sys.executable
