"""What belongs to somebody else: made where root runs the tests, not to be had elsewhere."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

STRANGER = 65534
"""A user id, and a group's, that is neither root's nor that of who runs the tests."""


def give_away(*paths: Path) -> bool:
    """Make the paths somebody else's and tell whether that could be: it takes root.

    A link is given away itself. What an ordinary user's test asserts then is the other half: that
    the same thing, being the user's own, is ordinary.
    """
    if os.geteuid() != 0:
        return False
    for path in paths:
        os.lchown(path, STRANGER, STRANGER)
    return True


def sees_everything() -> bool:
    """Tell whether modes do not keep the user who runs the tests out."""
    return os.geteuid() == 0


@contextlib.contextmanager
def new_user(group: str | None = None) -> Iterator[pwd.struct_passwd]:
    """Have one more user of this machine, with a group of its own or with this one."""
    if os.geteuid() != 0:
        pytest.skip("it takes root to make a user")
    name = f"mtls-run-{secrets.token_hex(4)}"
    options = ["--user-group"] if group is None else ["--gid", group]
    _change("useradd", "--no-create-home", "--shell", "/bin/sh", *options, name)
    try:
        yield pwd.getpwnam(name)
    finally:
        _change("userdel", name)


def _change(*command: str) -> None:
    """Run a command that changes the list of users, one at a time."""
    with Path(tempfile.gettempdir(), "mtls-run-tests-users").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(command, check=True, capture_output=True)
