"""A home of its own for each test: nothing of the developer's machine is read or written."""

from __future__ import annotations

import ast
import base64
import binascii
import os
import signal
import stat
import subprocess
import sys
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SYSTEM_PATH = "/usr/bin:/bin"
NEWEST = {"uv": "0.13.9", "pip": "26.3"}


@dataclass(frozen=True)
class Seen:
    """What a fake tool saw when it was started."""

    argv: list[bytes]
    """All of its arguments, its own path first."""
    env: dict[bytes, bytes]
    files: dict[str, bytes]
    """For each variable that named a readable file: the bytes that its path yielded then."""
    stdin: bytes | None
    """What stood on standard input, where FAKE_STDIN asked for it."""
    pid: int
    ppid: int
    cwd: str

    @property
    def args(self) -> list[bytes]:
        """The arguments without the tool's own path."""
        return self.argv[1:]

    def get(self, name: str) -> str | None:
        """Return a variable of the environment as text, or None where it is not set."""
        value = self.env.get(name.encode())
        return None if value is None else os.fsdecode(value)


@dataclass(frozen=True)
class FakeTool:
    """A stand-in for pip or uv on the sandbox's PATH; `tests/fake_tool.py` says how to steer it."""

    path: Path
    records: Path

    @property
    def runs(self) -> int:
        """How many times it was started for anything but its version."""
        return len(list(self.records.glob("run-*")))

    @property
    def version_questions(self) -> int:
        """How many times it was asked for its version."""
        return len(list(self.records.glob("version-*")))

    def seen(self, run: int = -1) -> Seen:
        """Return what it saw in its last run, or in the run of this index; fails without one."""
        files = sorted(self.records.glob("run-*"))
        if not files:
            raise AssertionError(f"{self.path.name} was never started")
        return Seen(**ast.literal_eval(files[run].read_text("ascii")))


