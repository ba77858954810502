"""How mtls-run speaks.

- stdout belongs to the tool; mtls-run speaks on stderr. (`--explain`, `--help` and the management
  commands answer a question, and their answer is their stdout.)
- An error is one fact with its origin, then a hint: what to do. A notice is one fact.
- `-q` silences notices, never errors; `-v` adds one line per decision.
- No sentence carries a secret, and none carries a control character: what comes from files and
  certificates cannot move the cursor.
- Questions go to the terminal itself and never to stdin; see `terminal`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from mtls_run.errors import MtlsRunError  # noqa: PLC0415, RUF100

NO_PROFILE = "no profile applies here; the tool runs unchanged"


def printable(text: str) -> str:
    """Return `text` with every control, format and surrogate character shown as an escape."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def quoted(path: object) -> str:
    """Return a path as it may be pasted into a shell: a directory's name is somebody's words."""
    import shlex  # noqa: PLC0415 - hints are rare

    return shlex.quote(printable(str(path)))


def shown_word(word: str) -> str:
    """Return a word of argv, or a variable's value, with no password in any URL in it.

    A value may have several: pip splits at white space, uv at commas too. A proxy may be named
    without a scheme.
    """
    if "@" not in word:
        return word
    import re  # noqa: PLC0415 - few words have one

    return "".join(_shown_part(part) for part in re.split(r"(\s+)", word))


def _shown_part(part: str) -> str:
    import re  # noqa: PLC0415 - see `shown_word`

    if "://" not in part:
        return re.sub(r"([^/@:=]+:)(?![/\\]).+@", r"\1****@", part)
    from mtls_run.tools.uv_indexes import without_password  # noqa: PLC0415 - few words are URLs

    head, *rest = part.split("://")
    return "://".join([head, *(without_password(f"x://{url}")[4:] for url in rest)])


class Reporter:
    """What a run says beside the tool; `noticed` tells whether it was given any notice.

    Where a decision takes work to say, ask for `verbose` first: an origin in a file, for one, is a
    line that has to be found.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.noticed = False
        self._quiet = quiet
        self.verbose = verbose

    def error(self, error: MtlsRunError) -> None:
        """Say what stopped the run."""
        _say(f"error: {error.fact}")
        if error.hint:
            _say(f"hint: {error.hint}")
        if self.verbose and error.code:
            _say(f"finding: {error.code} (mtls-run doctor says more)")

    def notice(self, fact: str) -> None:
        """Say what the user would want to know though the run goes on."""
        self.noticed = True
        if not self._quiet:
            _say(f"notice: {fact}")

    def detail(self, fact: str) -> None:
        """Say a decision, where `-v` asks for decisions."""
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
    from mtls_run.errors import MtlsRunError  # noqa: PLC0415 - for this alone

    return MtlsRunError(
        f"the answer cannot be written to stdout: {error.strerror}",
        hint="see that there is room where stdout goes",
    )


def _say(line: str) -> None:
    stream = sys.stderr
    if stream is None:  # closed before Python started
        return
    try:
        encoding = getattr(stream, "encoding", None) or "ascii"
        shown = f"mtls-run: {printable(line)}\n".encode(encoding, "backslashreplace")
        stream.write(shown.decode(encoding))
        stream.flush()
    except (OSError, ValueError):
        _drop(stream)  # nobody listens; that is no reason to fail


def _drop(stream: TextIO) -> None:
    """Let what could not be written go nowhere, or Python's last flush would end with status 120.

    The stream itself stays what it is: the tool may be luckier with it.
    """
    import os  # noqa: PLC0415 - hardly ever

    try:
        number = stream.fileno()
        kept, nowhere = os.dup(number), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        try:
            stream.flush()
        finally:
            os.dup2(kept, number)
            os.close(kept)
            os.close(nowhere)
    except (OSError, ValueError):
        return
