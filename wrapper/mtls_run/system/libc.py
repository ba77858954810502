"""Functions of the C library that Python has no wrapper for: syscall(2), prctl(2), mallopt(3).

By cffi, which cryptography needs anyway. Importing ctypes costs a third of a start of Python, on
each run with a secret.
"""

from __future__ import annotations

import os

from mtls_run.system._libc import ffi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Union

    Argument = Union[int, bytes, bytearray, None]
    Function = Callable[..., int]


def function(name: str) -> Function:
    """Return a function of those in tests/libc_declarations.py.

    It raises OSError where it returns a negative number. A bytearray is written to. Raises OSError
    where the C library has no such function.
    """
    try:
        found = getattr(ffi.dlopen(None), name)
    except (AttributeError, OSError) as error:  # OSError: Windows has no "None"
        raise OSError(38, f"the C library has no {name}") from error
    fixed = len(ffi.typeof(found).args)

    def call(*arguments: Argument) -> int:
        # The declared arguments are converted by cffi. It leaves those behind "..." as they are.
        passed = [*arguments[:fixed], *map(_as_word, arguments[fixed:])]
        result = int(found(*passed))
        if result < 0:
            raise OSError(ffi.errno, os.strerror(ffi.errno))
        return result

    return call


def _as_word(argument: Argument) -> object:
    """Return an argument as wide as a register."""
    if argument is None:
        return ffi.NULL
    return ffi.cast("long", argument) if isinstance(argument, int) else ffi.from_buffer(argument)
