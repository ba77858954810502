"""The kernel's session keyring (keyrings(7)), by system calls: no library is needed.

A key in it is in the kernel's memory, never on a disk, and ends by itself. "Session" does not mean
"user": `su bob` and `sudo -u bob` leave bob's processes in alice's session keyring. A key therefore
opens only to a process that has both the session keyring and the user id of the key's owner.
"""

from __future__ import annotations

import errno
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
_THREAD, _SESSION, _USER_SESSION = -1, -3, -5
_GET_KEYRING_ID, _REVOKE, _SETPERM, _DESCRIBE, _LINK = 0, 3, 5, 6, 8
_UNLINK, _SEARCH, _READ, _SET_TIMEOUT = 9, 10, 11, 15
# SEARCH for the owner. VIEW, READ, LINK and SETATTR for the possessor. The kernel calls a process
# the possessor of a key only where a search of its keyrings finds the key (key_task_permission,
# lookup_user_key), so another user in this session does not become one. The owner's other sessions
# do not have the keyring, and the owner alone has no VIEW and no READ. Nobody has WRITE.
_OWNER_IN_SESSION = 0x33080000
_TYPE = b"user"
_LARGEST = 32767


class SessionKeyring:
    """The session keyring of this process; raises OSError unless this user owns it."""

    def __init__(self) -> None:
        numbers = SYSTEM_CALLS.get(os.uname().machine) if sys.platform == "linux" else None
        if numbers is None:
            raise OSError(errno.ENOSYS, "session keyrings exist on Linux only")
        self._call = libc.function("syscall")
        self._add_key, self._keyctl = numbers
        self._ring = self._control(_GET_KEYRING_ID, _SESSION, 0)
        # A process without one falls back on the user's default, which all sessions share.
        if self._ring == self._control(_GET_KEYRING_ID, _USER_SESSION, 1):
            raise OSError(errno.ENOKEY, "this login has no session keyring")
        if self._owner(self._ring) != os.geteuid():
            raise OSError(errno.EPERM, "the session keyring belongs to another user")

    def get(self, name: str) -> bytes | None:
        """Return the content of this user's key of this name, or None where there is none."""
        try:
            key = self._control(_SEARCH, self._ring, _TYPE, name.encode("ascii"), 0)
            return self._fetch(_READ, key) if self._owner(key) == os.geteuid() else None
        except OSError:
            return None

    def put(self, name: str, content: bytes, seconds: int) -> None:
        """Store `content` for this many seconds; raises OSError, and then nothing is stored.

        The key is made in the keyring of this thread. It is linked into the session's keyring once
        its permissions are set: everybody who possesses a keyring can read a new key in it.
        """
        key = self._call(self._add_key, _TYPE, name.encode("ascii"), content, len(content), _THREAD)
        try:
            self._control(_SET_TIMEOUT, key, seconds)
            self._control(_SETPERM, key, _OWNER_IN_SESSION)
            self._control(_LINK, key, self._ring)  # takes the place of an older key of this name
        finally:
            self._control(_UNLINK, key, _THREAD)

    def remove(self, prefix: str) -> int:
        """Remove this user's keys whose names begin with `prefix`, and return their number."""
        serials = memoryview(self._fetch(_READ, self._ring)).cast("i")
        found = [key for key in serials if self._is_own(key, prefix)]
        for key in found:
            self._control(_REVOKE, key)
            self._control(_UNLINK, key, self._ring)
        return len(found)

    def _is_own(self, key: int, prefix: str) -> bool:
        """Tell whether it is a key of this user with such a name; an expired one is not."""
        try:
            kind, owner, _, _, name = self._described(key)
        except OSError:
            return False
        mine = kind == _TYPE and int(owner) == os.geteuid()
        return mine and name.decode("ascii", "replace").startswith(prefix)

    def _owner(self, key: int) -> int:
        return int(self._described(key)[1])

    def _described(self, key: int) -> list[bytes]:
        """Return type, owner, group, permissions and name."""
        return self._fetch(_DESCRIBE, key).rstrip(b"\0").split(b";", 4)

    def _fetch(self, operation: int, key: int) -> bytes:
        buffer = bytearray(_LARGEST)
        length = self._control(operation, key, buffer, _LARGEST)
        if length > _LARGEST:
            raise OSError(errno.EFBIG, "the key is larger than any of mtls-run")
        return bytes(memoryview(buffer)[:length])

    def _control(self, *arguments: libc.Argument) -> int:
        return self._call(self._keyctl, *arguments)
