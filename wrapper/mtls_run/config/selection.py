"""Which profile applies here: one ordered list of sources, the first that has one wins."""

from __future__ import annotations

import os
from pathlib import Path

from mtls_run.cache import dependencies
from mtls_run.config import profile
from mtls_run.config import project as projects
from mtls_run.config.origin import Origin, Setting
from mtls_run.errors import ConfigurationError
from mtls_run.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Callable, Optional

    from mtls_run.config.layers import Configuration
    from mtls_run.config.pip_settings import PipSettings
    from mtls_run.config.profile import Profile
    from mtls_run.config.project import ProjectFile
    from mtls_run.output import Reporter

    Source = Callable[["Situation"], Optional["Choice"]]


class Situation(Record):
    """All that the choice of a profile depends on.

    `pip` reads pip's own settings as they count for the tool that is run; None leaves them out.
    """

    flag: str | None
    environ: Mapping[str, str]
    directory: Path
    configuration: Configuration
    reporter: Reporter
    pip: Callable[[], PipSettings] | None = None


class Choice(Record):
    """What one source says: a profile by its name, a project file, or pip's settings."""

    origin: Origin
    name: str | None = None
    project: ProjectFile | None = None
    pip: PipSettings | None = None

    def __str__(self) -> str:
        if self.name is not None:
            return f"profile {self.name}"
        return "pip's settings" if self.pip else "the profile in the project file"


class Selection(Record):
    """The profile that applies, or None; what said so, and what it won over, best first."""

    profile: Profile | None
    winner: Choice | None = None
    won_over: tuple[Choice, ...] = ()


def _from_flag(situation: Situation) -> Choice | None:
    return None if situation.flag is None else Choice(Origin("--profile"), situation.flag)


def _from_variable(situation: Situation) -> Choice | None:
    name = situation.environ.get("MTLS_RUN_PROFILE")
    return Choice(Origin("MTLS_RUN_PROFILE"), name) if name else None


def _from_project_file(situation: Situation) -> Choice | None:
    found = projects.find(situation.directory, situation.environ, situation.reporter)
    if found is None:
        return None
    if found.names is not None:
        return Choice(found.names.origin, found.names.value, found)
    return Choice(Origin(str(found.path)), None, found)


def _from_directories(situation: Situation) -> Choice | None:
    here = Path(os.path.realpath(situation.directory))
    above = {here, *here.parents}
    for directory in (here, *here.parents):
        dependencies.place(directory)
    matching = [rule for rule in situation.configuration.directories if rule.path in above]
    if not matching:
        return None
    longest = max(matching, key=lambda rule: len(rule.path.parts))
    return Choice(longest.profile.origin, longest.profile.value)


def _from_default(situation: Situation) -> Choice | None:
    default = situation.configuration.default_profile
    return Choice(default.origin, default.value) if default else None


def _from_pip_settings(situation: Situation) -> Choice | None:
    found = situation.pip() if situation.pip else None
    if found is None:
        return None
    named = found.client_cert or found.cert
    return Choice(named.origin, pip=found) if named else None


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
# What is read only where nothing before it has said anything: to choose a profile oneself is the
# way past a project file, and pip's files are no matter of a profile's.
_NOT_BESIDE_ANOTHER = (_from_project_file, _from_pip_settings)


def select(situation: Situation) -> Selection:
    """Return the profile that applies in this situation, and what it won over.

    Raises ConfigurationError for a project file that wins and is not allowed.
    """
    hits: list[Choice] = []
    for source in SOURCES:
        if hits and source in _NOT_BESIDE_ANOTHER:
            continue
        choice = source(situation)
        if choice is not None:
            hits.append(choice)
    if not hits:
        return Selection(None)
    winner, *others = hits
    return Selection(_resolved(winner, others, situation), winner, tuple(others))


def _resolved(winner: Choice, others: list[Choice], situation: Situation) -> Profile:
    configured = situation.configuration
    if winner.pip is not None:
        return _of_pip(winner.pip, winner.origin)
    if winner.project is None:
        assert winner.name is not None  # noqa: S101 - a choice is one of the three
        return configured.profile(winner.name, winner.origin)
    anyway = others[0].name if others else None
    from mtls_run.config import project_trust  # noqa: PLC0415 - for a project file alone

    pinned = project_trust.require(winner.project, configured, anyway)
    if winner.name is not None:
        return configured.profile(winner.name, winner.origin)
    return _inline(winner.project, configured, pinned)


def _inline(project: ProjectFile, configured: Configuration, pinned: Mapping[str, str]) -> Profile:
    """Return the profile that the project file holds itself, laid over the one that it extends."""
    said = dict(project.said)
    parent = said.pop("extends", None)
    if parent is not None:
        if parent.value not in configured.profiles:
            from mtls_run.config.schema import unknown  # noqa: PLC0415 - for an error alone

            raise unknown("profile in `extends`:", parent.value, configured.profiles, parent.origin)
        said = profile.overlay(profile.resolve(parent.value, configured.profiles), said)
    if not said:
        raise ConfigurationError(
            f"the project file {project.path} says nothing",
            hint='give it `profile = "NAME"`, or the keys of a profile',
        )
    return profile.build(None, said, Origin(str(project.path)), pinned=pinned)


def _of_pip(settings: PipSettings, origin: Origin) -> Profile:
    """Return what pip's settings mean: their identity, and their CA added to the system's roots."""
    said: profile.ProfileValues = {}
    if settings.client_cert is not None:
        said["client-cert"] = settings.client_cert
    if settings.cert is not None:
        said["ca-cert"] = Setting((settings.cert.value,), settings.cert.origin)
    return profile.build(None, said, origin, yields=True)