@dataclass(frozen=True)
class Sandbox:
    """Directories, an environment and a way to run the installed `mtls-run` in them."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(cls, root: Path) -> Sandbox:
        """Return a new sandbox in this directory, which need not be there yet."""
        sandbox = cls(root)
        for folder in ("home", "config", "cache", "data", "state", "tmp", "bin"):
            (root / folder).mkdir(parents=True)
        sandbox.records.mkdir()
        (root / "run").mkdir(mode=0o700)
        sandbox.env.update(
            HOME=str(sandbox.home),
            PWD=str(sandbox.home),  # as a shell has it; the launcher's sh would add it
            XDG_CONFIG_HOME=str(root / "config"),
            XDG_CACHE_HOME=str(root / "cache"),
            XDG_DATA_HOME=str(root / "data"),
            XDG_STATE_HOME=str(root / "state"),
            XDG_RUNTIME_DIR=str(root / "run"),
            TMPDIR=str(root / "tmp"),
            PATH=f"{sandbox.bin}:{SYSTEM_PATH}",
            LANG="C.UTF-8",
            # /etc/pip.conf is the machine's, and where it has `cert`, a profile.
            PIP_CONFIG_FILE=os.devnull,
        )
        return sandbox

    @property
    def home(self) -> Path:
        """The home directory."""
        return self.root / "home"

    @property
    def bin(self) -> Path:
        """The first directory on PATH; nothing but what a test puts there."""
        return self.root / "bin"

    @property
    def records(self) -> Path:
        """Where fake tools write what they saw: beside the sandbox, not below it."""
        return self.root.with_name(f"{self.root.name}-records")

    @property
    def config_file(self) -> Path:
        """Where the user's profiles are read from."""
        return self.root / "config" / "mtls-run" / "config.toml"

    @property
    def program(self) -> Path:
        """The installed `mtls-run`, beside the Python that runs the tests."""
        program = Path(sys.executable).parent / "mtls-run"
        if not program.exists():
            raise AssertionError(f"{program} is missing: install the project into this environment")
        return program

    def write_config(self, text: str) -> Path:
        """Write the user's profiles and return the file."""
        return self.write(self.config_file, text)

    def write(self, path: str | Path, content: str | bytes, mode: int = 0o600) -> Path:
        """Write a file, given relative to the home directory or absolute, and return its path."""
        path = self.home / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def environment(self, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """Return the environment with these changes; None takes a variable away."""
        env = dict(self.env)
        for name, value in (changes or {}).items():
            env.pop(name, None)
            if value is not None:
                env[name] = value
        return env

    def run(
        self,
        *args: str | Path,
        input: str | None = None,  # the name that subprocess gave it
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run the installed `mtls-run` without a terminal and return how it ended."""
        return self.execute([self.program, *args], input=input, env=env, cwd=cwd, timeout=timeout)

    def execute(
        self,
        command: Iterable[str | Path],
        *,
        input: str | None = None,  # the name that subprocess gave it
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run any command as `run` does; what is still there at the timeout is killed whole."""
        with self.start(command, env=env, cwd=cwd, stdin=input is not None) as process:
            try:
                out, err = process.communicate(input, timeout=timeout)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(
        self,
        command: Iterable[str | Path],
        *,
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        stdin: bool = False,
    ) -> subprocess.Popen[str]:
        """Start a command in a session of its own, thus without a controlling terminal."""
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment({"PWD": str(cwd or self.home), **(env or {})}),
            cwd=str(cwd or self.home),
            start_new_session=True,
            encoding="utf-8",
            errors="surrogateescape",
        )

    def fake_tool(
        self, name: str = "uv", version: str | None = None, folder: Path | None = None
    ) -> FakeTool:
        """Put a stand-in for a tool under this name on PATH, or into another folder.

        It answers for its version as the real tool of its kind does; pip's answer names a package
        directory that is really there. No version means the newest.
        """
        kind = "pip" if "pip" in name else "uv"
        version = version or NEWEST[kind]
        folder = folder or self.bin
        folder.mkdir(parents=True, exist_ok=True)
        records = self.records / f"{name}-{len(list(self.records.iterdir()))}"
        records.mkdir()
        if kind == "pip":
            package = records / "site-packages" / "pip"
            package.mkdir(parents=True)
            package.joinpath("__init__.py").write_text(f'__version__ = "{version}"\n')
            answer = f"pip {version} from {package} (python 3.11)"
        else:
            program = name if name in ("uvx", "twine") else "uv"
            answer = f"{program} {version}"
        script = Path(__file__).with_name("fake_tool.py").read_text()
        script = script.replace('"@RECORDS@"', repr(str(records)))
        script = script.replace('"@ANSWER@"', repr(answer))
        path = folder / name
        path.write_text(f"#!{sys.executable} -IS\n{script}")
        path.chmod(0o755)
        return FakeTool(path, records)


def files_below(*folders: str | Path) -> Iterator[Path]:
    """Yield every regular file below these directories; what vanishes meanwhile is passed over."""
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                try:
                    if stat.S_ISREG(path.lstat().st_mode):
                        yield path
                except FileNotFoundError:
                    continue


def spellings(secret: str | bytes) -> set[bytes]:
    """Return the secret as it is, and as base64, hexadecimal, quoted and UTF-16 would show it."""
    raw = secret.encode() if isinstance(secret, str) else secret
    found = {raw, base64.b64encode(raw).rstrip(b"="), binascii.hexlify(raw)}
    found.add(binascii.hexlify(raw).upper())
    found.add(urllib.parse.quote_from_bytes(raw).encode())
    if isinstance(secret, str):
        found.add(secret.encode("utf-16-le"))
    return found


def assert_absent(
    secrets: Iterable[str | bytes],
    *outputs: str | bytes,
    below: Iterable[str | Path] = (),
    but: Iterable[Path] = (),
) -> None:
    """Fail where a secret occurs in an output, in a file below a directory, or in a file's name.

    `but` names the files that may hold it.
    """
    needles = {needle for secret in secrets for needle in spellings(secret)}
    if any(len(needle) < 8 for needle in needles):
        raise ValueError("a secret that short is found by chance")
    for number, output in enumerate(outputs):
        data = output.encode("utf-8", "surrogateescape") if isinstance(output, str) else output
        if any(needle in data for needle in needles):
            raise AssertionError(f"the secret stands in output {number}")
    allowed = {path.resolve() for path in but}
    for path in files_below(*below):
        if path.resolve() in allowed:
            continue
        try:
            data = os.fsencode(path) + b"\n" + path.read_bytes()
        except FileNotFoundError:
            continue
        if any(needle in data for needle in needles):
            raise AssertionError(f"the secret stands in {path}")


@dataclass(frozen=True)
class Canary:
    """A passphrase that no other thing in the world looks like, to be searched for."""

    text: str

    def assert_absent(
        self,
        *outputs: str | bytes,
        below: Iterable[str | Path] = (),
        but: Iterable[Path] = (),
    ) -> None:
        """Fail where the passphrase occurs in an output or in a file; see `assert_absent`."""
        assert_absent([self.text], *outputs, below=below, but=but)
