"""Runs a command as a login does that gives its processes a session keyring (pam_keyinit).

    python login_session.py [--of UID] [--fill] COMMAND…

With --of, root makes the keyring as this user and stays root: what `su` and `sudo`, which are set
user id root, are in the session of that user. With --fill, the user's quota of kernel memory for
keys is used up first.
"""

from __future__ import annotations

import os
import sys
import time

from mtls_run.system import libc
from mtls_run.system.session_keyring import SYSTEM_CALLS, SessionKeyring

_JOIN_SESSION_KEYRING = 1
_LARGEST = 32767
_SETTLED = 0.5


def join(uid: int | None = None) -> None:
    """Give this process, and what it starts, a new session keyring, of another user if so said."""
    before = os.getresuid()
    uid = before[1] if uid is None else uid
    os.setresuid(uid, uid, before[2])
    _, keyctl = SYSTEM_CALLS[os.uname().machine]
    libc.function("syscall")(keyctl, _JOIN_SESSION_KEYRING, None)
    os.setresuid(*before)


def fill() -> None:
    """Add keys until no more than a few bytes fit; they end with the session."""
    keyring, number, since = SessionKeyring(), 0, time.monotonic()
    # The kernel frees the keys of sessions that have just ended some time later.
    while time.monotonic() - since < _SETTLED:
        size = _LARGEST
        while size >= 64:
            try:
                keyring.put(f"fill-{number}", b"x" * size, 60)
            except OSError:
                size //= 2
            else:
                number, since = number + 1, time.monotonic()
        time.sleep(0.02)


def main() -> None:
    """Become the command."""
    words, uid = sys.argv[1:], None
    if words[0] == "--of":
        uid, words = int(words[1]), words[2:]
    join(uid)
    if words[0] == "--fill":
        fill()
        words = words[1:]
    os.execvp(words[0], words)


if __name__ == "__main__":
    main()
