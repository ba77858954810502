"""Notices that are given once a day: when each was given is kept as a result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mtls_run.cache import results

if TYPE_CHECKING:
    from mtls_run.output import Reporter

DAY = 86400.0


def give_once_a_day(text: str | None, digest: str, reporter: Reporter) -> None:
    """Give the notice about what `digest` names, unless it was given in the last 24 hours."""
    if text and not reporter.quiet and time.time() >= last(digest) + DAY:
        reporter.notice(text, once_a_day=True)
        results.store("notice", digest, [repr(time.time())])


def last(digest: str) -> float:
    """Return when the last notice about this was given (seconds since 1970), or 0.0."""
    try:
        (given,) = results.find("notice", digest) or ["0"]
        return min(float(given), time.time())  # the clock may have been set back since
    except ValueError:
        return 0.0
