"""Keep this process's memory closed once there is a secret in it, as ssh-agent and gpg-agent do.

No core dump is written, and no other process of the same user reads the memory or what /proc/<pid>
shows of it. The tool gets neither restriction: exec makes a process dumpable again by itself, so
that its children can open /proc/<pid>/fd/N, and `restore_core_limit` puts the limit back. Python
cannot wipe memory; exec replaces it.
"""

from __future__ import annotations

import sys

from mtls_run import system

if sys.platform != "win32":
    import resource

_PR_SET_DUMPABLE = 4  # linux/prctl.h
_limits: list[tuple[int, int]] = []


def disable_core_dumps() -> None:
    """Close this process's memory to others from now on, as far as the system can.

    The limit does not stop a core that is piped to a program (core(5)). Linux's prctl does.
    """
    if _limits or sys.platform == "win32":
        return
    _limits.append(resource.getrlimit(resource.RLIMIT_CORE))
    forbid_core_dumps()
    if sys.platform.startswith("linux"):
        try:
            system.libc.function("prctl")(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        except OSError:
            return  # an unusual sandbox refuses the call, and the limit has to do


def restore_core_limit() -> None:
    """Restore the limit for the tool that this process becomes or starts."""
    if _limits:
        resource.setrlimit(resource.RLIMIT_CORE, _limits[0])


def forbid_core_dumps() -> None:
    """Let this process write no core dump; to be called again once a tool was started."""
    if sys.platform != "win32":
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
