"""Say when an identity is renewed. Pure functions of times in seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass

# The run waits for a renewal where less is left; before that, the old certificate serves.
URGENT = 30.0
_FIRST_RETRY, _LONGEST_RETRY = 60.0, 900.0
_LAST_PART = 3
# A larger part would have more people find it expired in the morning (docs/fleet.md).
_SPREAD_PART = 10
_URGENT_PART = 6


@dataclass(frozen=True)
class Life:
    """From when to when an identity is good, and how long before the end it is renewed.

    `before` is None for a third of its life, which also counts where `before` is all of it.
    `spread` (0 to 1) says where in the first tenth of that time this one is renewed.
    """

    begins: float
    ends: float
    before: float | None = None
    spread: float = 0.0

    @property
    def due_at(self) -> float:
        """Return from when on it is renewed."""
        length = self.ends - self.begins
        ahead = self.before
        if ahead is None or ahead >= length:
            ahead = length / _LAST_PART
        return self.ends - ahead * (1 - self.spread / _SPREAD_PART)

    @property
    def urgent_at(self) -> float:
        """Return from when on a run waits for the renewal: 30 s, or a sixth of a short life."""
        return self.ends - min(URGENT, (self.ends - self.begins) / _URGENT_PART)

    def is_good(self, now: float) -> bool:
        """Tell whether it may be used now."""
        return self.begins <= now < self.ends


def spread(fingerprint: str) -> float:
    """Return the `spread` of the certificate with this SHA-256 (hexadecimal).

    Machines that were enrolled at one moment do not renew at one moment, and every process of a
    machine computes the same.
    """
    return int(fingerprint[:8], 16) / 2**32


def retry_after(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row: 1, 2, 4 … 15 minutes."""
    if failures <= 0:
        return 0.0
    return float(min(_FIRST_RETRY * 2 ** min(failures - 1, 10), _LONGEST_RETRY))
