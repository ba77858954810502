"""Bytes to and from a host, each step within its time."""

from __future__ import annotations

import errno
import socket
import threading
import time
from typing import TYPE_CHECKING

from mtls_run.doctor.observations import StoppedError, Trouble

if TYPE_CHECKING:
    from typing import Protocol

    class Wire(Protocol):
        """Something that bytes go through: a socket, or TLS over one."""

        def send(self, data: bytes, deadline: float) -> None:
            """Send all of it; raises StoppedError."""

        def receive(self, deadline: float) -> bytes:
            """Return what comes next, nothing at the end; raises StoppedError."""

        def close(self) -> None:
            """End it, whatever state it is in."""


_CHUNK = 65536
_UNREACHABLE = (
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.EHOSTDOWN,
    errno.EACCES,
    errno.EPERM,
    errno.EADDRNOTAVAIL,
    errno.EINVAL,
    errno.EAFNOSUPPORT,
)
# Where a host has several addresses, the trouble that says most.
_TELLING = ("refused", "reset", "timeout", "failed", "unreachable")


class Socket:
    """A connected TCP socket."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of it; raises StoppedError."""
        try:
            self._socket.settimeout(left(deadline))
            self._socket.sendall(data)
        except OSError as error:
            raise StoppedError(_trouble(error)) from None

    def receive(self, deadline: float) -> bytes:
        """Return what comes next, nothing at the end; raises StoppedError."""
        try:
            self._socket.settimeout(left(deadline))
            return self._socket.recv(_CHUNK)
        except OSError as error:
            raise StoppedError(_trouble(error)) from None

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def left(deadline: float) -> float:
    """Return the seconds until the deadline; a little where it is over, since 0 is not to block."""
    return max(0.001, deadline - time.monotonic())


def resolve(host: str, port: int, timeout: float) -> tuple[str, ...]:
    """Return the host's addresses; raises StoppedError where it has none, or nobody says in time.

    The system's own resolver knows no time limit, so it is asked in a thread that may be left
    behind.
    """
    found: list[tuple[str, ...]] = []
    failed: list[str] = []

    def ask() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.append(tuple(dict.fromkeys(str(entry[4][0]) for entry in entries)))
        except OSError as error:
            failed.append(error.strerror or str(error))
        except UnicodeError:
            failed.append("it can be no host's name")

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout)
    if found and found[0]:
        return found[0]
    if asking.is_alive():
        raise StoppedError(Trouble("name", "timeout"))
    raise StoppedError(Trouble("name", "unknown", "".join(failed)))


def connect(addresses: tuple[str, ...], port: int, timeout: float) -> tuple[Socket, str]:
    """Return a connection to the first of the addresses that takes one, and that address.

    All of them together have `timeout` seconds. Raises StoppedError.
    """
    deadline = time.monotonic() + timeout
    troubles = []
    for number, address in enumerate(addresses):
        share = left(deadline) / (len(addresses) - number)
        try:
            return Socket(socket.create_connection((address, port), share)), address
        except OSError as error:
            troubles.append(_trouble(error))
    raise StoppedError(min(troubles, key=lambda one: _TELLING.index(one.kind)))


def _trouble(error: OSError) -> Trouble:
    words = error.strerror or str(error)
    if isinstance(error, (TimeoutError, socket.timeout)):  # two classes before Python 3.10
        return Trouble("connect", "timeout")
    if isinstance(error, ConnectionRefusedError):
        return Trouble("connect", "refused", words)
    if isinstance(error, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
        return Trouble("connect", "reset", words)
    if error.errno in _UNREACHABLE:
        return Trouble("connect", "unreachable", words)
    return Trouble("connect", "failed", words)
