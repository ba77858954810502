"""Shell functions, completion, and shims on PATH.

The shell code itself is in `shims/`: next to `wrapper/` in a clone, inside the package in a wheel.
To add a shell, add its files there and its line in `init.SHELLS`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mtls_run.errors import MtlsRunError
from mtls_run.output.text import quoted
from mtls_run.system import dirs, installer

# Each gets a shell function and a shim. `init --tool` makes a function for another tool that
# mtls-run knows, and `shims install --tool` a shim for any program.
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
    """Return the directory for shims, unless the user names another."""
    return Path(dirs.user("data")) / "shims"


def own_program() -> Path:
    """Return the path that mtls-run was started by, which an upgrade does not change.

    Raises MtlsRunError if it was started as a module, and no program mtls-run is installed.
    """
    started = Path(os.path.abspath(sys.argv[0]))  # an upgrade moves a link's target
    if installer.UNPACKED is not None:  # the one file, under any name
        if not os.access(started, os.X_OK):
            raise MtlsRunError(
                f"{started} is not executable, so no shell can start it",
                hint=f"chmod +x {quoted(started)}",
            )
        return started
    name = "mtls-run.exe" if os.name == "nt" else "mtls-run"
    for candidate in (started, started.with_suffix(".exe"), Path(sys.executable).with_name(name)):
        if candidate.name == name and candidate.is_file():
            return candidate
    raise MtlsRunError(
        f"there is no program {name} beside {sys.executable}, for shells to start",
        hint="install mtls-run as its README says, and start it as mtls-run",
    )
