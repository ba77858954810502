"""Handing pip's indexes to `uv pip`, unless indexes are named for uv already."""

from __future__ import annotations

import fnmatch
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtls_run.config import document
from mtls_run.config.origin import Origin, Setting
from mtls_run.config.pip_settings import expand_user
from mtls_run.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mtls_run.config.document import Document
    from mtls_run.config.pip_settings import PipSettings

# Every uv from 0.2.11 to 0.13.9 reads these two, and none warns; UV_DEFAULT_INDEX and UV_INDEX are
# nothing to those before 0.4.23 (run).
_DEFAULT = "UV_INDEX_URL"
_BEFORE_IT = "UV_EXTRA_INDEX_URL"

_FLAGS = ("--index", "--default-index", "--index-url", "--extra-index-url", "--no-index")
_VARIABLES = ("UV_INDEX", "UV_DEFAULT_INDEX", _DEFAULT, _BEFORE_IT)  # UV_NO_INDEX is none (run)
_KEYS = ("index", "index-url", "extra-index-url", "no-index")
# Options of `uv pip` whose value may stand in the same word: the `i` in -rmain.in is no -i.
_SHORT_WITH_VALUE = "CPbcefoprt"
_TRUE = ("y", "yes", "t", "true", "on", "1")
_SYSTEM = "/etc/uv/uv.toml"


def variables(settings: PipSettings) -> dict[str, str]:
    """Return the variables that name pip's indexes for uv, in pip's order of preference.

    The first index that has a package wins in uv, and its default index is asked last: so that is
    the last of them, and uv's own default only where pip's settings name no index-url.
    """
    urls = [settings.index_url.value] if settings.index_url else []
    urls += [extra.value for extra in settings.extra_index_urls]
    # One that stands twice keeps its first place; uv splits the list at spaces.
    urls = list(dict.fromkeys(url.replace(" ", "%20") for url in urls))
    if not urls:
        return {}
    if settings.index_url is None:
        return {_BEFORE_IT: " ".join(urls)}
    # A lone index stands in both places: a requirements file's --extra-index-url comes before the
    # default index, and behind these (0.2.11 to 0.13.9, run).
    return {_DEFAULT: urls[-1], _BEFORE_IT: " ".join(urls[:-1] or urls)}


def named_for_uv(
    arguments: Sequence[str], environ: Mapping[str, str], directory: Path
) -> str | None:
    """Return what names indexes for uv: a flag, a variable, or FILE:LINE; None where nothing does.

    `arguments` are uv's own, and `directory` the one it is started in. Configuration is looked for
    as uv does (0.12 `uv/src/lib.rs`, `uv-settings/src/lib.rs`). A file that cannot be read is
    passed over here: uv itself says what is wrong with it.
    """
    words = list(arguments)
    if "--" in words:
        words = words[: words.index("--")]
    for word in words:
        flag = _index_flag(word)
        if flag is not None:
            return flag
    for name in _VARIABLES:
        if environ.get(name, "").strip():
            return name
    try:
        for found, keys in _configurations(words, environ, directory):
            named = _named_in(found, keys)
            if named is not None:
                return named
    except ConfigurationError:
        return None
    return None


def configured(environ: Mapping[str, str], directory: Path) -> list[Setting[str]]:
    """Return every index that variables and configuration name for uv in this directory.

    Raises ConfigurationError for a file that cannot be read.
    """
    found = []
    for variable in _VARIABLES:
        for word in environ.get(variable, "").split():
            name, equals, url = word.partition("=")
            is_named = equals and "://" not in name
            origin = f"uv index {name}, {variable}" if is_named else variable
            found.append(Setting(url if is_named else word, Origin(origin)))
    for document_, keys in _configurations((), environ, directory):
        for place in (keys, (*keys, "pip")):
            table = _table(document_.tables, *place)
            found += _indexes_in(document_, table, place)
    return found


def _indexes_in(
    found: Document, table: Mapping[str, Any], place: tuple[str, ...]
) -> Iterator[Setting[str]]:
    listed = table.get("index")
    for number, index in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(index, dict) and isinstance(index.get("url"), str):
            origin = str(found.origin(*place, "index", number))
            name = index.get("name")
            text = f"uv index {name}, {origin}" if isinstance(name, str) else origin
            yield Setting(index["url"], Origin(text))
    for key in ("index-url", "extra-index-url"):
        value = table.get(key)
        for url in value if isinstance(value, list) else [value]:
            if isinstance(url, str):
                yield Setting(url, Origin(str(found.origin(*place, key))))


def _index_flag(word: str) -> str | None:
    name = word.partition("=")[0]
    if name in _FLAGS:
        return name
    if word.startswith("-") and not word.startswith("--"):
        for letter in word[1:]:
            if letter == "i":
                return "-i"
            if letter in _SHORT_WITH_VALUE:
                break
    return None


def _named_in(found: Document, keys: tuple[str, ...]) -> str | None:
    """Return FILE:LINE of the first index in uv's table under `keys`, or in its table `pip`."""
    for place in (keys, (*keys, "pip")):
        table = _table(found.tables, *place)
        for key in _KEYS:
            value = table.get(key)
            if key == "index":
                # An explicit index is asked for the packages pinned to it, and for no other.
                for number, index in enumerate(value if isinstance(value, list) else ()):
                    if not (isinstance(index, dict) and index.get("explicit") is True):
                        return str(found.origin(*place, key, number))
            elif value:
                return str(found.origin(*place, key))
    return None


def _table(tables: Any, *keys: str) -> dict[str, Any]:  # noqa: ANN401 - as TOML has it
    """Return the table under `keys`, empty where there is none."""
    for key in keys:
        tables = tables.get(key) if isinstance(tables, dict) else None
    return tables if isinstance(tables, dict) else {}


def _configurations(
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
        if pyproject is not None and "uv" in _table(pyproject.tables, "tool"):
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
    if project is None or _table(project.tables, "tool", "uv").get("managed") is False:
        return None
    if "workspace" in _table(project.tables, "tool", "uv"):
        return folder
    if "project" not in project.tables:
        return None
    for above in folder.parents:
        if (above / "pyproject.toml").is_file():
            found = _pyproject(above)
            if found is None:
                return None
            workspace = _table(found.tables, "tool", "uv", "workspace")
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
