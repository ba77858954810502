"""A program that the demo starts, watches, and does not let outlive it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from mtls_run.demo.interruption import postponed, undisturbed
from mtls_run.errors import MtlsRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# Windows does not interrupt a wait for a queue: Ctrl-C is seen between two of these.
_POLL_SECONDS = 0.2
_GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Outcome:
    """How a program ended: its status, and the lines it wrote to stdout and stderr."""

    status: int
    lines: tuple[str, ...]


def run_child(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    seconds: float,
    on_line: Callable[[str], None] = lambda _line: None,
) -> Outcome:
    """Run a program without standard input and return how it ended.

    It gets a session of its own, so that Ctrl-C reaches this process alone, which then ends the
    program and all that it started. Raises MtlsRunError where it cannot be started, or has not
    ended after so many seconds.
    """
    process = None
    try:
        with postponed():
            process = _started(argv, env, cwd)
        lines = _read(process, time.monotonic() + seconds, on_line)
    except subprocess.TimeoutExpired:
        raise MtlsRunError(
            f"{argv[0]} has not ended after {seconds:.0f} s", hint="try again on a quieter machine"
        ) from None
    finally:
        if process is not None:
            with undisturbed():
                _end(process)
    return Outcome(process.returncode, tuple(lines))


def _started(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=str(cwd),
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise MtlsRunError(
            f"{argv[0]} cannot be started: {error.strerror}", hint="start it by itself to see why"
        ) from error


def _read(
    process: subprocess.Popen[str], deadline: float, on_line: Callable[[str], None]
) -> list[str]:
    """Return all lines until the end of the program, or raise TimeoutExpired at the deadline."""
    assert process.stdout is not None  # noqa: S101 - asked for above
    arriving: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(process.stdout, arriving), daemon=True).start()
    lines: list[str] = []
    while time.monotonic() < deadline:
        try:
            line = arriving.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue
        if line is None:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
            return lines
        lines.append(line)
        on_line(line)
    raise subprocess.TimeoutExpired(process.args, 0)


def _pump(stream: IO[str], arriving: queue.SimpleQueue[str | None]) -> None:
    """Move lines from the stream to the queue, and then None."""
    with stream:
        for line in stream:
            arriving.put(line.rstrip())
    arriving.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    """End the program and what it started, politely first; nothing where it has ended."""
    if process.poll() is not None:
        return
    _signal(process, signal.SIGTERM)
    try:
        process.wait(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
        process.wait()


def _signal(process: subprocess.Popen[str], number: int) -> None:
    """Send a signal to the program's session, or on Windows end the program."""
    with contextlib.suppress(OSError):  # it ended this moment; macOS says EPERM then
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.terminate()
