"""Two ordinary users of one machine: one who runs mtls-run, and one who would like to have the key.

As root the tests are both of them in turn; the first has a number that nobody else has. An ordinary
user's tests are that user's, and what a stranger could do is told by the modes.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import shutil
import signal
import stat
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cli.support import ROOT, alice, write_profile
from tests.sandbox import Canary, FakeTool, Sandbox, Seen, assert_absent
from tests.strangers import STRANGER, sees_everything

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

THIEF = Path(__file__).with_name("thief.py")
VARIABLE = 'passphrase = { env = "CORP_PASSPHRASE" }'
INSTALL = ("pip", "download", "x")
MEMORY, FILE = ("--handoff", "memfd"), ("--handoff", "supervise")
PATIENCE = 60
# What of this Python, of its packages and of ours lies where only root may go is shown to other
# users too, in a view of the file system that they alone have.
_NEEDED = (Path(sys.base_prefix), Path(sys.prefix), Path(__file__).parents[3])


@dataclass(frozen=True)
class Tried:
    """What came of an attempt: the error's name, or None, and what could be read."""

    error: str | None
    data: bytes


@dataclass(frozen=True)
class Running:
    """A tool that waits, and the mtls-run that started it or has become it."""

    process: subprocess.Popen[str]
    seen: Seen
    identity: Path
    """The path of the identity that the tool was handed."""

    @property
    def pids(self) -> list[int]:
        """The tool, and the supervisor where there is one."""
        return sorted({self.seen.pid, self.process.pid})


