"""How long an identity is good, in words.

Times are seconds since 1970: `datetime` is for words, and imported for them alone.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime, timedelta

RENEW = "ask your PKI for a new one, and put it in its place"
_DAY = 86400
_DAYS_OF_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EPOCH = 1970


def notice(described: str, until: float, where: str, now: float, days: int) -> str | None:
    """Return the notice for a certificate that ends within `days`, or None."""
    if not is_near(until, now, days):
        return None
    from datetime import datetime, timedelta, timezone  # noqa: PLC0415 - see above

    return (
        f"the certificate {described} in {where} expires in "
        f"{span(timedelta(seconds=until - now))}, "
        f"on {datetime.fromtimestamp(until, timezone.utc):%Y-%m-%d %H:%M} UTC"
    )


def is_near(until: float, now: float, days: int) -> bool:
    """Tell whether that is no more than so many days from now."""
    return until - now <= days * _DAY


def span(time: timedelta) -> str:
    """Return a length of time in the largest unit that says it: `3 days`, `5 hours`."""
    for unit, size in (("day", _DAY), ("hour", 3600), ("minute", 60)):
        count = int(time.total_seconds() // size)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def utc_now() -> datetime:
    """Return the time of this machine's clock."""
    from datetime import datetime, timezone  # noqa: PLC0415 - see above

    return datetime.now(timezone.utc)


def seconds(year: int, month: int, day: int, *clock: int) -> int:
    """Return the seconds since 1970 at this time, given as hour, minute and second, of UTC.

    Raises ValueError where there is no such time; leap seconds are none, as in a certificate.
    """
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = _DAYS_OF_MONTHS[month - 1 : month]
    hour, minute, second = clock
    if year < 1 or month < 1 or not days or not 1 <= day <= days[0] + (leap and month == 2):  # noqa: PLR2004
        raise ValueError
    if hour > 23 or minute > 59 or second > 59 or min(clock) < 0:  # noqa: PLR2004
        raise ValueError
    before = year - 1
    whole = 365 * before + before // 4 - before // 100 + before // 400
    whole += sum(_DAYS_OF_MONTHS[: month - 1]) + (leap and month > 2) + day - 1  # noqa: PLR2004
    return ((whole - _EPOCH_DAYS) * 24 + hour) * 3600 + minute * 60 + second


_EPOCH_DAYS = 365 * (_EPOCH - 1) + (_EPOCH - 1) // 4 - (_EPOCH - 1) // 100 + (_EPOCH - 1) // 400
