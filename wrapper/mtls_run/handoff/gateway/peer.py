"""The user at the other end of a connection on loopback."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_UID = 7  # the field of a line (proc_pid_net(5))


def is_known() -> bool:
    """Tell whether this system says whose a connection is; raises OSError where it should."""
    if not sys.platform.startswith("linux"):
        return False
    with open(TABLES[0], "rb"):
        return True


def uid_of(connection: socket.socket) -> int | None:
    """Return the user id that the other end belongs to, or None if there is none any more."""
    remote, local = connection.getpeername(), connection.getsockname()
    wanted = [(_hex(*remote[:2]), _hex(*local[:2])), (_mapped(*remote[:2]), _mapped(*local[:2]))]
    for table, (theirs, ours) in zip(TABLES, wanted):
        for line in _lines(table, f": {theirs} {ours} ".encode("ascii")):
            return int(line.split()[_UID])
    return None


def _lines(table: str, wanted: bytes) -> Iterator[bytes]:
    try:
        with open(table, "rb") as file:
            yield from (line for line in file.read().split(b"\n") if wanted in line)
    except FileNotFoundError:
        return  # there is no IPv6


def _hex(address: str, port: int) -> str:
    """Return address and port as in /proc/net/tcp: the address as one number of this machine."""
    number = int.from_bytes(socket.inet_aton(address), sys.byteorder)
    return f"{number:08X}:{port:04X}"


def _mapped(address: str, port: int) -> str:
    """Return address and port as in /proc/net/tcp6, of a socket that speaks IPv4 by IPv6."""
    prefix = f"{int.from_bytes(bytes([0, 0, 255, 255]), sys.byteorder):08X}"
    return f"{'0' * 16}{prefix}{_hex(address, port)}"
