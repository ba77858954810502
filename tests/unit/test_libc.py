"""Functions of the C library."""

from __future__ import annotations

import errno
import os
import platform
import sys

import pytest

from mtls_run.system import libc
from tests import libc_declarations


def test_declarations() -> None:
    """The declarations in the package are those that cffi writes."""
    assert libc_declarations.FILE.read_text("utf-8") == libc_declarations.written()


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="the numbers of the system calls are those of one machine",
)
def test_call() -> None:
    """Numbers, bytes and a buffer reach the C library, and its answer comes back."""
    call, buffer = libc.function("syscall"), bytearray(os.pathconf("/", "PC_PATH_MAX"))
    getcwd, access = 79, 21
    length = call(getcwd, buffer, len(buffer))
    assert bytes(buffer[: length - 1]) == os.fsencode(os.getcwd())
    assert call(access, b"/", os.F_OK) == 0
    with pytest.raises(OSError, match="No such file") as failed:
        call(access, b"/absent", os.F_OK)
    assert failed.value.errno == errno.ENOENT


def test_absent() -> None:
    """A function that is not declared is an error, as where the C library has none."""
    with pytest.raises(OSError, match="the C library has no absent"):
        libc.function("absent")
