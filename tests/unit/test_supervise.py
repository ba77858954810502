"""A supervised child's status and signal come back exactly, for every one there is.

Each test has a process of its own: the supervisor owns the signals of the process that it is in.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys

# What ends a process, and can be caught or not; stops and continues do not end one.
ENDING = ["HUP", "INT", "QUIT", "ILL", "ABRT", "FPE", "KILL", "SEGV", "PIPE", "ALRM", "TERM"]
ENDING += ["USR1", "USR2", "XCPU", "XFSZ", "VTALRM", "PROF", "BUS", "SYS"]

PROGRAM = """
import json, os, signal, sys, threading
from mtls_run.handoff import supervise
{before}
def supervised(script):
    block = supervise.Block()
    try:
        return supervise.run("/bin/sh", ["sh", "-c", script], dict(os.environ), block)
    finally:
        block.release()
mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
found = [supervised(script) for script in json.load(sys.stdin)]
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
print(json.dumps(found))
"""


def supervised(*scripts: str, before: str = "") -> list[int]:
    """Return what the supervisor makes of the end of each of these shell scripts."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)],
        input=json.dumps(scripts),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found: list[int] = json.loads(done.stdout)
    return found


def test_every_status() -> None:
    """Each status from 0 to 255 comes back as it is."""
    assert supervised(*(f"exit {status}" for status in range(256))) == list(range(256))


def test_every_signal() -> None:
    """The signal that ended the child comes back as its negative number."""
    expected = [-getattr(signal, f"SIG{name}") for name in ENDING]
    assert supervised(*(f"ulimit -c 0; kill -{name} $$" for name in ENDING)) == expected


def test_child_starts_with_a_clean_slate() -> None:
    """The child blocks no signal, and ignores neither SIGPIPE nor SIGXFSZ."""
    numbers = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGCHLD)
    mask = sum(1 << (number - 1) for number in numbers)
    script = "while read -r name value; do case $name in SigBlk:|SigIgn:) "
    script += f"test $((0x$value & {mask})) = 0 || exit 9;; esac; done </proc/self/status"
    assert supervised(script) == [0]


def test_ignored_signals_stay_ignored() -> None:
    """What the caller ignores, as nohup does with SIGHUP, the child ignores as well."""
    before = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    assert supervised("kill -HUP $$; exit 7", before=before) == [7]


def test_the_end_is_told_where_it_was_ignored() -> None:
    """Where the caller ignores SIGCHLD the child's end is not waited for in vain."""
    before = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    assert supervised("exit 7", "kill -TERM $$", before=before) == [7, -signal.SIGTERM]


def test_grandchildren_are_no_matter() -> None:
    """What the child leaves running is not waited for, and an early end is not missed."""
    assert supervised("sleep 30 >/dev/null 2>&1 & exit 4", "exit 5", "true & wait; exit 6") == [
        4,
        5,
        6,
    ]


def test_other_threads() -> None:
    """A thread that was left waiting for a keyring does not swallow the end of the tool."""
    before = """
from mtls_run.output import Reporter
from mtls_run.passphrase import keyring as keyring_store
keyring_store.PATIENCE, keyring_store.ANNOUNCED_AFTER = 0.2, 0.1
class Stuck:
    def get_password(self, service, account):
        threading.Event().wait()
try:
    keyring_store.Store("stuck", Stuck(), Reporter(quiet=True)).get("x")
except keyring_store.KeyringUnusableError:
    pass
"""
    assert supervised(
        "sleep 0.2; exit 3", "sleep 0.2; kill -TERM $PPID; exec sleep 5", before=before
    ) == [
        3,
        -signal.SIGTERM,
    ]


def test_end_as() -> None:
    """The supervisor ends as the child did: by the same status, or by the same signal."""
    script = "import sys; from mtls_run.handoff import supervise; "
    script += "sys.exit(supervise.end_as(int(sys.argv[1])))"
    signals = (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGPIPE, signal.SIGSEGV)
    for status in (0, 1, 7, 125, 255, *(-number for number in signals)):
        done = subprocess.run([sys.executable, "-c", script, str(status)], check=False)
        assert done.returncode == status
