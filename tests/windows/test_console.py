"""Ctrl-C at a console: the tool decides, and the unlocked key goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.windows.machine import Machine

pytestmark = [pytest.mark.e2e, pytest.mark.windows]

# The event reaches every process of the console; this one goes on, to see how mtls-run ends.
# wine 8 refuses Ctrl-Break here, and a ^C that is typed at its console is no event.
DRIVER = """
import ctypes, json, os, subprocess, sys, time
kernel = ctypes.WinDLL("kernel32")
stays = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(lambda event: 1)
ready, said = sys.argv[1:]
command = ["mtls-run", "--", "python", "tool.py", ready]
running = subprocess.Popen(command, stdin=subprocess.DEVNULL)
deadline = time.monotonic() + 60
while not os.path.exists(ready) and time.monotonic() < deadline:
    time.sleep(0.1)
kernel.SetConsoleCtrlHandler(stays, 1)
sent = kernel.GenerateConsoleCtrlEvent(0, 0)
with open(said, "w") as stream:
    json.dump([os.path.exists(ready), sent, running.wait(timeout=60)], stream)
"""
TOOL = """
import os, sys, time
assert b"PRIVATE KEY" in open(os.environ["SSL_CLIENT_CERT"], "rb").read()
open(sys.argv[1], "w").close()
try:
    time.sleep(30)
except KeyboardInterrupt:
    sys.exit(42)
"""


def test_ctrl_c(windows: Machine) -> None:
    """It reaches the tool, whose status counts; the private file and its directory go."""
    windows.locked("secret pass 1")
    windows.write("tool.py", TOOL)
    driver = windows.path(windows.write("driver.py", DRIVER))
    said = windows.work / "said.json"
    ready = windows.path(windows.work / "ready")
    assert windows.at_terminal("python", driver, ready, windows.path(said)) == 0
    assert json.loads(said.read_text()) == [True, 1, 42]
    windows.assert_nothing_left()
