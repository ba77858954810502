"""git's smart HTTP behind the index's nginx: a repository for holders of a client certificate."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from tests.e2e.packages import GAMMA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.server import Server

# The source of `gamma-src`, whose build backend is on the index.
PACKAGE = {
    "pyproject.toml": (
        '[build-system]\nrequires = ["gamma-backend"]\nbuild-backend = "gamma_backend"\n\n'
        f'[project]\nname = "gamma-src"\nversion = "{GAMMA}"\n'
    )
}
_QUIET = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.invalid",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.invalid",
    "PATH": os.environ.get("PATH", os.defpath),
}


def git(*words: str, cwd: Path) -> str:
    """Run git without anybody's settings; return what it prints."""
    command = ["git", *words]
    done = subprocess.run(command, cwd=cwd, env=_QUIET, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout.strip()


def create(server: Server, name: str, files: dict[str, str]) -> str:
    """Create a bare repository with one commit of these files; return its URL."""
    bare = server.root / "git" / f"{name}.git"
    work = server.root / "work" / name
    shutil.rmtree(bare, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for path, text in files.items():
        (work / path).write_text(text)
    git("init", "-q", "-b", "main", ".", cwd=work)
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "first", cwd=work)
    bare.parent.mkdir(exist_ok=True)
    git("clone", "-q", "--bare", str(work), str(bare), cwd=work)
    git("config", "http.receivepack", "true", cwd=bare)
    return f"https://localhost:{server.port}/git/{name}.git"


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """Run what answers for git behind this server."""
    program = shutil.which("fcgiwrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise AssertionError("fcgiwrap is missing: tests/run installs it")
    socket = server.root / "git.sock"
    with (server.root / "git.log").open("ab") as log:
        process = subprocess.Popen(
            [program, "-s", f"unix:{socket}"],
            env=_QUIET,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    try:
        while not socket.exists():
            if process.poll() is not None:
                raise AssertionError("fcgiwrap does not start")
            time.sleep(0.01)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        socket.unlink(missing_ok=True)
