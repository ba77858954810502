"""A sealed anonymous file, named by the process that holds it: /proc/<pid>/fd/N.

It is in memory and ends with the process. The tool can open it because exec keeps the pid and the
descriptor. /proc/self/fd/N would break in children that close what they inherit (pip's build
isolation, any Python `subprocess`).
"""

from __future__ import annotations

import os
import sys

from mtls_run import system
from mtls_run.errors import HandoffError

if sys.platform != "win32":
    import fcntl

IDENTITY = "mtls-run-identity"
_OTHERWISE = "leave --handoff and MTLS_RUN_HANDOFF away, or say supervise"
_CLOEXEC, _ALLOW_SEALING, _NOEXEC_SEAL = 0x1, 0x2, 0x8  # linux/memfd.h
_ADD_SEALS, _ALL_SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8  # linux/fcntl.h: SEAL, SHRINK, GROW, WRITE
# Shells and make take low descriptors for themselves; a script's `exec 3>file` must not hit ours.
_HIGH = 200
_LAST_STREAM = 2
# memfd_create where Python was built against a C library that has no wrapper for it.
_SYSTEM_CALL = {
    "x86_64": 319,
    "aarch64": 279,
    "armv7l": 385,
    "riscv64": 279,
    "ppc64le": 360,
    "s390x": 350,
}


def hold(content: bytes, name: str) -> str:
    """Return the path of a sealed anonymous file with `content`, held open until this process ends.

    Raises HandoffError, saying why, where the system call or /proc is not to be had.
    """
    if not sys.platform.startswith("linux"):
        raise HandoffError("only Linux has anonymous files", hint=_OTHERWISE)
    low = _create(name)
    try:
        with os.fdopen(os.dup(low), "wb") as file:
            file.write(content)
        os.fchmod(low, 0o400)
        fcntl.fcntl(low, _ADD_SEALS, _ALL_SEALS)
        descriptor = _raised(low)
    except OSError as error:
        os.close(low)
        raise HandoffError(
            f"an anonymous file cannot be made: {error.strerror}", hint=_OTHERWISE
        ) from None
    os.set_inheritable(descriptor, True)
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    if not _is_ours(path, descriptor):
        os.close(descriptor)
        raise HandoffError("/proc is not mounted, or not this process's own", hint=_OTHERWISE)
    return path


def _raised(low: int) -> int:
    """Return a duplicate of the descriptor, as high as the limit allows, and no standard stream.

    Where a stream was closed its number is free, and the tool would take the key for its input.
    """
    try:
        high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    except OSError:
        if low > _LAST_STREAM:
            return low
        high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _LAST_STREAM + 1)
    os.close(low)
    return high


def _create(name: str) -> int:
    # NOEXEC_SEAL is wanted by Linux 6.3 with vm.memfd_noexec, and not known before.
    try:
        try:
            return _memfd_create(name, _CLOEXEC | _ALLOW_SEALING | _NOEXEC_SEAL)
        except OSError:
            return _memfd_create(name, _CLOEXEC | _ALLOW_SEALING)
    except OSError as error:
        raise HandoffError(f"memfd_create is refused: {error.strerror}", hint=_OTHERWISE) from None


def _memfd_create(name: str, flags: int) -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name, flags)
    machine = os.uname().machine
    number = _SYSTEM_CALL.get(machine)
    if number is None:
        raise OSError(38, f"this Python cannot make the call on {machine}")
    return system.libc.function("syscall")(number, name.encode("ascii"), flags)


def _is_ours(path: str, descriptor: int) -> bool:
    try:
        found, ours = os.stat(path), os.fstat(descriptor)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)
