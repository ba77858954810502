"""A Windows machine for one test: a user's empty home, mtls-run, pip and uv, before the index."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.windows.wine import PYTHONS, WINE64

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.e2e.server import Server
    from tests.pki import Issued
    from tests.windows.wine import Prefix, Python

EACH_PYTHON = pytest.mark.parametrize(
    "windows", PYTHONS, ids=lambda python: python.version, indirect=True
)
# Writes what a tool was started with: its arguments, its variables, the identity, the roots.
RECORD = r"""
import json, os, sys
path = os.environ.get("SSL_CLIENT_CERT")
seen = {"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}
seen["identity"] = open(path).read() if path else None
path = os.environ.get("SSL_CERT_FILE")
seen["roots"] = open(path).read() if path else None
with open(os.environ["RECORD"], "w", encoding="utf-8") as stream:
    json.dump(seen, stream)
"""


@dataclass
class Machine:
    """One Windows with one Python; `env` has variables for every run."""

    prefix: Prefix
    python: Python
    server: Server
    alice: Issued
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Empty the home, and keep pip from this machine's settings."""
        for folder in (self.roaming, self.local):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self.home / "src", ignore_errors=True)
        self.work.mkdir()
        self.env.update(
            WINEPATH=f"C:\\uv;C:\\{self.python.folder}\\Scripts;C:\\{self.python.folder}",
            PIP_CONFIG_FILE="nul",
            PIP_DISABLE_PIP_VERSION_CHECK="1",
            UV_NO_CACHE="1",
            UV_PYTHON=f"C:\\{self.python.folder}\\python.exe",
        )

    @property
    def home(self) -> Path:
        """The user's profile directory, %USERPROFILE%."""
        users = self.prefix.drive / "users"
        return next(found for found in users.iterdir() if found.name != "Public")

    @property
    def roaming(self) -> Path:
        """What mtls-run has below %APPDATA%."""
        return self.home / "AppData" / "Roaming" / "mtls-run"

    @property
    def local(self) -> Path:
        """What mtls-run has below %LOCALAPPDATA%."""
        return self.home / "AppData" / "Local" / "mtls-run"

    @property
    def config_file(self) -> Path:
        """Where the user's profiles are read from."""
        return self.local / "config.toml"

    @property
    def handoff(self) -> Path:
        """Where the unlocked identity of a running tool is."""
        return self.local / "Cache" / "handoff"

    @property
    def work(self) -> Path:
        """The directory that commands start in."""
        return self.home / "src"

    def path(self, path: Path) -> str:
        """Return a path as Windows programs know it."""
        if path.is_relative_to(self.prefix.drive):
            return "C:\\" + str(path.relative_to(self.prefix.drive)).replace("/", "\\")
        return "Z:" + str(path).replace("/", "\\")

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file below the directory that commands start in."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def profile(self, text: str) -> None:
        """Make `corp` the default: it trusts the server's CA alone, and `text` follows."""
        ca = self.path(self.write("pki/ca.pem", self.server.server_ca.pem))
        self.config_file.parent.mkdir(parents=True, exist_ok=True)
        head = f"default-profile = 'corp'\n[profiles.corp]\nca-cert = '{ca}'\nroots = 'none'\n"
        self.config_file.write_text(f"{head}{text}\n", encoding="utf-8")

    def locked(self, passphrase: str, more: str = "") -> None:
        """Write a profile over a PKCS#12 file; its passphrase is in CORP_PASSPHRASE."""
        path = self.path(self.write("pki/alice.p12", self.alice.p12(passphrase)))
        self.profile(f"client-cert = '{path}'\npassphrase = {{ env = 'CORP_PASSPHRASE' }}\n{more}")
        self.env["CORP_PASSPHRASE"] = passphrase

    def run(
        self,
        *words: str,
        input: str = "",
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run the installed mtls-run.exe and return how it ended."""
        program = f"C:\\{self.python.folder}\\Scripts\\mtls-run.exe"
        return self.execute(program, *words, input=input, env=env, cwd=cwd, timeout=timeout)

    def execute(
        self,
        *command: str,
        input: str = "",
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run any program of Windows as `run` does, with pipes for its streams."""
        with self.start(*command, env=env, cwd=cwd) as process:
            try:
                out, err = process.communicate(input, timeout=timeout)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def start(
        self,
        *command: str,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.Popen[str]:
        """Start any program of Windows, with pipes for its streams."""
        variables: dict[str, str | None] = {**self.env, **(env or {})}
        return subprocess.Popen(
            [str(WINE64), *command],
            env=self.prefix.environment({k: v for k, v in variables.items() if v is not None}),
            cwd=cwd or self.work,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="cp1252",
            errors="backslashreplace",
        )

    def at_terminal(
        self, *command: str, answers: Iterable[tuple[str, str]] = (), timeout: float = 120
    ) -> tuple[int, str]:
        """Run any program of Windows at a terminal, which is its console.

        Each answer is a line that is typed once its question is shown. Returns the status and all
        that was shown.
        """
        ours, its = pty.openpty()
        shown: list[str] = []
        with subprocess.Popen(
            [str(WINE64), *command],
            env=self.prefix.environment({**self.env, "TERM": "xterm"}),
            cwd=self.work,
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
        ) as process:
            os.close(its)
            user = threading.Thread(target=_sit_at, args=(ours, [*answers], shown), daemon=True)
            user.start()
            try:
                status = process.wait(timeout=timeout)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"it waits after: {''.join(shown)}") from None
            finally:
                process.kill()
                user.join(timeout)
                os.close(ours)
        return status, "".join(shown)

    def record(self, *words: str, env: Mapping[str, str | None] | None = None) -> dict[str, Any]:
        """Run `mtls-run -- python RECORD …` and return what the tool saw; fails where it fails."""
        script, record = self.write("record.py", RECORD), self.work / "record.json"
        variables = {"RECORD": self.path(record), **(env or {})}
        done = self.run("--", "python", self.path(script), *words, env=variables)
        assert done.returncode == 0, done
        found: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        return found

    def install(self, tool: str, *packages: str) -> list[str]:
        """Return the command that installs packages from the index into the target directory."""
        start = ["python", "-m", "pip", "install"] if tool == "pip" else ["uv", "pip", "install"]
        target = ["--target", self.path(self.target), "--index-url", self.server.url]
        return [*start, *target, *packages]

    @property
    def target(self) -> Path:
        """The directory that packages are installed into."""
        return self.work / "target"

    def installed(self) -> set[str]:
        """Return the names and versions in the target directory."""
        found: Iterable[Path] = self.target.glob("*.dist-info")
        return {path.name[: -len(".dist-info")] for path in found}

    def assert_installed(self, done: subprocess.CompletedProcess[str], *expected: str) -> None:
        """Fail unless these are installed, and alice alone asked the index for them."""
        shown = f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, shown
        assert self.installed() == set(expected), shown
        self.assert_asked()

    def assert_asked(self) -> None:
        """Fail unless alice asked the index, and nobody else did."""
        requests = self.server.requests()
        assert {(one.subject, one.verify) for one in requests} == {("CN=alice", "SUCCESS")}, (
            requests
        )

    def assert_nothing_left(self) -> None:
        """Fail where a run left anything of its unlocked identity."""
        found = list(self.handoff.iterdir()) if self.handoff.exists() else []
        assert [path for path in found if path.name != ".gate"] == []


def _sit_at(terminal: int, answers: list[tuple[str, str]], shown: list[str]) -> None:
    """Read what comes until the program has closed the terminal, and type the answers."""
    asked = ""
    with contextlib.suppress(OSError):  # EIO where the program has ended
        while chunk := os.read(terminal, 65536):
            # Wine moves the cursor where a blank would stand.
            text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", chunk.decode().replace("\x1b[1C", " "))
            shown.append(text)
            asked += text
            while answers and answers[0][0] in asked:
                question, answer = answers.pop(0)
                asked = asked.partition(question)[2]
                time.sleep(0.5)  # until the program reads, and the console no longer echoes
                os.write(terminal, f"{answer}\r".encode())
