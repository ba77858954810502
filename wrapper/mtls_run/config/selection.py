"""Select the profile that applies: the first source in an ordered list that has one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from mtls_run.cache.dependencies import Dependencies
from mtls_run.config import pip_settings, profile, project_trust
from mtls_run.config import project as projects
from mtls_run.config.origin import Origin, Setting
from mtls_run.config.readers import unknown
from mtls_run.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.config.layers import Configuration
    from mtls_run.config.pip_settings import PipSettings
    from mtls_run.config.profile import Profile
    from mtls_run.config.project import ProjectFile
    from mtls_run.output import Reporter
    from mtls_run.tools.base import PipScope

    Source = Callable[["_Inputs"], Optional["Choice"]]


@dataclass(frozen=True)
class _Inputs:
    """Hold the inputs to the choice of a profile."""

    flag: str | None
    environ: Mapping[str, str]
    directory: Path
    configuration: Configuration
    reporter: Reporter
    rests_on: Dependencies
    pip_scope: Callable[[], PipScope] | None


@dataclass(frozen=True)
class Choice:
    """Hold the choice of one source: a profile by its name, a project file, or pip's settings."""

    origin: Origin
    name: str | None = None
    project: ProjectFile | None = None
    pip_settings: PipSettings | None = None

    def __str__(self) -> str:
        if self.name is not None:
            return f"profile {self.name}"
        return "pip's settings" if self.pip_settings else "the profile in the project file"


@dataclass(frozen=True)
class Selection:
    """The profile that applies, or None; its origin, and what it won over, best first."""

    profile: Profile | None
    winner: Choice | None = None
    won_over: tuple[Choice, ...] = ()


def _from_flag(inputs: _Inputs) -> Choice | None:
    return None if inputs.flag is None else Choice(Origin("--profile"), inputs.flag)


def _from_variable(inputs: _Inputs) -> Choice | None:
    name = inputs.environ.get("MTLS_RUN_PROFILE")
    return Choice(Origin("MTLS_RUN_PROFILE"), name) if name else None


def _from_project_file(inputs: _Inputs) -> Choice | None:
    found = projects.find(inputs.directory, inputs.environ, inputs.reporter, inputs.rests_on)
    if found is None:
        return None
    if found.names is not None:
        return Choice(found.names.origin, found.names.value, found)
    return Choice(Origin(str(found.path)), None, found)


def _from_directories(inputs: _Inputs) -> Choice | None:
    here = Path(inputs.rests_on.target(inputs.directory))
    above = {here, *here.parents}
    matching = [rule for rule in inputs.configuration.directories if rule.path in above]
    if not matching:
        return None
    longest = max(matching, key=lambda rule: len(rule.path.parts))
    return Choice(longest.profile.origin, longest.profile.value)


def _from_default(inputs: _Inputs) -> Choice | None:
    default = inputs.configuration.default_profile
    return Choice(default.origin, default.value) if default else None


def _from_pip_settings(inputs: _Inputs) -> Choice | None:
    if inputs.pip_scope is None:
        return None
    found = pip_settings.read(inputs.environ, inputs.pip_scope(), inputs.rests_on)
    named = found.client_cert or found.cert
    return Choice(named.origin, pip_settings=found) if named else None


# The contract's order: --profile, MTLS_RUN_PROFILE, the project file, [[directories]],
# default-profile, pip's own settings.
SOURCES: tuple[Source, ...] = (
    _from_flag,
    _from_variable,
    _from_project_file,
    _from_directories,
    _from_default,
    _from_pip_settings,
)
# These are read only where no earlier source has a profile. Choosing a profile oneself bypasses a
# project file, and pip's files do not matter beside a profile.
_NOT_BESIDE_ANOTHER = (_from_project_file, _from_pip_settings)


def select(
    configuration: Configuration,
    environ: Mapping[str, str],
    directory: Path,
    reporter: Reporter,
    *,
    flag: str | None = None,
    pip_scope: Callable[[], PipScope] | None = None,
    rests_on: Dependencies | None = None,
) -> Selection:
    """Return the profile that applies in this directory, and what it won over.

    `flag` is the value of --profile. `pip_scope` says which of pip's own settings count; None
    leaves them unread. What was looked at is noted in `rests_on`. Raises ConfigurationError for a
    project file that wins and is not allowed.
    """
    inputs = _Inputs(
        flag, environ, directory, configuration, reporter, rests_on or Dependencies(), pip_scope
    )
    hits: list[Choice] = []
    for source in SOURCES:
        if hits and source in _NOT_BESIDE_ANOTHER:
            continue
        choice = source(inputs)
        if choice is not None:
            hits.append(choice)
    if not hits:
        return Selection(None)
    if len(hits) > 1 and _is_denied(hits[0], hits[1], inputs):
        hits = hits[1:]
    winner, *others = hits
    return Selection(_resolved(winner, others, inputs), winner, tuple(others))


def _is_denied(winner: Choice, next_one: Choice, inputs: _Inputs) -> bool:
    """Tell whether a denied project file only names the profile that applies without it."""
    project = winner.project
    if project is None or project.names is None or project.names.value != next_one.name:
        return False
    return project_trust.is_denied(project.path, inputs.rests_on)


def _resolved(winner: Choice, others: list[Choice], inputs: _Inputs) -> Profile:
    configured = inputs.configuration
    if winner.pip_settings is not None:
        configured.policy.check_profile("the one of pip's settings", winner.origin)
        return _of_pip(winner.pip_settings, winner.origin)
    if winner.project is None:
        assert winner.name is not None
        return configured.profile(winner.name, winner.origin)
    anyway = others[0].name if others else None
    if winner.name is None or winner.name != anyway:
        configured.policy.check_project_files(winner.project.path)
    pinned = project_trust.require(winner.project, configured, anyway, inputs.rests_on)
    if winner.name is not None:
        return configured.profile(winner.name, winner.origin)
    configured.policy.check_profile("the project file's own", winner.origin)
    return _inline(winner.project, configured, pinned)


def _inline(project: ProjectFile, configured: Configuration, pinned: Mapping[str, str]) -> Profile:
    """Return the profile that the project file holds itself, laid over the one that it extends."""
    values = dict(project.settings)
    parent = values.pop("extends", None)
    if parent is not None:
        if parent.value not in configured.profiles:
            raise unknown("profile in `extends`:", parent.value, configured.profiles, parent.origin)
        values = profile.overlay(profile.resolve(parent.value, configured.profiles), values)
    if not values:
        raise ConfigurationError(
            f"the project file {project.path} has no setting",
            hint='give it `profile = "NAME"`, or the keys of a profile',
        )
    return profile.build(None, values, Origin(str(project.path)), pinned=pinned)


def _of_pip(settings: PipSettings, origin: Origin) -> Profile:
    """Return what pip's settings mean: their identity, and their CA added to the system's roots."""
    values: profile.ProfileValues = {}
    if settings.client_cert is not None:
        values["client-cert"] = settings.client_cert
    if settings.cert is not None:
        values["ca-cert"] = Setting((settings.cert.value,), settings.cert.origin)
    return profile.build(None, values, origin, yields=True)
