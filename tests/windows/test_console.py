"""The events of a console: the tool decides, and the unlocked key goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.windows.machine import Machine

pytestmark = [pytest.mark.e2e, pytest.mark.windows]

# Starts mtls-run, waits until its tool has the key, and does as TEST says. RAISE is what a console
# does to each of its processes: it starts a thread at CtrlRoutine with the number of the event.
DRIVER = """
import ctypes, json, os, subprocess, sys, time
kernel = ctypes.WinDLL("kernel32")
ready, handoff, said = sys.argv[1:]
command = [sys.executable, "-m", "mtls_run", "--", "python", "tool.py", ready]
running = subprocess.Popen(command, stdin=subprocess.DEVNULL)
deadline = time.monotonic() + 60
while not (os.path.exists(ready) and open(ready).read()) and time.monotonic() < deadline:
    time.sleep(0.1)
tool = int(open(ready).read())

def start(pid, event):
    for function in (kernel.OpenProcess, kernel.GetModuleHandleW, kernel.GetProcAddress,
                     kernel.CreateRemoteThread):
        function.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.OpenProcess(0x1FFFFF, 0, pid))
    library = ctypes.c_void_p(kernel.GetModuleHandleW("kernelbase"))
    routine = ctypes.c_void_p(kernel.GetProcAddress(library, b"CtrlRoutine"))
    event = ctypes.c_void_p(event)
    return ctypes.c_void_p(
        kernel.CreateRemoteThread(process, None, None, routine, event, 0, None))

def returns(thread, seconds):
    return kernel.WaitForSingleObject(thread, int(1000 * seconds)) == 0

def keys():
    return sum(name not in ("lock", ".gate") for _, _, names in os.walk(handoff) for name in names)

facts = {"keys before": keys()}
TEST
facts["status"] = running.wait(timeout=60)
with open(said, "w") as stream:
    json.dump(facts, stream)
"""
# The event reaches every process of the console; the driver goes on, to see how mtls-run ends.
CTRL_C = """
stays = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(lambda event: 1)
kernel.SetConsoleCtrlHandler(stays, 1)
facts["sent"] = kernel.GenerateConsoleCtrlEvent(0, 0)
"""
CTRL_BREAK = "start(running.pid, 1); start(tool, 1)"
CLOSE = """
ours = start(running.pid, 2)
facts["returns before the tool ends"] = returns(ours, 1)
start(tool, 2)
facts["returns after it"] = returns(ours, 10)
facts["keys then"] = keys()
"""
# wine 8's C library makes a signal of Ctrl-C alone.
TOOL = """
import ctypes, os, sys, time
ends = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(lambda event: os._exit(40 + event))
ctypes.WinDLL("kernel32").SetConsoleCtrlHandler(ends, 1)
assert b"PRIVATE KEY" in open(os.environ["SSL_CLIENT_CERT"], "rb").read()
with open(sys.argv[1], "w") as stream:
    stream.write(str(os.getpid()))
time.sleep(30)
"""


def at_console(windows: Machine, test: str) -> dict[str, int]:
    """Run a tool with a locked key at a console, and return what the driver noted."""
    windows.locked("secret pass 1")
    windows.write("tool.py", TOOL)
    driver = windows.path(windows.write("driver.py", DRIVER.replace("TEST", test)))
    said, ready = windows.work / "said.json", windows.path(windows.work / "ready")
    words = (ready, windows.path(windows.handoff), windows.path(said))
    assert windows.at_terminal("python", driver, *words)[0] == 0
    facts: dict[str, int] = json.loads(said.read_text())
    assert facts.pop("keys before") == 1
    windows.assert_nothing_left()
    return facts


def test_ctrl_c(windows: Machine) -> None:
    """It reaches the tool, whose status counts; the private file and its directory go."""
    assert at_console(windows, CTRL_C) == {"sent": 1, "status": 40}


def test_ctrl_break(windows: Machine) -> None:
    """As Ctrl-C. wine 8 refuses to send it, so the driver starts its threads."""
    assert at_console(windows, CTRL_BREAK) == {"status": 41}


def test_closed_console(windows: Machine) -> None:
    """Windows ends a process whose handler returns: mtls-run's returns once the key is gone."""
    assert at_console(windows, CLOSE) == {
        "returns before the tool ends": False,
        "returns after it": True,
        "keys then": 0,
        "status": 42,
    }
