"""Where a value came from, so that every message can say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from .document import Document

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Origin:
    """A flag, a variable, a default, or a place in a file; `str()` is what the user reads."""

    text: str

    def __str__(self) -> str:
        """Return the origin as it stands in messages."""
        return self.text


@dataclass(frozen=True)
class FileOrigin(Origin):
    """A value in a TOML file. The line is looked up only when somebody asks for it."""

    document: Document
    keys: tuple[str | int, ...]

    def __str__(self) -> str:
        """Return `FILE:LINE`."""
        return f"{self.text}:{self.document.line_of(self.keys)}"


DEFAULT = Origin("default")


@dataclass(frozen=True)
class Setting(Generic[T_co]):
    """A value and where it was said."""

    value: T_co
    origin: Origin
