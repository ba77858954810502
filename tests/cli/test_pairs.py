"""No command line is ever started as another one was: a cached launch is the whole call's."""

from __future__ import annotations

import json
import os
import platform
import random
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ISSUER, ROOT, ready

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Sandbox

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What each is run with: the directory below the home, and further variables.
SCENES: dict[str, tuple[str, dict[str, str]]] = {
    "profile": (".", {}),
    "project": ("project", {}),
    "pip": (
        "plain",
        {"MTLS_RUN_CONFIG": "{home}/empty.toml", "PIP_CONFIG_FILE": "{home}/pip.conf"},
    ),
    "none": ("plain", {"MTLS_RUN_CONFIG": "{home}/empty.toml"}),
}
LINES = {
    "profile": [
        "uv sync",
        "uv sync --locked",
        "uv lock",
        "uv add idna",
        "uv pip install idna",
        "uv pip compile r.in",
        "uv run tox",
        "uv python list",
        "uvx black",
        "pip install idna",
        "pip install six",
        "pip --isolated install idna",
        "pip install --cert /other.pem idna",
        "pip install --client-cert /own.pem idna",
        "pip download idna",
        "python3 -m pip install idna",
        "-p lab uv sync",
        "-p lab pip install idna",
        "--no-profile uv sync",
        "-- make deps",
        "-- tox -e py",
    ],
    "project": ["uv sync", "uv pip install idna", "pip install idna", "-p corp uv sync", "-- make"],
    "pip": [
        "uv sync",
        "uv lock",
        "uv pip compile r.in",
        "uv pip install idna",
        "uv pip sync r.txt",
        "uv pip install -i https://own.example/simple idna",
        "uv run tox",
        "uv venv",
        "uvx black",
        "pip install idna",
        "pip download idna",
        "pip list --outdated",
        "-- make deps",
    ],
    "none": ["uv sync", "uv pip install idna", "pip install idna", "-- make deps"],
}
CALLS = [(scene, line) for scene, lines in LINES.items() for line in lines]
Outcome = tuple[list[bytes], list[bytes]]

_RECORDER = """#!/bin/sh
if [ "$*" = --version ]; then echo 'uv 0.13.9'; exit; fi
for word; do printf '%s\\0' "$word"; done >"$RECORDS/words"
env -0 >"$RECORDS/environ"
"""
_PIP = """#!{python} -IS
import os, sys
if sys.argv[1:] == ["--version"]:
    print("pip 26.3 from {package} (python 3.11)")
    raise SystemExit
folder = os.environ["RECORDS"]
with open(folder + "/words", "wb") as file:
    file.write(b"".join(os.fsencode(word) + b"\\0" for word in sys.argv[1:]))
with open(folder + "/environ", "wb") as file:
    file.write(b"".join(name + b"=" + value + b"\\0" for name, value in os.environb.items()))
"""


def binary(path: Path, script: Path) -> None:
    """Write a program that is no script, as uv is, and becomes the script (ELF, x86-64)."""
    code = bytes.fromhex(
        "488d742408"  # lea rsi, [rsp+8]         argv
        "488b0424"  # mov rax, [rsp]             argc
        "488d54c410"  # lea rdx, [rsp+rax*8+16]  envp
        "488d3d13000000"  # lea rdi, [rip+19]    the script's path
        "b83b0000000f05"  # execve
        "bf7f000000b83c0000000f05"  # exit(127)
    )
    content = code + os.fsencode(script) + b"\0"
    start, header = 0x400000, 64 + 56
    size = header + len(content)
    words = [(2, 2), (62, 2), (1, 4), (start + header, 8), (64, 8), (0, 8), (0, 4)]
    words += [(64, 2), (56, 2), (1, 2), (0, 2), (0, 2), (0, 2)]
    words += [(1, 4), (5, 4), (0, 8), (start, 8), (start, 8), (size, 8), (size, 8), (0x1000, 8)]
    elf = b"\x7fELF\2\1\1" + bytes(9)
    elf += b"".join(value.to_bytes(length, "little") for value, length in words)
    path.write_bytes(elf + content)
    path.chmod(0o755)


