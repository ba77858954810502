"""A supervised tool: it gets the signals that mtls-run is sent, and mtls-run ends as the tool does.

While the key is in a file, no signal ends this process, except SIGKILL (and a true crash, and the
C library's own signals 32 and 33): all are blocked, waited for, and passed on to the tool. On
Windows the console tells both of its events.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from mtls_run.system import batch, hardening

if os.name == "nt":
    from mtls_run.system import console_events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _existing(*names: str) -> set[int]:
    """Return the numbers of those signals that this system has."""
    return {int(getattr(signal, name)) for name in names if hasattr(signal, name)}


# Job control works on supervisor and tool alike: the terminal stops and continues the whole group.
_UNBLOCKED = _existing("SIGKILL", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGCONT")
BLOCKED = {int(number) for number in signal.valid_signals()} - _UNBLOCKED
# A terminal sends these to the whole group, so the tool has them already.
_FROM_TERMINAL = _existing("SIGINT", "SIGQUIT", "SIGWINCH", "SIGINFO")
# Python ignores these two; the tool gets their defaults, as from a shell.
_RESTORED = _existing("SIGPIPE", "SIGXFSZ")


class Block:
    """Blocks the signals, from before the file exists until after it is removed."""

    def __init__(self) -> None:
        self.before: set[signal.Signals | int] = set()
        if os.name == "nt":
            self._guard = console_events.Guard()
        if hasattr(signal, "pthread_sigmask"):
            self.before = set(signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED))

    def release(self) -> None:
        """Restore the mask; a signal that is pending arrives now."""
        if os.name == "nt":
            self._guard.release()
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_SETMASK, self.before)


def run(path: str, argv: Sequence[str], environ: Mapping[str, str], block: Block) -> int:
    """Start the tool and wait for it; return its status, negative for the signal that ended it.

    Raises OSError where it cannot be started. The caller holds `block`.
    """
    if os.name != "posix":
        return _run_on_windows(path, argv, environ)
    # The caller may ignore SIGCHLD, and then the kernel does not announce the end of a child.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    hardening.restore_core_limit()
    child = os.posix_spawn(path, list(argv), environ, setsigmask=block.before, setsigdef=_RESTORED)
    hardening.forbid_core_dumps()
    while True:
        number, has_tool_got_it = _wait_for_signal()
        if number == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
        elif not has_tool_got_it:
            with contextlib.suppress(PermissionError):  # a tool such as sudo is another user's
                os.kill(child, number)


def _wait_for_signal() -> tuple[int, bool]:
    """Return the next signal, and whether the terminal sent it to the tool as well."""
    if sys.platform != "darwin" and hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(BLOCKED)
        # A signal from a process has a code of zero or less, one from the kernel a positive code.
        return info.si_signo, info.si_code > 0 and info.si_signo in _FROM_TERMINAL
    number = signal.sigwait(BLOCKED)
    return number, number in _FROM_TERMINAL and _in_foreground()


def _in_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)


def _run_on_windows(path: str, argv: Sequence[str], environ: Mapping[str, str]) -> int:
    command: str | list[str] = list(argv)
    program = path
    if batch.is_batch(path):
        program = os.path.join(environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "cmd.exe")
        command = batch.command_line(program, path, argv[1:])
    # Windows takes names of variables for the same whatever their case, and would get both.
    variables = {name.upper(): value for name, value in environ.items()}
    return subprocess.Popen(command, executable=program, env=variables).wait()


def end_as(status: int) -> int:
    """Return the status to exit with; where a signal ended the tool, end by the same signal."""
    if os.name == "nt":
        return _signed(status)
    if status >= 0:
        return status
    hardening.forbid_core_dumps()  # the tool has written its own
    number = -status
    if number in BLOCKED:
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    return 128 + number


def _signed(status: int) -> int:
    """Return a status of Windows, 32 bits without a sign, as `sys.exit` takes it."""
    return status - 2**32 if status >= 2**31 else status
