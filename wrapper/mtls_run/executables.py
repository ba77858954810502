"""Where a program is, by PATH's order; what a shell would answer 126 or 127 to, likewise here."""

from __future__ import annotations

import os

from .errors import NOT_EXECUTABLE, NOT_FOUND, ToolError
from .messages import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def find(word: str, environ: Mapping[str, str]) -> str:
    """Return the absolute path of the program that `word` names.

    Raises ToolError with status 127 where there is none, and 126 where it may not be executed.
    """
    if not word:
        raise ToolError("the name of the tool is empty", hint="name one", status=NOT_FOUND)
    if os.name == "nt":
        return _find_on_windows(word, environ)
    if "/" in word:
        candidates = [word]
    else:
        directories = environ.get("PATH", os.defpath).split(os.pathsep)
        candidates = [os.path.join(directory, word) for directory in directories]  # noqa: PTH118
    refused = None
    for candidate in candidates:
        if os.path.isfile(candidate):  # noqa: PTH113 - pathlib is slow to import
            if os.access(candidate, os.X_OK):
                return os.path.abspath(candidate)  # noqa: PTH100
            refused = refused or candidate
    if refused:
        raise ToolError(
            f"{refused} is not executable",
            hint=f"chmod +x {quoted(refused)}",
            status=NOT_EXECUTABLE,
        )
    if "/" in word:
        if os.path.isdir(word):  # noqa: PTH112
            raise ToolError(
                f"{word} is a directory", hint="name the program in it", status=NOT_EXECUTABLE
            )
        raise ToolError(
            f"{word} does not exist", hint="name a program that is there", status=NOT_FOUND
        )
    raise ToolError(
        f"there is no `{word}` on PATH", hint=f"install {word}, or name its path", status=NOT_FOUND
    )


def _find_on_windows(word: str, environ: Mapping[str, str]) -> str:
    import shutil  # noqa: PLC0415

    found = shutil.which(word, path=environ.get("PATH"))
    if found is None:
        raise ToolError(
            f"there is no `{word}` on PATH",
            hint=f"install {word}, or name its path",
            status=NOT_FOUND,
        )
    return os.path.abspath(found)  # noqa: PTH100
