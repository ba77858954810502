"""The line at the terminal while something takes long."""

from __future__ import annotations

import contextlib
import io
import threading
import time

import pytest

from mtls_run.system import progress


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def written(stream: io.StringIO, seconds: float, *, quiet: bool = False) -> str:
    """Return what is written to the stream while something takes so long."""
    with contextlib.redirect_stderr(stream), progress.shown(lambda: "at it\x1b", quiet=quiet):
        time.sleep(seconds)
    return stream.getvalue()


def test_it_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is shown after a second, and removed at the end; no thread is left."""
    monkeypatch.setenv("TERM", "xterm")
    before = threading.active_count()
    shown = written(Terminal(), progress.SHOWN_AFTER + 0.3)
    assert shown == "\r\x1b[Kat it\\x1b… 1 s\r\x1b[K"
    assert threading.active_count() == before


def test_a_block_that_lets_nothing_else_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is there before the block begins, and removed at its end."""
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with contextlib.redirect_stderr(stream), progress.shown(lambda: "at it", at_once=True):
        assert stream.getvalue() == "\r\x1b[Kat it…"
    assert stream.getvalue() == "\r\x1b[Kat it…\r\x1b[K"


@pytest.mark.parametrize(
    ("seconds", "quiet", "expected"),
    [(1.2, False, "mtls-run: waiting\n"), (0.1, False, ""), (1.2, True, "")],
)
def test_a_program_that_takes_long(
    seconds: float, quiet: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is waited for is said once, and stays, since the program may write below it."""
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with contextlib.redirect_stderr(stream), progress.announced("waiting", quiet=quiet):
        time.sleep(seconds)
    assert stream.getvalue() == expected


def test_an_error_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the block removes the line too."""
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()

    def fail() -> None:
        with contextlib.redirect_stderr(stream), progress.shown(lambda: "at it"):
            time.sleep(progress.SHOWN_AFTER + 0.3)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert stream.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("stream", "seconds", "quiet", "term"),
    [
        (io.StringIO(), 1.2, False, "xterm"),
        (Terminal(), 1.2, True, "xterm"),
        (Terminal(), 1.2, False, "dumb"),
        (Terminal(), 0.1, False, "xterm"),
    ],
)
def test_nothing_is_shown(
    stream: io.StringIO, seconds: float, quiet: bool, term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no line without a terminal, with -q, on a dumb one, or within a second."""
    monkeypatch.setenv("TERM", term)
    assert written(stream, seconds, quiet=quiet) == ""
