"""Say how long an identity is valid, and from when its end is worth a notice.

Times are seconds since 1970.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

RENEW = "ask your PKI for a new certificate, and replace the old one"
_DAY = 86400
_LAST_PART = 3


def notice_due_at(not_before: float, not_after: float, days: int) -> float:
    """Return the time from which a notice of the end of this validity is due.

    That is `days` before the end. A validity that is shorter than `days` would always be within
    them, so its last third counts instead: for a certificate of a day, the last eight hours.
    """
    life = not_after - not_before
    ahead = days * _DAY
    return not_after - (life / _LAST_PART if life < ahead else ahead)


def notice(
    described: str, where: str, validity: tuple[float, float], now: float, days: int
) -> str | None:
    """Return the notice that a certificate expires soon, or None where none is due.

    `validity` is when it begins and ends to be valid; `described` and `where` are its name and its
    files.
    """
    not_before, not_after = validity
    if now < notice_due_at(not_before, not_after, days):
        return None
    return (
        f"the certificate {described} in {where} expires in "
        f"{span(timedelta(seconds=not_after - now))}, "
        f"on {datetime.fromtimestamp(not_after, timezone.utc):%Y-%m-%d %H:%M} UTC"
    )


def state(not_before: datetime, not_after: datetime, now: datetime) -> str:
    """Return how a validity stands, in a few words: `312 days left`, `expired 2 days ago`."""
    if now > not_after:
        return f"expired {span(now - not_after)} ago"
    if now < not_before:
        return f"valid in {span(not_before - now)}"
    return f"{span(not_after - now)} left"


def span(time: timedelta) -> str:
    """Return a length of time in its largest whole unit: `3 days`, `5 hours`."""
    for unit, size in (("day", _DAY), ("hour", 3600), ("minute", 60)):
        count = int(time.total_seconds() // size)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def utc_now() -> datetime:
    """Return the time of this machine's clock."""
    return datetime.now(timezone.utc)
