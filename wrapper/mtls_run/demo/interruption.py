"""Signals that end the demo: they unwind the stack, so that what was made is removed first."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# A terminal that is closed sends SIGHUP. Windows has neither in a form that reaches a console.
_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class _Ended(BaseException):
    """One of these signals came. Not an Exception: nothing on the way may take it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def unwinding() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind this block, and then end the process as they would have.

    One that is ignored (`nohup`) stays ignored. SIGINT needs nothing: it is KeyboardInterrupt.
    """
    taken = [n for n in _ENDING if _in_main_thread() and signal.getsignal(n) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _raise_ended)
    try:
        yield
    except _Ended as ended:
        signal.signal(ended.number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)
        raise  # not reached where the signal ends the process, which is everywhere
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore the ending signals and SIGINT in this block, which removes what was made.

    An impatient second Ctrl-C would otherwise end the removal in its middle.
    """
    if not _in_main_thread():
        yield
        return
    before = {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, *_ENDING)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Let the ending signals and SIGINT wait for the end of this block.

    One that comes while a program is being started would leave it running, and nobody to end it.
    """
    came: list[int] = []
    numbers = [
        number
        for number in (signal.SIGINT, *_ENDING)
        if _in_main_thread() and signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {n: signal.signal(n, lambda number, _frame: came.append(number)) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def _in_main_thread() -> bool:
    """Tell whether this thread may set handlers."""
    return threading.current_thread() is threading.main_thread()


def _raise_ended(number: int, _frame: FrameType | None) -> None:
    raise _Ended(number)
