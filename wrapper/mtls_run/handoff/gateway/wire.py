"""Bytes on a connection: heads of messages, bodies, and two ends tied together."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A TLS record has 16 KB at most; from 128 KB on, the C library maps memory for each buffer anew.
CHUNK = 64 * 1024
LARGEST_HEAD = 64 * 1024
# A peer that takes or gives nothing for so long is gone, in seconds.
STALLED = 300.0
_FAREWELL = 1.0
_END_OF_HEAD = b"\r\n\r\n"


class Broken(Exception):
    """A connection ended, or stopped, where the message did not."""


class BadMessage(Exception):
    """A message breaks a rule of HTTP. The text says which."""


def wait(
    readable: Sequence[socket.socket], writable: Sequence[socket.socket], timeout: float
) -> list[socket.socket]:
    """Return the sockets that can be read or written, none after `timeout` seconds."""
    if not hasattr(select, "poll"):  # Windows
        reads, writes, _ = select.select(readable, writable, [], max(0.0, timeout))
        return [*reads, *writes]
    poll = select.poll()
    masks: dict[int, int] = {}
    for mask, ones in ((select.POLLIN, readable), (select.POLLOUT, writable)):
        for one in ones:
            masks[one.fileno()] = masks.get(one.fileno(), 0) | mask
    if -1 in masks:
        raise Broken("closed")
    for number, mask in masks.items():
        poll.register(number, mask)
    ready = {number for number, _ in poll.poll(max(0.0, timeout) * 1000)}
    return [one for one in {*readable, *writable} if one.fileno() in ready]


class Wire:
    """One end of a connection, plain or TLS, and what was read from it too early."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(STALLED)
        self.socket = connected
        self.buffer = b""

    def has_data(self) -> bool:
        """Tell whether there is something to read: bytes, which go to `buffer`, or the end.

        A TLS socket can be readable for a session ticket alone. Raises Broken.
        """
        if self.buffer or not (self.is_pending() or wait([self.socket], [], 0)):
            return bool(self.buffer)
        self.socket.settimeout(0)
        try:
            with _broken():
                self.buffer = self.socket.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        finally:
            self.socket.settimeout(STALLED)
        return True

    def is_pending(self) -> bool:
        """Tell whether TLS has decrypted more than was asked for."""
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0

    def wait_for_data(self, timeout: float, *others: Wire) -> list[Wire]:
        """Return those of this and the others that have data, none after `timeout` seconds."""
        wires = [self, *others]
        ready = [one for one in wires if one.buffer or one.is_pending()]
        if ready:
            return ready
        found = wait([one.socket for one in wires], [], timeout)
        return [one for one in wires if one.socket in found]

    def read_head(self, timeout: float = STALLED) -> bytes:
        """Return the next head with its empty line, nothing at the end; raises Broken, BadMessage.

        The rest of what was read stays in `buffer`.
        """
        deadline = time.monotonic() + timeout
        while True:
            end = self.buffer.find(_END_OF_HEAD)
            if 0 <= end <= LARGEST_HEAD:
                head = self.buffer[: end + len(_END_OF_HEAD)]
                self.buffer = self.buffer[len(head) :]
                return head
            if len(self.buffer) > LARGEST_HEAD:
                raise BadMessage("its head is too large")
            if b"\n\n" in self.buffer or b"\n\r\n" in self.buffer.replace(b"\r\n", b""):
                raise BadMessage("a line of its head does not end in CR LF")
            if not self.is_pending() and not wait([self.socket], [], deadline - time.monotonic()):
                raise Broken("timeout")
            data = self._read()
            if not data:
                if self.buffer:
                    raise Broken("closed")
                return b""
            self.buffer += data

    def receive(self) -> bytes:
        """Return what is there, nothing at the end; raises Broken."""
        if self.buffer:
            data, self.buffer = self.buffer, b""
            return data
        return self._read()

    def _read(self) -> bytes:
        with _broken():
            return self.socket.recv(CHUNK)

    def send(self, data: bytes | memoryview) -> None:
        """Send all the data; raises Broken."""
        if data:
            with _broken():
                self.socket.sendall(data)

    def take(self, most: int) -> bytes:
        """Return up to so many bytes of those that were read already."""
        data, self.buffer = self.buffer[:most], self.buffer[most:]
        return data

    def pump(self, target: Wire, length: int) -> Iterator[int]:
        """Send the next `length` bytes on to the target, and yield after each step what is left.

        Raises Broken if either end breaks, or this one ends early.
        """
        data = self.take(length)
        target.send(data)
        left = length - len(data)
        room = memoryview(bytearray(min(left, CHUNK)))
        while left:
            with _broken():
                count = self.socket.recv_into(room[: min(left, CHUNK)])
            if not count:
                raise Broken("closed")
            left -= count
            target.send(room[:count])
            yield left

    def finish(self) -> None:
        """Tell the peer that this is the end, and read a little of what it still sends.

        A connection that is closed before all is read is reset, and the peer loses what was sent.
        """
        self._say_end()
        deadline = time.monotonic() + _FAREWELL
        with contextlib.suppress(OSError, Broken):
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
            while wait([self.socket], [], deadline - time.monotonic()):
                if not socket.socket.recv(self.socket, CHUNK):
                    return

    def _say_end(self) -> None:
        if isinstance(self.socket, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self.socket.settimeout(0)  # the peer's own word is not waited for
                self.socket.unwrap()

    def close(self, *, clean: bool = True) -> None:
        """Close the connection; with `clean`, tell a TLS peer first that this is the end."""
        if clean:
            self._say_end()
        with contextlib.suppress(OSError):
            self.socket.close()


@contextlib.contextmanager
def _broken() -> Iterator[None]:
    try:
        yield
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        raise
    except ssl.SSLError as error:
        raise Broken(_tls_reason(error)) from None
    except (OSError, ValueError) as error:  # ValueError: closed meanwhile
        raise Broken(getattr(error, "strerror", None) or str(error) or "timeout") from None


def _tls_reason(error: ssl.SSLError) -> str:
    return (error.reason or "the TLS connection broke").replace("_", " ").lower()


class _Flow:
    """One direction between two ends that are tied together."""

    def __init__(self, source: socket.socket, target: socket.socket, first: bytes) -> None:
        self.source, self.target = source, target
        self.pending = memoryview(first)
        self.room = memoryview(bytearray(0))
        self.finished = False

    def step(self) -> bool:
        """Move what can be moved without waiting; tell whether that was anything."""
        if self.finished:
            return False
        moved = False
        if not self.pending:
            if not self.room:
                self.room = memoryview(bytearray(CHUNK))
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                count = self.source.recv_into(self.room)
                moved = True
                if count == 0:
                    self.finished = True
                    _shut(self.target)
                self.pending = self.room[:count]
        if self.pending:
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                count = self.target.send(self.pending)
                self.pending = self.pending[count:]
                moved = moved or count > 0
        return moved


def _shut(target: socket.socket) -> None:
    """Pass the end of one direction on; TLS (to a proxy) has no half-closed connection."""
    if not isinstance(target, ssl.SSLSocket):
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def tie(one: Wire, other: Wire, idle: float) -> Iterator[None]:
    """Pass bytes between two ends until both have ended, one breaks, or `idle` seconds pass.

    Yields after each step. One thread serves both directions, since a TLS socket of Python cannot
    be read and written at once.
    """
    flows = (
        _Flow(one.socket, other.socket, one.buffer),
        _Flow(other.socket, one.socket, other.buffer),
    )
    one.buffer = other.buffer = b""
    for wire in (one, other):
        wire.socket.settimeout(0)
    is_tls = any(isinstance(wire.socket, ssl.SSLSocket) for wire in (one, other))
    with contextlib.suppress(OSError, Broken):
        while not all(flow.finished for flow in flows):
            moved = [flow.step() for flow in flows]
            yield
            if any(moved):
                continue
            if is_tls and any(flow.finished for flow in flows):
                return
            reads = [flow.source for flow in flows if not flow.finished and not flow.pending]
            writes = [flow.target for flow in flows if not flow.finished and flow.pending]
            if not wait(reads, writes, idle):
                return
