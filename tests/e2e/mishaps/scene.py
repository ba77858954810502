"""A user with a locked key before the index: a mishap, what has to hold after it, the next run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.bench import WHEELS
from tests.e2e.toolbox import Tool, newest_uv
from tests.sandbox import assert_absent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.e2e.bench import Bench
    from tests.sandbox import Canary

RUNNER = str(Path(__file__).with_name("runner.py"))
SURROUNDINGS = str(Path(__file__).with_name("surroundings.py"))
VARIABLE = 'passphrase = { env = "CORP_PASSPHRASE" }'
MEMORY, FILE = ("--handoff", "memfd"), ("--handoff", "supervise")


@dataclass
class Scene:
    """A profile over an encrypted key, whose passphrase is in a variable, and a real uv."""

    bench: Bench
    canary: Canary
    tool: Tool = field(default_factory=newest_uv)
    allowed: list[Path] = field(default_factory=list)
    """Files of the user that hold an unlocked key, or the passphrase."""

    @property
    def program(self) -> str:
        """The installed program."""
        return str(self.bench.sandbox.program)

    @property
    def key(self) -> Path:
        """The file with certificate and key."""
        return self.bench.sandbox.home / "pki/alice.pem"

    @property
    def root(self) -> Path:
        """All that this user has on the disk."""
        return self.bench.sandbox.root

    @property
    def cache(self) -> Path:
        """mtls-run's own cache."""
        return self.root / "cache/mtls-run"

    def profile(self, more: str = VARIABLE) -> None:
        """Write the profile anew."""
        self.bench.profile(f'client-cert = "~/pki/alice.pem"\n{more}')

    def locked(self, more: str = VARIABLE) -> None:
        """Have the key locked by the passphrase of this test."""
        self.bench.sandbox.write("pki/alice.pem", self.bench.alice.pem(self.canary.text))
        self.bench.env["CORP_PASSPHRASE"] = self.canary.text
        self.profile(more)

    def behind_gateway(self) -> None:
        """Have the certificate shown to the index alone, by the gateway."""
        self.profile(f'{VARIABLE}\nhosts = ["{self.bench.server.url.split("/")[2]}"]')

    def open(self) -> None:
        """Have an identity that is handed on by its own path, so that launches are cached."""
        self.allowed = [self.bench.sandbox.write("pki/alice.pem", self.bench.alice.pem())]
        self.bench.env["CORP_PASSPHRASE"] = None
        self.profile("")

    def command(self, *options: str) -> list[str]:
        """Return what is run, without the program: a small installation."""
        return [*options, *self.bench.install(self.tool, "alpha-pkg")]

    def run(
        self,
        *options: str,
        env: Mapping[str, str | None] | None = None,
        program: Sequence[str] | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Install through mtls-run, or through what stands for it."""
        start = list(program or [self.program])
        return self.bench.sandbox.execute(
            [*start, *self.command(*options)],
            env=self.bench.tool_env(self.tool, env),
            timeout=timeout,
        )

    def run_at(
        self,
        point: str,
        *actions: str,
        options: Sequence[str] = (),
        env: Mapping[str, str | None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Install, and have the actions happen at a point of the program's way; see `runner`."""
        reached = self.root.with_name("reached")
        reached.unlink(missing_ok=True)
        happen = [f"leave:{reached}", *actions]
        program = [sys.executable, "-I", RUNNER, point, *happen, "--"]
        done = self.run(*options, env=env, program=program)
        assert point == "never" or reached.exists(), f"{point} was not reached: {done}"
        return done

    def run_in(
        self,
        *actions: str,
        options: Sequence[str] = (),
        env: Mapping[str, str | None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Install in poor surroundings; see `surroundings`."""
        program = [sys.executable, "-I", SURROUNDINGS, *actions, "--", self.program]
        return self.run(*options, env=env, program=program)

    def run_mounted(
        self,
        script: str,
        *options: str,
        env: Mapping[str, str | None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Install where a shell script has mounted something, for these processes alone."""
        apart = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        shell = ["sh", "-ec", f'{script}\nexec "$@"', "sh", self.program]
        return self.run(*options, env=env, program=[*apart, *shell])

    def assert_failed(
        self,
        done: subprocess.CompletedProcess[str],
        *facts: str,
        status: int = 125,
        notices: bool = False,
    ) -> None:
        """Fail unless one error and its hint name the cause, and nobody called on the server."""
        lines = done.stderr.splitlines()
        if notices:
            lines = [line for line in lines if not line.startswith("mtls-run: notice: ")]
        assert (done.returncode, done.stdout) == (status, ""), done
        assert len(lines) == 2, done
        assert lines[0].startswith("mtls-run: error: "), done
        assert lines[1].startswith("mtls-run: hint: "), done
        assert "internal error" not in done.stderr, done
        for fact in facts:
            assert fact in done.stderr, done
        self.assert_not_called(done)

    def assert_not_called(self, done: subprocess.CompletedProcess[str]) -> None:
        """Fail where anybody called on the server, or anything was installed or left."""
        assert self.bench.server.requests() == []
        assert self.bench.server.failed_handshakes() == []
        assert self.bench.installed() == {}
        self.assert_clean(done)

    def assert_worked(self, done: subprocess.CompletedProcess[str]) -> None:
        """Fail unless it was installed, with the right identity, and nothing is left."""
        assert "mtls-run: error: " not in done.stderr, done
        self.bench.assert_installed(done, WHEELS)
        self.assert_clean(done)

    def assert_clean(self, done: subprocess.CompletedProcess[str] | None = None) -> None:
        """Fail where key or passphrase are on a disk or in an output, or a traceback is."""
        shown = [done.stdout, done.stderr] if done else []
        assert not any("Traceback" in text for text in shown), done
        self.canary.assert_absent(*shown, below=self.disks(), but=self.allowed)
        assert_absent(self.bench.alice.traces, *shown, below=self.disks(), but=self.allowed)

    def disks(self) -> list[Path]:
        """Return every place where mtls-run could leave a file."""
        return [self.root, Path(f"/dev/shm/mtls-run-{os.geteuid()}")]

    def assert_recovers(self, *options: str) -> None:
        """Fail unless the next run, without the mishap, works and leaves nothing."""
        if self.bench.target.exists():
            subprocess.run(["rm", "-r", str(self.bench.target)], check=True)
        self.bench.server.forget()
        done = self.run(*options)
        self.assert_worked(done)
        assert "mtls-run:" not in done.stderr, done
        self.assert_no_leftovers()

    def assert_no_leftovers(self) -> None:
        """Fail where a half-written file, or a private one, is still there."""
        left = [path for path in self.root.rglob("*") if is_leftover(path)]
        assert left == []


def is_leftover(path: Path) -> bool:
    """Tell whether this is something that a run makes and has to take away again."""
    parts = path.parts
    if "mtls-run" not in parts:
        return False
    below = parts[parts.index("mtls-run") + 1 :]
    return path.name == "identity.pem" or (
        below[:1] == ("handoff",) and path.name != ".gate" and len(below) > 1
    )
