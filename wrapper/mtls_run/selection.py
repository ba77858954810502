"""Which profile applies here: one ordered list of sources, the first that has one wins."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from .origin import Origin, Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .configuration import Configuration
    from .profile import Profile


@dataclass(frozen=True)
class Situation:
    """All that the choice of a profile depends on."""

    flag: str | None
    environ: Mapping[str, str]
    directory: Path
    configuration: Configuration


@dataclass(frozen=True)
class Selection:
    """The profile that applies, or None, and the choices that it won over, best first."""

    profile: Profile | None
    won_over: tuple[Setting[str], ...] = ()


def _from_flag(situation: Situation) -> Setting[str] | None:
    return None if situation.flag is None else Setting(situation.flag, Origin("--profile"))


def _from_variable(situation: Situation) -> Setting[str] | None:
    name = situation.environ.get("MTLS_RUN_PROFILE")
    return Setting(name, Origin("MTLS_RUN_PROFILE")) if name else None


def _from_directories(situation: Situation) -> Setting[str] | None:
    here = Path(os.path.realpath(situation.directory))
    matching = [
        rule
        for rule in situation.configuration.directories
        if rule.path == here or rule.path in here.parents
    ]
    if not matching:
        return None
    return max(matching, key=lambda rule: len(rule.path.parts)).profile


def _from_default(situation: Situation) -> Setting[str] | None:
    return situation.configuration.default_profile


# The order is the contract's: --profile, MTLS_RUN_PROFILE, [[directories]], default-profile.
SOURCES: tuple[Callable[[Situation], Setting[str] | None], ...] = (
    _from_flag,
    _from_variable,
    _from_directories,
    _from_default,
)


def select(situation: Situation) -> Selection:
    """Return the profile that applies in this situation, and what it won over."""
    hits = [hit for source in SOURCES if (hit := source(situation)) is not None]
    if not hits:
        return Selection(None)
    winner = hits[0]
    profile = situation.configuration.profile(winner.value, winner.origin)
    return Selection(profile, tuple(hits[1:]))
