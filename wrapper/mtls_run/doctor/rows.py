"""One line of what was examined: what it is, its value, and where it was said or seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """`what` is one or two words, stable for scripts; `origin` is None where there is no more."""

    what: str
    value: str
    origin: str | None = None


def row(what: str, value: object, origin: object = None) -> Row:
    """Return a row of these."""
    return Row(what, str(value), None if origin is None else str(origin))
