"""poetry: certificates by variable for each source of the project, by the source's name."""

from __future__ import annotations

from mtls_run import tools
from mtls_run.tools.base import ToolCall, UserOverrides
from mtls_run.tools.options import short_value_of, split, value_of
from mtls_run.tools.python_tool import PythonTool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mtls_run.cache.dependencies import Dependencies
    from mtls_run.tools.base import TlsFiles, Tool, Variables, Version
    from mtls_run.tools.index_settings import NamedIndex

_PREFIX = "POETRY_CERTIFICATES_"
# poetry clones by itself and presents nothing, unless it is told to use git (1.8.5 by the first
# name, 2.5.1 by the second).
_USES_GIT = ("POETRY_EXPERIMENTAL_SYSTEM_GIT_CLIENT", "POETRY_SYSTEM_GIT_CLIENT")


class Poetry(PythonTool):
    """poetry and `python -m poetry`.

    `sources` are the sources or the repository of this call: each name with its URL, or with "".
    """

    KIND = "poetry"
    PROGRAMS = ("poetry",)
    WITH_VALUE = ("-C", "--directory", "-P", "--project")
    LOCAL = ("about", "cache", "check", "config", "env", "help", "list", "new", "version")
    VERSION = ("--version", "-V")

    def __init__(self, sources: Mapping[str, str] | None = None) -> None:
        self.sources = sources or {}

    def configured(
        self,
        call: ToolCall,
        environ: Mapping[str, str],
        directory: Path,
        rests_on: Dependencies,
    ) -> Tool:
        """Return poetry with the names of the project's sources, or of what it publishes to."""
        own = call
        if self.command(call) == "run":  # what follows is another program's
            before, _, _ = split(call.arguments, self.WITH_VALUE)
            own = ToolCall(kind=self.KIND, prefix=call.prefix, arguments=tuple(before))
        moved = _option("--project", "-P", own) or _option("--directory", "-C", own)
        found = tools.projects.nearest(directory / (moved or ""), rests_on)
        sources: dict[str, str] = {}
        for _, one in () if found is None else tools.projects.tables(found, "poetry", "source"):
            if isinstance(one.get("name"), str):
                sources[one["name"]] = str(one.get("url", ""))
        if self.publishes(call):
            # PyPI's repository, where none is named, is called so by poetry.
            sources.setdefault(_option("--repository", "-r", call) or "pypi", "")
        return Poetry(sources)

    def overrides(self, call: ToolCall) -> UserOverrides:
        """Return the --cert and --client-cert of `poetry publish`."""
        if not self.publishes(call):
            return UserOverrides()
        return UserOverrides(
            cert=_option("--cert", None, call), client_cert=_option("--client-cert", None, call)
        )

    def shared_variables(self, tls: TlsFiles, environ: Mapping[str, str]) -> Variables:
        """Return the setting by which a `git` dependency is cloned by the git on PATH."""
        from shutil import which  # noqa: PLC0415 - for a run that is not cached

        has_git = which("git", path=environ.get("PATH")) is not None
        return dict.fromkeys(_USES_GIT, "true") if has_git else {}

    def own_variables(
        self,
        version: Version | None,
        tls: TlsFiles,
        overrides: UserOverrides,
        environ: Mapping[str, str],
    ) -> Variables:
        """Return the variables of each source; they beat poetry.toml and the user's config.toml.

        A source on another host than those of the identity gets the roots alone.
        """
        changes: Variables = {name: None for name in environ if name.startswith(_PREFIX)}
        for name, url in self.sources.items():
            is_meant = not tls.hosts or not url or tools.index_hosts.covers(tls.hosts, url)
            for spelling in _spellings(name):
                changes[f"{_PREFIX}{spelling}_CERT"] = tls.bundle
                changes[f"{_PREFIX}{spelling}_CLIENT_CERT"] = tls.identity if is_meant else None
        return changes

    def masked(self, call: ToolCall) -> tuple[str, ...]:
        """Return the masked arguments; -p of `publish` is a password."""
        return tools.secret_words.masked(call.arguments, ("-p",) if self.publishes(call) else ())

    def indexes(self, environ: Mapping[str, str], directory: Path) -> Iterator[NamedIndex]:
        """Return the project's sources, and the repositories that poetry is set up for."""
        return tools.index_settings.of_poetry(environ, directory)


TOOL = Poetry()


def _spellings(name: str) -> Iterator[str]:
    """Yield the name as poetry's variables have it: a dot stays (2.5.1), or becomes `_` (1.8.5)."""
    upper = name.upper().replace("-", "_")
    yield upper
    if "." in upper:
        yield upper.replace(".", "_")


def _option(long: str, short: str | None, call: ToolCall) -> str | None:
    found = value_of(long, len(long), call.arguments)
    return found or (short_value_of(short, call.arguments) if short else None)
