"""docs/recipes.md as its tests read it, and the place in which they run its blocks."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.packages import ALPHA, BETA
from tests.e2e.toolbox import newest_pip, newest_uv
from tests.sandbox import SYSTEM_PATH, assert_absent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.e2e.bench import Bench
    from tests.sandbox import Canary

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs/recipes.md"
MARKED = re.compile(
    r"^<!-- recipe: (?P<name>.+) -->\n```\w+\n(?P<text>(?:.*\n)*?)```$", re.MULTILINE
)

# What the page has for an example, and what stands for it here; all else runs as it is written.
INDEX = "https://pypi.corp.example/simple/"  # the test's nginx
HOOKS = "https://git.corp.example/hooks.git"  # a git repository in the sandbox
RULES = "[corp-rules]"  # the package that a hook depends on: one that the index has
PROJECT = "~/project"  # where the user's own repository is: the workspace
RUN = "/run/"  # where Docker mounts secrets and sources: a directory of the sandbox

LOOK = """
import sys
sys.path.insert(0, sys.argv[1])
import alpha_pkg, beta_pkg
assert alpha_pkg.__file__.startswith(sys.argv[1]), alpha_pkg.__file__
assert beta_pkg.__file__.startswith(sys.argv[1]), beta_pkg.__file__
print(alpha_pkg.VERSION, beta_pkg.VERSION)
"""


def blocks(page: Path = PAGE) -> dict[str, str]:
    """Return the text of every marked block of the page, by its name."""
    return {found["name"]: found["text"] for found in MARKED.finditer(page.read_text())}


def block(name: str, replaced: Mapping[str, str] | None = None) -> str:
    """Return the text of one block, with these examples replaced, each of which must be there."""
    text = blocks()[name]
    for example, value in (replaced or {}).items():
        assert example in text, f"{example} is not in the recipe {name}"
        text = text.replace(example, value)
    return text


@dataclass
class Scene:
    """A home in which mtls-run is installed as the page assumes, and a project in it."""

    bench: Bench
    canary: Canary
    env: dict[str, str | None]
    outputs: list[str]
    """All that was written to stdout and stderr so far."""

    @classmethod
    def create(cls, bench: Bench, canary: Canary) -> Scene:
        """Return a scene without profiles: pip, uv and the index are there, and a project."""
        home = bench.sandbox.home
        tools = f"{newest_uv().ready().bin}:{newest_pip().ready().bin}"
        # The page's paths are those of a home without XDG variables.
        names = ("CONFIG", "CACHE", "DATA", "STATE")
        env: dict[str, str | None] = {f"XDG_{name}_HOME": None for name in names}
        env |= {
            "PATH": f"{home}/.local/bin:{tools}:{SYSTEM_PATH}",
            "PIP_INDEX_URL": bench.server.url,
            "UV_DEFAULT_INDEX": bench.server.url,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }
        (home / ".local/bin").mkdir(parents=True)
        (home / ".local/bin/mtls-run").symlink_to(bench.sandbox.program)
        scene = cls(bench, canary, env, [])
        scene.write("requirements.txt", "alpha-pkg\n")
        return scene

    @property
    def home(self) -> Path:
        """The home directory."""
        return self.bench.sandbox.home

    @property
    def workspace(self) -> Path:
        """The project's directory."""
        return self.home / "project"

    @property
    def p12(self) -> bytes:
        """The encrypted identity, as the PKI hands it out."""
        return self.bench.alice.p12(self.canary.text)

    def write(self, path: str | Path, content: str | bytes, mode: int = 0o644) -> Path:
        """Write a file of the project."""
        return self.bench.sandbox.write(self.workspace / path, content, mode)

    def profile(self, more: str = "") -> None:
        """Write the profile `corp`, its identity locked; it is no default."""
        self.bench.sandbox.write("pki/alice.p12", self.p12)
        lines = [
            'client-cert = "~/pki/alice.p12"',
            f'ca-cert = "{self.bench.ca}"',
            'roots = "none"',
        ]
        text = "\n".join([more, "[profiles.corp]", *lines, ""])
        self.bench.sandbox.write(".config/mtls-run/config.toml", text)

    def environment(self) -> Path:
        """Make `.venv`, which uv installs into, and return the directory of its packages."""
        self.run("uv", "venv", "--quiet", "--python", sys.executable)
        (found,) = (self.workspace / ".venv/lib").glob("python*/site-packages")
        return found

    def target(self) -> Path:
        """Have pip install into a directory by itself, and return it."""
        folder = self.home / "target"
        self.env["PIP_TARGET"] = str(folder)
        return folder

    def run(
        self,
        *command: str | Path,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        input: str | None = None,  # the name that subprocess gave it
        status: int = 0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the project, and fail where it ends with another status."""
        done = self.bench.sandbox.execute(
            command,
            env={**self.env, **(env or {})},
            cwd=cwd or self.workspace,
            input=input,
            timeout=300,
        )
        self.outputs += [done.stdout, done.stderr]
        assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def sh(
        self, script: str, *, env: Mapping[str, str | None] | None = None, status: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a script as /bin/sh would for a user."""
        return self.run("sh", "-ec", script, env=env, status=status)

    def assert_installed(self, *folders: Path) -> None:
        """Fail unless the packages are in each directory, fetched by the right client alone."""
        for folder in folders:
            command = [sys.executable, "-I", "-c", LOOK, str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.stdout.split() == [ALPHA, BETA], (done.stderr, self.outputs)
        requests = self.bench.server.requests()
        assert requests
        assert {request.subject for request in requests} == {self.bench.subject}, requests
        assert {request.verify for request in requests} == {"SUCCESS"}, requests
        assert {request.status for request in requests} <= {200, 206, 304}, requests
        self.assert_clean()

    def assert_clean(self, but: Iterable[Path] = ()) -> None:
        """Fail where passphrase or open key stand in a file of the home, or in an output.

        `but` names files that may hold the passphrase.
        """
        below = [self.bench.sandbox.root]
        self.canary.assert_absent(*self.outputs, below=below, but=but)
        assert_absent(self.bench.alice.traces, *self.outputs, below=below)
