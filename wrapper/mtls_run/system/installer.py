"""The installer that mtls-run came by, and its commands."""

from __future__ import annotations

import os
import sys

from mtls_run.output.text import quoted

UV, PIPX, SCRIPT, PIP, FILE = "uv", "pipx", "install.sh", "pip", "one file"
# The directory that the one file was unpacked into (wrapper/onefile), or None.
_packages = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNPACKED = _packages if os.path.isfile(os.path.join(_packages, "start.py")) else None
# The extras that a key in a token needs.
FOR_TOKENS = "gateway,pkcs11"
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
_REPAIR = {
    UV: "uv tool install --reinstall mtls-run",
    PIPX: "pipx reinstall mtls-run",
    SCRIPT: "sh install.sh",
    FILE: f"rm -r {quoted(UNPACKED)}",  # the next run unpacks it again
}
_ADD = {
    UV: "uv tool install --force 'mtls-run[{extra}]'",
    PIPX: "pipx install --force 'mtls-run[{extra}]'",
}


def name() -> str:
    """Return the installer of this environment; pip where nothing tells of another."""
    if UNPACKED is not None:
        return FILE
    # The launcher leaves out `site`, which would set sys.prefix to the virtual environment.
    prefix = os.path.realpath(os.path.dirname(os.path.dirname(sys.executable)))
    for mark, installer in _MARKS.items():
        if os.path.exists(os.path.join(prefix, mark)):
            return installer
    folder = os.path.dirname(prefix)
    if os.path.basename(prefix).startswith("venv-") and os.path.isfile(
        os.path.join(folder, "installed")
    ):
        return SCRIPT
    return PIP


def remove_command() -> str:
    """Return the command that removes mtls-run itself."""
    if UNPACKED is not None:
        return f"rm {quoted(os.path.abspath(sys.argv[0]))}"
    return _REMOVE.get(name(), f"{sys.executable} -m pip uninstall mtls-run")


def upgrade_command() -> str:
    """Return the command that installs the newest mtls-run."""
    if UNPACKED is not None:
        return f"get a newer {os.path.abspath(sys.argv[0])}"
    return _UPGRADE.get(name(), f"{sys.executable} -m pip install --upgrade mtls-run")


def repair_command() -> str:
    """Return the command that makes an installation whole again."""
    return _REPAIR.get(name(), f"{sys.executable} -m pip install --force-reinstall mtls-run")


def add_command(extra: str) -> str:
    """Return the command that installs mtls-run with one of its extras."""
    if UNPACKED is not None:
        return _REPAIR[FILE]  # it has every extra
    template = _ADD.get(name(), "{python} -m pip install 'mtls-run[{extra}]'")
    return template.format(extra=extra, python=sys.executable)
