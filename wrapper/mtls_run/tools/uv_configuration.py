"""The configuration files of uv, in the order in which uv lays them over each other.

They are looked for as uv does (0.12 `uv/src/lib.rs`, `uv-settings/src/lib.rs`).
"""

from __future__ import annotations

import fnmatch
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.config import document
from mtls_run.config.document import table
from mtls_run.config.pip_settings import expand_user
from mtls_run.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mtls_run.config.document import Document

_TRUE = ("y", "yes", "t", "true", "on", "1")
_SYSTEM = "/etc/uv/uv.toml"


def configurations(
    words: Sequence[str], environ: Mapping[str, str], directory: Path
) -> Iterator[tuple[Document, tuple[str, ...]]]:
    """Yield the configurations that uv lays over each other, and where in each its table is.

    Raises ConfigurationError where one cannot be read.
    """
    moved = (
        _value_of("--directory", words)
        or environ.get("UV_WORKING_DIR")
        or environ.get("UV_WORKING_DIRECTORY")
    )
    here = directory / moved if moved else directory
    named = _value_of("--config-file", words) or environ.get("UV_CONFIG_FILE")
    if named:
        yield from _uv_toml(here / named)
        return
    if "--no-config" in words or "--isolated" in words:
        return
    if _is_true(environ, "UV_NO_CONFIG"):  # UV_ISOLATED is nothing to `uv pip` (0.9.30 on, run)
        return
    project = _value_of("--project", words) or environ.get("UV_PROJECT")
    start = here / project if project else here
    if start.name == "pyproject.toml" and start.is_file():
        start = start.parent
    start = Path(os.path.abspath(start))
    yield from _nearest(_workspace_root(start) or start)
    yield from _uv_toml(_user_file(environ))
    if not _is_true(environ, "UV_NO_SYSTEM_CONFIG"):
        yield from _uv_toml(_system_file(environ))


def _value_of(option: str, words: Sequence[str]) -> str | None:
    """Return the value of a global option that takes one."""
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == option:
            return value if equals else "".join(words[index + 1 : index + 2])
    return None


def _is_true(environ: Mapping[str, str], name: str) -> bool:
    """Tell whether uv takes the variable for true."""
    return environ.get(name, "").lower() in _TRUE


def _uv_toml(path: Path | None) -> Iterator[tuple[Document, tuple[str, ...]]]:
    """Yield the file, where there is one."""
    found = document.read(path, what="uv configuration") if path else None
    if found is not None:
        yield found, ()


def _nearest(start: Path) -> Iterator[tuple[Document, tuple[str, ...]]]:
    """Yield the nearest uv.toml, or pyproject.toml with [tool.uv], from `start` upward."""
    for folder in (start, *start.parents):
        for found, keys in _uv_toml(folder / "uv.toml"):
            yield found, keys
            return
        pyproject = _pyproject(folder)
        if pyproject is not None and "uv" in table(pyproject.tables, "tool"):
            yield pyproject, ("tool", "uv")
            return


def _pyproject(folder: Path) -> Document | None:
    """Return the directory's pyproject.toml; uv warns of one that is not valid, and goes on."""
    try:
        return document.read(folder / "pyproject.toml")
    except ConfigurationError:
        return None


def _workspace_root(start: Path) -> Path | None:
    """Return the root of the workspace that `start` is in, where uv's search begins.

    The project's own directory where no workspace above has it for a member, and None where there
    is no project. As in 0.12 (`uv-workspace/src/workspace.rs`).
    """
    for folder in (start, *start.parents):
        if (folder / "pyproject.toml").is_file():
            break
    else:
        return None
    project = _pyproject(folder)
    if project is None or table(project.tables, "tool", "uv").get("managed") is False:
        return None
    if "workspace" in table(project.tables, "tool", "uv"):
        return folder
    if "project" not in project.tables:
        return None
    for above in folder.parents:
        if (above / "pyproject.toml").is_file():
            found = _pyproject(above)
            if found is None:
                return None
            workspace = table(found.tables, "tool", "uv", "workspace")
            member = _matches(folder, above, workspace.get("members"))
            excluded = _matches(folder, above, workspace.get("exclude"))
            return above if member and not excluded else folder
    return folder


def _matches(folder: Path, root: Path, patterns: object) -> bool:
    """Tell whether one of the workspace's patterns is of this directory below its root."""
    if not isinstance(patterns, list):
        return False
    relative = folder.relative_to(root).as_posix()
    # `*` takes slashes in, for uv as for fnmatch (glob::Pattern::matches_path).
    return any(
        isinstance(pattern, str) and fnmatch.fnmatchcase(relative, os.path.normpath(pattern))
        for pattern in patterns
    )


def _user_file(environ: Mapping[str, str]) -> Path | None:
    """Return the user's uv.toml, be it there or not."""
    if os.name == "nt":
        roaming = environ.get("APPDATA")
        return Path(roaming, "uv", "uv.toml") if roaming else None
    named = environ.get("XDG_CONFIG_HOME", "")
    folder = Path(named) if os.path.isabs(named) else Path(expand_user("~/.config", environ))
    return folder / "uv" / "uv.toml"


def _system_file(environ: Mapping[str, str]) -> Path | None:
    """Return the first of the machine's uv.toml files that is there."""
    if sys.platform == "win32":
        drive = environ.get("SYSTEMDRIVE")
        candidates = [f"{drive}\\ProgramData\\uv\\uv.toml"] if drive else []
    else:
        folders = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
        # uv stops at the first that is empty.
        folders = folders[: folders.index("")] if "" in folders else folders
        candidates = [*(f"{folder}/uv/uv.toml" for folder in folders), _SYSTEM]
    return next((Path(found) for found in candidates if Path(found).is_file()), None)
