"""The private file: the user's alone, locked while it is used, and swept when it is left."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtls_run.errors import HandoffError
from mtls_run.handoff import private_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtls_run.handoff.private_file import PrivateFile


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment with a runtime directory of the test's own."""
    return {"XDG_RUNTIME_DIR": str(tmp_path / "run")}


@contextmanager
def created(environ: dict[str, str], content: bytes = b"secret") -> Iterator[PrivateFile]:
    """Have a private file for as long as the context lasts."""
    file = private_file.create(content, environ)
    try:
        yield file
    finally:
        if file.path.exists():
            file.remove()


def mode(path: Path) -> int:
    """Return the permissions of a path."""
    return stat.S_IMODE(path.lstat().st_mode)


def left_behind(environ: dict[str, str]) -> Path:
    """Return the file of a process that was killed without a chance."""
    script = (
        "import os, signal, sys; from mtls_run.handoff import private_file; "
        "file = private_file.create(b'secret', {'XDG_RUNTIME_DIR': sys.argv[1]}); "
        "print(file.path, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", script, environ["XDG_RUNTIME_DIR"]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    path = Path(done.stdout.strip())
    assert path.is_file()
    return path


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_modes(tmp_path: Path, environ: dict[str, str], umask: int) -> None:
    """File and directories are the user's alone, whatever the umask."""
    before = os.umask(umask)
    try:
        file = private_file.create(b"\0secret\xff", environ)
    finally:
        os.umask(before)
    try:
        assert file.path.read_bytes() == b"\0secret\xff"
        assert mode(file.path) == 0o600
        base = tmp_path / "run/mtls-run"
        assert [mode(path) for path in (base, file.path.parent)] == [0o700] * 2
        assert [mode(path) for path in (base / ".gate", file.path.with_name("lock"))] == [0o600] * 2
        assert file.path.is_relative_to(tmp_path / "run/mtls-run")
        assert file.path.stat().st_uid == os.geteuid()
    finally:
        file.remove()


def test_each_in_a_directory_of_its_own(environ: dict[str, str]) -> None:
    """Two at a time do not share a directory, and their names are not to be foretold."""
    with created(environ) as one, created(environ) as two:
        assert one.path.parent != two.path.parent
        assert one.path.parent.parent == two.path.parent.parent


def test_remove(environ: dict[str, str]) -> None:
    """Removing takes the directory along, and lets go of the lock."""
    with created(environ) as file:
        file.remove()
        assert not file.path.parent.exists()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(file.lock)


OPEN_WHEN_REMOVED = """
import os, sys
from mtls_run.handoff import private_file

def watch(event, arguments):
    if event == "os.remove":
        found = os.stat(arguments[0])
        for name in os.listdir("/proc/self/fd"):
            try:
                if os.path.samestat(os.fstat(int(name)), found):
                    print("still open:", arguments[0])
            except OSError:
                pass  # the descriptor of the listing itself

environ = {"XDG_RUNTIME_DIR": sys.argv[1]}
file, left = private_file.create(b"secret", environ), private_file.create(b"secret", environ)
os.close(left.lock)
sys.addaudithook(watch)
file.remove()
private_file.sweep(environ)
print(os.listdir(sys.argv[1] + "/mtls-run"))
"""


def test_nothing_is_removed_while_it_is_open(environ: dict[str, str]) -> None:
    """Windows does not remove an open file, and the directory with it would stay for good."""
    command = [sys.executable, "-c", OPEN_WHEN_REMOVED, environ["XDG_RUNTIME_DIR"]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "['.gate']\n"


def test_locked_while_used(environ: dict[str, str]) -> None:
    """Nobody else gets the lock, and a sweep leaves the file alone."""
    with created(environ) as file:
        with (file.path.parent / "lock").open("rb") as again, pytest.raises(BlockingIOError):
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        private_file.sweep(environ)
        assert file.path.read_bytes() == b"secret"


def test_sweep(environ: dict[str, str]) -> None:
    """What a killed process left is removed, what is in use stays."""
    with created(environ) as used:
        left = [left_behind(environ) for _ in range(2)]
        private_file.sweep(environ)
        assert not any(path.parent.exists() for path in left)
        assert used.path.exists()


def test_sweep_where_there_is_nothing(tmp_path: Path, environ: dict[str, str]) -> None:
    """A sweep makes no directory, neither in memory nor in the cache."""
    private_file.sweep(environ)
    assert list((tmp_path / "run").iterdir()) == []
    assert not (tmp_path / "cache").exists()


def test_sweep_is_not_led_astray(tmp_path: Path, environ: dict[str, str]) -> None:
    """Links, and a lock that is a link, lead a sweep nowhere."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("mine")
    with created(environ) as file:
        base = file.path.parent.parent
    (base / "link").symlink_to(victim)
    held = base / "held"
    held.mkdir()
    (held / "lock").symlink_to(victim / "file")
    (base / "plain").write_text("x")
    private_file.sweep(environ)
    assert (victim / "file").read_text() == "mine"
    assert (base / "link").is_symlink()
    assert held.is_dir()


def test_sweep_leaves_what_is_another_user_s(environ: dict[str, str]) -> None:
    """A directory of another user stays, where this one may give something away at all."""
    path = left_behind(environ)
    foreign = path.parent
    if os.geteuid() == 0:
        os.chown(foreign, 12345, -1)
        private_file.sweep(environ)
        assert path.exists()
        os.chown(foreign, 0, -1)
    private_file.sweep(environ)
    assert not foreign.exists()


@pytest.mark.parametrize("kind", ["link", "link to a private one", "open", "file"])
def test_base_that_is_not_to_be_trusted(tmp_path: Path, environ: dict[str, str], kind: str) -> None:
    """A base that is a link, or open to others, or no directory, is passed by for another."""
    base, other = tmp_path / "run/mtls-run", tmp_path / "other"
    other.mkdir(mode=0o755 if kind == "link" else 0o700)
    if kind.startswith("link"):
        base.symlink_to(other)
    elif kind == "open":
        base.mkdir()
        base.chmod(0o750)
    else:
        base.write_text("")
    with created(environ) as file:
        assert not file.path.resolve().is_relative_to(other)
        assert not file.path.resolve().is_relative_to(tmp_path / "run")
        assert mode(file.path.parent) == 0o700
    assert list(other.iterdir()) == []


@pytest.mark.parametrize("value", ["", "run", "../run"])
def test_runtime_directory_has_to_be_absolute(tmp_path: Path, value: str) -> None:
    """A runtime directory that is not absolute is none (XDG Base Directory Specification)."""
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        with created({"XDG_RUNTIME_DIR": value}) as file:
            assert not file.path.resolve().is_relative_to(tmp_path / "run")
    finally:
        os.chdir(before)


def test_content_that_cannot_be_written(environ: dict[str, str], tmp_path: Path) -> None:
    """Where no place can hold it the error says so, and nothing is left."""
    script = (
        "import resource, signal, sys; from mtls_run.errors import HandoffError; "
        "from mtls_run.handoff import private_file; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "try:\n    private_file.create(b'secret' * 1000, {'XDG_RUNTIME_DIR': sys.argv[1]})\n"
        "except HandoffError as error:\n    print(error.fact)"
    )
    command = [sys.executable, "-c", script, environ["XDG_RUNTIME_DIR"]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("there is no private place for the unlocked identity: ")
    assert "File too large" in done.stdout
    left = [path for path in tmp_path.rglob("*") if path.name == "identity.pem"]
    assert left == []
    assert issubclass(HandoffError, Exception)
