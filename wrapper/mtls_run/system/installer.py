"""The installer that mtls-run came by, and its commands."""

from __future__ import annotations

import os
import sys

UV, PIPX, SCRIPT, PIP = "uv", "pipx", "install.sh", "pip"
# What each leaves in the environment that it makes for a program.
_MARKS = {"uv-receipt.toml": UV, "pipx_metadata.json": PIPX}
_REMOVE = {
    UV: "uv tool uninstall mtls-run",
    PIPX: "pipx uninstall mtls-run",
    SCRIPT: "sh install.sh --uninstall",
}
_UPGRADE = {
    UV: "uv tool upgrade mtls-run",
    PIPX: "pipx upgrade mtls-run",
    SCRIPT: "sh install.sh",
}
_ADD = {
    UV: "uv tool install --force 'mtls-run[{extra}]'",
    PIPX: "pipx install --force 'mtls-run[{extra}]'",
}


def name() -> str:
    """Return the installer of this environment; pip where nothing tells of another."""
    for mark, installer in _MARKS.items():
        if os.path.exists(os.path.join(sys.prefix, mark)):
            return installer
    folder = os.path.dirname(sys.prefix)
    if os.path.basename(sys.prefix).startswith("venv-") and os.path.isfile(
        os.path.join(folder, "installed")
    ):
        return SCRIPT
    return PIP


def remove_command() -> str:
    """Return the command that removes mtls-run itself."""
    return _REMOVE.get(name(), f"{sys.executable} -m pip uninstall mtls-run")


def upgrade_command() -> str:
    """Return the command that installs the newest mtls-run."""
    return _UPGRADE.get(name(), f"{sys.executable} -m pip install --upgrade mtls-run")


def add_command(extra: str) -> str:
    """Return the command that installs mtls-run with one of its extras."""
    template = _ADD.get(name(), "{python} -m pip install 'mtls-run[{extra}]'")
    return template.format(extra=extra, python=sys.executable)
