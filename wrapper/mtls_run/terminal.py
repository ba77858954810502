"""Questions at the terminal itself, so that a piped stdin stays the tool's."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mtls_run.errors import PassphraseError
from mtls_run.output import printable
from mtls_run.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

# Signals that would end the process with the terminal's echo switched off.
_ENDING = [
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)
]


# Not on Windows.
_STOP = getattr(signal, "SIGTSTP", None)


class _StoppedError(BaseException):
    """Ctrl-Z was pressed while a question stood open."""


class _EndedError(BaseException):
    """A signal came while a question stood open."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def available() -> bool:
    """Tell whether somebody can be asked."""
    if os.name == "nt":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(_open())
    except OSError:
        return False
    return True


def ask_secret(question: str) -> Secret:
    """Return what is typed, without showing it.

    Raises KeyboardInterrupt on Ctrl-C, with the echo restored, and PassphraseError on Ctrl-D.
    """
    import getpass  # noqa: PLC0415 - only who is asked needs it

    with _restoring(), warnings.catch_warnings():
        # getpass falls back to a visible stdin with a warning; that is never what is wanted.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            shown = f"mtls-run: {printable(question)}: "
            typed = _again_after_a_stop(lambda: getpass.getpass(shown))
        except KeyboardInterrupt:
            tell("", start="")  # the cursor stands behind the question
            raise
        except (EOFError, getpass.GetPassWarning):
            raise PassphraseError(
                "no passphrase was given at the terminal", hint="run it again to be asked again"
            ) from None
    return Secret(typed.encode("utf-8", "surrogateescape"))


def _again_after_a_stop(ask: Callable[[], str]) -> str:
    """Return the answer; on Ctrl-Z stop with the echo restored, and after `fg` ask again.

    A shell has the terminal as it likes it when it takes it back, which is with the echo on, and
    bash and zsh leave it like that to whom they continue: what is typed then would be seen.
    """
    if _STOP is None or signal.getsignal(_STOP) == signal.SIG_IGN:  # a shell without job control
        return ask()

    def stopped(_number: int, _frame: FrameType | None) -> None:
        raise _StoppedError

    before = signal.getsignal(_STOP)
    try:
        while True:
            signal.signal(_STOP, stopped)
            try:
                return ask()
            except _StoppedError:
                signal.signal(_STOP, signal.SIG_DFL)
                os.kill(os.getpid(), _STOP)
    finally:
        signal.signal(_STOP, before)


def ask_yes(question: str) -> bool:
    """Return whether the answer is yes; Enter alone is yes, the end of input is no."""
    tell(f"{question} [Y/n] ", end="")
    answer = _read_line()
    if answer is None:
        tell("", start="")
        return False
    return answer.strip().lower() in (b"", b"y", b"yes")


def ask_line(question: str) -> str:
    """Return what is typed, without the blanks around it; nothing at the end of input."""
    tell(f"{question}: ", end="")
    typed = _read_line()
    if typed is None:
        tell("", start="")
    return os.fsdecode(typed or b"").strip()


def tell(text: str, *, start: str = "mtls-run: ", end: str = "\n") -> None:
    """Show a line at the terminal, wherever stdout and stderr go."""
    shown = (start + printable(text) + end).encode("utf-8", "backslashreplace")
    try:
        terminal = _open()
    except OSError:
        return
    try:
        os.write(terminal, shown)
    finally:
        os.close(terminal)


def _open() -> int:
    if os.name == "nt":
        return os.open("CONOUT$", os.O_RDWR)
    return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)


def _read_line() -> bytes | None:
    """Return a line, or None at the end of input."""
    terminal = os.open("CONIN$", os.O_RDWR) if os.name == "nt" else _open()
    line = b""
    try:
        while not line.endswith(b"\n"):
            more = os.read(terminal, 1)
            if not more:
                return line or None
            line += more
    finally:
        os.close(terminal)
    return line


@contextmanager
def _restoring() -> Iterator[None]:
    """Let an ending signal restore the terminal first, and then end the process as it would."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise _EndedError(number)

    before = {number: signal.signal(number, end) for number in _ENDING}
    try:
        yield
    except _EndedError as ended:
        signal.signal(ended.number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
