"""A free port on both loopback addresses, which stays ours."""

from __future__ import annotations

import socket


def bound_pair(*, shared: bool = False) -> tuple[list[socket.socket], int]:
    """Return sockets bound to one free port of 127.0.0.1 and of ::1, and the port.

    A `shared` one is kept for a process of this user that binds it with SO_REUSEPORT as well.
    """
    for _ in range(50):
        first, second = socket.socket(socket.AF_INET), socket.socket(socket.AF_INET6)
        if shared:
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        first.bind(("127.0.0.1", 0))
        port: int = first.getsockname()[1]
        try:
            second.bind(("::1", port))
        except OSError:
            first.close()
            second.close()
            continue
        return [first, second], port
    raise AssertionError("no port is free on both loopback addresses")
