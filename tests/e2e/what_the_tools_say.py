"""What pip and uv say of a fault, and what doctor says of it: a table for docs/troubleshooting.md.

    python -m tests.e2e.what_the_tools_say

The real tools run bare, as people run them against such an index today: pip with --cert and
--client-cert, uv with SSL_CERT_FILE and SSL_CLIENT_CERT. Every cell is out of that very run.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.faults import FAULTS, HEALTHY, servers
from tests.e2e.faults.scene import Scene
from tests.e2e.toolbox import newest_pip, newest_uv
from tests.sandbox import Sandbox

if TYPE_CHECKING:
    from tests.e2e.faults.scene import Fault, Healthy
    from tests.e2e.faults.servers import Servers

# The faults of the table, by their names in the catalogue.
SHOWN = (
    "identity expired",
    "CA not named in the profile",
    "identity of another CA",
    "intermediate missing in the identity",
    "rsa, encrypted",
    "rsa, PKCS#12",
    "server of another name",
    "plain HTTP on the port",
    "403",
    "key of another certificate",
    "intermediate missing at the server",
    "proxy wants a password",
    "unknown host name",
    "no listener",
    "no identity, by an alert",
    "server certificate expired",
    "401",
    "404",
)
# What is a fault to the bare tools is none to mtls-run, where it is a locked key.
CALLED = {
    "CA not named in the profile": "CA of the server unknown",
    "rsa, encrypted": "key encrypted",
    "rsa, PKCS#12": "PKCS#12 file",
    "403": "user not admitted: 403",
}
PATIENCE = 90
SLOW = 4.0
HOST = "pypi.acme.example"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    fault: str
    pip: str
    uv: str
    doctor: str


class Bystander:
    """The tools as somebody runs them who has the files of a scene and no mtls-run."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        home = scene.sandbox.home
        named = scene.settings.get("client-cert")
        self.identity = home / named.strip('"').removeprefix("~/") if named else None
        # Where the profile does without the CA, so do the tools.
        self.roots = home / "pki" / "root.pem" if "ca-cert" in scene.settings else None
        self.url = scene.urls[0]
        self.target = scene.sandbox.root / "target"

    def pip(self) -> str:
        """Return the telling line of `pip install --cert … --client-cert …`."""
        command = [str(newest_pip().ready().program), "install", "--no-cache-dir"]
        command += ["--disable-pip-version-check", "--target", str(self.target)]
        command += ["--index-url", self.url]
        command += ["--client-cert", str(self.identity)] if self.identity else []
        command += ["--cert", str(self.roots)] if self.roots else []
        output, seconds = self._run([*command, "alpha-pkg"], {})
        return self._shown(_pip_line(output), seconds)

    def uv(self) -> str:
        """Return the telling line of `SSL_CERT_FILE=… SSL_CLIENT_CERT=… uv pip install`."""
        command = [str(newest_uv().ready().program), "pip", "install", "--no-cache"]
        command += ["--python", sys.executable, "--target", str(self.target)]
        command += ["--index-url", self.url, "alpha-pkg"]
        environment = {"SSL_CLIENT_CERT": str(self.identity)} if self.identity else {}
        if self.roots:
            environment["SSL_CERT_FILE"] = str(self.roots)
        output, seconds = self._run(command, environment)
        return self._shown(_uv_line(output), seconds)

    def doctor(self) -> str:
        """Return the fact of doctor's top finding."""
        errors = [one for one in self.scene.examine().findings if one.rank == "error"]
        return self._shown(errors[-1].fact, 0) if errors else "nothing is wrong"

    def _run(self, command: list[str], more: dict[str, str]) -> tuple[str, float]:
        proxies = {name: value for name, value in self.scene.env.items() if "PROXY" in name}
        environment = self.scene.sandbox.environment({**proxies, **more})
        started = time.monotonic()
        done = subprocess.run(
            command,
            env=environment,
            cwd=str(self.scene.sandbox.home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if done.returncode == 0:
            return "installed, in spite of the fault", 0
        return done.stdout, time.monotonic() - started

    def _shown(self, line: str, seconds: float) -> str:
        """Return the line in a cell, with stable words for paths, hosts, ports and dates."""
        servers = self.scene.servers
        line = line.replace(str(self.scene.sandbox.config_file), "~/.config/mtls-run/config.toml")
        line = line.replace(str(self.scene.sandbox.home), "~")
        for name, port in servers.port.items():
            known = "proxy.example:3128" if name.startswith("proxy") else HOST
            line = line.replace(f"localhost:{port}", known)
        line = line.replace("localhost", HOST)
        line = re.sub(r" \(serial [0-9a-f]+\)", "", line)
        line = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "…", line)
        line = re.sub(r"public: \d+ certificates", "public", line)
        line = " ".join(line.split()).replace("|", "\\|")
        return f"{line} (after {seconds:.0f} s)" if seconds >= SLOW else line


def _pip_line(output: str) -> str:
    """Return the reason out of pip's output, or the last line where it gives none."""
    for pattern in (
        r"(Enter PEM pass phrase:)",
        r"problem confirming the ssl certificate: (.*?)(?: \(_ssl\.c:\d+\))? - skipping",
        r"(Tunnel connection failed: [^']*)",
    ):
        found = re.search(pattern, output)
        if found:
            return found.group(1)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"


def _uv_line(output: str) -> str:
    """Return the warning that came first, if there was one, and the innermost cause."""
    lines = [line.strip() for line in output.splitlines()]
    warnings = [line for line in lines if line.startswith("warning:")][:1]
    causes = [line.removeprefix("cause: ") for line in lines if line.startswith("cause: ")]
    hints = [line for line in lines if line.startswith("hint:")]
    # What the resolver concludes is no reason; its hint has that.
    if not causes or causes[-1].startswith("Because "):
        causes = hints or lines[-1:]
    cause = re.sub(r" for url \(.*?\)", "", causes[-1])
    return "; ".join([*warnings, cause])


def row(fault: Fault | Healthy, found: Servers) -> Row:
    """Return the line for this fault, from real runs."""
    with tempfile.TemporaryDirectory(prefix="mr-say-") as folder, ExitStack() as stack:
        scene = Scene.create(Sandbox.create(Path(folder) / "sandbox"), found, stack)
        fault.happen(scene)
        bystander = Bystander(scene)
        doctor = bystander.doctor()
        name = CALLED.get(fault.name, fault.name)
        return Row(name, bystander.pip(), bystander.uv(), doctor)


def rows() -> list[Row]:
    """Return the lines of all faults, from real runs."""
    chosen: dict[str, Fault | Healthy] = {fault.name: fault for fault in FAULTS}
    chosen.update({case.name: case for case in HEALTHY})
    with servers.running() as found, ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda name: row(chosen[name], found), SHOWN))


def main() -> None:
    """Write the table."""
    pip, uv = newest_pip().version, newest_uv().version
    lines = [f"| fault | pip {pip} says | uv {uv} says | `mtls-run doctor` says |"]
    lines.append("|---|---|---|---|")
    lines += [f"| {row.fault} | {row.pip} | {row.uv} | {row.doctor} |" for row in rows()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
