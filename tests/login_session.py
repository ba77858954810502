"""Runs a command as a login does that gives its processes a keyring of their own (pam_keyinit).

    python login_session.py [--fill] COMMAND…

With --fill, the user's quota of kernel memory for keys is used up first.
"""

from __future__ import annotations

import os
import sys

from mtls_run.system.session_keyring import SYSTEM_CALLS

_JOIN_SESSION_KEYRING = 1
_LARGEST = 32767


def join() -> None:
    """Give this process, and what it starts, a new session keyring."""
    import ctypes  # noqa: PLC0415

    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(SYSTEM_CALLS[os.uname().machine][1], _JOIN_SESSION_KEYRING, None) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def fill() -> None:
    """Add keys until no more than a few bytes fit; they end with the session."""
    from mtls_run.system.session_keyring import SessionKeyring  # noqa: PLC0415

    keyring, size = SessionKeyring(), _LARGEST
    for number in range(5000):
        try:
            keyring.put(f"fill-{number}", b"x" * size, 60)
        except OSError:
            if size < 64:
                return
            size //= 2
    raise AssertionError("the quota has no end")


def main() -> None:
    """Become the command."""
    words = sys.argv[1:]
    join()
    if words[0] == "--fill":
        fill()
        words = words[1:]
    os.execvp(words[0], words)


if __name__ == "__main__":
    main()
