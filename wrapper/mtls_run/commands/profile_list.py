"""`mtls-run profile list`: the profiles, their certificates, and where they apply."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mtls_run.commands import Context, say
from mtls_run.commands.certificate import Certificate, inspect
from mtls_run.commands.profile_show import here_or_notice
from mtls_run.config import layers
from mtls_run.config.layers import Configuration
from mtls_run.config.origin import Origin
from mtls_run.config.selection import Selection
from mtls_run.errors import ConfigurationError
from mtls_run.handoff import nested
from mtls_run.identity import chain
from mtls_run.identity.validity import utc_now
from mtls_run.output import answer
from mtls_run.output.screen import Screen
from mtls_run.renewal import report
from mtls_run.renewal.report import Report

HEADINGS = ("NAME", "APPLIES", "SUBJECT", "ISSUER", "STATE")


@dataclass(frozen=True)
class _Entry:
    """A line of the list."""

    name: str
    default: bool
    directories: tuple[str, ...]
    here: bool
    certificate: Certificate
    renewal: Report | None = None

    def row(self, now: datetime, mark: str) -> tuple[str, ...]:
        """Return the cells of the line; `mark` says how it stands."""
        applies = ["here"] if self.here else []
        applies += ["default"] if self.default else []
        applies += self.directories
        seen = self.certificate
        leaf, unseen = seen.leaf, "locked" if seen.locked else "-"
        return (
            self.name,
            ", ".join(applies) or "-",
            chain.short_name(leaf.subject) if leaf else unseen,
            chain.short_name(leaf.issuer) if leaf else unseen,
            f"{mark} {seen.state(now)}",
        )

    def object(self, now: datetime) -> dict[str, Any]:
        """Return the object for JSON."""
        seen = self.certificate
        return {
            "profile": self.name,
            "default": self.default,
            "directories": list(self.directories),
            "here": self.here,
            "subject": seen.subject,
            "issuer": seen.issuer,
            "valid_until": seen.leaf.not_valid_after_utc.isoformat() if seen.leaf else None,
            "days_left": seen.days_left(now),
            "locked": seen.locked,
            "problem": seen.problem,
            "code": seen.code,
            "state": seen.state(now),
            "renewal": None if self.renewal is None else self.renewal.object(),
        }


def show(context: Context, *, as_json: bool) -> None:
    """Print the profiles; ask nothing, unlock nothing and open no keyring."""
    configured = layers.load(context.environ)
    chosen = here_or_notice(context, configured)
    now = utc_now()
    entries = [_entry(name, configured, chosen, now) for name in configured.profiles]
    if as_json:
        found = [entry.object(now) for entry in entries]
        say(json.dumps({"profiles": found, "here": _here_object(chosen)}, indent=2))
        return
    screen = Screen.of(sys.stdout, context.environ)
    lines = _table(entries, now, configured.expiry_notice_days.value, screen)
    if not entries:
        lines = screen.wrapped(f"there are no profiles in {configured.user_file}")
    for entry in entries:
        if entry.certificate.problem:
            lines += screen.wrapped(f"{entry.name}: {entry.certificate.problem}")
        if entry.renewal is not None:
            said = f"renewal due {entry.renewal.due}; {entry.renewal.outcome}"
            lines += screen.wrapped(f"{entry.name}: {said}")
    if chosen is not None and chosen.profile is None:
        lines.append("here: no profile applies")
    elif chosen is not None and chosen.profile is not None:
        lines += screen.wrapped(f"here: {chosen.profile.label}, by {chosen.profile.origin}")
    answer("\n".join(lines))


def _table(entries: Sequence[_Entry], now: datetime, notice_days: int, screen: Screen) -> list[str]:
    ranks = [entry.certificate.rank(now, notice_days) for entry in entries]
    rows = [entry.row(now, screen.mark(rank)) for entry, rank in zip(entries, ranks)]
    colours = ["" if rank == "well" else rank for rank in ranks]
    names = (HEADINGS.index("SUBJECT"), HEADINGS.index("ISSUER"))
    return screen.table([HEADINGS, *rows], ["", *colours], cut=names)


def _entry(name: str, configured: Configuration, chosen: Selection | None, now: datetime) -> _Entry:
    default = configured.default_profile
    renewal = None
    try:
        profile = configured.profile(name, Origin("list"))
        seen, key = inspect(profile, now), nested.renewal_key(profile)
        renewal = report.of(profile, key) if key is not None else None
    except ConfigurationError as error:
        seen = Certificate(named=True, problem=error.fact)
    applying = chosen.profile if chosen else None
    return _Entry(
        name=name,
        default=default is not None and default.value == name,
        directories=tuple(
            str(rule.path) for rule in configured.directories if rule.profile.value == name
        ),
        here=applying is not None and applying.name == name,
        certificate=seen,
        renewal=renewal,
    )


def _here_object(chosen: Selection | None) -> dict[str, Any] | None:
    if chosen is None or chosen.profile is None:
        return None
    return {"profile": chosen.profile.name, "origin": str(chosen.profile.origin)}
