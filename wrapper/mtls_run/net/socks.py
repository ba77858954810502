"""A tunnel through a SOCKS5 proxy (RFC 1928), with user and password (RFC 1929) if it has any.

socksio builds the messages and reads the replies. It wants each reply whole, so this reads exactly
as many bytes as a reply has, and none of what the host sends next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from socksio import (
    ProtocolError,
    SOCKS5AuthMethod,
    SOCKS5AuthMethodsRequest,
    SOCKS5Command,
    SOCKS5CommandRequest,
    SOCKS5Connection,
    SOCKS5Reply,
    SOCKS5ReplyCode,
    SOCKS5UsernamePasswordRequest,
)

from mtls_run.net.errors import NetworkError
from mtls_run.net.transport import Stream

if TYPE_CHECKING:
    from mtls_run.net.proxy import Proxy

# The status by which doctor and the gateway know a proxy that wants a login.
_LOGIN_REQUIRED = 407
_LONGEST_FIELD = 255
_PORT_SIZE = 2
_IPV4, _NAME, _IPV6 = 1, 3, 4


def tunnel(stream: Stream, proxy: Proxy, host: str, port: int, deadline: float) -> None:
    """Have the SOCKS proxy connect this stream to the host; raises NetworkError."""
    try:
        _negotiate(stream, proxy, host, port, deadline)
    except NetworkError as error:
        raise replace(error, step="proxy") from None
    except ProtocolError:
        raise NetworkError("proxy", "plain", "not a SOCKS5 proxy") from None


def _negotiate(stream: Stream, proxy: Proxy, host: str, port: int, deadline: float) -> None:
    connection = SOCKS5Connection()
    methods = [SOCKS5AuthMethod.NO_AUTH_REQUIRED]
    if proxy.password is not None:
        methods.append(SOCKS5AuthMethod.USERNAME_PASSWORD)
    connection.send(SOCKS5AuthMethodsRequest(methods))
    stream.send(connection.data_to_send(), deadline)
    chosen = connection.receive_data(_receive(stream, 2, deadline))
    method = getattr(chosen, "method", None)
    if method == SOCKS5AuthMethod.USERNAME_PASSWORD and proxy.password is not None:
        _log_in(stream, connection, proxy, deadline)
    elif method != SOCKS5AuthMethod.NO_AUTH_REQUIRED:
        raise NetworkError("proxy", "status", "a user and a password", _LOGIN_REQUIRED)
    connection.send(SOCKS5CommandRequest.from_address(SOCKS5Command.CONNECT, (host, port)))
    stream.send(connection.data_to_send(), deadline)
    reply = connection.receive_data(_command_reply(stream, deadline))
    if isinstance(reply, SOCKS5Reply) and reply.reply_code != SOCKS5ReplyCode.SUCCEEDED:
        reason = reply.reply_code.name.lower().replace("_", " ")
        raise NetworkError("proxy", "status", reason, reply.reply_code.value[0])


def _log_in(stream: Stream, connection: SOCKS5Connection, proxy: Proxy, deadline: float) -> None:
    assert proxy.password is not None
    user, password = proxy.user.encode("utf-8", "surrogateescape"), proxy.password.reveal()
    if len(user) > _LONGEST_FIELD or len(password) > _LONGEST_FIELD:
        raise NetworkError("proxy", "failed", "SOCKS5 takes 255 bytes of a user or a password")
    connection.send(SOCKS5UsernamePasswordRequest(user, password))
    stream.send(connection.data_to_send(), deadline)
    answer = connection.receive_data(_receive(stream, 2, deadline))
    if not getattr(answer, "success", False):
        raise NetworkError("proxy", "status", "a user and a password", _LOGIN_REQUIRED)


def _command_reply(stream: Stream, deadline: float) -> bytes:
    """Return the reply to CONNECT; the kind of its address decides how long it is."""
    head = _receive(stream, 4, deadline)
    kind = head[3]
    if kind == _NAME:
        length = _receive(stream, 1, deadline)
        return head + length + _receive(stream, length[0] + _PORT_SIZE, deadline)
    size = {_IPV4: 4, _IPV6: 16}.get(kind)
    if head[0] != 5 or size is None:  # noqa: PLR2004 - the version
        raise ProtocolError("Malformed reply")
    return head + _receive(stream, size + _PORT_SIZE, deadline)


def _receive(stream: Stream, size: int, deadline: float) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.receive(size - len(data), deadline)
        if not more:
            raise NetworkError("proxy", "closed")
        data += more
    return data
