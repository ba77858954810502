"""Starts a command in poor surroundings.

    python -I surroundings.py ACTION… -- COMMAND…

An ACTION is `limit:NAME=NUMBER` (RLIMIT_NAME), `umask:OCTAL`, `close:NUMBER`,
`refuse:CALL,…=ERROR` (system calls fail, by seccomp), `full:NUMBER` (a pipe that nobody reads and
that takes no byte more, without waiting) or `ignore:SIGNAL`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import struct
import sys
from typing import Any, Callable

_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2  # linux/prctl.h, linux/seccomp.h
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
CALLS = {
    "x86_64": {"memfd_create": 319, "clone": 56, "fork": 57, "vfork": 58, "clone3": 435},
    "aarch64": {"memfd_create": 279, "clone": 220, "clone3": 435},
}


def main() -> None:
    """Do as told, and become the command."""
    at = sys.argv.index("--")
    for action in sys.argv[1:at]:
        kind, _, rest = action.partition(":")
        ACTIONS[kind](rest)
    command = sys.argv[at + 1 :]
    os.execv(command[0], command)


def limit(what: str) -> None:
    """Set a limit for this process and what it becomes."""
    name, _, number = what.partition("=")
    which = getattr(resource, f"RLIMIT_{name}")
    resource.setrlimit(which, (int(number), int(number)))


def close(number: str) -> None:
    """Close a standard stream."""
    os.close(int(number))


def fill(number: str) -> None:
    """Put a pipe in the place of a stream that is full, and stays so."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.dup2(writer, int(number))
    os.close(writer)
    os.set_inheritable(reader, True)


def refuse(what: str) -> None:
    """Let system calls fail, for this process and what it becomes."""
    calls, _, name = what.partition("=")
    known = CALLS[os.uname().machine]
    numbers = [known[call] for call in calls.split(",") if call in known]
    steps = [(_LOAD, 0, 0, 0)]
    for at, number in enumerate(numbers):
        steps.append((_JUMP_EQUAL, len(numbers) - at, 0, number))
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | getattr(errno, name or "EPERM"))]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))

    class Program(ctypes.Structure):
        """struct sock_fprog."""

        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    library: Any = ctypes.CDLL(None, use_errno=True)
    said = Program(len(steps), ctypes.addressof(program))
    if library.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or library.prctl(
        _SECCOMP, _FILTER, ctypes.byref(said), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "seccomp")


ACTIONS: dict[str, Callable[[str], object]] = {
    "limit": limit,
    "umask": lambda mode: os.umask(int(mode, 8)),
    "close": close,
    "refuse": refuse,
    "full": fill,
    "ignore": lambda name: signal.signal(getattr(signal, name), signal.SIG_IGN),
}

if __name__ == "__main__":
    main()
