"""The five ways to install mtls-run, each into a directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e import toolbox

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).parents[2]
PYTHON = os.path.realpath(sys.executable)


def checked(*command: object, env: Mapping[str, str] | None = None, text: str | None = None) -> str:
    """Run a command and return what it prints; raises RuntimeError where it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, env=env, input=text, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def data(root: Path) -> Path:
    """Return the user's data directory of these installations."""
    return root / "data"


def install_all(root: Path) -> dict[str, Path]:
    """Return the program mtls-run of each installer; pip says where packages come from."""
    dist = root / "dist"
    checked(sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", dist, REPOSITORY)
    offline = ("--no-index", "--find-links", str(dist))
    # Each installer's own place below the user's data directory, where the launcher looks first.
    user = {**os.environ, "HOME": str(root / "home"), "XDG_DATA_HOME": str(data(root))}
    user.setdefault("XDG_CONFIG_HOME", str(Path.home() / ".config"))  # pip's settings
    Path(user["HOME"]).mkdir()
    checked("sh", REPOSITORY / "install.sh", "--python", PYTHON, env=user)
    checked(PYTHON, "-m", "venv", root / "venv")
    checked(root / "venv/bin/pip", "install", "--quiet", *offline, "mtls-run")
    uv = {**user, "UV_TOOL_BIN_DIR": str(root / "uv-bin"), "UV_CACHE_DIR": str(root / "uv-cache")}
    program = toolbox.newest_uv().ready().program
    checked(program, "tool", "install", "--python", PYTHON, *offline, "mtls-run", env=uv)
    checked(PYTHON, "-m", "venv", root / "pipx-venv")
    checked(root / "pipx-venv/bin/pip", "install", "--quiet", "pipx")
    home = str(data(root) / "pipx")
    pipx = {**user, "PIPX_HOME": home, "PIPX_BIN_DIR": str(root / "pipx-bin")}
    # pipx brings a pip of its own, from the index.
    options = ("--backend", "pip", "--python", PYTHON, f"--pip-args=--find-links {dist}")
    (wheel,) = dist.glob("mtls_run-*.whl")
    checked(root / "pipx-venv/bin/pipx", "install", *options, wheel, env=pipx)
    checked(PYTHON, REPOSITORY / "wrapper/onefile/build.py", root / "file/mtls-run", env=user)
    return {
        "install.sh": root / "home/.local/bin/mtls-run",
        "uv tool": root / "uv-bin/mtls-run",
        "pipx": root / "pipx-bin/mtls-run",
        "pip": root / "venv/bin/mtls-run",
        "one file": root / "file/mtls-run",
    }
