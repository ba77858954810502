"""Measure what mtls-run costs: `python -m tests.bench [--rounds N] [--write]`.

Prints a table of ratios, all taken in one run. In each round every case runs right beside its bare
tool and one start of Python, so that a slow moment of the machine slows all three.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from tests.bench.installers import PYTHON, REPOSITORY, data, install_all
from tests.e2e import secret_service, toolbox
from tests.pki import Authority
from tests.sandbox import SYSTEM_PATH, Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")
PAGE = REPOSITORY / "docs/performance.md"
MARKS = ("<!-- benchmark -->", "<!-- /benchmark -->")
SESSION = REPOSITORY / "tests/login_session.py"
PASSPHRASE = "correct horse battery staple"
# uv may use the network for the first, and has nothing to ask for: no tool is installed.
LISTING = ("uv", "tool", "list", "--outdated")
VERSION = ("uv", "--version")
# A large file is compared by its status only once it is older than this, in seconds.
SETTLED = 2.1
# The identity lies unlocked in a file of its own until the tool has ended.
RECIPE = """#!/bin/sh
set -eu
umask 077
identity=$(mktemp)
trap 'rm -f "$identity"' EXIT
{keyring} get {service} corp |
  openssl pkey -passin stdin -in "$HOME/pki/alice.key" -out "$identity"
cat "$HOME/pki/alice.crt" >>"$identity"
SSL_CLIENT_CERT=$identity SSL_CERT_FILE=$HOME/pki/roots.pem "$@"
"""


@dataclass(frozen=True)
class Case:
    """One row: a command, the bare tool over which it is an overhead, and the limit."""

    shown: str
    command: tuple[str, ...]
    bare: tuple[str, ...]
    sandbox: Sandbox
    limit: float
    unit: str
    """`starts` of Python, `s` for seconds, or `of the recipe`."""
    beside: tuple[str, ...] = ()
    """What the overhead is divided by: one start of Python, or the recipe's own overhead."""
    before: Callable[[], None] | None = None
    """What is done before each run."""

    def overhead(self) -> float:
        """Run the case once, and return its overhead in its unit."""
        if self.before is not None:
            self.before()
        # The case before left the processor's caches to other programs. So what a case is compared
        # with runs before it, and the first time of two does not count.
        _, (bare, beside) = [(self._bare(), self._seconds(self.beside)) for _ in range(2)]
        spent = self._seconds(self.command) - bare
        if self.unit == "of the recipe":
            beside -= bare
        return spent / beside if self.beside else spent

    def _bare(self) -> float:
        """Run the tool with the same roots and identity, named by its own variables."""
        pki = self.sandbox.home / "pki"
        return self._seconds(
            self.bare,
            {"SSL_CERT_FILE": str(pki / "roots.pem"), "SSL_CLIENT_CERT": str(pki / "alice.pem")},
        )

    def _seconds(self, command: tuple[str, ...], changes: Mapping[str, str] = {}) -> float:
        if not command:
            return 0.0
        env, quiet = {**self.sandbox.env, **changes}, subprocess.DEVNULL
        program = shutil.which(command[0], path=env["PATH"]) or command[0]
        began = time.perf_counter()
        subprocess.run(
            [program, *command[1:]],
            env=env,
            cwd=self.sandbox.home,
            check=True,
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
        )
        return time.perf_counter() - began


def sandbox(root: Path, name: str, env: Mapping[str, str], *, keys: str = "") -> Sandbox:
    """Return a home before the real uv, with the README's profile and these keys besides."""
    found = Sandbox.create(root / name)
    found.env["PATH"] = f"{found.bin}:{toolbox.newest_uv().ready().bin}:{SYSTEM_PATH}"
    found.env["XDG_DATA_HOME"] = str(data(root))  # where the installers put things
    found.env.update(env)
    (found.bin / f"python{sys.version_info[0]}.{sys.version_info[1]}").symlink_to(PYTHON)
    authority = Authority.create("Root")
    alice = authority.intermediate("Issuer").issue("alice", key="rsa")
    found.write("pki/root.pem", authority.pem)
    found.write("pki/roots.pem", SYSTEM_ROOTS.read_bytes() + authority.pem)
    found.write("pki/alice.crt", alice.cert_pem + alice.chain_pem)
    found.write("pki/alice.pem", alice.pem())
    found.write("pki/alice.key", alice.key_pem(PASSPHRASE))
    identity = keys or 'client-cert = "~/pki/alice.pem"'
    found.write_config(
        f'default-profile = "corp"\n[profiles.corp]\n{identity}\nca-cert = "~/pki/root.pem"\n'
    )
    return found


