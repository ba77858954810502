"""Write what mtls-run declares of the C library, by cffi, into the package.

    python -m tests.libc_declarations

cffi's out-of-line ABI mode makes a module of data, which is read in a tenth of the time that ctypes
takes to import. `tests/unit/test_libc.py` fails when the module is not what this would write.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from cffi import FFI

NAME = "_libc"
FILE = Path(__file__).parents[1] / "wrapper/mtls_run/system" / f"{NAME}.py"
HEADER = "# Written by tests/libc_declarations.py. Do not edit.\n"
DECLARATIONS = """
long syscall(long number, ...);
int prctl(int option, ...);
int mallopt(int parameter, int value);
"""


def written() -> str:
    """Return the module that cffi writes for the declarations."""
    ffi = FFI()
    ffi.cdef(DECLARATIONS)
    ffi.set_source(NAME, None)
    with tempfile.TemporaryDirectory() as folder:
        return HEADER + Path(ffi.compile(tmpdir=folder)).read_text("utf-8").partition("\n")[2]


if __name__ == "__main__":
    FILE.write_text(written(), "utf-8")
