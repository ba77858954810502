"""The command line of a batch file: cmd.exe parses its arguments again, after the caller's quoting.

Between double quotes cmd.exe takes every character as it is, but for the quote itself, the percent
sign and the end of the line. Two quotes there leave it between quotes, and the C runtime of the
program that the file starts takes them for one (as Rust has it since CVE-2024-24576).
"""

from __future__ import annotations

import re

from mtls_run.errors import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_HINT = "start the program that the batch file starts, such as python -m pip in place of pip.bat"
_BARE = re.compile(r"[A-Za-z0-9_./:@+-][A-Za-z0-9_./\\:@+-]*", re.ASCII)
_REFUSED = {
    "%": "a percent sign, which cmd.exe expands",
    "\n": "a line break, which ends the command",
    "\r": "a line break, which ends the command",
    "\0": "a NUL, which ends the command",
}


def is_batch(path: str) -> bool:
    """Tell whether Windows gives this file to cmd.exe; it drops dots and blanks at the end."""
    return path.rstrip(". ").lower().endswith((".bat", ".cmd"))


def command_line(program: str, path: str, arguments: Iterable[str]) -> str:
    """Return the command line for cmd.exe at `program` that runs a batch file with these arguments.

    Raises ToolError with status 125 where the batch file would not get an argument as it is.
    """
    words = [f'"{path}"', *map(_quoted, arguments)]
    line = " ".join(words)
    for character, reason in _REFUSED.items():
        if character in line:
            raise ToolError(
                f"{path} is a batch file, and cannot be given an argument with {reason}",
                hint=_HINT,
            )
    # No AutoRun, extensions on, `!` taken as it is; /s takes the outer quotes off, and no others.
    return f'"{program}" /d /e:on /v:off /s /c "{line}"'


def _quoted(argument: str) -> str:
    """Return an argument so that cmd.exe and then the C runtime read it as it is."""
    if _BARE.fullmatch(argument):
        return argument
    # The C runtime halves the backslashes before a quote.
    doubled = re.sub(r'(\\*)(?="|$)', r"\1\1", argument)
    return '"' + doubled.replace('"', '""') + '"'
