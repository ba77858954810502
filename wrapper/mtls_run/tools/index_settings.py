"""The URLs that the settings of twine, flit, poetry, pdm, hatch and pipenv name, for doctor.

A run does not need them. What a tool uses without a setting, PyPI, is left out, also where a
setting repeats it: `pipenv` writes PyPI into each Pipfile, and .pypirc often names it.
"""

from __future__ import annotations

import configparser
import os
import string
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import platformdirs

from mtls_run.config import document, pip_settings
from mtls_run.config.document import table
from mtls_run.config.origin import Origin
from mtls_run.errors import ConfigurationError
from mtls_run.tools import projects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mtls_run.config.document import Document

_PUBLIC = ("pypi.org", "upload.pypi.org", "test.pypi.org")
_PIPFILE_DEPTH = 3  # PIPENV_MAX_DEPTH's default


@dataclass(frozen=True)
class NamedIndex:
    """One URL with its origin; `receives` tells that it is there to publish to."""

    url: str
    origin: Origin
    receives: bool = False


def of_twine(environ: Mapping[str, str]) -> Iterator[NamedIndex]:
    """Yield what TWINE_REPOSITORY_URL and ~/.pypirc name."""
    yield from _variables(environ, "TWINE_REPOSITORY_URL", receives=True)
    yield from _pypirc(environ)


def of_flit(environ: Mapping[str, str]) -> Iterator[NamedIndex]:
    """Yield what FLIT_INDEX_URL and ~/.pypirc name."""
    yield from _variables(environ, "FLIT_INDEX_URL", receives=True)
    yield from _pypirc(environ)


def of_poetry(environ: Mapping[str, str], directory: Path) -> Iterator[NamedIndex]:
    """Yield the sources of the project, and the repositories of every configuration."""
    project = projects.nearest(directory)
    files = [_user_file(environ, "POETRY_CONFIG_DIR", "pypoetry")]
    if project is not None:
        for number, _ in projects.tables(project, "poetry", "source"):
            yield from _at(project, "tool", "poetry", "source", number, "url")
        files.append(project.path.parent / "poetry.toml")
    for path in files:
        found = document.read(path, what="configuration of poetry")
        if found is not None:
            yield from _named(found, "repositories", receives=True)
    for name in sorted(environ):
        if name.startswith("POETRY_REPOSITORIES_") and name.endswith("_URL"):
            yield from _variables(environ, name, receives=True)


def of_pdm(environ: Mapping[str, str], directory: Path) -> Iterator[NamedIndex]:
    """Yield the sources of the project, and what the project's and the user's settings name."""
    yield from _variables(environ, "PDM_PYPI_URL")
    yield from _variables(environ, "PDM_PUBLISH_REPO", receives=True)
    project = projects.nearest(directory / environ.get("PDM_PROJECT", ""))
    files = []
    if project is not None:
        for number, _ in projects.tables(project, "pdm", "source"):
            yield from _at(project, "tool", "pdm", "source", number, "url", expanded_by=environ)
        files.append(project.path.parent / "pdm.toml")
    named = environ.get("PDM_CONFIG_FILE")
    files.append(Path(named) if named else platformdirs.user_config_path("pdm") / "config.toml")
    for path in files:
        found = document.read(path, what="configuration of pdm")
        if found is not None:
            yield from _at(found, "pypi", "url", expanded_by=environ)
            yield from _named(found, "pypi")
            yield from _named(found, "repository", receives=True)


def of_hatch(environ: Mapping[str, str]) -> Iterator[NamedIndex]:
    """Yield the repositories of the user's configuration, and HATCH_INDEX_REPO."""
    yield from _variables(environ, "HATCH_INDEX_REPO", receives=True)
    named = environ.get("HATCH_CONFIG")
    folder = platformdirs.user_config_path("hatch", appauthor=False)
    path = Path(named) if named else folder / "config.toml"
    found = document.read(path, what="configuration of hatch")
    if found is None:
        return
    keys = ("publish", "index", "repos")
    yield from _named(found, *keys, receives=True)
    for name, value in table(found.tables, *keys).items():
        if isinstance(value, str):  # NAME = "URL"
            yield from _at(found, *keys, name, receives=True)


def of_pipenv(environ: Mapping[str, str], directory: Path) -> Iterator[NamedIndex]:
    """Yield the mirror, and the sources of the nearest Pipfile."""
    yield from _variables(environ, "PIPENV_PYPI_MIRROR")
    named = environ.get("PIPENV_PIPFILE")
    start = Path(os.path.abspath(directory))
    folders = (start, *start.parents)[: _PIPFILE_DEPTH + 1]
    paths = [Path(named)] if named else [folder / "Pipfile" for folder in folders]
    for path in paths:
        found = document.read(path, what="Pipfile")
        if found is not None:
            sources = found.tables.get("source")
            for number in range(len(sources) if isinstance(sources, list) else 0):
                yield from _at(found, "source", number, "url", expanded_by=environ)
            return


def _variables(
    environ: Mapping[str, str], name: str, *, receives: bool = False
) -> Iterator[NamedIndex]:
    """Yield the URL in a variable, which may hold the name of a repository as well."""
    if "://" in environ.get(name, ""):
        yield from _wanted(environ[name], Origin(name), receives=receives)


def _named(found: Document, *keys: str, receives: bool = False) -> Iterator[NamedIndex]:
    """Yield the `url` of each table in the table under `keys`."""
    for name, value in table(found.tables, *keys).items():
        if isinstance(value, dict):
            yield from _at(found, *keys, name, "url", receives=receives)


def _at(
    found: Document,
    *keys: str | int,
    receives: bool = False,
    expanded_by: Mapping[str, str] | None = None,
) -> Iterator[NamedIndex]:
    """Yield the URL under `keys`, where it is one; `${NAME}` in it is `expanded_by` variables."""
    value: object = found.tables
    for key in keys:
        if isinstance(value, dict):
            value = value.get(str(key))
        elif isinstance(value, list) and isinstance(key, int):
            value = value[key]
    if isinstance(value, str) and value:
        if expanded_by is not None:
            value = string.Template(value).safe_substitute(expanded_by)
        yield from _wanted(value, found.origin(*keys), receives=receives)


def _pypirc(environ: Mapping[str, str]) -> Iterator[NamedIndex]:
    """Yield the repositories of ~/.pypirc; raises ConfigurationError where it cannot be read."""
    path = Path(pip_settings.expand_user("~/.pypirc", environ))
    content = document.read_regular(path, what=".pypirc") if path.is_absolute() else None
    if content is None:
        return
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(content.decode("utf-8-sig"))
    except (configparser.Error, UnicodeDecodeError) as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else "not valid INI"
        raise ConfigurationError(
            f"{path} is {reason}, so no tool can publish by it",
            hint="write each repository as [NAME] and repository = https://HOST/PATH/",
        ) from None  # its own text shows the line, which may be a password
    for section in parser.sections():
        url = parser.get(section, "repository", fallback="")
        yield from _wanted(url, Origin(f"[{section}] in {path}"), receives=True)


def _wanted(url: str, origin: Origin, *, receives: bool) -> Iterator[NamedIndex]:
    try:
        is_public = urlsplit(url).hostname in _PUBLIC
    except ValueError:  # doctor says what is wrong with it
        is_public = False
    if url and not is_public:
        yield NamedIndex(url, origin, receives)


def _user_file(environ: Mapping[str, str], variable: str, program: str) -> Path:
    folder = environ.get(variable)
    own = platformdirs.user_config_path(program, appauthor=False, roaming=True)
    return (Path(folder) if folder else own) / "config.toml"
