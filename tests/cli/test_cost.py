"""Two ways cost about a Python start: no network is needed, and the launch is cached."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import LISTS_IMPORTS, MAIN, locked, ready

if TYPE_CHECKING:
    from tests.sandbox import Canary, Sandbox

pytestmark = pytest.mark.everyday

# Each costs a good part of a Python start, or much more.
SLOW = {
    "dataclasses",
    "inspect",
    "typing",
    "re",
    "pathlib",
    "cryptography",
    "keyring",
    "platformdirs",
    "tomllib",
    "tomli",
    "click",
    "certifi",
    "subprocess",
    "json",
    "ssl",
    "_ssl",
    "ctypes",
    "difflib",
    "shutil",
    "tempfile",
    "hashlib",
    "traceback",
    "enum",
}


def imported(sandbox: Sandbox, code: str, *words: str) -> set[str]:
    """Return the top-level names of what Python imports for this code."""
    command = [*LISTS_IMPORTS, code, *words]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=sandbox.env, cwd=sandbox.home
    )
    found = re.findall(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", done.stderr, re.MULTILINE)
    assert "site" in found
    return {name.partition(".")[0] for name in found}


@pytest.mark.parametrize(
    "words",
    [
        ["uv", "cache", "dir"],
        ["uv", "--version"],
        ["pip", "list"],
        ["--no-profile", "uv", "sync"],
        ["-q", "pip", "--version"],
    ],
)
def test_imports_of_a_command_without_network(sandbox: Sandbox, words: list[str]) -> None:
    """It imports a handful of small modules, and none that is slow."""
    ready(sandbox)
    sandbox.write(sandbox.bin / "uv", "#!/bin/sh\n", 0o755)
    sandbox.write(sandbox.bin / "pip", "#!/bin/sh\n", 0o755)
    bare = imported(sandbox, "pass")
    ours = imported(sandbox, MAIN, *words) - bare
    assert "mtls_run" in ours
    assert ours & SLOW == set()
    assert len(ours) <= 6, ours


def test_nothing_else_is_imported_first() -> None:
    """Before the import path is made safe, only this package is imported from it."""
    code = "import sys; before = set(sys.modules); import mtls_run.__main__; "
    code += "new = set(sys.modules) - before - set(sys.builtin_module_names); print(*new)"
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {name for name in done.stdout.split() if name.partition(".")[0] != "mtls_run"}
    assert found <= {"__future__"}


def test_imports_of_a_cached_launch(sandbox: Sandbox) -> None:
    """It imports what compares the launch, and nothing that is slow."""
    ready(sandbox)
    sandbox.write(sandbox.bin / "make", "#!/bin/sh\n", 0o755)
    bare = imported(sandbox, "pass")
    assert imported(sandbox, MAIN, "--", "make") & {"cryptography", "tomllib", "tomli"}
    ours = imported(sandbox, MAIN, "--", "make") - bare
    assert "mtls_run" in ours
    assert ours & SLOW == set()
    assert len(ours) <= 8, ours


def test_imports_of_a_locked_identity(sandbox: Sandbox, canary: Canary) -> None:
    """A passphrase from a variable needs no keyring either."""
    locked(sandbox, canary.text)
    sandbox.write(sandbox.bin / "make", "#!/bin/sh\n", 0o755)
    ours = imported(sandbox, MAIN, "--", "make")
    assert ours & {"keyring", "click", "certifi", "asyncio"} == set()
