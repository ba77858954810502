"""One request, and what kind of page answers it. HTTP/1.1, which every index speaks."""

from __future__ import annotations

import contextlib
import html.parser
import json
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import h11

from mtls_run import __version__
from mtls_run.doctor.observations import Answer, StoppedError, Trouble

if TYPE_CHECKING:
    from mtls_run.doctor.observations import Page
    from mtls_run.doctor.transport import Wire
    from mtls_run.secret import Secret

# What pip accepts, in its order of preference (26.3).
_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, "
    "text/html; q=0.01"
)
AGENT = f"mtls-run/{__version__}"
# Of an index of everything, the beginning is enough to tell what it is.
_ENOUGH = 256 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)


def get(wire: Wire, host: str, target: str, authorization: Secret | None, timeout: float) -> Answer:
    """Return the answer to `GET target`; raises StoppedError.

    The head and the body's beginning have `timeout` seconds together.
    """
    headers = [
        ("Host", host),
        ("User-Agent", AGENT),
        ("Accept", _ACCEPT),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ]
    if authorization is not None:
        headers.append(("Authorization", authorization.reveal().decode("latin-1")))
    deadline = time.monotonic() + timeout
    connection = h11.Connection(h11.CLIENT)
    try:
        request = h11.Request(method="GET", target=target, headers=headers)
        sent = connection.send(request) or b""
        with contextlib.suppress(StoppedError):  # what is to be read says why
            wire.send(sent + (connection.send(h11.EndOfMessage()) or b""), deadline)
        head = _next(connection, wire, deadline)
        while isinstance(head, h11.InformationalResponse):
            head = _next(connection, wire, deadline)
        if not isinstance(head, h11.Response):
            raise StoppedError(Trouble("http", "closed"))
        return _answer(head, _body(connection, wire, deadline), f"https://{host}{target}")
    except h11.RemoteProtocolError as error:
        raise StoppedError(Trouble("http", "plain", str(error))) from None
    except h11.LocalProtocolError as error:
        raise StoppedError(Trouble("http", "failed", str(error))) from None


def _next(connection: h11.Connection, wire: Wire, deadline: float) -> object:
    while True:
        event = connection.next_event()
        if event is not h11.NEED_DATA:
            return event
        try:
            data = wire.receive(deadline)
        except StoppedError as stopped:
            trouble = stopped.trouble
            if trouble.step == "tls":
                raise
            raise StoppedError(Trouble("http", trouble.kind, trouble.words)) from None
        if not data and connection.their_state is h11.SEND_RESPONSE:
            raise StoppedError(Trouble("http", "closed"))
        connection.receive_data(data)
        refuse_other(connection)


def refuse_other(connection: h11.Connection) -> None:
    """Raise RemoteProtocolError where what came so far begins no answer of HTTP.

    h11 itself waits for the end of a head, which another protocol never sends.
    """
    begun, _ = connection.trailing_data
    if connection.their_state is h11.SEND_RESPONSE and begun:
        expected = b"HTTP/1."
        if not expected.startswith(begun[: len(expected)]):
            raise h11.RemoteProtocolError("what answers does not speak HTTP/1")


def _body(connection: h11.Connection, wire: Wire, deadline: float) -> bytes:
    """Return the body's beginning; what breaks off later is still an answer."""
    body = b""
    try:
        while len(body) < _ENOUGH:
            event = _next(connection, wire, deadline)
            if not isinstance(event, h11.Data):
                break
            body += event.data
    except (StoppedError, h11.RemoteProtocolError):
        pass
    return body


def _answer(head: h11.Response, body: bytes, url: str) -> Answer:
    said = {
        bytes(name).decode("latin-1"): bytes(value).decode("latin-1")
        for name, value in head.headers
    }
    media = said.get("content-type", "").partition(";")[0].strip().lower()
    location = said.get("location")
    text = body.decode("utf-8", "replace")
    return Answer(
        status=head.status_code,
        media=media,
        page=kind_of(media, text),
        text=text[:4096],
        location=_joined(url, location) if head.status_code in _REDIRECTS else None,
        skew=_skew(said.get("date")),
    )


def _joined(url: str, location: str | None) -> str | None:
    """Return where a redirect leads, or None where that is no URL."""
    try:
        joined = urljoin(url, location) if location else None
        _ = urlsplit(joined or "").port
    except ValueError:
        return None
    return joined


def _skew(date: str | None) -> float | None:
    """Return how many seconds this machine's clock is ahead of the server's."""
    if date is None:
        return None
    try:
        there = parsedate_to_datetime(date)
    except (TypeError, ValueError, OverflowError):
        return None
    if there.tzinfo is None:
        there = there.replace(tzinfo=timezone.utc)
    return (datetime.now(timezone.utc) - there).total_seconds()


def kind_of(media: str, text: str) -> Page | None:
    """Return which kind of index page this is, or None.

    PEP 691's JSON has `projects`, or of one project `files`. PEP 503's HTML is links to projects,
    or to files; a page with a form is somebody's sign-in.
    """
    if media in ("application/vnd.pypi.simple.v1+json", "application/json"):
        return "PEP 691 JSON" if _is_simple_json(text) else None
    if media in ("application/vnd.pypi.simple.v1+html", "text/html", "application/xhtml+xml"):
        seen = _Links()
        with contextlib.suppress(AssertionError):  # what html.parser says to `<![<` (3.9 to 3.13)
            seen.feed(text)
        return "PEP 503 HTML" if seen.links and not seen.forms else None
    return None


def _is_simple_json(text: str) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        # Only the beginning of a large index was read.
        return '"projects"' in text or '"files"' in text
    return isinstance(found, dict) and ("projects" in found or "files" in found)


class _Links(html.parser.HTMLParser):
    """Counts what tells an index from another page."""

    def __init__(self) -> None:
        super().__init__()
        self.links = 0
        self.forms = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count links and forms."""
        self.links += tag == "a" and any(name == "href" for name, _ in attrs)
        self.forms += tag == "form"
