"""Tell at the terminal what takes long, by a line that is removed or by one that stays."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time

from mtls_run.output import Reporter
from mtls_run.output.screen import Screen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

SHOWN_AFTER = 1.0  # in seconds
_SECONDS = len("… 999 s")


@contextlib.contextmanager
def shown(text: Callable[[], str], *, quiet: bool = False, at_once: bool = False) -> Iterator[None]:
    """Show `text()` and the seconds on stderr's terminal, from a second on until the block ends.

    The block must not ask anything at the terminal, and starts no program that does. `at_once` is
    for a block that lets no other thread run: the text alone is shown before it.
    """
    stream = sys.stderr
    if quiet or not _is_screen(stream):
        yield
        return
    done = threading.Event()
    worker = threading.Thread(target=_show, args=(text, stream, done, at_once), daemon=True)
    if at_once:
        with contextlib.suppress(OSError, ValueError):
            _write(stream, f"{_line(text, stream)}…")
    with signals_blocked():
        worker.start()
    try:
        yield
    finally:
        done.set()
        worker.join()  # what follows may fork, or write to the terminal


@contextlib.contextmanager
def announced(text: str, *, quiet: bool = False) -> Iterator[None]:
    """Write `text` to stderr's terminal after a second, for a program that may write there too.

    It is not written while the program reads a secret at the terminal.
    """
    stream = sys.stderr
    if quiet or not _is_screen(stream):
        yield
        return

    def say() -> None:
        if not _reads_secret(stream):
            Reporter(verbose=True).detail(text)

    timer = threading.Timer(SHOWN_AFTER, say)
    timer.daemon = True
    with signals_blocked():
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _is_screen(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _reads_secret(stream: TextIO) -> bool:
    """Tell whether the terminal shows nothing of what is typed."""
    if os.name != "posix":
        return False
    import termios  # noqa: PLC0415 - no Windows has it

    try:
        return not termios.tcgetattr(stream.fileno())[3] & termios.ECHO
    except (OSError, ValueError, termios.error):
        return False


def _show(text: Callable[[], str], stream: TextIO, done: threading.Event, is_shown: bool) -> None:
    started = time.monotonic()
    try:
        while not done.wait(SHOWN_AFTER):
            _write(stream, f"{_line(text, stream)}… {time.monotonic() - started:.0f} s")
            is_shown = True
        if is_shown:
            _write(stream, "")
    except (OSError, ValueError):
        return  # the terminal has gone


def _line(text: Callable[[], str], stream: TextIO) -> str:
    """Return the text, cut off where it is too long: a line that wraps could not be removed."""
    screen = Screen.of(stream, os.environ)
    line = screen.short(text())
    most = (screen.width or 0) - _SECONDS
    return line if len(line) < most else f"{line[: most - 1]}…"


def _write(stream: TextIO, line: str) -> None:
    """Replace the terminal's line; raises OSError and ValueError where the terminal has gone."""
    stream.write(f"\r\x1b[K{line}")
    stream.flush()


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Block every signal in the threads that are started here; they inherit the mask.

    The supervisor of a tool waits for signals in the main thread.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
