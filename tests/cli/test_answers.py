"""Every management command before a stdout that is closed, or that takes nothing."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from mtls_run import cli
from mtls_run.commands import passphrase, profile_cli, shims
from tests.pki import Authority

if TYPE_CHECKING:
    import subprocess

    from tests.sandbox import Sandbox

GROUPS = {"passphrase": passphrase.passphrase, "profile": profile_cli.profile, "shims": shims.shims}
# Each has an answer, and ends with status 0 where stdout takes it.
ACTIONS = [
    "allow project",
    "deny project",
    "forget",
    "init bash",
    "init fish",
    "passphrase check open",
    "profile add new --roots public",
    "profile default other",
    "profile edit",
    "profile import --from alice.pem new",
    "profile list",
    "profile list --json",
    "profile list --names",
    "profile remove other",
    "profile show",
    "profile show --brief",
    "profile show --json",
    "shims install --dir ~/bin",
    "shims list",
    "shims list --json",
    "shims remove",
]
HELP = [
    "--help",
    "--version",
    *(f"{name} --help" for name in cli.SUBCOMMANDS),
    *(f"{name} {inner} --help" for name, group in GROUPS.items() for inner in group.commands),
]


@pytest.fixture
def home(sandbox: Sandbox) -> Sandbox:
    """Return a sandbox with two profiles, a project file, and an editor that adds a line."""
    sandbox.write("alice.pem", Authority.create("Root").issue("alice").pem())
    sandbox.write("project/.mtls-run.toml", 'profile = "other"\n', 0o644)
    sandbox.write_config(
        'default-profile = "open"\n[profiles.open]\nclient-cert = "~/alice.pem"\n'
        '[profiles.other]\nroots = "public"\n'
    )
    editor = sandbox.write("editor", '#!/bin/sh\necho "# edited" >>"$1"\n', 0o755)
    sandbox.env.update(
        EDITOR=str(editor),
        PIP_CONFIG_FILE=os.devnull,
        PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring",
    )
    return sandbox


def answered(
    home: Sandbox, words: str, redirect: str, before: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a management command with its stdout redirected, after the shell code `before`."""
    script = f"{before} {shlex.quote(str(home.program))} {words} {redirect}"
    done = home.execute(["/bin/sh", "-c", script])
    for trouble in ("Traceback", "internal error", "Exception ignored"):
        assert trouble not in done.stderr, done
    return done


@pytest.mark.parametrize(
    "words",
    [*ACTIONS, *HELP[:2], *(pytest.param(words, marks=pytest.mark.slow) for words in HELP[2:])],
)
def test_full(home: Sandbox, words: str) -> None:
    """An answer that stdout does not take is one error of mtls-run, status 125."""
    done = answered(home, words, ">/dev/full")
    errors = [line for line in done.stderr.splitlines() if "error: " in line]
    assert (done.returncode, len(errors)) == (125, 1), done
    assert "stdout" in errors[0]


@pytest.mark.parametrize("words", [*ACTIONS, "--help"])
def test_closed(home: Sandbox, words: str) -> None:
    """Where stdout is closed, the command does its work, and its answer goes nowhere."""
    assert answered(home, words, ">&-").returncode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")
def test_closed_stdout_gets_no_file(home: Sandbox) -> None:
    """No file that a command opens gets the descriptor of a stdout that is closed."""
    home.write("editor", "#!/bin/sh\nreadlink /proc/$PPID/fd/1 >seen\n", 0o755)
    assert answered(home, "profile edit", ">&-").returncode == 0
    assert (home.home / "seen").read_text() == "/dev/null\n"


@pytest.mark.parametrize("words", ["profile list", "profile --help", "init bash"])
def test_reader_that_is_gone(home: Sandbox, words: str) -> None:
    """A reader that has gone away ends the command with mtls-run's own status, and no words."""
    before = "mkfifo pipe; true <pipe & exec 3>pipe; wait;"
    done = answered(home, words, ">&3 3>&-", before)
    assert (done.returncode, done.stderr) == (125, "")
