"""Shims: small programs that stand on PATH under a tool's name and call mtls-run.

A shim is told by what stands in it. What is none is never written over, and never removed.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.errors import MtlsRunError, ToolError, UsageError
from mtls_run.output import quoted
from mtls_run.shells import PROGRAM_MARK, folder, init, source
from mtls_run.system.files import write_atomically
from mtls_run.tools import which

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_WINDOWS = (".cmd", ".ps1")


@dataclass(frozen=True)
class Shim:
    """A shim that is there, and what a shell and mtls-run find by its name.

    `reached` is what PATH means by the name now, or None where it means nothing; `runs` is what
    the shim would run, or None where there is no such tool.
    """

    path: Path
    tool: str
    reached: str | None
    runs: str | None

    @property
    def is_reached(self) -> bool:
        """Tell whether typing the name starts this very file."""
        return self.reached is not None and _same(self.reached, self.path)


def install(where: Path, tools: Iterable[str], program: Path) -> list[Path]:
    """Write a shim for each tool, and return the files; all, or where one is refused none.

    Raises MtlsRunError where a file of that name is there that is no shim.
    """
    contents = {
        where / (tool + extension): _content(extension, program)
        for tool in map(_checked, tools)
        for extension in (_WINDOWS if os.name == "nt" else ("",))
    }
    for path in contents:
        if os.path.lexists(path) and not which.is_shim(str(path)):
            raise MtlsRunError(
                f"{path} is there, and is no shim of mtls-run's",
                hint="name a directory of its own for shims: mtls-run shims install --dir DIR",
            )
    try:
        where.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            write_atomically(path, content, mode=0o755)
    except OSError as error:
        raise MtlsRunError(
            f"the shims cannot be written to {where}: {error.strerror}",
            hint="name a directory of yours: mtls-run shims install --dir DIR",
        ) from None
    return list(contents)


def remove(where: Path, tools: Sequence[str]) -> list[Path]:
    """Remove the shims of these tools, or all where none is named, and return what is gone.

    A directory that is empty then goes too. Raises MtlsRunError for a file that is no shim.
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
            f"{error.filename} cannot be removed: {error.strerror}", hint="see whose it is"
        ) from None
    if gone:
        with contextlib.suppress(OSError):  # what else is in it keeps it
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
    """Return the shims in a directory, and those that PATH has elsewhere."""
    folders = [where]
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        path = Path(os.path.abspath(entry))  # an empty entry is the current one
        if not any(_same(path, known) for known in folders):
            folders.append(path)
    found = [path for directory in folders for path in present(directory)]
    return [_look(path, environ) for path in found]


def shadow(shim: Shim, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return why typing the name does not start the shim, and what to do about that."""
    where = shim.path.parent
    if shim.reached is None or not any(
        _same(entry, where) for entry in environ.get("PATH", "").split(os.pathsep) if entry
    ):
        return (
            f"{where} is not on PATH",
            f'put it first, in what your shell reads: export PATH={quoted(where)}:"$PATH"',
        )
    if which.is_shim(shim.reached):
        return f"{shim.reached}, another shim, comes first", "nothing: it does the same"
    environment = environ.get("VIRTUAL_ENV")
    if environment and _same(Path(shim.reached).parent.parent, environment):
        return (
            f"{shim.reached}, of the active virtual environment, comes first",
            f"type mtls-run {shim.tool}, or have a shell function: mtls-run init",
        )
    return (
        f"{shim.reached} comes first on PATH",
        f"put {where} before {Path(shim.reached).parent}",
    )


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
    """Return the tool's name where it can be a file's; a shim of mtls-run would call itself."""
    if not tool or os.path.basename(tool) != tool or tool in (".", "..") or tool == "mtls-run":
        raise UsageError(f"`{tool}` can have no shim", hint="name a program, without its path")
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
