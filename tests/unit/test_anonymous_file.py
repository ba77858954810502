"""The anonymous file: sealed, readable by path from a child, and refused in words."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtls_run.system import anonymous_file, libc

if TYPE_CHECKING:
    from collections.abc import Iterator

PR_SET_DUMPABLE = 4  # linux/prctl.h
CONTENT = b"-----BEGIN\0\xff\n" * 1000


@contextmanager
def held(content: bytes = CONTENT) -> Iterator[tuple[str, int]]:
    """Hold the content, and yield the path and its descriptor."""
    path = anonymous_file.hold(content, "mtls-run-test")
    descriptor = int(path.rpartition("/")[2])
    try:
        yield path, descriptor
    finally:
        os.close(descriptor)


def test_path() -> None:
    """The path names this process by its number, and yields the content as often as it is read."""
    with held() as (path, descriptor):
        assert re.fullmatch(rf"/proc/{os.getpid()}/fd/\d+", path)
        assert descriptor >= 10
        for _ in range(3):
            assert Path(path).read_bytes() == CONTENT
        assert Path(path).stat().st_mode & 0o777 == 0o400
        assert Path(path).stat().st_uid == os.geteuid()
    assert not Path(path).exists()


def test_sealed() -> None:
    """It cannot be written, grown, shrunk or mapped for writing, by whomever opens it."""
    with held() as (path, descriptor):
        seals = fcntl.fcntl(descriptor, 1034)  # F_GET_SEALS
        assert seals & 0xF == 0xF
        for flags in (os.O_RDWR, os.O_RDWR | os.O_APPEND):
            os.fchmod(descriptor, 0o600)
            again = os.open(path, flags)
            try:
                with pytest.raises(PermissionError):
                    os.write(again, b"x")
                with pytest.raises(PermissionError):
                    os.ftruncate(again, 1)
                with pytest.raises(PermissionError):
                    os.ftruncate(again, len(CONTENT) + 1)
                with pytest.raises(PermissionError):
                    mmap.mmap(again, 10, mmap.MAP_SHARED, mmap.PROT_WRITE)
                with pytest.raises(PermissionError):
                    fcntl.fcntl(again, 1033, 0)  # F_ADD_SEALS, after SEAL_SEAL
            finally:
                os.close(again)
        assert Path(path).read_bytes() == CONTENT


def test_readable_by_a_child_that_closes_all() -> None:
    """A child that inherits no descriptor reads it by its path, where /proc/self would fail."""
    read = [
        sys.executable,
        "-c",
        "import sys; sys.stdout.buffer.write(open(sys.argv[1],'rb').read())",
    ]
    # A test before may have hidden this process from its own user; exec shows it again.
    libc.function("prctl")(PR_SET_DUMPABLE, 1, 0, 0, 0)
    with held() as (path, descriptor):
        done = subprocess.run([*read, path], capture_output=True, close_fds=True, check=True)
        assert done.stdout == CONTENT
        own = f"/proc/self/fd/{descriptor}"
        failed = subprocess.run([*read, own], capture_output=True, close_fds=True, check=False)
        assert failed.returncode != 0


def test_survives_exec() -> None:
    """After exec the same path is good still, for the program that was become."""
    script = (
        "import os; from mtls_run.system import anonymous_file; "
        "path = anonymous_file.hold(b'kept', 'x'); "
        "os.execv('/bin/cat', ['cat', path])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"kept"


def test_gone_with_the_process() -> None:
    """When the process ends the path is gone."""
    script = "from mtls_run.system import anonymous_file; print(anonymous_file.hold(b'kept', 'x'))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not Path(done.stdout.strip()).exists()


def test_empty() -> None:
    """Nothing is held as nothing."""
    with held(b"") as (path, _):
        assert Path(path).read_bytes() == b""


REFUSED = """
import ctypes, fcntl, os, resource, sys
from mtls_run.errors import HandoffError
from mtls_run.system import anonymous_file
from mtls_run.system import libc
{prepare}
before = len(os.listdir("/proc/self/fd")) if {count} else 0
try:
    anonymous_file.hold(b"canary" * 1000, "x")
except HandoffError as error:
    print(error.fact, error.status)
after = len(os.listdir("/proc/self/fd")) if {count} else 0
print(after - before)
"""


@pytest.mark.parametrize(
    ("prepare", "fact"),
    [
        (
            (
                "import os; limit = len(os.listdir('/proc/self/fd')) - 1\n"
                "resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))"
            ),
            "memfd_create is refused: Too many open files",
        ),
        (
            (
                "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
                "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))"
            ),
            "an anonymous file cannot be made: File too large",
        ),
    ],
)
def test_refused(prepare: str, fact: str) -> None:
    """What the system refuses is an error that says it, and no descriptor stays open."""
    script = REFUSED.format(prepare=prepare, count="FSIZE" in prepare)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (f"{fact} 125\n0\n", "")


def test_low_limit_of_descriptors() -> None:
    """Where the limit allows no high descriptor, a low one serves."""
    script = (
        "import resource; from mtls_run.system import anonymous_file; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); "
        "print(open(anonymous_file.hold(b'kept', 'x')).read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "kept\n"


def test_low_limit_and_closed_streams() -> None:
    """Where the limit is low, too, a closed standard stream does not become the key."""
    script = (
        "import os, resource; from mtls_run.system import anonymous_file; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); "
        "screen = os.dup(1); [os.close(number) for number in (0, 1, 2)]; "
        "path = anonymous_file.hold(b'content', 'mtls-run-test'); "
        "os.write(screen, os.path.basename(path).encode())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(done.stdout) > 2


def test_system_call_of_this_machine() -> None:
    """The number of the system call is right where this machine is among those that are known."""
    number = anonymous_file._SYSTEM_CALL.get(os.uname().machine)  # noqa: SLF001  # a table that only a call can check
    assert number is not None
    descriptor = ctypes.CDLL(None).syscall(number, b"x", 1)
    assert str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("/memfd:x")
    os.close(descriptor)
