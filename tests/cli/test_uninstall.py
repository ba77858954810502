"""`mtls-run uninstall` takes away what mtls-run made, and says what it leaves."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ready
from tests.terminal import session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Sandbox

ADVICE = {
    ".bashrc": 'if command -v mtls-run >/dev/null; then eval "$(mtls-run init bash)"; fi\n',
    ".zshrc": 'eval "$(/opt/my-tools/bin/mtls-run init zsh --no-completion)"\n',
    ".config/fish/config.fish": "type -q mtls-run; and mtls-run init fish | source\n",
    ".profile": 'if [ -x "$HOME/.local/bin/mtls-run" ]; then :; fi '
    "# mtls-run: added by install.sh\n",
}
BEFORE, AFTER = "# mine: \xe4\xff\r\nalias ll='ls -l'\n", "export A=1\n# the end, without a newline"


@pytest.fixture
def used(sandbox: Sandbox) -> Sandbox:
    """Return a home in which mtls-run was used: shims, lines, a cache, an approval, a profile."""
    ready(sandbox)
    sandbox.env["XDG_CONFIG_HOME"] = str(sandbox.home / ".config")
    shutil.copytree(sandbox.root / "config", sandbox.home / ".config")
    sandbox.fake_tool("uv")
    for name, line in ADVICE.items():
        sandbox.write(name, (BEFORE + line + AFTER).encode("latin-1"), 0o640)
    for words in (
        ["shims", "install"],
        ["--handoff", "memfd", "uv", "sync"],
        ["uv", "sync"],
    ):
        assert sandbox.run(*words).returncode == 0
    project = sandbox.home / "project"
    sandbox.write("project/.mtls-run.toml", 'roots = "public"\n')
    assert sandbox.run("allow", cwd=project).returncode == 0
    return sandbox


def made(sandbox: Sandbox) -> set[str]:
    """Return the directories of mtls-run that are there."""
    names = ("cache/mtls-run", "state/mtls-run", "data/mtls-run/shims")
    return {name for name in names if (sandbox.root / name).exists()}


def test_nothing_is_left_but_what_it_says(used: Sandbox) -> None:
    """Without a terminal the shims, lines, cache and state go; the configuration stays."""
    assert len(made(used)) == 3
    done = used.run("uninstall")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert made(used) == set()
    config = used.home / ".config/mtls-run/config.toml"
    assert config.is_file()
    assert f"left {config}" in done.stdout
    assert "to remove mtls-run itself: " in done.stdout
    for name in ADVICE:
        path = used.home / name
        assert path.read_bytes() == (BEFORE + AFTER).encode("latin-1")
        assert path.stat().st_mode & 0o777 == 0o640
    again = used.run("uninstall")
    assert (again.returncode, again.stderr) == (0, "")
    assert "removed" not in again.stdout


def test_a_line_that_it_does_not_know_stays(sandbox: Sandbox) -> None:
    """A line that the user wrote in another way is named, and not touched."""
    text = 'alias m="mtls-run --profile lab"\n'
    path = sandbox.write(".bashrc", text)
    done = sandbox.run("uninstall")
    assert done.returncode == 0
    assert f"{path}:1 mentions mtls-run; it stays" in done.stderr
    assert path.read_text() == text


def test_a_link_stays_a_link(sandbox: Sandbox) -> None:
    """A startup file may be a link into a repository of such files."""
    real = sandbox.write("dotfiles/bashrc", ADVICE[".bashrc"] + "a=1\n")
    (sandbox.home / ".bashrc").symlink_to(real)
    assert sandbox.run("uninstall").returncode == 0
    assert (sandbox.home / ".bashrc").is_symlink()
    assert real.read_text() == "a=1\n"


def test_it_asks_before_the_configuration_goes(used: Sandbox) -> None:
    """At a terminal it asks, and Enter keeps the configuration."""
    config = used.home / ".config/mtls-run/config.toml"
    for answer, is_there in (("", True), ("y", False)):
        with session(used, used.program, "uninstall") as terminal:
            terminal.expect("remove your configuration, .*config.toml. .y/N. ")
            terminal.type(answer)
            terminal.expect("to remove mtls-run itself")
        assert config.exists() is is_there


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_what_cannot_be_removed_is_an_error(used: Sandbox) -> None:
    """A file that the user may not change is named, with status 1, and the rest goes."""
    folder = used.home / ".config/fish"
    folder.chmod(0o500)
    try:
        done = used.run("uninstall")
    finally:
        folder.chmod(0o700)
    assert done.returncode == 1
    assert f"cannot write {folder / 'config.fish'}" in done.stderr
    assert made(used) == set()


def test_a_shim_without_mtls_run_says_what_helps(sandbox: Sandbox, tmp_path: Path) -> None:
    """A shim whose mtls-run is gone names the commands that help, and the real tool."""
    real = sandbox.fake_tool("uv").path
    assert sandbox.run("shims", "install").returncode == 0
    shim = sandbox.root / "data/mtls-run/shims/uv"
    text = shim.read_text()
    shim.write_text(text.replace(str(sandbox.program), str(tmp_path / "gone")))
    done = sandbox.execute([shim, "sync"])
    assert done.returncode == 127
    assert done.stderr == (
        f"mtls-run: error: {shim} is a shim of mtls-run, which is not installed\n"
        f"mtls-run: hint: to install it again: {real} tool install mtls-run\n"
        f'mtls-run: hint: to remove the shim: rm -r "{shim.parent}"\n'
        f"mtls-run: hint: without mtls-run, uv is {real}\n"
    )
    real.unlink()
    done = sandbox.execute([shim, "sync"])
    assert "to install it again: pipx install mtls-run\n" in done.stderr
    assert "without mtls-run" not in done.stderr


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["help"], "usage: mtls-run [OPTIONS] TOOL"),
        (["help", "help"], "Print the help of mtls-run"),
        (["help", "doctor"], "mtls-run doctor"),
        (["help", "profile", "add"], "--client-cert"),
        (["help", "init"], "Print shell code"),
        (["help", "demo"], "Usage: mtls-run demo"),
        (["help", "uninstall"], "Remove the shims"),
    ],
)
def test_help(sandbox: Sandbox, words: list[str], shown: str) -> None:
    """`help COMMAND` is `COMMAND --help`."""
    done = sandbox.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert shown in done.stdout


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["help", "doctr"], "did you mean 'doctor'?"),
        (["help", "uv"], "uv is a tool, and has a help of its own"),
        (["uvv", "sync"], "unknown command 'uvv'; did you mean 'uv'?"),
        (["--profil", "x", "uv"], "mtls-run has no option --profil; did you mean '--profile'?"),
        ([], "hint: mtls-run profile add corp"),
    ],
)
def test_a_typing_error_leads_on(sandbox: Sandbox, words: list[str], error: str) -> None:
    """What is typed wrongly is 125, with what was most likely meant."""
    done = sandbox.run(*words)
    assert (done.returncode, done.stdout) == (125, "")
    assert error in done.stderr
