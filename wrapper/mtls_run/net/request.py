"""One HTTP/1.1 request over a stream, by the standard library's `http.client`.

urllib3 is not used here, for three reasons (seen in 2.8.0). Its timeouts count anew for each read,
so a slow peer can hold it for hours. Its pyOpenSSL context keeps the `Connection` private and turns
every failed handshake into one `ssl.SSLError`, which hides the alert and the accepted CAs. It gives
the status of a proxy's answer only as the text of an exception. Below urllib3, pip uses
`http.client` too, so an answer that this module cannot parse fails for pip as well.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from mtls_run import __version__
from mtls_run.net.errors import NetworkError
from mtls_run.net.transport import CHUNK, Stream
from mtls_run.secret import Secret

_AGENT = f"mtls-run/{__version__}"
LONGEST_REASON = 80


def send(
    stream: Stream, method: str, target: str, headers: Mapping[str, str], deadline: float
) -> http.client.HTTPResponse:
    """Send a request without a body and return the response; raises NetworkError.

    The caller reads the response's body, up to the same deadline.
    """
    connection = http.client.HTTPConnection("unused")
    connection.sock = cast("socket.socket", _Socket(stream, deadline))
    try:
        connection.request(method, target, headers={"User-Agent": _AGENT, **headers})
        return connection.getresponse()
    except http.client.RemoteDisconnected:
        raise NetworkError("http", "closed") from None
    except http.client.HTTPException as error:
        raise NetworkError("http", "plain", str(error).strip()[:LONGEST_REASON]) from None


def basic_authorization(user: str, password: str) -> Secret:
    """Return the value of an `Authorization` header (RFC 7617)."""
    credentials = f"{user}:{password}".encode("utf-8", "surrogateescape")
    return Secret(b"Basic " + base64.b64encode(credentials))


class _Socket(io.RawIOBase):
    """A stream in the form of the socket, and of its file, that `http.client` uses."""

    def __init__(self, stream: Stream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        # A server that refuses may close before it has read everything; its answer says why.
        with contextlib.suppress(NetworkError):
            self._stream.send(data, self._deadline)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self, CHUNK)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.receive(len(buffer), self._deadline)
        except NetworkError as error:
            raise (error if error.step == "tls" else replace(error, step="http")) from None
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        pass  # the body is still to be read; the caller closes the stream
