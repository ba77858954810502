"""The session keyring: keys of this user in this session, with a time to live."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import login_session
from tests.strangers import STRANGER, sees_everything

LOGIN = (sys.executable, login_session.__file__)
IMPORTS = "import os, sys, time\nfrom mtls_run.system.session_keyring import SessionKeyring\n"


def in_session(script: str, *options: str) -> str:
    """Return what Python lines print in a new session, where `ring` is its keyring."""
    command = [*LOGIN, *options, sys.executable, "-c", IMPORTS + script]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_put_get_remove() -> None:
    """A key is found by its name, byte for byte, replaced, and removed by a prefix."""
    script = """
ring = SessionKeyring()
print(ring.get("a:1"))
ring.put("a:1", b"one\\0\\xff", 60), ring.put("a:1", b"two", 60)
ring.put("a:2", b"x" * 8000, 60), ring.put("b:1", b"three", 60)
print(ring.get("a:1"), len(ring.get("a:2")), ring.get("b:1"))
print(SessionKeyring().get("a:1"), ring.remove("a:"), ring.remove("a:"))
print(ring.get("a:1"), ring.get("a:2"), ring.get("b:1"))
"""
    assert in_session(script).splitlines() == [
        "None",
        "b'two' 8000 b'three'",
        "b'two' 2 0",
        "None None b'three'",
    ]


def test_time_to_live() -> None:
    """A key ends by itself, and is not counted then."""
    script = """
ring = SessionKeyring()
ring.put("a:1", b"one", 1)
print(ring.get("a:1"))
time.sleep(2.1)
print(ring.get("a:1"), ring.remove("a:"))
"""
    assert in_session(script) == "b'one'\nNone 0\n"


def test_too_large() -> None:
    """What the kernel does not take is an error, and nothing is kept."""
    script = """
ring = SessionKeyring()
try:
    ring.put("a:1", b"x" * 40000, 60)
except OSError as error:
    print(error.strerror, ring.get("a:1"))
"""
    assert in_session(script) == "Invalid argument None\n"


def test_session_of_another() -> None:
    """The keyring of another user's session is refused."""
    if not sees_everything():
        pytest.skip("it takes root to be in the session of another user")
    script = """
try:
    SessionKeyring()
except OSError as error:
    print(error.strerror)
"""
    said = in_session(script, "--of", str(STRANGER))
    assert said == "the session keyring belongs to another user\n"


def test_key_of_another() -> None:
    """A key that another user in this session made, under a name of ours, is none of ours."""
    if not sees_everything():
        pytest.skip("it takes root to be another user")
    script = f"""
from mtls_run.system import libc
from mtls_run.system.session_keyring import SYSTEM_CALLS
call, (add_key, keyctl) = libc.function("syscall"), SYSTEM_CALLS[os.uname().machine]
ring = SessionKeyring()
os.setresuid(-1, {STRANGER}, -1)
key = call(add_key, b"user", b"a:1", b"forged", 6, -3)
call(keyctl, 5, key, 0x3F3F3F3F)
os.setresuid(-1, 0, -1)
print(call(keyctl, 10, -3, b"user", b"a:1", 0) == key, ring.get("a:1"), ring.remove("a:"))
ring.put("a:1", b"mine", 60)
print(ring.get("a:1"))
"""
    assert in_session(script) == "True None 0\nb'mine'\n"
