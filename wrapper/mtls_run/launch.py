"""The launch: this process becomes the tool."""

from __future__ import annotations

import os
import sys

try:  # the module that `signal` wraps in enums, at half of a Python start on every run
    import _signal as signal  # type: ignore[import-not-found]
except ImportError:
    import signal

import mtls_run
from mtls_run.tools.which import cannot_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def become(path: str, argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Become the tool; return its status only where a system has no exec.

    Raises ToolError with the status a shell would give where the tool cannot be started.
    """
    if os.name != "posix":
        # exec on Windows starts a new process and lets the caller's shell go on at once.
        supervise = mtls_run.handoff.supervise
        block = supervise.Block()
        try:
            return supervise.end_as(supervise.run(path, argv, environ, block))
        except OSError as error:
            raise cannot_start(path, error) from None
        finally:
            block.release()
    # Python ignores these two, and exec would hand that on: `pip … | head` would never end.
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                continue
    try:
        os.execve(path, list(argv), dict(environ))  # noqa: S606 - becoming the tool is the point
    except OSError as error:
        raise cannot_start(path, error) from None
