"""`mtls-run profile list`: the profiles, their certificates, and where they apply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mtls_run.commands import say
from mtls_run.commands.certificate import Certificate, inspect
from mtls_run.commands.profile_show import aligned, here_or_notice
from mtls_run.config import layers
from mtls_run.config.origin import Origin
from mtls_run.errors import ConfigurationError
from mtls_run.identity.validity import utc_now

if TYPE_CHECKING:
    from datetime import datetime

    from mtls_run.commands import Context
    from mtls_run.config.layers import Configuration
    from mtls_run.config.selection import Selection

HEADINGS = ("NAME", "APPLIES", "SUBJECT", "ISSUER", "LEFT")


@dataclass(frozen=True)
class _Entry:
    """A line of the list."""

    name: str
    default: bool
    directories: tuple[str, ...]
    here: bool
    certificate: Certificate

    def row(self, now: datetime) -> tuple[str, ...]:
        """Return the cells of the line."""
        applies = ["here"] if self.here else []
        applies += ["default"] if self.default else []
        applies += self.directories
        seen = self.certificate
        unseen = "locked" if seen.locked else "-"
        return (
            self.name,
            ", ".join(applies) or "-",
            seen.subject or unseen,
            seen.issuer or unseen,
            seen.problem or self._left(now),
        )

    def _left(self, now: datetime) -> str:
        if not self.certificate.named:
            return "no client certificate"
        days = self.certificate.days_left(now)
        if days is None:
            return "locked" if self.certificate.locked else "-"
        return f"{days} day{'' if days == 1 else 's'}"

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
    if not entries:
        say(f"there are no profiles in {configured.user_file}")
    else:
        for line in aligned([HEADINGS, *(entry.row(now) for entry in entries)]):
            say(line)
    if chosen is not None and chosen.profile is None:
        say("here: no profile applies")
    elif chosen is not None and chosen.profile is not None:
        say(f"here: {chosen.profile.label}, by {chosen.profile.origin}")


def _entry(name: str, configured: Configuration, chosen: Selection | None, now: datetime) -> _Entry:
    default = configured.default_profile
    try:
        seen = inspect(configured.profile(name, Origin("list")), now)
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
    )


def _here_object(chosen: Selection | None) -> dict[str, Any] | None:
    if chosen is None or chosen.profile is None:
        return None
    return {"profile": chosen.profile.name, "origin": str(chosen.profile.origin)}