class Machine:
    """A home with profiles, a project and pip's settings, and tools that record their start."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.records = sandbox.records
        ready(
            sandbox,
            '[profiles.lab]\nclient-cert = "~/pki/bob.pem"\nca-cert = "~/pki/root.pem"\n',
        )
        sandbox.write("pki/bob.pem", ISSUER.issue("bob").pem())
        sandbox.write("empty.toml", "")
        sandbox.write(
            "pip.conf",
            f"[global]\ncert = {sandbox.home}/pki/root.pem\n"
            "index-url = https://pypi.corp.example/simple\n",
        )
        (sandbox.home / "plain").mkdir()
        sandbox.write("project/.mtls-run.toml", 'ca-cert = "ca.pem"\nroots = "none"\n')
        sandbox.write("project/ca.pem", ROOT.pem)
        assert sandbox.run("allow", cwd=sandbox.home / "project").returncode == 0
        recorder = sandbox.write(sandbox.root / "recorder", _RECORDER, 0o755)
        for name in ("uv", "uvx", "make", "tox"):
            binary(sandbox.bin / name, recorder)
        package = sandbox.root / "site/pip"
        sandbox.write(package / "__init__.py", "")
        script = _PIP.format(python=sys.executable, package=package)
        sandbox.write(sandbox.bin / "pip", script, 0o755)
        # `python3 -m pip …`, told from pip by its own words.
        sandbox.write(sandbox.bin / "python3", script.replace("[1:]", "[3:]"), 0o755)

    def job(self, call: tuple[str, str], cache: str | None, number: int) -> list[object]:
        """Return the job that runs this call and records it under the number."""
        scene, line = call
        directory, variables = SCENES[scene]
        home = str(self.sandbox.home)
        environ = {name: value.format(home=home) for name, value in variables.items()}
        records = self.records / str(number)
        records.mkdir()
        environ = {**self.sandbox.env, **environ, "RECORDS": str(records)}
        return [cache, environ, f"{home}/{directory}", line.split()]

    def run(self, jobs: list[list[object]]) -> None:
        """Run the jobs in order."""
        path = self.sandbox.write(self.sandbox.root / "jobs.json", json.dumps(jobs))
        command = [sys.executable, "-m", "tests.cli.pairs", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
        assert done.returncode == 0, done.stderr

    def outcome(self, number: int) -> Outcome:
        """Return argv and environment of the run with this number, and forget them."""
        folder = self.records / str(number)
        words, environ = (
            (folder / name).read_bytes().split(b"\0") for name in ("words", "environ")
        )
        shutil.rmtree(folder)
        own = (b"RECORDS=", b"MTLS_RUN_NESTING=", b"_=")  # the last two hold a pid, or the shell's
        return words, sorted(item for item in environ if not item.startswith(own))

    def fresh(self) -> list[Outcome]:
        """Return the outcome of each call with an empty cache."""
        self.run([self.job(call, None, number) for number, call in enumerate(CALLS)])
        return [self.outcome(number) for number in range(len(CALLS))]


pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or not sys.platform.startswith("linux"),
    reason="the recording programs are for Linux on x86-64",
)


@pytest.fixture
def machine(sandbox: Sandbox) -> Machine:
    """Return a machine with tools that record their start."""
    return Machine(sandbox)


def test_the_calls_differ(machine: Machine) -> None:
    """At least 40 command lines, and the company's index reaches `uv pip` alone."""
    assert len(CALLS) >= 40
    fresh = dict(zip(CALLS, machine.fresh()))
    index = b"UV_INDEX_URL=https://pypi.corp.example/simple"
    with_index = {line for (scene, line), (_, environ) in fresh.items() if index in environ}
    assert with_index == {"uv pip compile r.in", "uv pip install idna", "uv pip sync r.txt"}


@pytest.mark.parametrize("seed", [1, 2])
def test_no_call_is_started_as_another_was(machine: Machine, seed: int) -> None:
    """After all the others, in any order, each is started as with an empty cache, byte for byte."""
    fresh = machine.fresh()
    order = [*range(len(CALLS))] * 2  # the second time each is cached, where it can be
    random.Random(seed).shuffle(order)
    machine.run([machine.job(CALLS[at], "", number) for number, at in enumerate(order)])
    for number, at in enumerate(order):
        assert machine.outcome(number) == fresh[at], CALLS[at]


@pytest.mark.slow
def test_every_pair(machine: Machine) -> None:
    """For every two of the calls: the second after the first is the second by itself."""
    fresh = machine.fresh()
    for first, call in enumerate(CALLS):
        cache = machine.sandbox.root / f"after-{first}"
        machine.run([machine.job(call, None, 0)])
        machine.outcome(0)
        own = machine.sandbox.env["XDG_CACHE_HOME"]
        os.makedirs(own, exist_ok=True)  # a call that uses no network caches nothing
        shutil.copytree(own, cache)
        machine.run([machine.job(call, str(cache), at) for at, call in enumerate(CALLS)])
        for at, second in enumerate(CALLS):
            assert machine.outcome(at) == fresh[at], f"{call}, then {second}"
