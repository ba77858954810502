"""Text from anywhere, as it may be shown, or pasted into a shell."""

from __future__ import annotations

import os
import shlex

_PLAIN = "_./\\:@+-=~"


def printable(text: str) -> str:
    """Return `text` with every control, format and surrogate character shown as an escape."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def quoted(word: object) -> str:
    """Return a word as it may be pasted into a shell, whatever it is."""
    shown = printable(str(word))
    if os.name == "nt":  # cmd.exe and PowerShell
        is_plain = shown and all(char.isalnum() or char in _PLAIN for char in shown)
        return shown if is_plain else '"' + shown.replace('"', '\\"') + '"'
    return shlex.quote(shown)


def split_words(command: str) -> list[str]:
    """Return the words of a command, split as a shell does. Raises ValueError for an open quote.

    On Windows a backslash is a part of a path, and escapes nothing.
    """
    lexer = shlex.shlex(command, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    if os.name == "nt":
        lexer.escape = ""
    return list(lexer)
