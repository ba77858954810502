"""Shims: small programs on PATH that have a tool's name and start mtls-run.

The second line of a shim says what it is. Other files are neither overwritten nor removed.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtls_run.errors import MtlsRunError, ToolError, UsageError
from mtls_run.output.text import quoted
from mtls_run.shells import PROGRAM_MARK, folder, init, source
from mtls_run.system.files import write_atomically
from mtls_run.tools import which

_WINDOWS = (".cmd", ".ps1")


@dataclass(frozen=True)
class Shim:
    """A shim, and what a shell and mtls-run find by its name.

    `reached` is the first program of this name on PATH, or None. `runs` is the tool that the shim
    would run, or None.
    """

    path: Path
    tool: str
    reached: str | None
    runs: str | None

    @property
    def is_reached(self) -> bool:
        """Return whether the name starts this very file."""
        return self.reached is not None and _same(self.reached, self.path)


def install(where: Path, tools: Iterable[str], program: Path) -> list[Path]:
    """Write a shim for each tool and return the files. If one is refused, write none.

    Raises MtlsRunError if another file has that name.
    """
    contents = {
        where / (tool + extension): _content(extension, program)
        for tool in map(_checked, tools)
        for extension in (_WINDOWS if os.name == "nt" else ("",))
    }
    for path in contents:
        if os.path.lexists(path) and not which.is_shim(str(path)):
            raise MtlsRunError(
                f"{path} exists, and is no shim of mtls-run's",
                hint="name another directory for shims: mtls-run shims install --dir DIR",
            )
    try:
        where.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            write_atomically(path, content, mode=0o755)
    except OSError as error:
        raise MtlsRunError(
            f"cannot write shims to {where}: {error.strerror}",
            hint="name a directory that you can write to: mtls-run shims install --dir DIR",
        ) from None
    return list(contents)


def remove(where: Path, tools: Sequence[str]) -> list[Path]:
    """Remove the shims of these tools, or all if none is named, and return their paths.

    Remove the directory too if it is empty then. Raises MtlsRunError for a tool without a shim.
    """
    found = present(where)
    wanted = set(tools)
    for tool in wanted - {_tool(path) for path in found}:
        raise MtlsRunError(
            f"there is no shim for {tool} in {where}", hint="see: mtls-run shims list"
        )
    gone = [path for path in found if not wanted or _tool(path) in wanted]
    try:
        for path in gone:
            path.unlink()
    except OSError as error:
        raise MtlsRunError(
            f"cannot remove {error.filename}: {error.strerror}",
            hint=f"check its owner: ls -l {quoted(where)}",
        ) from None
    if gone:
        with contextlib.suppress(OSError):  # other files are in it
            where.rmdir()
            if where == folder():
                where.parent.rmdir()
    return gone


def present(where: Path) -> list[Path]:
    """Return the shims in a directory, by name."""
    try:
        entries = sorted(where.iterdir())
    except OSError:
        return []
    return [path for path in entries if path.is_file() and which.is_shim(str(path))]


def survey(where: Path, environ: Mapping[str, str]) -> list[Shim]:
    """Return the shims in a directory, and those elsewhere on PATH."""
    folders = [where]
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        path = Path(os.path.abspath(entry))  # an empty entry is the current one
        if not any(_same(path, known) for known in folders):
            folders.append(path)
    found = [path for directory in folders for path in present(directory)]
    return [_look(path, environ) for path in found]


def shadow(shim: Shim, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return why the name does not start the shim, and how to fix that."""
    where = shim.path.parent
    if shim.reached is None or not any(
        _same(entry, where) for entry in environ.get("PATH", "").split(os.pathsep) if entry
    ):
        return f"{where} is not on PATH", _put_first(where)
    if which.is_shim(shim.reached):
        return f"{shim.reached}, another shim, comes first", "nothing: it does the same"
    environment = environ.get("VIRTUAL_ENV")
    if environment and _same(Path(shim.reached).parent.parent, environment):
        return (
            f"{shim.reached}, of the active virtual environment, comes first",
            f"type mtls-run {shim.tool}, or use a shell function: mtls-run init",
        )
    return (
        f"{shim.reached} comes first on PATH",
        f"put {where} before {Path(shim.reached).parent}",
    )


def _put_first(where: Path) -> str:
    if os.name == "nt":
        return "put it first in Path of your account: rundll32 sysdm.cpl,EditEnvironmentVariables"
    return f'put it first, in your shell\'s startup file: export PATH={quoted(where)}:"$PATH"'


def _look(path: Path, environ: Mapping[str, str]) -> Shim:
    tool = _tool(path)
    candidates = which.on_path(tool, environ)
    reached = next((found for found in candidates if _is_program(found)), None)
    try:
        runs: str | None = which.find(tool, environ)
    except ToolError:
        runs = None
    return Shim(path, tool, reached, runs)


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _tool(path: Path) -> str:
    return path.stem if path.suffix.lower() in _WINDOWS else path.name


def _checked(tool: str) -> str:
    """Return the tool's name. Raises UsageError if it cannot be a file's, or is our own."""
    if not tool or os.path.basename(tool) != tool or tool in (".", "..") or tool == "mtls-run":
        raise UsageError(
            f"cannot make a shim for `{tool}`", hint="name a program, without its path"
        )
    return tool


def _content(extension: str, program: Path) -> bytes:
    if extension == "":
        text, quotation = source("shim.sh"), shlex.quote(str(program))
    elif extension == ".ps1":
        text, quotation = source("shim.ps1"), init.SHELLS["powershell"].quote(str(program))
    else:
        # In a batch file a percent sign begins a variable, also between quotes.
        quotation = '"' + str(program).replace("%", "%%") + '"'
        text = source("shim.cmd").replace("\n", "\r\n")
    return os.fsencode(text.replace(PROGRAM_MARK, quotation))


def _same(one: str | Path, other: str | Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
