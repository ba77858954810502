"""Find a program on PATH, and say 126 or 127 where a shell would.

The search leaves out mtls-run's shims, which it knows by their first lines, mtls-run itself under
another name, and the programs that called this process back (`system.recursion_guard`).
"""

from __future__ import annotations

import errno
import os
import sys

import mtls_run
from mtls_run.errors import NOT_EXECUTABLE, NOT_FOUND, ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Stands in the first lines of every shim.
SHIM_MARK = b"mtls-run shim:"
_HEAD = 64


def find(word: str, environ: Mapping[str, str], called_back_by: Iterable[str] = ()) -> str:
    """Return the absolute path of the program that `word` names.

    A path is taken as it is; of the programs on PATH those that `called_back_by` are left out.
    Raises ToolError with status 127 where there is none, and 126 where it may not be executed.
    """
    if not word:
        raise ToolError("the name of the tool is empty", hint="name one", status=NOT_FOUND)
    is_path = os.path.basename(word) != word
    found = _spellings(word, environ) if is_path else on_path(word, environ)
    passed = _identities([*called_back_by, sys.argv[0]])
    refused = passed_over = None
    for candidate in found:
        if os.path.isfile(candidate):
            if not os.access(candidate, os.X_OK):
                refused = refused or candidate
            elif not is_path and (_identity(candidate) in passed or is_shim(candidate)):
                passed_over = passed_over or candidate
            else:
                return os.path.abspath(candidate)
    if refused:
        raise ToolError(
            f"{refused} is not executable",
            hint=f"chmod +x {mtls_run.output.text.quoted(refused)}",
            status=NOT_EXECUTABLE,
            code="tool-missing",
        )
    if is_path:
        raise _no_program(word)
    beside = f" beside {passed_over}, which leads back to mtls-run" if passed_over else ""
    raise ToolError(
        f"there is no `{word}` on PATH{beside}",
        hint=f"install {word}, or name its path",
        status=NOT_FOUND,
        code="tool-missing",
    )


def on_path(name: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield every path that PATH could mean by `name`, in its order, whether it is there or not."""
    spellings = _spellings(name, environ)
    for directory in _directories(environ.get("PATH", os.defpath)):
        for spelling in spellings:
            yield os.path.join(directory, spelling)


def _directories(path: str, *, windows: bool = os.name == "nt") -> list[str]:
    """Return the directories of PATH; an empty one is the current one, but not on Windows."""
    if not windows:
        return path.split(os.pathsep)
    return [entry for entry in path.replace('"', "").split(";") if entry]


def _spellings(
    name: str, environ: Mapping[str, str], *, windows: bool = os.name == "nt"
) -> list[str]:
    """Return the names of files that `name` may mean; Windows lets one leave an extension off."""
    if not windows:
        return [name]
    known = environ.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";")
    extensions = [extension for extension in known if extension]
    if name.lower().endswith(tuple(map(str.lower, extensions))):
        return [name]
    return [name + extension for extension in extensions]


def is_shim(path: str) -> bool:
    """Tell whether the file is a shim of mtls-run's, wherever it lies and whatever its name is."""
    try:
        with open(path, "rb") as file:
            return SHIM_MARK in file.read(_HEAD)
    except OSError:
        return False  # a program that may be run, but not read, is none of ours


def _identities(paths: Iterable[str]) -> set[tuple[int, int]]:
    return {found for found in map(_identity, paths) if found is not None}


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _no_program(path: str) -> ToolError:
    if os.path.isdir(path):
        return ToolError(
            f"{path} is a directory", hint="name the program in it", status=NOT_EXECUTABLE
        )
    if os.path.isfile(path):  # Windows
        return ToolError(
            f"{path} is no program: its name has no extension of PATHEXT",
            hint=f"start what runs it: mtls-run -- python {mtls_run.output.text.quoted(path)}",
            status=NOT_EXECUTABLE,
        )
    return ToolError(
        f"{path} does not exist",
        hint="name a program that is there",
        status=NOT_FOUND,
        code="tool-missing",
    )


def cannot_start(path: str, error: OSError) -> ToolError:
    """Return the error for a program that the system refused to start."""
    if error.errno == errno.ENOENT:
        if not os.path.exists(path):
            return ToolError(
                f"{path} does not exist", hint="run the command again", status=NOT_FOUND
            )
        return ToolError(
            f"{path} cannot be started: the interpreter that its first line names does not exist",
            hint="reinstall it, or mend its first line",
            status=NOT_EXECUTABLE,
        )
    if error.errno == errno.ENOEXEC:
        return ToolError(
            f"{path} cannot be started: it is no program for this system",
            hint="a script needs a first line such as #!/bin/sh",
            status=NOT_EXECUTABLE,
        )
    return ToolError(
        f"{path} cannot be started: {error.strerror}",
        hint="start it by itself to see why",
        status=NOT_EXECUTABLE,
    )
