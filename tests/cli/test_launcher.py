"""The launcher in the wheel: whoever installs it, Python starts isolated and without `site`."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_install import LAUNCHER, REPOSITORY, SCRIPT, stand_in
from tests.e2e import toolbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.sandbox import Sandbox

toolbox.PROGRAMS.setdefault("pipx", ("pipx==1.18.4", "pipx==1.11.1"))
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
# What the stand-in prints: its version, `sys.flags.isolated`, and `site` if that was imported.
ISOLATED = "mtls-run 1.0 1"


class Machine:
    """An empty home in a path with a space, a wheel, and each way to install it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.home = sandbox.root / "home of a user"
        self.home.mkdir()
        self.wheel = stand_in(sandbox.root / "wheels", "1.0")
        self.env: dict[str, str | None] = {"HOME": str(self.home), "XDG_DATA_HOME": None}

    def do(self, *command: str | Path, env: Mapping[str, str | None] | None = None) -> None:
        """Run a command that has to succeed."""
        done = self.sandbox.execute(command, env={**self.env, **(env or {})}, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr

    def by_pip(self) -> Path:
        """Install with the pip of a new virtual environment."""
        self.do(sys.executable, "-m", "venv", self.home / "venv")
        python = self.home / "venv/bin/python"
        self.do(python, "-m", "pip", "install", "--no-index", self.wheel)
        return self.home / "venv/bin/mtls-run"

    def by_pip_beside_the_system(self) -> Path:
        """Install in an environment that has the packages of the system besides."""
        self.do(sys.executable, "-m", "venv", "--system-site-packages", self.home / "venv")
        python = self.home / "venv/bin/python"
        self.do(python, "-m", "pip", "install", "--no-index", self.wheel)
        return self.home / "venv/bin/mtls-run"

    def by_pip_in_no_environment(self) -> Path:
        """Install as `pip install --user` does: no Python lies beside the program."""
        self.do(sys.executable, "-m", "venv", self.home / "venv")
        python = self.home / "venv/bin/python"
        prefix = self.home / ".local"
        self.do(python, "-m", "pip", "install", "--no-index", "--prefix", prefix, self.wheel)
        (self.sandbox.bin / PYTHON).symlink_to(os.path.realpath(sys.executable))
        return prefix / "bin/mtls-run"

    def by_uv(self) -> Path:
        """Install with `uv pip` in an environment that uv made."""
        self._uv("venv", "--python", sys.executable, self.home / "venv")
        python = self.home / "venv/bin/python"
        self._uv("pip", "install", "--no-index", "--python", python, self.wheel)
        return self.home / "venv/bin/mtls-run"

    def by_uv_with_links(self) -> Path:
        """Install with UV_LINK_MODE=symlink: the program is a link to uv's cache."""
        self.env["UV_LINK_MODE"] = "symlink"
        return self.by_uv()

    def by_uv_tool(self) -> Path:
        """Install with `uv tool install`."""
        self._uv("tool", "install", "--python", sys.executable, "--no-index", self.wheel)
        return self.home / ".local/bin/mtls-run"

    def by_pipx(self) -> Path:
        """Install with pipx, which takes its own pip from the index of whoever runs the tests."""
        pipx = toolbox.program("pipx") / "pipx"
        env = {**os.environ, "HOME": str(self.home), "PIPX_DEFAULT_BACKEND": "pip"}
        subprocess.run(
            [pipx, "install", "--python", sys.executable, self.wheel], check=True, env=env
        )
        return self.home / ".local/bin/mtls-run"

    def by_script(self) -> Path:
        """Install with install.sh."""
        self.do("sh", SCRIPT, "--unpinned", "--wheel", self.wheel, "--python", sys.executable)
        return self.home / ".local/bin/mtls-run"

    def _uv(self, *words: str | Path) -> None:
        self.do(toolbox.newest_uv().ready().program, *words, env={"UV_NO_CONFIG": "1"})

    def says(self, program: str | Path, env: Mapping[str, str] | None = None) -> str:
        """Return what the installed program prints, or how it failed."""
        done = self.sandbox.execute([program, "--version"], env={**self.env, **(env or {})})
        return (done.stdout + done.stderr).strip()


@pytest.fixture
def machine(sandbox: Sandbox) -> Machine:
    """Return a machine where nothing is installed yet."""
    return Machine(sandbox)


WAYS = [
    Machine.by_pip,
    Machine.by_uv_tool,
    pytest.param(Machine.by_uv, marks=pytest.mark.slow),
    pytest.param(Machine.by_uv_with_links, marks=pytest.mark.slow),
    pytest.param(Machine.by_pipx, marks=pytest.mark.slow),
    pytest.param(Machine.by_script, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("install", WAYS, ids=lambda way: way.__name__)
def test_python_is_isolated(machine: Machine, install: Callable[[Machine], Path]) -> None:
    """By its path, a link or a chain of links; whatever PYTHONPATH and PYTHONHOME say."""
    program = install(machine)
    hostile = machine.sandbox.write("hostile/sitecustomize.py", "print('hostile')\n").parent
    machine.sandbox.write("hostile/mtls_run/__init__.py", "print('hostile')\n")
    user_site = machine.home / f".local/lib/{PYTHON}/site-packages/usercustomize.py"
    machine.sandbox.write(user_site, "print('hostile')\n")
    links = machine.home / "links"
    links.mkdir()
    (links / "absolute").symlink_to(program)
    (links / "relative").symlink_to(Path("..") / program.relative_to(machine.home))
    (links / "chain").symlink_to("relative")
    env = {"PYTHONPATH": str(hostile), "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "/nowhere"}
    for path in (program, *(links / name for name in ("absolute", "relative", "chain"))):
        assert machine.says(path) == ISOLATED
        assert machine.says(path, env) == ISOLATED
    found = {"PATH": f"{program.parent}:{machine.sandbox.env['PATH']}"}
    assert machine.says("mtls-run", found) == ISOLATED


@pytest.mark.parametrize(
    "install",
    [
        Machine.by_pip_in_no_environment,
        pytest.param(Machine.by_pip_beside_the_system, marks=pytest.mark.slow),
    ],
    ids=lambda way: way.__name__,
)
def test_site_where_the_packages_need_it(
    machine: Machine, install: Callable[[Machine], Path]
) -> None:
    """Without an environment of its own, Python is isolated, and `site` finds the packages."""
    program = install(machine)
    hostile = machine.sandbox.write("hostile/sitecustomize.py", "print('hostile')\n").parent
    env = {"PYTHONPATH": str(hostile), "PYTHONHOME": "/nowhere"}
    assert machine.says(program, env) == f"{ISOLATED} site"


@pytest.mark.parametrize("shell", ["dash", "busybox sh", "bash", "zsh"])
def test_any_shell_reads_it(machine: Machine, shell: str) -> None:
    """/bin/sh is another shell on another system; there may be no PATH and no HOME."""
    program = machine.by_uv_tool()
    env: dict[str, str | None] = {"HOME": None, "PATH": None}
    done = machine.sandbox.execute(["/usr/bin/env", *shell.split(), program, "x"], env=env)
    assert (done.stdout, done.stderr) == (f"{ISOLATED}\n", "")


def test_an_environment_without_python(machine: Machine) -> None:
    """A Python that an upgrade took away is an error of mtls-run's, with status 125."""
    program = machine.by_uv_tool()
    (program.resolve().parent / "python").unlink()
    done = machine.sandbox.execute([program, "--version"], env=machine.env)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.splitlines() == [
        f"mtls-run: error: cannot find the Python that {program} was installed for",
        "mtls-run: hint: install mtls-run again",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["posix", "windows"])
def test_a_wheel_has_the_launcher_or_the_entry_point(tmp_path: Path, platform: str) -> None:
    """Both in one wheel would be one name for two files, of which pip keeps the entry point."""
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet")
    env = {**os.environ, "MTLS_RUN_WHEEL": platform}
    subprocess.run([*pip, "--wheel-dir", tmp_path, REPOSITORY], check=True, env=env)
    (path,) = tmp_path.iterdir()
    with zipfile.ZipFile(path) as wheel:
        by_end = {name.rpartition(".")[2]: name for name in wheel.namelist()}
        script, entry = by_end.get("data/scripts/mtls-run"), by_end.get("txt")
        if platform == "posix":
            assert path.name.endswith("-py3-none-any.whl")
            assert entry is None
            assert script is not None
            assert wheel.read(script) == LAUNCHER.read_bytes()
            assert wheel.getinfo(script).external_attr >> 16 & 0o777 == 0o755
        else:
            assert path.name.endswith("-py3-none-win32.win_amd64.win_arm64.whl")
            assert script is None
            assert entry is not None
            assert b"mtls-run = mtls_run.__main__:main" in wheel.read(entry)
