"""Run a program of the user's configuration, and read what it prints.

No shell reads the words. The tool reads stdin, so the program's own is empty. Its time and its
output are limited.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO

# After the program's own end, since a process that it left running may hold the pipe open.
GRACE = 1.0
START, TIME, SIZE, STATUS = "start", "time", "size", "status"
_TICK = 0.1
_CHUNK = 4096
_LONGEST_LINE = 200


class ProgramError(Exception):
    """A program that gave no answer; `reason` continues a sentence that names it.

    `kind` is START, TIME, SIZE or STATUS. `last_line` is the last that it printed on stderr, where
    that was read.
    """

    def __init__(self, kind: str, reason: str, *, last_line: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.last_line = last_line


def run(
    argv: tuple[str, ...],
    environ: Mapping[str, str],
    *,
    seconds: float,
    largest: int,
    reads_stderr: bool = False,
) -> bytes:
    """Return what the program prints, at most `largest` bytes within so many seconds.

    With `reads_stderr`, its stderr is passed on as it comes, and an error has its last line.
    Otherwise stderr is the user's. Raises ProgramError, also where it ends with another status
    than 0.
    """
    process: subprocess.Popen[bytes] | None = None
    try:  # one block from the start to the end: a Ctrl-C at any moment ends the program
        with _interrupts_held():
            process = _started(argv, environ, reads_stderr=reads_stderr)
        deadline = time.monotonic() + seconds
        passed_on = _PassedOn(process.stderr) if reads_stderr else None
        output = _read_limited(process, largest, seconds, deadline)
        status = process.wait(max(0.0, deadline - time.monotonic()))
        last_line = passed_on.last_line() if passed_on is not None else ""
    except BaseException as error:
        if process is not None:
            process.kill()
        if isinstance(error, subprocess.TimeoutExpired):
            raise _too_slow(seconds) from None
        raise
    finally:
        if process is not None:
            with process:  # closes its pipes, and waits for its end
                pass
    if status != 0:
        ended = f"with status {status}" if status > 0 else f"by signal {-status}"
        raise ProgramError(STATUS, f"ended {ended}", last_line=last_line)
    return output


def _started(
    argv: tuple[str, ...], environ: Mapping[str, str], *, reads_stderr: bool
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if reads_stderr else None,
            env=dict(environ),
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ProgramError(START, f"cannot be started: {reason}") from None


class _PassedOn:
    """A program's stderr on its way to ours, by a thread; the last line is kept."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        self._own = os.dup(stream.fileno())  # Popen closes its own one, perhaps before the end
        self._tail = b""
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def last_line(self) -> str:
        """Return the last line; a process that the program left running is not waited for."""
        self._thread.join(GRACE)
        lines = [line for line in self._tail.decode("utf-8", "replace").splitlines() if line]
        return lines[-1].strip()[:_LONGEST_LINE] if lines else ""

    def _carry(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self._own, _CHUNK):
                self._tail = (self._tail + data)[-_CHUNK:]
                if sys.stderr is not None:
                    os.write(sys.stderr.fileno(), data)
        os.close(self._own)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Raise a Ctrl-C at the end only: inside Popen, it would leave the program running.

    An ignored one stays ignored, which the program inherits. Only the main thread gets any.
    """
    held: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda number, _frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            raise KeyboardInterrupt


def _too_slow(seconds: float) -> ProgramError:
    return ProgramError(TIME, f"did not end within {seconds:.0f} s")


def _read_limited(
    process: subprocess.Popen[bytes], largest: int, seconds: float, deadline: float
) -> bytes:
    """Return the program's output, up to the pipe's end or shortly after the program's end."""
    stream = process.stdout
    assert stream is not None
    output, ended = b"", False
    while True:
        if os.name == "posix":  # Windows cannot wait for a pipe; there the program has to end
            left = deadline - time.monotonic()
            if left <= 0:
                if ended:
                    return output
                raise _too_slow(seconds)
            if not select.select([stream], [], [], min(left, _TICK))[0]:
                if not ended and process.poll() is not None:
                    ended, deadline = True, min(deadline, time.monotonic() + GRACE)
                continue
        more = os.read(stream.fileno(), _CHUNK)
        if not more:
            return output
        output += more
        if len(output) > largest:
            raise ProgramError(SIZE, f"printed more than {largest} bytes")