def changes(root: Path, program: str) -> list[Case]:
    """Return the cases in which one file that the launch rests on is another than before."""
    issuer = Authority.create("Root").intermediate("Issuer")
    found = []
    for name, path, content in (
        ("configuration", None, None),
        ("identity", "pki/alice.pem", lambda: issuer.issue("alice", key="rsa").pem()),
        ("CA file", "pki/root.pem", lambda: Authority.create("Root").pem),
    ):
        home = sandbox(root, f"changed {name}", {})
        file = home.config_file if path is None else home.home / path

        def change(file: Path = file, content: Callable[[], bytes] | None = content) -> None:
            file.write_bytes(file.read_bytes() + b"\n" if content is None else content())

        shown = f"{name} changed"
        found.append(Case(shown, (program, *LISTING), LISTING, home, 0.2, "s", before=change))
    return found


def cases(root: Path, programs: Mapping[str, Path], keyring: Mapping[str, str]) -> list[Case]:
    """Return every case."""
    found = []
    here = programs["install.sh"].resolve().parent
    start = (str(here / "python"), "-I", "-c", "pass")
    for installer, path in programs.items():
        home = sandbox(root, f"home of {installer}", {})
        for shown, words, limit in (("no network", VERSION, 1.15), ("unchanged", LISTING, 1.3)):
            command = (str(path), *words)
            found.append(
                Case(f"{shown}, {installer}", command, words, home, limit, "starts", start)
            )
    ours = str(programs["install.sh"])
    locked = 'client-cert = "~/pki/alice.crt"\nclient-key = "~/pki/alice.key"'
    remembering = sandbox(root, "remembered", keyring, keys=f'{locked}\nremember = "8h"')
    command = (ours, *LISTING)
    found.append(Case("remembered", command, LISTING, remembering, 1.5, "starts", start))
    secret = sandbox(root, "secret service", keyring, keys=locked)
    lines = RECIPE.format(keyring=here / "keyring", service=secret_service.SERVICE)
    recipe = (str(secret.write(secret.bin / "recipe", lines, 0o755)), *LISTING)
    found.append(Case("Secret Service", command, LISTING, secret, 0.6, "of the recipe", recipe))
    return [*found, *changes(root, ours)]


def table(found: list[Case], measured: Mapping[str, list[float]]) -> str:
    """Return the table, and the machine's and the tools' versions above it."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    rounds = len(next(iter(measured.values())))
    day, python = time.strftime("%Y-%m-%d"), sys.version.split()[0]
    machine = f"CPython {python}, uv {toolbox.UV_NEWEST}, {os.cpu_count()} processors"
    lines = [
        f"Taken on {day}: {machine}, {rounds} rounds; load average after: {load}.",
        "",
        "| overhead over the bare tool | median | at most | in | reached |",
        "|---|--:|--:|---|---|",
    ]
    for case in found:
        value = statistics.median(measured[case.shown])
        unit = {"starts": "starts of Python", "s": "seconds"}.get(case.unit, case.unit)
        reached = "yes" if value <= case.limit else "**no**"
        lines.append(f"| {case.shown} | {value:.2f} | {case.limit} | {unit} | {reached} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="how often each case runs")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md, too")
    parser.add_argument("--in-session", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if not asked.in_session:
        # What is remembered meanwhile is in a keyring session of this run's own.
        words = [sys.executable, str(SESSION), sys.executable, "-m", "tests.bench", "--in-session"]
        os.execv(sys.executable, [*words, *sys.argv[1:]])
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mtls-run-bench-")))
        keyring = stack.enter_context(secret_service.running())
        keyring.store("corp", PASSPHRASE)
        found = cases(root, install_all(root), keyring.env)
        for _ in range(2):
            time.sleep(SETTLED)
            for case in found:
                case.overhead()  # in the directory where it is measured: the key has it
        measured: dict[str, list[float]] = {case.shown: [] for case in found}
        for _ in range(asked.rounds):
            for case in found:
                measured[case.shown].append(case.overhead())
    report = table(found, measured)
    sys.stdout.write(report)
    if asked.write:
        before, _, rest = PAGE.read_text("utf-8").partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        PAGE.write_text(f"{before}{MARKS[0]}\n{report}{MARKS[1]}{after}", "utf-8")


if __name__ == "__main__":
    main()
