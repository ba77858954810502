"""The settings of pdm: the user's file, and what the project says of certificates.

pdm lays them so: pyproject.toml, the project's pdm.toml, the user's file (2.20.1 and 2.29.4,
`Project.get_sources` and `publish.Command.get_repository`).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import tomlkit

from mtls_run.config import document
from mtls_run.config.document import table
from mtls_run.tools import index_hosts, projects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mtls_run.config.document import Document

_SOURCES, _REPOSITORIES = "pypi", "repository"
_PYPI = "https://pypi.org/simple"
_ROOTS = "ca_certs"
_CERTIFICATES = (_ROOTS, "client_cert", "client_key")
_WHAT = "configuration of pdm"


@dataclass(frozen=True)
class PdmSettings:
    """What pdm's files say.

    `user` are the tables of the user's file, which may hold passwords. `sources` are those of the
    project, each name with its URL or "", and `default` is the URL of the default source, `pypi`,
    or "" for PyPI. `repository` is the name or URL that the call publishes to, or None.
    `of_project` says which certificates the project names, and `roots` which roots any file names,
    each with its origin.
    """

    user: dict[str, Any] = field(repr=False)
    sources: Mapping[str, str]
    default: str
    repository: str | None
    of_project: tuple[str, ...]
    roots: tuple[str, ...]

    def with_identity(self, path: str, hosts: Sequence[str] = ()) -> bytes:
        """Return the user's file with this client certificate for each source and repository.

        Where `hosts` are known, those whose URL is elsewhere get none.
        """
        tables = copy.deepcopy(self.user)
        sources = tables.setdefault(_SOURCES, {})
        repositories = tables.setdefault(_REPOSITORIES, {})
        for name in self.sources:
            sources.setdefault(name, {})
        if self.repository is not None:
            _add_repository(self.repository, repositories)
        further = {name: one for name, one in sources.items() if _is_table(one)}
        found = [(one, self.sources.get(name) or one.get("url")) for name, one in further.items()]
        found += [(one, one.get("url")) for one in repositories.values() if _is_table(one)]
        # `pypi` itself is the default source.
        for section, url in ((sources, self.default or _PYPI), *found):
            for key in _CERTIFICATES:
                section.pop(key, None)
            if not hosts or not url or index_hosts.covers(hosts, url):
                section["client_cert"] = path
        return tomlkit.dumps(tables).encode("utf-8")


def read(environ: Mapping[str, str], directory: Path, repository: str | None) -> PdmSettings:
    """Return the settings for a call in `directory`; raises ConfigurationError for a bad file."""
    path = Path(
        environ.get("PDM_CONFIG_FILE") or platformdirs.user_config_path("pdm") / "config.toml"
    )
    user = document.read(path, what=_WHAT)
    project = projects.nearest(directory)
    named: dict[str, str] = {}
    of_project: list[str] = []
    roots = [] if user is None else list(_certificates(user, _ROOTS))
    if project is not None:
        for index, source in projects.tables(project, "pdm", "source"):
            if isinstance(source.get("name"), str):
                named[source["name"]] = str(source.get("url", ""))
            for key in _CERTIFICATES:
                if source.get(key):
                    origin = project.origin("tool", "pdm", "source", index, key)
                    of_project.append(f"{key} at {origin}")
                    roots += [of_project[-1]] if key == _ROOTS else []
        local = document.read(project.path.parent / "pdm.toml", what=_WHAT)
        if local is not None:
            sources = table(local.tables, _SOURCES)
            for name, one in sources.items():
                if _is_table(one):
                    named.setdefault(name, str(one.get("url", "")))
            named.setdefault(_SOURCES, str(sources.get("url", "")))
            of_project += _certificates(local, *_CERTIFICATES)
            roots += _certificates(local, _ROOTS)
    tables = {} if user is None else user.tables
    # The default source, `pypi`, takes its settings from the table above those of the others.
    default = named.pop(_SOURCES, "") or environ.get("PDM_PYPI_URL", "")
    default = default or str(table(tables, _SOURCES).get("url", ""))
    return PdmSettings(tables, named, default, repository, tuple(of_project), tuple(roots))


def _add_repository(name_or_url: str, repositories: dict[str, Any]) -> None:
    """Add the repository that is published to, unless the user's file has it already."""
    if "://" not in name_or_url:
        repositories.setdefault(name_or_url, {})
    elif not any(_is_table(one) and one.get("url") == name_or_url for one in repositories.values()):
        repositories["mtls-run"] = {"url": name_or_url}


def _certificates(found: Document, *keys: str) -> Iterator[str]:
    """Yield which of these keys the sources and repositories of a file of pdm's have, and where."""
    for kind in (_SOURCES, _REPOSITORIES):
        section = table(found.tables, kind)
        named = [(kind, name) for name, one in section.items() if _is_table(one)]
        for path in ((kind,), *named):
            for key in keys:
                if table(found.tables, *path).get(key):
                    yield f"{key} at {found.origin(*path, key)}"


def _is_table(value: object) -> bool:
    return isinstance(value, dict)
