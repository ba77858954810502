"""Ask questions at the terminal itself, so that a piped stdin stays the tool's."""

from __future__ import annotations

import getpass
import os
import signal
import sys
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mtls_run.errors import PassphraseError
from mtls_run.output.text import printable
from mtls_run.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO
    from types import FrameType
    from typing import Literal, TextIO

# These signals would end the process while the terminal's echo is off.
_ENDING = [
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)
]
# Windows has none.
_STOP = getattr(signal, "SIGTSTP", None)


class _StoppedError(BaseException):
    """The user pressed Ctrl-Z during a question."""


class _EndedError(BaseException):
    """A signal arrived during a question."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def available() -> bool:
    """Return whether there is a terminal to ask at."""
    if os.name == "nt":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        _open("wb").close()
    except OSError:
        return False
    return True


def ask_secret(question: str) -> Secret:
    """Return the typed answer, which the terminal does not show.

    Raises KeyboardInterrupt on Ctrl-C, with the echo restored, and PassphraseError on Ctrl-D.
    """
    with _restoring(), warnings.catch_warnings():
        # getpass falls back to reading stdin with a warning, and what is typed there would show.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            shown = f"mtls-run: {printable(question)}: "
            typed = _again_after_a_stop(lambda: getpass.getpass(shown))
        except KeyboardInterrupt:
            tell("", start="")  # ends the line of the question
            raise
        except (EOFError, getpass.GetPassWarning):
            raise PassphraseError(
                "no passphrase was given at the terminal", hint="run it again to be asked again"
            ) from None
    return Secret(typed.encode("utf-8", "surrogateescape"))


def _again_after_a_stop(ask: Callable[[], str]) -> str:
    """Return the answer; on Ctrl-Z stop with the echo restored, and after `fg` ask again.

    A shell switches the echo on when it takes the terminal back. bash and zsh leave it on for the
    program that they continue, so the rest of the answer would show.
    """
    if _STOP is None or signal.getsignal(_STOP) == signal.SIG_IGN:  # the shell has no job control
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


def ask_yes(question: str, *, default: bool = True) -> bool:
    """Return whether the answer is yes; Enter alone means `default`, and Ctrl-D no."""
    tell(f"{question} [{'Y/n' if default else 'y/N'}] ", end="")
    answer = _read_line()
    if answer is None:
        tell("", start="")
        return False
    typed = answer.strip().lower()
    return typed in (b"y", b"yes") or (default and not typed)


def ask_line(question: str) -> str:
    """Return the typed answer without the blanks around it; an empty one on Ctrl-D."""
    tell(f"{question}: ", end="")
    typed = _read_line()
    if typed is None:
        tell("", start="")
    return os.fsdecode(typed or b"").strip()


def ask_path(question: str) -> str:
    """Return a typed path without the blanks around it, or "" on Ctrl-D.

    The Tab key completes it where the standard streams are the terminal and Python has readline.
    """
    try:
        import readline  # noqa: PLC0415 - Windows has none
    except ImportError:
        return ask_line(question)
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        return ask_line(question)
    readline.set_completer(_completion)
    readline.set_completer_delims("")
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    try:
        return input(f"mtls-run: {printable(question)}: ").strip()
    except EOFError:
        tell("", start="")
        return ""
    finally:
        readline.set_completer(None)


def _completion(typed: str, number: int) -> str | None:
    """Return one of the paths that begin so, as readline asks for them, or None after the last."""
    folder, name = os.path.split(typed)
    try:
        found = sorted(os.listdir(os.path.expanduser(folder) or "."))
    except OSError:
        return None
    fitting = [one for one in found if one.startswith(name) and (name or one[0] != ".")]
    if number >= len(fitting):
        return None
    path = os.path.join(folder, fitting[number])
    return path + "/" if os.path.isdir(os.path.expanduser(path)) else path


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def tell(text: str, *, start: str = "mtls-run: ", end: str = "\n") -> None:
    """Write a line to the terminal, even if stdout and stderr go elsewhere."""
    shown = (start + printable(text) + end).encode("utf-8", "backslashreplace")
    with suppress(OSError), _open("wb") as terminal:
        terminal.write(shown)


def _open(mode: Literal["rb", "wb"]) -> FileIO:
    """Open the terminal itself, to read or to write UTF-8. Raises OSError where there is none."""
    if os.name == "nt":  # Python reads and writes a console as UTF-8, whatever its code page
        return open("CONIN$" if mode == "rb" else "CONOUT$", mode, buffering=0)
    # O_CREAT, which "wb" has, would make a file where /dev/tty is missing.
    flags = os.O_RDWR | os.O_NOCTTY
    return open("/dev/tty", mode, buffering=0, opener=lambda path, _: os.open(path, flags))


def _read_line() -> bytes | None:
    """Return a line, or None at the end of input."""
    with _open("rb") as terminal:
        return terminal.readline() or None


@contextmanager
def _restoring() -> Iterator[None]:
    """Restore the terminal when a signal arrives that ends the process, and then let it end."""

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
