"""The numbers of an RSA key (RFC 8017, section 3.2)."""

from __future__ import annotations

# By how much the larger prime of a key may be longer than half of it.
_UNEVEN_BITS = 256


def fit(n: int, e: int, d: int, p: int, q: int, dmp1: int, dmq1: int, iqmp: int) -> bool:  # noqa: PLR0913, PLR0917 - in RFC 8017's order
    """Tell whether these are the numbers of one key; that p and q are primes is not shown.

    What is uneven beyond reason is none: its numbers would take long to check.
    """
    return (
        max(p, q).bit_length() <= (n.bit_length() + 1) // 2 + _UNEVEN_BITS
        and min(p, q) > 2  # noqa: PLR2004
        and p % 2 == q % 2 == e % 2 == 1
        and n == p * q
        and 0 < d < n
        and 0 < iqmp < p
        and d * e % (p - 1) == d * e % (q - 1) == 1
        and (dmp1, dmq1) == (d % (p - 1), d % (q - 1))
        and iqmp * q % p == 1
    )
