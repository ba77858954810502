"""How long an identity is good, in words."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

RENEW = "ask your PKI for a new one, and put it in its place"


def notice(described: str, until: datetime, where: str, now: datetime, days: int) -> str | None:
    """Return the notice for a certificate that ends within `days`, or None."""
    left = until - now
    if left > timedelta(days=days):
        return None
    return (
        f"the certificate {described} in {where} expires in {span(left)}, "
        f"on {until:%Y-%m-%d %H:%M} UTC"
    )


def span(time: timedelta) -> str:
    """Return a length of time in the largest unit that says it: `3 days`, `5 hours`."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(time.total_seconds() // size)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def utc_now() -> datetime:
    """Return the time of this machine's clock."""
    return datetime.now(timezone.utc)
