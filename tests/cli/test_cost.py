"""A command that uses no network costs about a Python start: what it must not import is named."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import locked, ready
from tests.pki import Authority

if TYPE_CHECKING:
    from tests.sandbox import Canary, Sandbox

FORBIDDEN = {
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
    "ctypes",
    "difflib",
    "shutil",
    "tempfile",
    "hashlib",
    "traceback",
}
MAIN = (
    "import sys; sys.argv = ['mtls-run', *sys.argv[1:]]; from mtls_run.__main__ import main; main()"
)


def imported(sandbox: Sandbox, code: str, *words: str) -> set[str]:
    """Return the top-level names of what Python imports for this code."""
    command = [sys.executable, "-I", "-X", "importtime", "-c", code, *words]
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
    assert ours & FORBIDDEN == set()
    assert len(ours) <= 6, ours


def test_imports_of_a_first_run(sandbox: Sandbox) -> None:
    """An ordinary identity is seen at a glance; TOML takes `re` and `typing`, and no more."""
    ready(sandbox)
    sandbox.write(sandbox.bin / "make", "#!/bin/sh\n", 0o755)
    ours = imported(sandbox, MAIN, "--", "make")
    assert "_ssl" in ours
    assert ours & FORBIDDEN <= {"typing", "re", "tomllib", "tomli"}


@pytest.mark.parametrize(
    "changed", ["pki/alice.pem", "pki/root.pem", "pki/both"], ids=["identity", "CA", "both"]
)
def test_imports_where_a_certificate_is_new(sandbox: Sandbox, changed: str) -> None:
    """The configuration is the one of the run before, and is not parsed anew."""
    ready(sandbox)
    sandbox.write(sandbox.bin / "make", "#!/bin/sh\n", 0o755)
    imported(sandbox, MAIN, "--", "make")
    issuer = Authority.create("Another").intermediate("Issuer")
    if changed != "pki/root.pem":
        sandbox.write("pki/alice.pem", issuer.issue("alice", key="rsa").pem())
    if changed != "pki/alice.pem":
        sandbox.write("pki/root.pem", issuer.pem)
    ours = imported(sandbox, MAIN, "--", "make")
    assert ("_ssl" in ours) == (changed != "pki/root.pem")  # it was looked at
    assert ours & FORBIDDEN == set()


def test_imports_of_a_locked_identity(sandbox: Sandbox, canary: Canary) -> None:
    """A passphrase from a variable needs no keyring either."""
    locked(sandbox, canary.text)
    sandbox.write(sandbox.bin / "make", "#!/bin/sh\n", 0o755)
    ours = imported(sandbox, MAIN, "--", "make")
    assert ours & {"keyring", "click", "certifi", "asyncio"} == set()
