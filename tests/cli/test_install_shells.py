"""install.sh --rc, --shell, --shims: a working shell after it, and none of it once uninstalled."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ready
from tests.cli.test_install import REPOSITORY, SCRIPT, SHELLS_SLOWLY
from tests.terminal import session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sandbox import Sandbox

MARK = "# mtls-run: added by install.sh"


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel of this clone and of everything that it needs."""
    folder = tmp_path_factory.mktemp("own-wheels")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    command = [*pip, "wheel", "--wheel-dir", str(folder), str(REPOSITORY)]
    subprocess.run(command, check=True, timeout=600)
    return folder


def everything(folder: Path) -> dict[str, tuple[int, str]]:
    """Return every entry below a directory, directories too, with its mode and what it holds."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for path in [Path(parent, name) for name in (*folders, *files)]:
            mode = path.lstat().st_mode
            content = ""
            if path.is_symlink():
                content = str(path.readlink())
            elif path.is_file():
                content = path.read_bytes().hex()
            found[str(path.relative_to(folder))] = (mode, content)
    return found


@dataclass
class User:
    """Somebody with a home of their own, in which the script runs for real."""

    sandbox: Sandbox
    wheels: Path
    env: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # As a login has them: nothing but HOME says where things are.
        names = ("DATA", "CACHE", "CONFIG", "STATE")
        self.env.update({f"XDG_{name}_HOME": None for name in names}, SHELL="/bin/bash")

    @property
    def home(self) -> Path:
        """The home directory."""
        return self.sandbox.home

    def script(
        self, *args: str | Path, shell: str = "dash", env: Mapping[str, str | None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run install.sh with these arguments and return how it went."""
        return self.sandbox.execute(
            [*shell.split(), SCRIPT, *args], env={**self.env, **(env or {})}, timeout=300
        )

    def install(
        self, *args: str, shell: str = "dash", env: Mapping[str, str | None] | None = None
    ) -> str:
        """Install with these arguments, which must go well, and return what was said."""
        wheel = next(self.wheels.glob("mtls_run-*.whl"))
        source = ("--wheel", wheel, "--find-links", self.wheels, "--python", sys.executable)
        done = self.script(*source, *args, shell=shell, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def uninstall(self, shell: str = "dash") -> str:
        """Uninstall, which must go well, and return what was said."""
        done = self.script("--uninstall", shell=shell)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def types(self, shell: str, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line in an interactive shell, which reads its own file first.

        A login sh reads /etc/profile besides, which may set PATH anew: it is told what to read.
        """
        command = ["dash", "-c", f". ~/.profile; {line}"] if shell == "sh" else [shell, "-ic", line]
        return self.sandbox.execute(command, env=self.env)


@pytest.fixture
def user(sandbox: Sandbox, wheels: Path) -> User:
    """Return somebody with an empty home."""
    return User(sandbox, wheels)


@pytest.mark.slow
@SHELLS_SLOWLY
def test_install_use_uninstall_leaves_an_empty_home(user: User, shell: str) -> None:
    """Installed with all there is, used with a profile, and uninstalled: nothing is left."""
    user.install("--rc", "--shims", shell=shell)
    tool = user.sandbox.fake_tool("uv")
    ready(user.sandbox)
    config = {"MTLS_RUN_CONFIG": str(user.sandbox.config_file)}
    files = everything(user.home / "pki")
    done = user.sandbox.execute(
        ["bash", "-i", "-c", "uv sync; command uv lock"], env={**user.env, **config}
    )
    assert done.returncode == 0, done.stderr
    assert tool.runs == 2
    assert [tool.seen(run).get("SSL_CLIENT_CERT") for run in (0, 1)] == [
        str(user.home / "pki/alice.pem")
    ] * 2
    assert (user.home / ".cache/mtls-run").is_dir()
    user.uninstall(shell)
    left = everything(user.home)
    assert {name for name in left if not name.startswith("pki")} == set()
    assert everything(user.home / "pki") == files


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_line_makes_a_working_shell(user: User, shell: str) -> None:
    """A new shell has the functions, mtls-run itself, and shims for what it starts."""
    user.install("--rc", "--shims", "--shell", shell)
    tool = user.sandbox.fake_tool("uv")
    done = user.types(shell, "uv one; mtls-run --version; sh -c 'uv two'")
    assert done.returncode == 0, done.stderr
    assert "mtls-run " in done.stdout
    assert [tool.seen(run).args for run in (0, 1)] == [[b"one"], [b"two"]]
    assert tool.seen(0).get("MTLS_RUN_NESTING")
    assert tool.seen(1).get("MTLS_RUN_NESTING")


@pytest.mark.slow
def test_a_plain_sh_gets_shims(user: User) -> None:
    """In ~/.profile a line puts the shims on PATH; without --shims there is nothing to set up."""
    refused = user.script("--rc", "--shell", "sh")
    assert refused.returncode == 1
    assert "mtls-run: hint: add --shims" in refused.stderr
    assert everything(user.home) == {}
    (user.home / ".profile").write_text("export MINE=1\n")
    user.install("--rc", "--shims", env={"SHELL": "/bin/dash"})
    tool = user.sandbox.fake_tool("pip")
    done = user.types("sh", 'pip download x; echo "$MINE"; . ~/.profile; echo "$PATH"')
    assert done.stdout.startswith("1\n")
    assert tool.seen().get("MTLS_RUN_NESTING")
    folders = done.stdout.split()[-1].split(":")
    assert len(folders) == len(set(folders))
    user.uninstall()
    assert (user.home / ".profile").read_text() == "export MINE=1\n"


CONTENTS = {
    "empty": b"",
    "line": b"a\n",
    "open": b"a",
    "blank": b"a\n\n",
    "newline": b"\n",
    "bytes": b"\xff\xfe caf\xe9\r\n# x",
    "more": b"if x; then\n\ty\nfi\n\n\n",
}


def rc_steps(sandbox: Sandbox, shell: str, steps: str) -> None:
    """Run the script's own functions, without its last line, which would install."""
    functions = "".join(SCRIPT.read_text().splitlines(keepends=True)[:-1])
    start = 'locate\nmkdir -p "$data"\nrc=$HOME/.bashrc edit=yes\n'
    done = sandbox.execute([*shell.split(), "-c", functions + start + steps])
    assert (done.returncode, done.stderr) == (0, ""), done


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
@pytest.mark.parametrize("shell", ["dash", "busybox sh", "bash"])
def test_the_rc_file_comes_back_byte_for_byte(sandbox: Sandbox, shell: str, content: bytes) -> None:
    """Whatever it ends in, through a link, with its mode; also where the line was put in twice."""
    real = sandbox.write("dotfiles/bashrc", content, 0o640)
    (sandbox.home / ".bashrc").symlink_to("dotfiles/bashrc")
    before = everything(sandbox.home)
    rc_steps(sandbox, shell, "line='one'\nadd_line\nline='two'\nadd_line\n")
    text = real.read_bytes()
    assert text.startswith(content)
    assert text.count(MARK.encode()) == 1
    assert b"two " in text[len(content) :]
    rc_steps(sandbox, shell, 'remove_line "$rc"\n')
    assert everything(sandbox.home) == before


@pytest.mark.slow
def test_what_came_after_the_line_stays(user: User) -> None:
    """Lines that the user added below ours, with or without a newline at the end, are kept."""
    rc = user.home / ".bashrc"
    rc.write_bytes(b"first")
    user.install("--rc")
    with rc.open("ab") as file:
        file.write(b"second\nthird")
    user.uninstall()
    assert rc.read_bytes() == b"first\nsecond\nthird"


@pytest.mark.slow
def test_what_is_not_ours_stays(user: User) -> None:
    """A program among the shims, a file of the user's in our directories, and their own shims."""
    user.install("--shims")
    shims = user.home / ".local/share/mtls-run/shims"
    (shims / "own").write_text("#!/bin/sh\n")
    (user.home / ".local/bin/other").write_text("#!/bin/sh\n")
    (user.home / ".local/share/notes").write_text("mine\n")
    user.uninstall()
    files = {name for name in everything(user.home) if (user.home / name).is_file()}
    assert files == {
        ".local/share/mtls-run/shims/own",
        ".local/bin/other",
        ".local/share/notes",
    }


@pytest.mark.slow
def test_without_rc_the_line_is_shown(user: User) -> None:
    """--shell alone edits nothing and prints what to add; the line works as it is printed."""
    said = user.install("--shell", "zsh")
    assert not (user.home / ".zshrc").exists()
    line = next(line for line in said.splitlines() if "init zsh" in line)
    tool = user.sandbox.fake_tool("uv")
    done = user.sandbox.execute(["zsh", "-f", "-c", f"{line}\nuv sync"], env=user.env)
    assert done.returncode == 0, done.stderr
    assert tool.seen().get("MTLS_RUN_NESTING")


@pytest.mark.slow
def test_an_rc_file_that_cannot_be_written(user: User) -> None:
    """A dangling link is an error that has the line to add, and nothing is made in its place."""
    (user.home / ".bashrc").symlink_to("nowhere/bashrc")
    wheel = next(user.wheels.glob("mtls_run-*.whl"))
    done = user.script(
        "--wheel", wheel, "--find-links", user.wheels, "--python", sys.executable, "--rc"
    )
    assert done.returncode == 1
    assert "is a broken link" in done.stderr
    assert "init bash" in done.stderr
    assert not (user.home / "nowhere").exists()
    user.uninstall()
    assert set(everything(user.home)) == {".bashrc"}


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["tcsh", "nonsense"])
def test_a_shell_that_has_nothing(user: User, shell: str) -> None:
    """It is refused before anything is made."""
    done = user.script("--shell", shell, "--rc")
    assert done.returncode == 1
    assert f"--shell: unknown shell {shell}" in done.stderr
    assert everything(user.home) == {}


@pytest.mark.slow
def test_at_a_terminal_it_asks_nothing(user: User) -> None:
    """Without --rc it edits nothing, asks nothing, and says how to set up the shell."""
    wheel = next(user.wheels.glob("mtls_run-*.whl"))
    command = ["dash", SCRIPT, "--wheel", wheel, "--find-links", user.wheels]
    command += ["--python", sys.executable]
    with session(user.sandbox, *map(str, command), env=user.env, timeout=120) as terminal:
        assert terminal.end() == 0
        shown = terminal.shown
    assert "[y/N]" not in shown
    assert "sh install.sh --rc, or add to" in shown
    assert not (user.home / ".bashrc").exists()
