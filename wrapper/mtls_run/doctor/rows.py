"""One row of the report: what was examined, its value, and its origin."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """`what` is one or two words, stable for scripts. `origin` is None if there is none to show."""

    what: str
    value: str
    origin: str | None = None


def row(what: str, value: object, origin: object = None) -> Row:
    """Return a row with the value and the origin as text."""
    return Row(what, str(value), None if origin is None else str(origin))
