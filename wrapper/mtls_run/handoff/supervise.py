"""A supervised child: signals are passed on, and its end becomes ours, status and signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from mtls_run.system import hardening

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What somebody may send to the supervisor and means for the tool. Stops are not among them: the
# terminal stops and continues the whole group, supervisor and tool alike.
_FORWARDED = [
    getattr(signal, name)
    for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM")
    if hasattr(signal, name)
]
# Those a terminal sends to the whole group, so that the tool has them already.
_FROM_TERMINAL = [getattr(signal, name) for name in ("SIGINT", "SIGQUIT") if hasattr(signal, name)]
# Python ignores these two; a program that is started gets them as it would from a shell.
RESTORED = [getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)]


class Block:
    """Holds the forwarded signals back, from before there is a file until after it is removed."""

    def __init__(self) -> None:
        self.before: set[signal.Signals | int] = set()
        if hasattr(signal, "pthread_sigmask"):
            self.before = set(
                signal.pthread_sigmask(signal.SIG_BLOCK, [*_FORWARDED, signal.SIGCHLD])
            )

    def release(self) -> None:
        """Let through what was held back."""
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_SETMASK, self.before)


def run(path: str, argv: Sequence[str], environ: Mapping[str, str], block: Block) -> int:
    """Start the tool and wait for it; return its status, negative for the signal that ended it.

    Raises OSError where it cannot be started. The caller holds `block`.
    """
    if os.name != "posix":
        return _run_on_windows(path, argv, environ)
    # Whoever started us may ignore it, and then a child's end is never told.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    hardening.restore_core_limit()
    child = os.posix_spawn(path, list(argv), environ, setsigmask=block.before, setsigdef=RESTORED)
    hardening.forbid_core_dumps()
    while True:
        number, is_terminal = _wait_for_signal()
        if number == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
        elif not is_terminal:
            os.kill(child, number)


def _wait_for_signal() -> tuple[int, bool]:
    """Return the next signal, and whether the terminal sent it to the tool as well."""
    awaited = [*_FORWARDED, signal.SIGCHLD]
    if sys.platform != "darwin" and hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(awaited)
        # SI_KERNEL is positive; what a process sent, by kill or sigqueue, is zero or less.
        return info.si_signo, info.si_code > 0
    number = signal.sigwait(awaited)
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
    process = subprocess.Popen(list(argv), executable=path, env=dict(environ))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the console told the tool as well; its answer counts


def end_as(status: int) -> int:
    """Return the status to exit with; where the tool was ended by a signal, end by the same."""
    if status >= 0 or os.name != "posix":
        return status
    import resource  # noqa: PLC0415 - not on Windows

    number = -status
    # The tool has written its core; a second one, of this process, is nobody's wish.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    return 128 + number
