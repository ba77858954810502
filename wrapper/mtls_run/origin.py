"""Where a value came from, so that every message can say it."""

from __future__ import annotations

from typing import Generic, TypeVar

from .record import Record

T_co = TypeVar("T_co", covariant=True)


class Origin(Record):
    """A flag, a variable, a default, or a place in a file; `str()` is what the user reads."""

    text: str

    def __str__(self) -> str:
        """Return the origin as it stands in messages."""
        return self.text


DEFAULT = Origin("default")


class Setting(Record, Generic[T_co]):
    """A value and where it was said."""

    value: T_co
    origin: Origin
