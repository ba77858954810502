"""Where a value came from, so that every message can say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Origin:
    """A flag, a variable, a default, or a place in a file; `str()` is what the user reads."""

    text: str

    def __str__(self) -> str:
        """Return the origin as it stands in messages."""
        return self.text

    @property
    def before(self) -> str:
        """Return the origin as it begins a message; nothing before an argument that was typed."""
        shown = str(self)
        return f"{shown}: " if shown else ""


DEFAULT = Origin("default")
TYPED = Origin("")  # an argument: whoever typed it knows where it is from


@dataclass(frozen=True)
class Setting(Generic[T_co]):
    """A value and its origin."""

    value: T_co
    origin: Origin