@dataclass
class Scene:
    """The user, with a profile over a locked key, and somebody else."""

    sandbox: Sandbox
    tool: FakeTool
    canary: Canary
    uid: int
    """Who runs mtls-run."""
    folder: Path
    """A directory that everybody may enter; the user's home is in it."""
    umask: int = 0o022
    before: tuple[str, ...] = ()
    """What stands before every command of the user: limits, a login."""
    allowed: list[Path] = field(default_factory=list)
    """Files of the user that hold an unlocked key as they stand."""
    bob_is_real: bool = field(default_factory=sees_everything)

    @property
    def program(self) -> str:
        """The installed program."""
        return str(self.sandbox.program)

    @property
    def root(self) -> Path:
        """All that the user has on the disk."""
        return self.sandbox.root

    @property
    def cache(self) -> Path:
        """Where mtls-run keeps what it found out."""
        return self.root / "cache/mtls-run"

    @property
    def shared_memory(self) -> Path:
        """Where private files are when the login has no directory of its own."""
        return Path(f"/dev/shm/mtls-run-{self.uid}")

    @property
    def go(self) -> Path:
        """The file that a waiting tool waits for."""
        return self.folder / "go"

    def write_profile(self, more: str = VARIABLE) -> None:
        """Write the profile, which says this besides, and make all of it the user's."""
        write_profile(self.sandbox, more)
        self.own()

    def own(self, *paths: Path) -> None:
        """Make these the user's, with all below them; without any, the whole home."""
        for path in paths or (self.root, self.sandbox.records):
            give(path, self.uid)

    def as_user(self, *command: str | Path) -> list[str]:
        """Return the command as the user runs it."""
        return become(self.uid, self.umask, self.folder, *self.before, *command)

    def run(
        self,
        *words: str | Path,
        env: Mapping[str, str | None] | None = None,
        input: str | None = None,  # as the sandbox has it
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run mtls-run as the user, and see to it that nothing of the secrets comes out."""
        done = self.sandbox.execute(
            self.as_user(self.program, *words), env=env, input=input, cwd=cwd, timeout=PATIENCE
        )
        self.assert_clean(done.stdout, done.stderr)
        return done

    @contextlib.contextmanager
    def started(
        self, *words: str | Path, env: Mapping[str, str | None] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """Start mtls-run as the user; what is left of it in the end is killed."""
        with self.sandbox.start(self.as_user(self.program, *words), env=env) as process:
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def waiting(
        self,
        *options: str,
        env: Mapping[str, str | None] | None = None,
        words: tuple[str, ...] = INSTALL,
    ) -> Iterator[Running]:
        """Have the tool wait while the context lasts; then it has to end well, without a trace."""
        wait = {"FAKE_SHELL": f"until test -e '{self.go}'; do sleep 0.02; done", **(env or {})}
        before = self.tool.runs
        self.go.unlink(missing_ok=True)
        with self.started(*options, *words, env=wait) as process:
            self.await_for(lambda: self.tool.runs > before, process)
            seen = self.tool.seen()
            yield Running(process, seen, Path(seen.get("SSL_CLIENT_CERT") or "/missing"))
            self.go.touch()
            out, err = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, err
            self.assert_handed(seen)
        self.assert_clean(out, err)

    @contextlib.contextmanager
    def waiting_for_passphrase(
        self, *words: str | Path, env: Mapping[str, str | None] | None = None
    ) -> Iterator[tuple[subprocess.Popen[str], int]]:
        """Have the passphrase command wait while the context lasts; then the run has to work.

        Yields mtls-run, or whatever of it these words are, and the pid of the command.
        """
        shown = self.root / "command"
        script = self.sandbox.write(
            "command",
            f"#!/bin/sh\necho $$ >'{shown}.new'\nmv '{shown}.new' '{shown}'\n"
            f"until test -e '{self.go}'; do sleep 0.02; done\n"
            f"cat '{self.sandbox.home}/passphrase'\n",
            0o755,
        )
        self.sandbox.write("passphrase", self.canary.text + "\n")
        self.write_profile(f'passphrase = {{ command = ["{script}"] }}')
        before = self.tool.runs
        changes = {"CORP_PASSPHRASE": None, **(env or {})}
        with self.started(*(words or INSTALL), env=changes) as process:
            self.await_for(shown.exists, process)
            yield process, int(shown.read_text())
            self.go.touch()
            out, err = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0 or "doctor" in words, err
            if not words:
                assert self.tool.runs == before + 1
                self.assert_handed(self.tool.seen())
        self.assert_clean(out, err)

    def await_for(self, is_so: object, process: subprocess.Popen[str]) -> None:
        """Wait until it is so; fails where the process ends first."""
        assert callable(is_so)
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{process.poll()} {process.communicate(timeout=5)}")
            time.sleep(0.01)

    def tries(self, *what: str, uid: int = STRANGER) -> dict[str, Tried]:
        """Return what came of somebody's attempts; see `thief.py` for what can be tried."""
        command = become(uid, 0o022, self.folder, sys.executable, "-I", THIEF, *what)
        done = self.sandbox.execute(command, cwd="/", timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return {name: Tried(error, base64.b64decode(data)) for name, (error, data) in found.items()}

    def assert_bob_cannot(self, *what: str) -> None:
        """Fail where a stranger gets at any of these."""
        for name, tried in self._bob(*what).items():
            assert tried.error in ("EACCES", "EPERM"), (name, tried)

    def assert_bob_learns_nothing(self, *what: str) -> dict[str, Tried]:
        """Fail where a secret is in anything that a stranger can read; return what was tried."""
        found = self._bob(*what)
        for name, tried in found.items():
            assert_absent([self.canary.text, *alice().traces], name.encode() + b"\n" + tried.data)
        return found

    def _bob(self, *what: str) -> dict[str, Tried]:
        if self.bob_is_real:
            return self.tries(*what)
        found = {}
        for one in what:
            kind, _, path = one.partition(":")
            if kind == "read":
                found[path] = Tried(*_by_mode(Path(path)))
        return found

    def assert_handed(self, seen: Seen) -> None:
        """Fail unless the tool got the user's identity, and no passphrase."""
        assert seen.files["SSL_CLIENT_CERT"] == alice().pem()
        assert seen.files["PIP_CLIENT_CERT"] == alice().pem()
        assert seen.files["SSL_CERT_FILE"].strip() == ROOT.pem.strip()
        assert seen.get("CORP_PASSPHRASE") is None
        self.canary.assert_absent(*seen.argv, *(b"\n".join(pair) for pair in seen.env.items()))

    def assert_worked(self, done: subprocess.CompletedProcess[str]) -> Seen:
        """Fail unless the run worked, with the right identity; return what the tool saw."""
        assert done.returncode == 0, done
        seen = self.tool.seen()
        self.assert_handed(seen)
        return seen

    def assert_stopped(self, done: subprocess.CompletedProcess[str], *facts: str) -> None:
        """Fail unless it ended before the tool, with one clear error that names these."""
        lines = done.stderr.splitlines()
        errors = [line for line in lines if line.startswith("mtls-run: error: ")]
        assert (done.returncode, done.stdout, len(errors)) == (125, "", 1), done
        assert "internal error" not in done.stderr
        for fact in facts:
            assert fact in done.stderr, done
        assert self.tool.runs == 0, done

    def assert_clean(self, *outputs: str) -> None:
        """Fail where a secret, or a traceback, came out, or an unlocked key is left on the disk."""
        assert_absent([self.canary.text, *alice().traces], *outputs)
        for output in outputs:
            assert "Traceback" not in output, output
        # The records of the fake tool, which has to see the identity, are beside these.
        below = [self.root, self.shared_memory, self.bob_s]
        assert_absent(alice().traces, below=below, but=self.allowed)
        self.canary.assert_absent(
            below=below, but=[self.sandbox.home / "passphrase", *self.allowed]
        )

    @property
    def bob_s(self) -> Path:
        """A directory of the other one, which everybody may enter and write."""
        return self.folder / "bob"


@contextlib.contextmanager
def scene_of(canary: Canary, uid: int | None = None) -> Iterator[Scene]:
    """Have two users; nothing of either is left. `uid` is whoever runs mtls-run."""
    folder = Path(tempfile.mkdtemp(prefix="mtls-run-attack-"))
    folder.chmod(0o755)
    if uid is None:
        number = 2_000_000_000 + secrets.randbelow(100_000_000)
        uid = number if sees_everything() else os.geteuid()
    sandbox = Sandbox.create(folder / "alice")
    found = Scene(sandbox, sandbox.fake_tool("pip"), canary, uid, folder)
    sandbox.write("pki/alice.pem", alice().pem(canary.text))
    sandbox.write("pki/root.pem", ROOT.pem)
    sandbox.env["CORP_PASSPHRASE"] = canary.text
    found.bob_s.mkdir()
    found.bob_s.chmod(0o777)
    give(found.bob_s, STRANGER)
    found.write_profile()
    try:
        yield found
    finally:
        shutil.rmtree(folder)
        if sees_everything() and os.path.lexists(found.shared_memory):
            if found.shared_memory.is_dir() and not found.shared_memory.is_symlink():
                shutil.rmtree(found.shared_memory)
            else:
                found.shared_memory.unlink()


def give(path: Path, uid: int) -> None:
    """Make a path, and all below it, somebody's, where root runs the tests."""
    if not sees_everything():
        return
    os.lchown(path, uid, uid)
    for parent, folders, names in os.walk(path):
        for name in (*folders, *names):
            os.lchown(os.path.join(parent, name), uid, uid)


def become(uid: int, umask: int, folder: Path, *command: str | Path) -> list[str]:
    """Return the command as this user runs it, with Python and the project within reach."""
    words = [str(word) for word in command]
    if not sees_everything():
        return ["sh", "-ec", f'umask {umask:03o}; exec "$@"', "sh", *words]
    user = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
    return within_reach(folder, "sh", "-ec", f'umask {umask:03o}; exec "$@"', "sh", *user, *words)


def within_reach(folder: Path, *command: str | Path) -> list[str]:
    """Return the command as root runs it, with Python and the project open to every user."""
    lines = []
    closed = {path: _closed(path) for path in _NEEDED}
    shown = [path for path in _NEEDED if closed[path] is not None]
    for number, path in enumerate(shown):
        spare = folder / f"view-{number}"
        lines.append(f"mkdir -p '{spare}'; mount --bind '{path}' '{spare}'")
    tops = sorted({str(closed[path]) for path in shown})
    lines += [f"mount -t tmpfs -o mode=755 tmpfs '{top}'" for top in tops]
    for number, path in enumerate(shown):
        lines.append(f"mkdir -p '{path}'; mount --move '{folder}/view-{number}' '{path}'")
    lines.append('exec "$@"')
    return ["unshare", "-m", "sh", "-ec", "\n".join(lines), "sh", *map(str, command)]


def _closed(path: Path) -> Path | None:
    """Return the topmost directory on the way there that others may not enter."""
    for step in (*reversed(path.parents), path):
        if not step.stat().st_mode & stat.S_IXOTH:
            return step
    return None


def _by_mode(path: Path) -> tuple[str | None, bytes]:
    """Return what a stranger would meet at a path, by the modes on the way there."""
    for step in reversed(path.parents):
        if not step.stat().st_mode & stat.S_IXOTH:
            return "EACCES", b""
    readable = path.stat().st_mode & stat.S_IROTH
    return (None, path.read_bytes() if path.is_file() else b"") if readable else ("EACCES", b"")
