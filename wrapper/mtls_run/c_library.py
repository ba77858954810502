"""Functions of the C library that Python has no wrapper for: syscall(2), prctl(2).

This is what `ctypes` does for them, without the classes that it makes of every C type: they take a
third of a Python start. `_ctypes` has had these names since Python 2.5.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    Function = Callable[..., int]


try:
    import _ctypes
except ImportError:  # a Python built without it
    _ctypes = None  # type: ignore[assignment]


def function(name: str) -> Function:
    """Return the function, which raises OSError where it returns a negative number.

    Raises OSError where there is no such function, or no way to call it.
    """
    if _ctypes is None:
        raise OSError(38, "this Python cannot call the C library")

    class Long(_ctypes._SimpleCData):  # type: ignore[type-arg]  # noqa: SLF001 - see above
        _type_ = "l"

    class Pointer(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
        _restype_ = Long

    # None: what this process has loaded already, the C library among it.
    found = Pointer(_ctypes.dlsym(_ctypes.dlopen(None, os.RTLD_NOW), name))  # type: ignore[arg-type]

    def call(*arguments: object) -> int:
        result = int(found(*arguments))
        if result < 0:
            code = _ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    return call


def buffer(size: int) -> Any:  # noqa: ANN401 - a class of its own for each size
    """Return so many bytes for a function to fill; `bytes()` of it gives them."""

    class Char(_ctypes._SimpleCData):  # type: ignore[type-arg]  # noqa: SLF001
        _type_ = "c"

    return (Char * size)()
