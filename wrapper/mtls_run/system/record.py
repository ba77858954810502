"""Frozen records without `dataclasses`, for the modules that a run has to import.

`dataclasses` pulls in `inspect`, half a Python start, and then compiles each class's methods; a
run has some thirty of them (see docs/decisions/0003-two-speeds.md).
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, TypeVar

    from typing_extensions import dataclass_transform

    Made = TypeVar("Made", bound="Record")
else:

    def dataclass_transform(**_: object) -> object:
        """Tell a type checker what the class below does; nothing when it runs."""
        return lambda decorated: decorated


@dataclass_transform(frozen_default=True)
class Record:
    """Its annotations are its fields, in their order; what a class assigns is a default.

    Fields named in HIDDEN are left out of the repr.
    """

    if TYPE_CHECKING:
        FIELDS: ClassVar[tuple[str, ...]]
        HIDDEN: ClassVar[tuple[str, ...]]
    else:  # an annotation here would make them fields
        FIELDS = HIDDEN = ()

    def __init_subclass__(cls) -> None:
        """Learn the fields of a class."""
        super().__init_subclass__()
        own = cls.__dict__.get("__annotations__")  # noqa: RUF063 - it would have to be imported
        if own is None and sys.version_info >= (3, 10):  # before, it would be the base class's
            own = cls.__annotations__
        cls.FIELDS = (*cls.FIELDS, *(own or ()))

    def __init__(self, *values: object, **named: object) -> None:
        names = self.FIELDS
        found = dict(zip(names, values))
        wrong = [name for name in named if name not in names or name in found]
        found.update(named)
        for name in names:
            if name not in found and hasattr(type(self), name):
                found[name] = getattr(type(self), name)
        missing = [name for name in names if name not in found]
        if wrong or missing or len(values) > len(names):
            raise TypeError(f"{type(self).__name__}: wrong {wrong}, missing {missing}")
        self.__dict__.update(found)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__[name] for name in self.FIELDS))

    def __repr__(self) -> str:
        shown = [name for name in self.FIELDS if name not in self.HIDDEN]
        pairs = ", ".join(f"{name}={self.__dict__[name]!r}" for name in shown)
        return f"{type(self).__name__}({pairs})"


def replace(record: Made, **changes: object) -> Made:
    """Return the record with these fields changed."""
    return type(record)(**{**record.__dict__, **changes})
