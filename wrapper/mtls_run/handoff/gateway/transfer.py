"""One request and its response, carried between the tool and a server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import h11

from mtls_run.handoff.gateway import messages
from mtls_run.handoff.gateway.messages import sent
from mtls_run.handoff.gateway.wire import LARGEST_HEAD, STALLED, BadMessage, Broken

if TYPE_CHECKING:
    from typing import Callable

    from mtls_run.handoff.gateway.upstream import Upstream
    from mtls_run.handoff.gateway.wire import Wire

_SWITCHING_PROTOCOLS = 101


class Transfer:
    """One request and its response, from the tool to the server and back."""

    def __init__(
        self,
        tool: Wire,
        touch: Callable[[], None],
        request: h11.Request,
        parsed: h11.Connection,
        upstream: Upstream,
    ) -> None:
        self._tool = tool
        self._touch = touch
        self._request = request
        self._parsed = parsed
        self._server = upstream.wire
        self._proxy = upstream.proxy
        self._destination = upstream.destination
        self._early: h11.Response | h11.InformationalResponse | None = None
        self._sending = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
        self.has_answered = False
        self.tool_is_gone = False
        self.can_reuse = False

    def run(self, target: bytes) -> bool:
        """Carry both; tell whether the tool may send another request. Raises Broken, BadMessage."""
        request = self._request
        headers = messages.forwarded(request)
        if self._proxy is not None:
            target = b"http://" + self._destination.shown.encode("ascii") + target
            own = self._proxy.headers
            headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in own]
            if self._proxy.authorization is not None:
                headers.append((b"Proxy-Authorization", self._proxy.authorization.reveal()))
        head = h11.Request(method=request.method, target=target, headers=headers)
        is_sent = self._send(sent(self._sending, head))
        if is_sent and messages.has_body(request):
            is_sent = self._send_body()
        response = self._response_head()
        keep = is_sent and not messages.ends_connection(request)
        self._answer(response, keep=keep)
        self.can_reuse = (
            is_sent
            and self.can_reuse
            and not messages.ends_connection(response)
            and not self._server.buffer
        )
        return keep

    def _send(self, head: bytes) -> bool:
        """Send the head on; return False if the server ended the connection after an answer."""
        try:
            self._server.send(head)
        except Broken:
            # A TLS 1.3 server refuses a certificate after the handshake; its alert says why.
            if self._server.has_data():
                return False
            raise
        return True

    def _send_body(self) -> bool:
        """Send the body on; return False if the server answered before it had all of it."""
        if messages.value_of(self._request.headers, b"expect") is not None:
            while self._tool not in (ready := self._tool.wait_for_data(STALLED, self._server)):
                if not ready:
                    raise Broken("no answer in time")
                if self._server.has_data() and not self._continue():
                    return False
        length = messages.length_of(self._request.headers)
        try:
            if length is not None and not messages.is_chunked(self._request.headers):
                for left in self._tool.pump(self._server, length):
                    self._touch()
                    if left and self._server.has_data():
                        return False
                return True
            return self._send_chunks()
        except Broken:
            # The server may have answered, and closed, before it had all of the body.
            with contextlib.suppress(Broken):
                if self._server.has_data():
                    return False
            raise

    def _continue(self) -> bool:
        """Pass a `100 Continue` on; return False if the server's final answer is there."""
        self._early = self._one_head()
        return isinstance(self._early, h11.InformationalResponse)

    def _send_chunks(self) -> bool:
        while True:
            event = messages.next_event(self._parsed)
            if event is h11.NEED_DATA:
                data = self._tool.receive()
                if not data:
                    self.tool_is_gone = True
                    raise Broken("the tool closed the connection")
                self._parsed.receive_data(data)
                continue
            if isinstance(event, (h11.Data, h11.EndOfMessage)):
                self._server.send(sent(self._sending, event))
                self._touch()
            if isinstance(event, h11.EndOfMessage):
                self._tool.buffer = self._parsed.trailing_data[0]
                return True
            if self._server.has_data():
                return False

    def _response_head(self) -> h11.Response:
        """Return the final response's head, having passed on those before it."""
        while True:
            event = self._early or self._one_head()
            self._early = None
            if isinstance(event, h11.Response):
                return event

    def _one_head(self) -> h11.Response | h11.InformationalResponse:
        """Return the next head of the server; a preliminary one is passed on at once."""
        while not self._server.has_data():
            # A tool that gives up must not hold a connection to the server.
            ready = self._server.wait_for_data(STALLED, *self._watched())
            if not ready:
                raise Broken("no answer in time")
            if self._server not in ready:
                self._check_tool()
        head = self._server.read_head()
        if not head:
            raise Broken("connection closed")
        event = messages.parse_response(self._sending, head)
        if isinstance(event, h11.InformationalResponse):
            if event.status_code == _SWITCHING_PROTOCOLS:
                raise BadMessage("it changes the protocol")
            self._to_tool(
                h11.InformationalResponse(
                    status_code=event.status_code,
                    headers=messages.forwarded(event),
                    reason=event.reason,
                )
            )
        return event

    def _watched(self) -> list[Wire]:
        """Return the tool's end while it must be silent."""
        return [] if self._tool.buffer else [self._tool]

    def _check_tool(self) -> None:
        """Raise Broken if the tool has closed the connection; keep what it sent early."""
        data = self._tool.receive()
        if not data:
            self.tool_is_gone = True
            raise Broken("the tool closed the connection")
        self._tool.buffer = data

    def _to_tool(self, event: h11.Event, body: bytes = b"") -> None:
        try:
            self._tool.send(sent(self._parsed, event) + body)
        except Broken:
            self.tool_is_gone = True
            raise

    def _answer(self, response: h11.Response, *, keep: bool) -> None:
        headers = messages.forwarded(response)
        if not keep:
            headers.append((b"Connection", b"close"))
        head = h11.Response(
            status_code=response.status_code, headers=headers, reason=response.reason
        )
        self.has_answered = True
        if self._request.method == b"HEAD" or response.status_code in messages.NO_BODY:
            self._to_tool(head)
            self.can_reuse = True
            return
        length = messages.length_of(response.headers)
        if length is not None and not messages.is_chunked(response.headers):
            first = self._server.take(length)
            self._to_tool(head, first)
            for _ in self._server.pump(self._tool, length - len(first)):
                self._touch()
            self.can_reuse = True
            return
        self._to_tool(head)
        self._answer_chunks()
        self.can_reuse = messages.is_chunked(response.headers)

    def _answer_chunks(self) -> None:
        """Pass a body on that is in chunks, or that ends with the connection."""
        while True:
            event = messages.next_event(self._sending)
            if event is h11.NEED_DATA:
                # At the end, h11 knows whether the body is whole; it raises where it is not.
                self._sending.receive_data(self._server.receive())
            elif isinstance(event, h11.Data):
                self._to_tool(event)
                self._touch()
            elif isinstance(event, h11.EndOfMessage):
                self._to_tool(h11.EndOfMessage(headers=list(event.headers.raw_items())))
                self._server.buffer = self._sending.trailing_data[0]
                return
            else:
                raise Broken("the response has no end")
