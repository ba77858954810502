"""What every end-to-end test needs at hand: a sandbox, the index, an identity and a real tool."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.e2e.packages import ALPHA, BETA, GAMMA

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.e2e.server import Server
    from tests.e2e.toolbox import Tool
    from tests.pki import Issued
    from tests.sandbox import Sandbox

LOOK = """
import importlib.metadata, json, sys
sys.path.insert(0, sys.argv[1])
found = {}
for distribution in importlib.metadata.distributions(path=[sys.argv[1]]):
    name = distribution.metadata["Name"]
    module = __import__(name.replace("-", "_"))
    assert module.__file__.startswith(sys.argv[1]), module.__file__
    assert module.VERSION == distribution.version, (module.VERSION, distribution.version)
    found[name] = distribution.version
print(json.dumps(found))
"""

EVERYTHING = {"alpha-pkg": ALPHA, "beta-pkg": BETA, "gamma-src": GAMMA}
WHEELS = {"alpha-pkg": ALPHA, "beta-pkg": BETA}


@dataclass
class Bench:
    """A sandbox before the index, and the client certificate of one user."""

    sandbox: Sandbox
    server: Server
    alice: Issued
    env: dict[str, str | None] = field(default_factory=dict)
    """Changes to the environment for every run of this test."""

    @property
    def subject(self) -> str:
        """The distinguished name that the server has to see."""
        return "CN=alice"

    @property
    def ca(self) -> Path:
        """The server's CA certificate, in the home directory."""
        return self.sandbox.write("pki/server-ca.pem", self.server.server_ca.pem)

    @property
    def target(self) -> Path:
        """The directory that packages are installed into."""
        return self.sandbox.root / "target"

    def profile(self, text: str, *, name: str = "corp") -> Path:
        """Write a profile that trusts the server's CA alone, and make it the default.

        `text` is TOML and comes after `ca-cert` and `roots`, or without them where it sets them.
        """
        lines = [f'default-profile = "{name}"', f"[profiles.{name}]"]
        if "ca-cert" not in text:
            lines.append(f'ca-cert = "{self.ca}"')
        if "roots" not in text:
            lines.append('roots = "none"')
        return self.sandbox.write_config("\n".join([*lines, text, ""]))

    def tool_env(
        self, tool: Tool | None, env: Mapping[str, str | None] | None = None
    ) -> dict[str, str | None]:
        """Return the changes to the environment under which the tool is found by its name.

        The machine's own pip configuration is shut out.
        """
        found: dict[str, str | None] = {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **self.env,
            **(env or {}),
        }
        if tool is not None:
            found["PATH"] = f"{tool.ready().bin}:{self.sandbox.env['PATH']}"
        return found

    def install(self, tool: Tool, *packages: str) -> list[str]:
        """Return the command that installs packages from the index into the target directory."""
        command = ["pip", "install"]
        if tool.kind == "uv":
            command = ["uv", "pip", "install", "--python", sys.executable]
        command += ["--target", str(self.target), "--index-url", self.server.url]
        return [*command, *(packages or ("alpha-pkg", "gamma-src"))]

    def run(
        self,
        tool: Tool,
        *packages: str,
        options: tuple[str, ...] = (),
        env: Mapping[str, str | None] | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Install packages with the tool through `mtls-run` and return how that ended."""
        command = [*options, *self.install(tool, *packages)]
        return self.sandbox.run(*command, env=self.tool_env(tool, env), timeout=timeout)

    def run_plain(
        self, tool: Tool, *packages: str, env: Mapping[str, str | None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Install packages with the tool alone."""
        program, *rest = self.install(tool, *packages)
        path = tool.ready().bin / program
        return self.sandbox.execute([path, *rest], env=self.tool_env(tool, env), timeout=120)

    def installed(self) -> dict[str, str]:
        """Return the versions in the target directory, each imported and asked for its own."""
        if not self.target.exists():
            return {}
        command = [sys.executable, "-I", "-c", LOOK, str(self.target)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found: dict[str, str] = json.loads(done.stdout)
        return found

    def assert_installed(
        self,
        done: subprocess.CompletedProcess[str],
        expected: Mapping[str, str] = EVERYTHING,
        subject: str | None = None,
    ) -> None:
        """Fail unless all of it is installed, and asked for by the right client alone."""
        shown = f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, shown
        assert self.installed() == expected, shown
        requests = self.server.requests()
        assert {request.subject for request in requests} == {subject or self.subject}, requests
        assert {request.verify for request in requests} == {"SUCCESS"}, requests
        assert {request.status for request in requests} <= {200, 206, 304}, requests
        asked = " ".join(request.uri for request in requests)
        wanted = [*expected, *(["gamma-backend"] if "gamma-src" in expected else [])]
        assert [name for name in wanted if f"/simple/{name}/" not in asked] == [], asked

    def assert_refused(self, done: subprocess.CompletedProcess[str]) -> None:
        """Fail unless mtls-run stopped with a clear error and nobody called on the server."""
        lines = done.stderr.splitlines()
        errors = [line for line in lines if line.startswith("mtls-run: error: ")]
        hints = [line for line in lines if line.startswith("mtls-run: hint: ")]
        assert done.returncode == 125, done
        assert len(errors) == 1, done.stderr
        assert hints, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        assert self.server.requests() == []
        assert self.server.failed_handshakes() == []
        assert self.installed() == {}
