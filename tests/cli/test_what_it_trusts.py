"""What a run may use, and what it shows: the faults of 0.1.0 that let a run use too much."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ISSUER, ROOT, failed, ready, write_profile
from tests.tiers import first

if TYPE_CHECKING:
    from tests.sandbox import FakeTool, Sandbox

pytestmark = pytest.mark.everyday

SECRET = "hunter2"


@pytest.fixture
def uv(sandbox: Sandbox) -> FakeTool:
    """Return a uv that records its start, with a profile that applies to it."""
    ready(sandbox)
    return sandbox.fake_tool("uv")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="anonymous files are Linux's")
def test_a_pinned_identity_is_handed_on_from_what_was_checked(sandbox: Sandbox) -> None:
    """The PEM of an allowed project, swapped once it was checked, is not what the tool reads."""
    project = sandbox.home / "project"
    sandbox.write(
        "project/.mtls-run.toml",
        'client-cert = "own.pem"\nca-cert = "ca.pem"\nroots = "none"\n',
    )
    own = sandbox.write("project/own.pem", ISSUER.issue("alice").pem())
    sandbox.write("project/ca.pem", ROOT.pem)
    checked = own.read_bytes()
    assert sandbox.run("allow", cwd=project).returncode == 0
    other = sandbox.write("other.pem", ISSUER.issue("mallory").pem())
    # The tool is reached only after the check: it swaps the file, then reads what it was handed.
    script = f'#!/bin/sh\ncp "{other}" "{own}"\ncat "$SSL_CLIENT_CERT"\n'
    sandbox.write(sandbox.bin / "make", script, 0o755)
    for _ in range(2):  # the second time nothing of it may come from a cached launch either
        own.write_bytes(checked)
        done = sandbox.run("--", "make", cwd=project)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(checked.decode().partition("-----END")[0])


def test_a_profile_of_the_user_is_still_handed_on_by_its_own_path(sandbox: Sandbox) -> None:
    """Only what an approval pins may not be read again."""
    path = ready(sandbox)
    tool = sandbox.fake_tool("pip")
    assert sandbox.run("pip", "download", "x").returncode == 0
    assert tool.seen().get("SSL_CLIENT_CERT") == str(path)


@pytest.mark.parametrize(
    "words",
    first(
        4,
        [
            ["uv", "publish", "--token", SECRET],
            ["uv", "publish", f"--token={SECRET}"],
            ["uv", "publish", "-t", SECRET, "-p", SECRET],
            ["uv", "auth", "login", "pypi.corp.example", "--password", SECRET],
            ["uv", "run", "twine", "upload", "-p", SECRET, "dist/x.whl"],
            ["uv", "run", "tool", "--client-secret", SECRET],
            ["--", "twine", "upload", "-u", "me", "-p", SECRET],
            ["--", "twine", "upload", f"-p{SECRET}"],
            ["--", "env", f"CI_TOKEN={SECRET}", "make"],
            ["--", "curl", "-u", f"me:{SECRET}", "https://pypi.corp.example"],
            ["--", "make", f"https://me:{SECRET}@pypi.corp.example/simple"],
        ],
    ),
    ids=" ".join,
)
@pytest.mark.parametrize("how", [["-v"], ["--explain"], ["--explain", "--json"]], ids="".join)
def test_secret_words_are_not_shown(
    sandbox: Sandbox, uv: FakeTool, words: list[str], how: list[str]
) -> None:
    """The tool gets the very words; what is shown has *** in the secret's place."""
    for name in ("twine", "curl", "make"):
        sandbox.write(sandbox.bin / name, "#!/bin/sh\n", 0o755)
    done = sandbox.run(*how, *words)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert "***" in done.stdout + done.stderr
    if how == ["-v"] and words[0] == "uv":
        assert tool_words(uv) == words[1:]


def tool_words(tool: FakeTool) -> list[str]:
    """Return the words that the tool got."""
    return [os.fsdecode(word) for word in tool.seen().args]


@pytest.mark.parametrize(
    "words",
    [
        ["venv"],
        ["venv", "--python", "3.13"],
        ["python", "list"],
        ["python", "install"],
        ["python", "find", "3.13"],
    ],
    ids=" ".join,
)
def test_uv_commands_that_may_download_get_the_identity(
    sandbox: Sandbox, uv: FakeTool, words: list[str]
) -> None:
    """`uv venv` may download a Python, and `uv python list` a list of them."""
    assert sandbox.run("uv", *words).returncode == 0
    assert uv.seen().get("SSL_CLIENT_CERT") == str(sandbox.home / "pki/alice.pem")


def test_a_short_lived_certificate_is_named_in_its_last_third_once_a_day(
    sandbox: Sandbox,
) -> None:
    """A certificate of a day prints no notice on every run: the launch is cached."""
    ready(sandbox)
    tool = sandbox.fake_tool("pip")
    sandbox.write("pki/alice.pem", ISSUER.issue("alice", days=1).pem())
    for _ in range(2):
        done = sandbox.run("pip", "download", "x")
        assert (done.returncode, done.stderr) == (0, "")
    sandbox.write("pki/alice.pem", ISSUER.issue("bob", days=10).pem())
    write_profile(sandbox, "# the notice is due 14 days before the end, or in the last third")
    sandbox.write("pki/alice.pem", ISSUER.issue("bob", days=10, starts=-25).pem())
    first = sandbox.run("pip", "download", "x")
    assert "the certificate CN=bob" in first.stderr
    assert "expires in 9 days" in first.stderr
    second = sandbox.run("pip", "download", "x")
    assert (second.returncode, second.stderr) == (0, "")
    assert tool.runs == 4


def test_explain_names_what_really_chose_the_profile(sandbox: Sandbox) -> None:
    """A denied project file that names the default profile chose nothing."""
    ready(sandbox)
    sandbox.fake_tool("uv")
    project = sandbox.home / "project"
    sandbox.write("project/.mtls-run.toml", 'profile = "corp"\n')
    told = sandbox.run("--explain", "uv", "sync", cwd=project)
    assert f"by {project}/.mtls-run.toml:1" in told.stdout
    assert sandbox.run("deny", cwd=project).returncode == 0
    told = sandbox.run("--explain", "uv", "sync", cwd=project)
    assert told.returncode == 0, told.stderr
    assert f"profile   corp, by {sandbox.config_file}:1" in told.stdout
    assert str(project) not in told.stdout.partition("runs ")[0]


@pytest.mark.parametrize(
    ("word", "meant"), [("doctr", "doctor"), ("profil", "profile"), ("Allow", "allow")]
)
def test_an_unknown_command_names_the_nearest(sandbox: Sandbox, word: str, meant: str) -> None:
    """A typing error is told from a program."""
    failed(sandbox.run(word), f"unknown command '{word}'; did you mean '{meant}'?")


def test_an_unknown_program_is_run_behind_dashes(sandbox: Sandbox) -> None:
    """What is near no command is somebody's program."""
    failed(
        sandbox.run("ansible-galaxy", "x"),
        "unknown command 'ansible-galaxy'",
        "mtls-run -- ansible-galaxy",
    )
