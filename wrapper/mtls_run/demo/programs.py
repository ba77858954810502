"""Run the programs that the demo starts, and leave none of them running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mtls_run.errors import MtlsRunError

# A terminal that is closed sends SIGHUP, which Windows lacks.
_ENDING = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]


class Outcome(NamedTuple):
    """How a program ended: its status, and the lines it wrote to stdout and stderr."""

    status: int
    lines: list[str]


class _Stopped(BaseException):
    """A signal that ends the demo. Not an Exception, so that no handler takes it for a failure."""


class Programs:
    """Runs one program at a time. A signal ends it, and then the demo."""

    def __init__(self) -> None:
        self._signal = 0
        self._held = False

    @contextlib.contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Let SIGINT, SIGTERM and SIGHUP unwind this block, and then end the process as usual.

        A signal that is ignored, as under `nohup`, stays ignored.
        """
        numbers = [n for n in _ENDING if signal.getsignal(n) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._stop) for number in numbers}
        try:
            with contextlib.suppress(_Stopped):
                yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._signal:
            signal.raise_signal(self._signal)

    def hold_signals(self) -> None:
        """Let later signals wait for the end of the block: it removes what the demo made."""
        self._held = True

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        seconds: float,
        on_line: Callable[[str], None] = lambda _line: None,
    ) -> Outcome:
        """Run a program without standard input and return how it ended.

        The program gets its own session, so that Ctrl-C does not reach it. Raises MtlsRunError if
        it cannot be started, or has not ended after so many seconds.
        """
        began = time.monotonic()
        lines: list[str] = []
        # A signal between the start of the program and `try` would leave it running.
        self._held = True
        with _started(argv, env, cwd) as process:
            timer = threading.Timer(seconds, _kill, [process])
            timer.start()
            try:
                self._held = False
                if self._signal:
                    raise _Stopped
                for line in process.stdout or ():
                    lines.append(line.rstrip())
                    on_line(lines[-1])
                process.wait()
            finally:
                timer.cancel()
                _kill(process)
        if time.monotonic() - began >= seconds:
            raise MtlsRunError(
                f"{argv[0]} has not ended after {seconds:.0f} s",
                hint="try again on a machine with less load",
            )
        return Outcome(process.returncode, lines)

    def _stop(self, number: int, _frame: object) -> None:
        self._signal = self._signal or number
        if not self._held:
            self._held = True  # a second Ctrl-C does not interrupt the removal
            raise _Stopped


def _started(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise MtlsRunError(
            f"cannot start {argv[0]}: {error.strerror}", hint="start it by itself to see why"
        ) from error


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a program and its session; on Windows, the program. An ended program stays as it is.

    Nothing is lost: all that it writes lies in the demo's directory, which is removed.
    """
    if process.returncode is None:
        with contextlib.suppress(OSError):  # it ended this moment; macOS says EPERM then
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
