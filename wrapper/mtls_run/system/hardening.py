"""What is in this process's memory is for nobody else, once there is a secret in it.

No core dump is written, and no other process of the same user may read the memory or what
/proc/<pid> shows of it (ssh-agent and gpg-agent do the same). Neither must reach the tool: exec
makes a process dumpable again by itself, so that its children can open /proc/<pid>/fd/N, and the
limit is put back first. Python cannot wipe memory; exec replaces it.
"""

from __future__ import annotations

import sys

_PR_SET_DUMPABLE = 4  # linux/prctl.h
_limits: list[tuple[int, int]] = []


def disable_core_dumps() -> None:
    """Let nobody else see this process's memory from now on, as far as the system can do that.

    The limit alone does not stop a core that is piped to a program (core(5)); being not dumpable
    does, and that is Linux's.
    """
    if _limits or sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - not on Windows, and not where there is no secret

    _limits.append(resource.getrlimit(resource.RLIMIT_CORE))
    forbid_core_dumps()
    if sys.platform.startswith("linux"):
        from mtls_run.system import libc  # noqa: PLC0415

        try:
            libc.function("prctl")(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        except OSError:
            return  # in an odd sandbox: the limit has to do


def restore_core_limit() -> None:
    """Put the limit back as it was, for the tool that this process becomes or starts."""
    if _limits:
        import resource  # noqa: PLC0415 - see `close`

        resource.setrlimit(resource.RLIMIT_CORE, _limits[0])


def forbid_core_dumps() -> None:
    """Let no core of this process be written; also again, once a tool was started."""
    if _limits:
        import resource  # noqa: PLC0415 - see `close`

        resource.setrlimit(resource.RLIMIT_CORE, (0, _limits[0][1]))
