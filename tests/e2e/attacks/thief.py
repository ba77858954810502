"""Tries to get at what it is told to, as whoever runs it, and says how that went.

    python -I thief.py WHAT…

WHAT is `read:PATH` (a directory with all below it, links to files followed), or, for a process,
`ptrace:PID`, `getfd:PID:NUMBER`, `memory:PID:ADDRESS`, or `key:SERIAL` for a key of the kernel;
`session:` stands for every key of the session keyring, `own:SERIAL` for a key that is linked to the
thief's own keyring first, and `change:SERIAL` for a key that is overwritten.
The answer is one JSON object: for each thing tried, the error's name or null, and in base64 what
could be read.
"""

from __future__ import annotations

import base64
import ctypes
import errno
import json
import os
import sys
from pathlib import Path
from typing import Callable

LARGEST = 1 << 20
_UPDATE_KEY, _LINK_KEY, _READ_KEY, _SEIZE, _DETACH = 2, 8, 11, 0x4206, 17
_THREAD_KEYRING, _SESSION_KEYRING = -1, -3
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438
_KEYCTL = {"x86_64": 250, "aarch64": 219, "ppc64le": 271, "riscv64": 219, "s390x": 280}
_READV = {"x86_64": 310, "aarch64": 270, "ppc64le": 351, "riscv64": 270, "s390x": 340}

found: dict[str, tuple[str | None, str]] = {}


def tried(name: str, act: Callable[[], bytes]) -> None:
    """Note what came of an attempt."""
    try:
        found[name] = None, base64.b64encode(act()).decode("ascii")
    except OSError as error:
        found[name] = errno.errorcode.get(error.errno or 0, str(error)), ""


def checked(result: int) -> int:
    """Return what a C function returned; raises OSError where that is a failure."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def content(path: Path) -> bytes:
    """Return the beginning of a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        data = b""
        while len(data) < LARGEST:
            try:
                more = os.read(descriptor, LARGEST)
            except OSError:  # it was opened, and that is what counts: /proc/<pid>/mem at 0
                break
            if not more:
                break
            data += more
        return data
    finally:
        os.close(descriptor)


def read(path: Path) -> None:
    """Read a file, or everything below a directory."""
    try:
        is_directory = path.is_dir()
    except OSError as error:
        found[str(path)] = errno.errorcode.get(error.errno or 0, str(error)), ""
        return
    if not is_directory:
        tried(str(path), lambda: content(path))
        return
    tried(str(path), lambda: "\n".join(below.name for below in path.iterdir()).encode())
    if found[str(path)][0] is None:
        for below in path.iterdir():
            if below.is_symlink():
                tried(str(below), lambda below=below: content(below))  # type: ignore[misc]
            else:
                read(below)


def asked(key: Callable[[str], bytes]) -> list[str]:
    """Return what is to be tried, with every key of the session for `session:`."""
    if sys.argv[1:] != ["session:"]:
        return sys.argv[1:]
    serials = memoryview(key(str(_SESSION_KEYRING))).cast("i")
    return [f"{kind}:{serial}" for serial in serials for kind in ("key", "own", "change")]


def main() -> None:
    """Try all of it."""
    library = ctypes.CDLL(None, use_errno=True)
    machine = os.uname().machine

    def ptrace(pid: str) -> bytes:
        checked(library.ptrace(_SEIZE, int(pid), None, None))
        library.ptrace(_DETACH, int(pid), None, None)
        return b""

    def call(*arguments: object) -> int:
        words = (ctypes.c_long(word) if isinstance(word, int) else word for word in arguments)
        return checked(library.syscall(*words))

    def getfd(process: str) -> bytes:
        pid, _, number = process.partition(":")
        handle = call(_PIDFD_OPEN, int(pid), 0)
        taken = call(_PIDFD_GETFD, handle, int(number), 0)
        return os.pread(taken, LARGEST, 0)

    def memory(place: str) -> bytes:
        pid, _, address = place.partition(":")
        buffer = ctypes.create_string_buffer(4096)
        here = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 4096)
        there = (ctypes.c_void_p * 2)(int(address, 16), 4096)
        call(_READV[machine], int(pid), here, 1, there, 1, 0)
        return buffer.raw

    def key(serial: str) -> bytes:
        buffer = ctypes.create_string_buffer(LARGEST)
        length = call(_KEYCTL[machine], _READ_KEY, int(serial), buffer, LARGEST)
        return buffer.raw[:length]

    def own(serial: str) -> bytes:
        call(_KEYCTL[machine], _LINK_KEY, int(serial), _THREAD_KEYRING)
        return key(serial)

    def change(serial: str) -> bytes:
        call(_KEYCTL[machine], _UPDATE_KEY, int(serial), b"forged", 6)
        return b""

    other = {"ptrace": ptrace, "getfd": getfd, "memory": memory}
    other.update(key=key, own=own, change=change)
    for what in asked(key):
        kind, _, rest = what.partition(":")
        if kind == "read":
            read(Path(rest))
        else:
            tried(what, lambda kind=kind, rest=rest: other[kind](rest))  # type: ignore[misc]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
