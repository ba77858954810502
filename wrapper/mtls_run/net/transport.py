"""Name resolution and TCP, each step within its deadline (in seconds of `time.monotonic`)."""

from __future__ import annotations

import socket
import threading
import time
from typing import Protocol

from mtls_run.net.errors import NetworkError

CHUNK = 65536
# If a host has several addresses, the error that comes first here says most.
_MOST_TELLING = ("refused", "reset", "timeout", "failed")
_SHORTEST_WAIT = 0.01


class Stream(Protocol):
    """A connection that carries bytes: a socket, or TLS over another stream."""

    def send(self, data: bytes, deadline: float) -> None:
        """Send all the data; raises NetworkError."""

    def receive(self, size: int, deadline: float) -> bytes:
        """Return up to `size` bytes, none at the end of the stream; raises NetworkError."""

    def close(self) -> None:
        """Close the connection, in whatever state it is."""


class Socket:
    """A connected TCP socket."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    @property
    def connected(self) -> socket.socket:
        """Return the socket itself."""
        return self._socket

    def send(self, data: bytes, deadline: float) -> None:
        """Send all the data; raises NetworkError."""
        try:
            self._socket.settimeout(_remaining(deadline))
            self._socket.sendall(data)
        except OSError as error:
            raise _network_error(error) from None

    def receive(self, size: int, deadline: float) -> bytes:
        """Return up to `size` bytes, none at the end of the stream; raises NetworkError."""
        try:
            self._socket.settimeout(_remaining(deadline))
            return self._socket.recv(size)
        except OSError as error:
            raise _network_error(error) from None

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _remaining(deadline: float) -> float:
    """Return the seconds until the deadline; raises NetworkError when it has passed.

    A peer that never stops sending must not hold a step longer than one that sends nothing.
    """
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise NetworkError("connect", "timeout")
    return remaining


def resolve(host: str, port: int, timeout: float) -> tuple[str, ...]:
    """Return the host's addresses; raises NetworkError if it has none or the resolver is too slow.

    `getaddrinfo` takes no timeout, so it runs in a thread that may be left behind.
    """
    found: list[tuple[str, ...]] = []
    reasons: list[str] = []

    def ask() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.append(tuple(dict.fromkeys(str(entry[4][0]) for entry in entries)))
        except OSError as error:
            reasons.append(error.strerror or str(error))
        except UnicodeError as error:
            reasons.append(str(error))

    resolver = threading.Thread(target=ask, daemon=True)
    resolver.start()
    resolver.join(timeout)
    if found and found[0]:
        return found[0]
    if resolver.is_alive():
        raise NetworkError("name", "timeout")
    raise NetworkError("name", "unknown", "".join(reasons))


def connect(addresses: tuple[str, ...], port: int, timeout: float) -> tuple[Socket, str]:
    """Return a connection to the first address that accepts one, and that address.

    All addresses share the `timeout` seconds. Raises NetworkError.
    """
    deadline = time.monotonic() + timeout
    errors = []
    for number, address in enumerate(addresses):
        share = max(_SHORTEST_WAIT, deadline - time.monotonic()) / (len(addresses) - number)
        try:
            return Socket(socket.create_connection((address, port), share)), address
        except OSError as error:
            errors.append(_network_error(error))
    raise min(errors, key=lambda error: _MOST_TELLING.index(error.kind))


def _network_error(error: OSError) -> NetworkError:
    reason = error.strerror or str(error)
    if isinstance(error, (TimeoutError, socket.timeout)):  # two classes before Python 3.10
        return NetworkError("connect", "timeout")
    if isinstance(error, ConnectionRefusedError):
        return NetworkError("connect", "refused", reason)
    if isinstance(error, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
        return NetworkError("connect", "reset", reason)
    return NetworkError("connect", "failed", reason)
