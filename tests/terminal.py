"""A real terminal (a pty) with a program in it, and somebody who types."""

from __future__ import annotations

import contextlib
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect  # type: ignore[import-untyped]  # it has no types, nor stubs that we install

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.sandbox import Sandbox

PROMPT = r"(?i)passphrase[^\r\n]*: ?$"
OFFER = r"(?i)(store|replace|keep|save|remember)[^\r\n]*\? ?[^\r\n]*$"


class Terminal:
    """A program that has a terminal of its own; `shown` is all that stood on the screen."""

    def __init__(
        self,
        sandbox: Sandbox,
        *command: str | Path,
        env: Mapping[str, str | None] | None = None,
        timeout: float = 30,
    ) -> None:
        program, *rest = [str(word) for word in command]
        self._screen = io.StringIO()
        self._child = pexpect.spawn(
            program,
            rest,
            env={**sandbox.environment(env), "TERM": "dumb"},
            cwd=str(sandbox.home),
            timeout=timeout,
            encoding="utf-8",
        )
        self._child.logfile_read = self._screen

    @property
    def shown(self) -> str:
        """Everything that was written to the terminal so far."""
        return self._screen.getvalue()

    def expect(self, pattern: str) -> str:
        """Wait until this pattern is shown, and return what matched; fails at end or timeout."""
        self._child.expect(pattern)
        matched: str = self._child.after
        return matched

    def type(self, text: str) -> None:
        """Type a line."""
        self._child.sendline(text)

    def press(self, keys: str) -> None:
        """Press these keys and no Enter after them."""
        self._child.send(keys)

    def interrupt(self) -> None:
        """Press Ctrl-C once the program waits, as people do: Python may lose one just before it."""
        at = Path(f"/proc/{self._child.pid}/stat")
        deadline = time.monotonic() + 10
        while at.read_text().rpartition(")")[2].split()[0] != "S" and time.monotonic() < deadline:
            time.sleep(0.01)
        self._child.sendintr()

    def end(self) -> int:
        """Wait for the program's end and return its status, or minus the signal that killed it."""
        self._child.expect(pexpect.EOF)
        self._child.close()
        if self._child.signalstatus is not None:
            return -int(self._child.signalstatus)
        return int(self._child.exitstatus)

    def close(self) -> None:
        """Hang up, and kill what does not care."""
        self._child.close(force=True)


@contextlib.contextmanager
def session(
    sandbox: Sandbox,
    *command: str | Path,
    env: Mapping[str, str | None] | None = None,
    timeout: float = 30,
) -> Iterator[Terminal]:
    """Run a command at a terminal of its own for as long as the context lasts."""
    with contextlib.closing(Terminal(sandbox, *command, env=env, timeout=timeout)) as found:
        yield found
