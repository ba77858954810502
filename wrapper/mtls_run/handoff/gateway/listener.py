"""The listener on loopback: which connections are taken, and which one ends for a new one."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from mtls_run.handoff.gateway import peer
from mtls_run.handoff.gateway.wire import Broken, Wire

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from typing import Callable

_BACKLOG = 512
# Threads are cheap, but not free. What is more waits in the listener's queue.
_MOST_CONNECTIONS = 1024
# Descriptors for the listener, the resolver, /proc and the log.
_RESERVED = 20
# A connection that is quiet for so long may be ended in favour of a new one.
_QUIET = 5.0
_RETRY = 0.05


class Connection:
    """One connection of the tool, with what the listener needs to end it early."""

    def __init__(self, accepted: socket.socket) -> None:
        self.wire = Wire(accepted)
        self.active = time.monotonic()
        self.is_idle = False
        self.has_served = False

    def touch(self) -> None:
        """Note that something happened."""
        self.active = time.monotonic()

    def can_end(self) -> bool:
        """Tell whether the tool loses nothing if this connection ends now.

        It opens a connection again if the one before had served it, or was quiet for long.
        """
        is_quiet = time.monotonic() - self.active > _QUIET
        return self.is_idle and (self.has_served or is_quiet)


class Listener:
    """Takes the connections of this user, each in a thread of its own.

    `serve_one` serves a connection until it has no further request. `make_room` ends what is idle
    elsewhere in the gateway, where no descriptor is free.
    """

    def __init__(
        self,
        listening: socket.socket,
        slots: int,
        serve_one: Callable[[Connection], None],
        make_room: Callable[[], object],
        log: Callable[[str], None],
    ) -> None:
        """Take up to `slots` connections. Raises OSError where no owner can be known."""
        self._listening = listening
        self._serve_one = serve_one
        self._make_room = make_room
        self._log = log
        self._owner = peer.way_to_ask()
        self._slots = slots
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._connections: set[Connection] = set()
        self._stopping = threading.Event()

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        while not self._stopping.is_set():
            self._wait_for_slot()
            try:
                accepted, _ = self._listening.accept()
            except OSError:
                if self._listening.fileno() < 0:
                    return
                self._make_room()
                time.sleep(_RETRY)  # no descriptor is free
                continue
            connection = Connection(accepted)
            with self._lock:
                self._connections.add(connection)
            try:
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()
            except RuntimeError:  # no thread can be started
                self._end(connection, clean=False)

    def close(self) -> None:
        """Stop to listen, and end every connection."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # ends an accept() that waits
        self._listening.close()
        with self._lock:
            for one in self._connections:
                _shut(one)

    def _wait_for_slot(self) -> None:
        """Wait until one more connection has descriptors; end one that is idle, if need be."""
        with self._lock:
            while len(self._connections) >= self._slots:
                ending = [one for one in self._connections if one.can_end()]
                if ending:
                    oldest = min(ending, key=lambda one: one.active)
                    oldest.is_idle = False
                    _shut(oldest)
                self._changed.wait(1.0)

    def _end(self, connection: Connection, *, clean: bool) -> None:
        connection.wire.close(clean=clean)
        with self._lock:
            self._connections.discard(connection)
            self._changed.notify()

    def _run(self, connection: Connection) -> None:
        clean = False
        try:
            accepted = connection.wire.socket
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._owner is not None and self._owner(accepted) != os.geteuid():
                self._log("gateway: refused a connection of another user")
                return
            self._serve_one(connection)
            clean = True
        except (Broken, OSError) as error:
            self._log(f"gateway: a connection broke: {error}")
        except Exception as error:  # noqa: BLE001 - one connection must not take the others along
            self._log(f"gateway: a connection failed: {type(error).__name__}: {error}")
        finally:
            self._end(connection, clean=clean)


def _shut(connection: Connection) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection.wire.socket, socket.SHUT_RDWR)


def most_connections() -> int:
    """Return how many connections the limit of descriptors allows, at two for each."""
    if sys.platform == "win32":
        return _MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * _MOST_CONNECTIONS + _RESERVED
    if hard == resource.RLIM_INFINITY or hard > soft:
        most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
            soft = max(soft, most)
    return max(4, min(_MOST_CONNECTIONS, (soft - _RESERVED) // 2))


def listen() -> socket.socket:
    """Return a listener on loopback; raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
