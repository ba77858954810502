"""Start mtls-run from the directory that the one file was unpacked into: start.py FILE [ARG…]."""

import os
import sys

PYTHON = "@PYTHON@"


def fail(fact: str, hint: str) -> None:
    """Print an error as mtls-run does, and end with its status."""
    sys.stderr.write("mtls-run: error: {}\nmtls-run: hint: {}\n".format(fact, hint))
    sys.exit(125)


def main() -> None:
    """Run mtls-run under the name of the file that the user started."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.argv[:] = sys.argv[1:]
    found = "python{}.{}".format(*sys.version_info)
    if found != PYTHON:
        fail(
            "{} is for {}, and {} is {}".format(sys.argv[0], PYTHON, sys.executable, found),
            "install {}, or use the file for {}".format(PYTHON, found),
        )
    if os.name == "posix":
        import fcntl

        # A newer file removes only what nobody uses. Never closed: modules are imported late.
        fcntl.flock(os.open(here, os.O_RDONLY), fcntl.LOCK_SH)
    sys.path.append(here)
    from mtls_run.__main__ import main as run

    run()


main()
