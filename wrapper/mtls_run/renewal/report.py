"""Describe when an identity is renewed, and what the last attempt said."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from mtls_run.errors import MtlsRunError
from mtls_run.identity import source
from mtls_run.identity.validity import span
from mtls_run.renewal import files, printed, state

if TYPE_CHECKING:
    from mtls_run.config.profile import Profile
    from mtls_run.renewal.schedule import Life
    from mtls_run.renewal.state import State


@dataclass(frozen=True)
class Report:
    """The life of what is there (None: it does not show), and the last attempt to renew it."""

    life: Life | None
    last: State

    @property
    def due(self) -> str:
        """Return when the renewal is due."""
        if self.life is None:
            return "with the next run"
        ahead = self.life.due_at - time.time()
        if ahead <= 0:
            return "now"
        return f"{moment(self.life.due_at)}, in {span(timedelta(seconds=ahead))}"

    @property
    def outcome(self) -> str:
        """Return what the last attempt said."""
        if not self.last.at:
            return "no attempt yet"
        ago = span(timedelta(seconds=time.time() - self.last.at))
        if not self.last.failures:
            return f"the last attempt worked, {ago} ago"
        times = f", {self.last.failures} times in a row" if self.last.failures > 1 else ""
        return f"the last attempt failed, {ago} ago{times}: {self.last.said}"

    def object(self) -> dict[str, Any]:
        """Return the object for JSON; times as in RFC 3339."""
        return {
            "due": None if self.life is None else _rfc3339(self.life.due_at),
            "last": _rfc3339(self.last.at) if self.last.at else None,
            "failures": self.last.failures,
            "error": self.last.said or None,
        }


def of(profile: Profile, key: str) -> Report:
    """Return the report on a profile that has a command; nothing is run or unlocked."""
    last = state.load(key)
    if source.is_printed(profile):
        kept = printed.kept(key)
        return Report(None if kept is None else kept.life, last)
    try:
        return Report(files.life(profile, source.read(profile)), last)
    except MtlsRunError:
        return Report(None, last)


def moment(time: float) -> str:
    """Return a time as messages show it."""
    return f"{datetime.fromtimestamp(time, timezone.utc):%Y-%m-%d %H:%M} UTC"


def _rfc3339(time: float) -> str:
    return datetime.fromtimestamp(int(time), timezone.utc).isoformat()
