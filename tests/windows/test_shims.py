"""Shims that cmd.exe starts, a killed run, and paths that only Windows has."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.powershell import started

if TYPE_CHECKING:
    from tests.sandbox import Canary
    from tests.windows.machine import Machine

pytestmark = [pytest.mark.e2e, pytest.mark.windows]

WAITS = """
import os, sys, time
open(sys.argv[1], "w").write(os.environ["SSL_CLIENT_CERT"])
time.sleep(60)
"""
SECONDS = 60


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_shim_started_by_cmd(windows: Machine, canary: Canary, tool: str) -> None:
    """`shims install` writes batch files; cmd.exe finds them first, and the tool has the key."""
    windows.locked(canary.text)
    done = windows.run("shims", "install")
    assert done.returncode == 0, done
    shims = windows.local / "shims"
    assert {"uv.cmd", "pip.cmd"} <= {path.name for path in shims.iterdir()}
    path = f"{windows.path(shims)};{windows.env['WINEPATH']}"
    words = windows.install(tool, "alpha-pkg")
    words = words if tool == "uv" else words[2:]  # pip, and not python -m pip
    done = windows.execute("cmd", "/c", *words, env={"WINEPATH": path})
    windows.assert_installed(done, "alpha_pkg-1.2", "beta_pkg-0.7")
    windows.assert_nothing_left()


def test_shims_of_powershell(windows: Machine) -> None:
    """The same command writes scripts for PowerShell, and each starts mtls-run."""
    assert windows.run("shims", "install").returncode == 0
    scripts = list((windows.local / "shims").glob("*.ps1"))
    assert {"uv.ps1", "pip.ps1"} <= {path.name for path in scripts}
    program = f"C:\\{windows.python.folder}\\Scripts\\mtls-run.exe"
    for path in scripts:
        assert started(path.read_text("utf-8")) == [program]


def test_a_killed_run_is_swept_by_the_next(windows: Machine, canary: Canary) -> None:
    """TerminateProcess leaves no moment to remove the private file; the next run does."""
    windows.locked(canary.text)
    tool = windows.path(windows.write("waits.py", WAITS))
    ready = windows.work / "ready"
    program = f"C:\\{windows.python.folder}\\Scripts\\mtls-run.exe"
    running = windows.start(program, "--", "python", tool, windows.path(ready))
    deadline = time.monotonic() + SECONDS
    while not (ready.exists() and ready.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = Path(ready.read_text())
    assert str(left)
    for image in ("mtls-run.exe", "python.exe"):
        windows.execute("taskkill", "/F", "/IM", image)
    running.communicate(timeout=SECONDS)
    assert [path.name for path in windows.handoff.iterdir() if path.name != ".gate"] != []
    assert windows.run("--", "python", "-c", "pass").returncode == 0
    windows.assert_nothing_left()


def test_a_long_path(windows: Machine, canary: Canary) -> None:
    """A certificate in a directory whose path has over 260 characters is found."""
    folder = "/".join(["pki", *["a" * 60] * 5])
    file = windows.write(f"{folder}/alice.p12", windows.alice.p12(canary.text))
    windows.profile(f"client-cert = '{windows.path(file)}'\npassphrase = {{ env = 'PP' }}\n")
    assert len(windows.path(file)) > 260
    done = windows.run(*windows.install("uv", "alpha-pkg"), env={"PP": canary.text})
    windows.assert_installed(done, "alpha_pkg-1.2", "beta_pkg-0.7")


def test_a_unc_path(windows: Machine, canary: Canary) -> None:
    r"""A path of the form \\?\C:\… is a path of this machine."""
    file = windows.write("pki/alice.p12", windows.alice.p12(canary.text))
    path = "\\\\?\\" + windows.path(file)
    windows.profile(f"client-cert = '{path}'\npassphrase = {{ env = 'PP' }}\n")
    done = windows.run(*windows.install("uv", "alpha-pkg"), env={"PP": canary.text})
    windows.assert_installed(done, "alpha_pkg-1.2", "beta_pkg-0.7")
