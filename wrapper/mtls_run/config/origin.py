"""Where a value came from, so that every message can say it."""

from __future__ import annotations

from mtls_run.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic, TypeVar

    T_co = TypeVar("T_co", covariant=True)
else:  # typing is slow to import, and `Setting[Path]` says nothing to a run

    class Generic:
        """A class that may be written with the type of what it holds."""

        def __class_getitem__(cls, _: object) -> type:
            """Return the class itself."""
            return cls

    T_co = None


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
