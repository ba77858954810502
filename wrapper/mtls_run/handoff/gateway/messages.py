"""The rules for HTTP/1.1 messages: h11 parses them, and what it tolerates is refused here.

Each message is written anew from what was parsed, so that both sides read the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import h11

from mtls_run.handoff.gateway.wire import LARGEST_HEAD, BadMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    Headers = list[tuple[bytes, bytes]]

# Headers of one connection (RFC 9110, section 7.6.1, and older ones).
_HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authorization",
    b"proxy-authenticate",
    b"te",
    b"transfer-encoding",
    b"upgrade",
}
# What says where a body ends or whom a request is for must not be dropped by `Connection`.
_NEVER_DROPPED = {b"content-length", b"host", b"transfer-encoding", b"expect"}
_LOOSE = re.compile(rb"[\x00]|\r(?!\n)|(?<!\r)\n|\r\n[ \t]")
_LENGTH = re.compile(rb"\r\n(?:content-length|transfer-encoding):([^\r]*)", re.IGNORECASE)
_VERSIONS = (b"1.0", b"1.1")
NO_BODY = (204, 304)


def parse_request(head: bytes) -> tuple[h11.Connection, h11.Request]:
    """Return the request and the connection that parsed it; raises BadMessage."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
    event = _parsed(connection, head)
    if not isinstance(event, h11.Request):
        raise BadMessage("it is no request")
    _check_framing(head, event.http_version)
    return connection, event


def parse_response(connection: h11.Connection, head: bytes) -> h11.Response:
    """Return the response, an InformationalResponse perhaps; raises BadMessage.

    `connection` is the one that sent the request.
    """
    event = _parsed(connection, head)
    if not isinstance(event, (h11.Response, h11.InformationalResponse)):
        raise BadMessage("it is no response")
    _check_framing(head, event.http_version)
    return event  # type: ignore[return-value]


def _parsed(connection: h11.Connection, head: bytes) -> object:
    if _LOOSE.search(head):
        raise BadMessage("its head has a folded line, or a line that does not end in CR LF")
    connection.receive_data(head)
    return next_event(connection)


def next_event(connection: h11.Connection) -> object:
    """Return h11's next event; raises BadMessage."""
    try:
        return connection.next_event()
    except h11.RemoteProtocolError as error:
        raise BadMessage(str(error)) from None


def _check_framing(head: bytes, version: bytes) -> None:
    """Refuse what two readers could take for different lengths (RFC 9112, section 6.3).

    h11 drops a length that is given twice, and ignores one beside a transfer encoding.
    """
    if version not in _VERSIONS:
        raise BadMessage("its version of HTTP is neither 1.0 nor 1.1")
    given = _LENGTH.findall(head)
    if len(given) > 1 or any(b"," in one for one in given):
        raise BadMessage("it says more than once how long its body is")
    if version < b"1.1" and b"\r\ntransfer-encoding:" in head.lower():
        raise BadMessage("HTTP/1.0 has no transfer encoding")


def value_of(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    """Return the value of the header, which may stand there once; raises BadMessage."""
    found = [value for name, value in headers if name == wanted]
    if len(found) > 1:
        raise BadMessage(f"it has several headers {wanted.decode()}")
    return found[0] if found else None


def length_of(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Return the Content-Length, or None."""
    value = value_of(headers, b"content-length")
    return None if value is None else int(value)


def is_chunked(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether the body is in chunks; h11 admits no other transfer encoding."""
    return any(name == b"transfer-encoding" for name, _ in headers)


def ends_connection(message: h11.Request | h11.Response) -> bool:
    """Tell whether the sender closes the connection after this message."""
    return message.http_version < b"1.1" or b"close" in _options(message.headers)


def _options(headers: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    values = [value for name, value in headers if name == b"connection"]
    return {one.strip().lower() for value in values for one in value.split(b",")}


def forwarded(message: h11.Request | h11.Response | h11.InformationalResponse) -> Headers:
    """Return the headers to send on, in their order and spelling."""
    dropped = (_HOP_BY_HOP | _options(message.headers)) - _NEVER_DROPPED | {b"transfer-encoding"}
    raw = message.headers.raw_items()
    found = [(name, value) for name, value in raw if name.lower() not in dropped]
    if is_chunked(message.headers):
        found.append((b"Transfer-Encoding", b"chunked"))
    return found


def has_body(request: h11.Request) -> bool:
    """Tell whether a body follows the head."""
    return is_chunked(request.headers) or bool(length_of(request.headers))


def git_error(text: bytes) -> bytes:
    """Return the line that git prints as `fatal: remote error: TEXT` (gitprotocol-pack(5))."""
    line = b"ERR " + text
    return b"%04x%b" % (len(line) + 4, line)


def sent(connection: h11.Connection, event: h11.Event) -> bytes:
    """Return the bytes of the event; raises BadMessage where h11 refuses it."""
    try:
        return connection.send(event) or b""
    except h11.LocalProtocolError as error:
        raise BadMessage(str(error)) from None
