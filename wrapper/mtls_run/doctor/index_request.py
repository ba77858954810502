"""The request to an index, and the kind of page that answers it."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from mtls_run.doctor.transcript import Answer, Page
from mtls_run.net import request
from mtls_run.net.errors import NetworkError
from mtls_run.net.transport import CHUNK, Stream
from mtls_run.secret import Secret

# What pip accepts, in its order of preference (26.3).
_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, "
    "text/html; q=0.01"
)
# The beginning of a large index is enough to recognise it.
_MOST_READ = 256 * 1024
_MOST_KEPT = 4096
_REDIRECTS = (301, 302, 303, 307, 308)
# Both end at the next tag, so that no page takes longer than its length.
_LINK = re.compile(r"<a\s[^<>]*\bhref\s*=", re.IGNORECASE)
_FORM = re.compile(r"<form\b", re.IGNORECASE)


def get(
    stream: Stream, authority: str, target: str, authorization: Secret | None, timeout: float
) -> Answer:
    """Return the answer to `GET target`; raises NetworkError.

    Head and body together have `timeout` seconds. A body that breaks off is still an answer.
    """
    headers = {"Host": authority, "Accept": _ACCEPT, "Connection": "close"}
    if authorization is not None:
        headers["Authorization"] = authorization.reveal().decode("latin-1")
    response = request.send(stream, "GET", target, headers, time.monotonic() + timeout)
    body = b""
    with contextlib.suppress(NetworkError, http.client.HTTPException):
        while len(body) < _MOST_READ:
            data = response.read1(CHUNK)
            if not data:
                break
            body += data
    text = body.decode("utf-8", "replace")
    media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    location = None
    if response.status in _REDIRECTS:
        location = _joined(f"https://{authority}{target}", response.headers.get("location"))
    return Answer(
        status=response.status,
        media=media,
        page=kind_of(media, text),
        text=text[:_MOST_KEPT],
        location=location,
        skew=_skew(response.headers.get("date")),
    )


def _joined(url: str, location: str | None) -> str | None:
    """Return the absolute URL of a redirect's target, or None if it is not a URL."""
    try:
        joined = urljoin(url, location) if location else None
        _ = urlsplit(joined or "").port
    except ValueError:
        return None
    return joined


def _skew(date: str | None) -> float | None:
    """Return how many seconds this machine's clock is ahead of the server's."""
    try:
        there = parsedate_to_datetime(date or "")
    except (TypeError, ValueError, OverflowError):
        return None
    if there.tzinfo is None:
        there = there.replace(tzinfo=timezone.utc)
    return (datetime.now(timezone.utc) - there).total_seconds()


def kind_of(media: str, text: str) -> Page | None:
    """Return the kind of index page, or None.

    PEP 691's JSON has `projects`, or for one project `files`. PEP 503's HTML is links to projects
    or to files. A page with a form is a sign-in page.
    """
    if media in ("application/vnd.pypi.simple.v1+json", "application/json"):
        return "PEP 691 JSON" if _is_simple_json(text) else None
    if media in ("application/vnd.pypi.simple.v1+html", "text/html", "application/xhtml+xml"):
        return "PEP 503 HTML" if _LINK.search(text) and not _FORM.search(text) else None
    return None


def _is_simple_json(text: str) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        # Only the beginning of a large index was read.
        return '"projects"' in text or '"files"' in text
    return isinstance(found, dict) and ("projects" in found or "files" in found)
