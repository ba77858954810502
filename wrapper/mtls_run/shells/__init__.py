"""Where people type: shell functions, completion, and shims on PATH.

The shell code itself lies in `shims/`, beside the package in a clone and in it in a wheel; here is
what fills it in and puts it in place. To add a shell: its files there, its line in `init.SHELLS`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mtls_run.errors import MtlsRunError
from mtls_run.system import dirs

# What the contract's wrappers are for; a shim can be had for any program.
TOOLS = ("pip", "pip3", "uv", "uvx")
PROGRAM_MARK = "@MTLS_RUN@"


def source(name: str) -> str:
    """Return the text of this file of `shims/`."""
    package = Path(__file__).parents[1]
    for folder in (package / "shims", package.parents[1] / "shims"):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise MtlsRunError(
        f"mtls-run's own file shims/{name} is missing below {package}",
        hint="install mtls-run again",
    )


def folder() -> Path:
    """Return the directory that shims are put into where no other is named."""
    return Path(dirs.user("data")) / "shims"


def own_program() -> Path:
    """Return the path that mtls-run was started by, which stays good when it is upgraded.

    Raises MtlsRunError where it was started as a module and there is no program of it.
    """
    started = Path(os.path.abspath(sys.argv[0]))  # links stay: they are what is kept
    name = "mtls-run.exe" if os.name == "nt" else "mtls-run"
    for candidate in (started, started.with_suffix(".exe"), Path(sys.executable).with_name(name)):
        if candidate.name == name and candidate.is_file():
            return candidate
    raise MtlsRunError(
        f"there is no program {name} beside {sys.executable}, for shells to start",
        hint="install mtls-run as its README says, and call it as mtls-run",
    )
