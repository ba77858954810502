"""The kernel's keyring of this login session (keyrings(7)), by system calls: no library is needed.

What is in it is in the kernel's memory, never on a disk, ends by itself, and is found by processes
that have the same session keyring and by nobody else, not even by the same user's other sessions.
"""

from __future__ import annotations

import ctypes
import os
import sys

from mtls_run.system import libc

SYSTEM_CALLS = {  # add_key, keyctl
    "x86_64": (248, 250),
    "aarch64": (217, 219),
    "armv7l": (309, 311),
    "i686": (286, 288),
    "ppc64le": (269, 271),
    "riscv64": (217, 219),
    "s390x": (278, 280),
}
# linux/keyctl.h
_SESSION, _USER_SESSION = -3, -5
_GET_KEYRING_ID, _REVOKE, _SETPERM, _DESCRIBE = 0, 3, 5, 6
_UNLINK, _SEARCH, _READ, _SET_TIMEOUT = 9, 10, 11, 15
# Everything to who has it in a keyring of their own process, nothing to the user as such.
_POSSESSOR_ONLY = 0x3F000000
_TYPE = b"user"
_LARGEST = 32767


class SessionKeyring:
    """The session keyring of this process; raises OSError where there is none of its own."""

    def __init__(self) -> None:
        numbers = SYSTEM_CALLS.get(os.uname().machine) if sys.platform == "linux" else None
        if numbers is None:
            raise OSError(38, "keyrings of a session are a thing of Linux")
        self._call = libc.function("syscall")
        self._add_key, self._keyctl = numbers
        self._ring = self._control(_GET_KEYRING_ID, _SESSION, 0)
        # A process that was given none falls back on the user's, which all sessions share.
        if self._ring == self._control(_GET_KEYRING_ID, _USER_SESSION, 1):
            raise OSError(126, "this process has no session keyring of its login")

    def get(self, name: str) -> bytes | None:
        """Return what is kept by this name, or None where there is nothing (any more)."""
        try:
            key = self._control(_SEARCH, self._ring, _TYPE, name.encode("ascii"), 0)
            return self._read(key)
        except OSError:
            return None

    def put(self, name: str, content: bytes, seconds: int) -> None:
        """Keep `content` for so many seconds; raises OSError, and then nothing is kept."""
        key = self._call(
            self._add_key, _TYPE, name.encode("ascii"), content, len(content), self._ring
        )
        try:
            self._control(_SET_TIMEOUT, key, seconds)
            self._control(_SETPERM, key, _POSSESSOR_ONLY)
        except OSError:
            self._control(_REVOKE, key)
            raise

    def remove(self, prefix: str) -> int:
        """Remove all whose names begin so, and return how many there were."""
        serials = memoryview(self._read(self._ring)).cast("i")
        found = [key for key in serials if self._name(key).startswith(prefix)]
        for key in found:
            self._control(_REVOKE, key)
            self._control(_UNLINK, key, self._ring)
        return len(found)

    def _name(self, key: int) -> str:
        """Return the key's name, or nothing where it has ended or is of another type."""
        try:
            described = self._fetch(_DESCRIBE, key).rstrip(b"\0").split(b";", 4)
        except OSError:
            return ""
        return described[4].decode("ascii", "replace") if described[0] == _TYPE else ""

    def _read(self, key: int) -> bytes:
        return self._fetch(_READ, key)

    def _fetch(self, operation: int, key: int) -> bytes:
        buffer = ctypes.create_string_buffer(_LARGEST)
        length = self._control(operation, key, buffer, _LARGEST)
        if length > _LARGEST:
            raise OSError(27, "it is larger than anything of ours")
        return buffer.raw[:length]

    def _control(self, *arguments: object) -> int:
        return self._call(self._keyctl, *arguments)
