"""`mtls-run profile list`: every profile, its certificate, and where it applies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mtls_run.commands.certificate import Look, look
from mtls_run.commands.profile_show import aligned, here_or_notice, say
from mtls_run.config import layers
from mtls_run.config.origin import Origin
from mtls_run.errors import ConfigurationError
from mtls_run.identity import checks

if TYPE_CHECKING:
    from datetime import datetime

    from mtls_run.commands import Context
    from mtls_run.config.layers import Configuration
    from mtls_run.config.selection import Selection

HEADINGS = ("NAME", "APPLIES", "SUBJECT", "ISSUER", "LEFT")


@dataclass(frozen=True)
class _Entry:
    """One profile; `applies` has the places it applies in, in words."""

    name: str
    default: bool
    directories: tuple[str, ...]
    here: bool
    look: Look

    def row(self, now: datetime) -> tuple[str, ...]:
        """Return the cells of its line."""
        applies = ["here"] if self.here else []
        applies += ["default"] if self.default else []
        applies += self.directories
        seen = self.look
        unseen = "locked" if seen.locked else "-"
        return (
            self.name,
            ", ".join(applies) or "-",
            seen.subject or unseen,
            seen.issuer or unseen,
            seen.problem or self._left(now),
        )

    def _left(self, now: datetime) -> str:
        if not self.look.named:
            return "no client certificate"
        days = self.look.days_left(now)
        if days is None:
            return "locked" if self.look.locked else "-"
        return f"{days} day{'' if days == 1 else 's'}"

    def object(self, now: datetime) -> dict[str, Any]:
        """Return it as JSON has it."""
        seen = self.look
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
    """Print the profiles; nothing is asked, nothing unlocked, and no keyring opened."""
    configured = layers.load(context.environ)
    chosen = here_or_notice(context, configured)
    now = checks.utc_now()
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


def names(context: Context) -> None:
    """Print the names of the profiles; no certificate is looked at."""
    for name in layers.load(context.environ).profiles:
        say(name)


def _entry(name: str, configured: Configuration, chosen: Selection | None, now: datetime) -> _Entry:
    default = configured.default_profile
    try:
        seen = look(configured.profile(name, Origin("list")), now)
    except ConfigurationError as error:
        seen = Look(named=True, problem=error.fact)
    applying = chosen.profile if chosen else None
    return _Entry(
        name=name,
        default=default is not None and default.value == name,
        directories=tuple(
            str(rule.path) for rule in configured.directories if rule.profile.value == name
        ),
        here=applying is not None and applying.name == name,
        look=seen,
    )


def _here_object(chosen: Selection | None) -> dict[str, Any] | None:
    if chosen is None or chosen.profile is None:
        return None
    return {"profile": chosen.profile.name, "origin": str(chosen.profile.origin)}
