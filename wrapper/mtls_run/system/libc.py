"""Functions of the C library that Python has no wrapper for: syscall(2), prctl(2)."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    Function = Callable[..., int]


def function(name: str) -> Function:
    """Return the C function, which raises OSError where it returns a negative number.

    Raises OSError where the C library has no such function.
    """
    try:
        found = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, TypeError) as error:  # TypeError: there is no "None" on Windows
        raise OSError(38, f"the C library has no {name}") from error
    found.restype = ctypes.c_long

    def call(*arguments: object) -> int:
        # ctypes passes a plain int as a C int, which is too short for a pointer or a size.
        passed = [ctypes.c_long(it) if isinstance(it, int) else it for it in arguments]
        result = int(found(*passed))
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    return call
