"""The output of mtls-run: no other code writes to stdout and stderr.

- stdout belongs to the tool, and mtls-run writes to stderr. `--explain`, `--help` and the
  management commands answer a question: their answer goes to stdout.
- An error is one fact with its origin, then a hint that says what to do. A notice is one fact.
- `-q` silences notices, never errors. `-v` adds one line per decision.
- No sentence carries a secret or a control character: text from files and certificates cannot move
  the cursor.
- On a terminal a message fits the width, and `~` stands for home. A command in it stays whole.
- Questions go to the terminal itself and never to stdin (`terminal`).
"""

from __future__ import annotations

import os
import sys

import mtls_run
from mtls_run.errors import MtlsRunError
from mtls_run.output.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from mtls_run.output import screen as screen
else:
    __getattr__ = mtls_run.import_on_use(__name__)


NO_PROFILE = (
    "no profile applies here, so the tool runs unchanged; mtls-run profile add NAME makes one"
)

_NAME = "mtls-run: "


class Reporter:
    """Print the notices, errors and details of a run.

    `noticed` tells whether a notice was given that is due on each run. To name a decision's origin
    takes a search in a file: ask for `verbose` first.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.noticed = False
        self.quiet = quiet
        self.verbose = verbose

    def error(self, error: MtlsRunError) -> None:
        """Print the error that stopped the run."""
        _say(f"error: {error.fact}")
        for line in error.hint.splitlines():
            _say(f"hint: {line}")
        if self.verbose and error.code:
            _say(f"finding: {error.code} (mtls-run doctor says more)")

    def notice(self, fact: str, *, once_a_day: bool = False) -> None:
        """Print a fact that the user needs to know while the run goes on."""
        self.noticed = self.noticed or not once_a_day
        if not self.quiet:
            _say(f"notice: {fact}")

    def detail(self, fact: str) -> None:
        """Print a decision if `-v` asks for decisions."""
        if self.verbose:
            _say(fact)


def answer(text: str) -> None:
    """Write an answer to stdout, in whatever encoding that has.

    Raises MtlsRunError where it cannot be written, BrokenPipeError where nobody reads it.
    """
    stream = sys.stdout
    if stream is None:  # closed before Python started
        return
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        stream.write(f"{text}\n".encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable(error) from None


def unwritable(error: OSError) -> MtlsRunError:
    """Return the error for an answer that stdout does not take."""
    return MtlsRunError(
        f"cannot write the answer to stdout: {error.strerror}",
        hint="make room where stdout goes",
    )


def _say(line: str) -> None:
    stream = sys.stderr
    if stream is None:  # closed before Python started
        return
    try:
        encoding = getattr(stream, "encoding", None) or "ascii"
        shown = "".join(f"{one}\n" for one in _fitted(line, stream))
        stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except (OSError, ValueError):
        _discard(stream)  # a message that cannot be written must not stop the run


def _fitted(line: str, stream: TextIO) -> list[str]:
    """Return the message as it stands on the screen, with the name before it."""
    if not stream.isatty():
        return [f"{_NAME}{printable(line)}"]
    return mtls_run.output.screen.Screen.of(stream, os.environ).advice(
        line, first=_NAME, indent=len(_NAME)
    )


def _discard(stream: TextIO) -> None:
    """Drop what could not be written, or Python's last flush would end with status 120.

    The descriptor stays as it is, for the tool.
    """
    try:
        number = stream.fileno()
        original, nowhere = os.dup(number), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        try:
            stream.flush()
        finally:
            os.dup2(original, number)
            os.close(original)
            os.close(nowhere)
    except (OSError, ValueError):
        return
