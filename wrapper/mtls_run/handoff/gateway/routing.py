"""Where a request goes, and with which identity; what is refused instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from mtls_run.config.scope import HTTPS_PORT, normalized_host, split_authority
from mtls_run.handoff.gateway import messages
from mtls_run.handoff.gateway.upstream import Destination, alert_reason
from mtls_run.handoff.gateway.wire import BadMessage, Broken
from mtls_run.net import hostname

if TYPE_CHECKING:
    import h11

    from mtls_run.handoff.gateway.settings import Settings

_HTTP_PORT = 80
# git asks for objects by POST (gitprotocol-http(5)).
_GIT_FETCH = "/git-upload-pack"
_ABSOLUTE = re.compile(rb"http://(?P<authority>[^/?#]+)(?P<path>[^#]*)", re.IGNORECASE)


class Refusal(Exception):
    """A request that is answered by the gateway itself, and why.

    `is_to_git` says that the request is a fetch of git's, which shows no page of another status.
    """

    def __init__(self, status: int, code: str, text: str, *, is_to_git: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.is_to_git = is_to_git


class Origin(NamedTuple):
    """Where the tool believes to be connected to."""

    host: str
    port: int


def admitted(settings: Settings, request: h11.Request, origin: Origin) -> Destination:
    """Return where a request in a tunnel to `origin` goes, and with which identity.

    Raises Refusal, and BadMessage.
    """
    shown = hostname.with_port(*origin)
    if not _is_for(request, origin, HTTPS_PORT):
        raise Refusal(421, "host", f"the request is not for {shown}, the tunnel is")
    target = request.target.decode("ascii", "replace")
    if not target.startswith("/") or request.method == b"CONNECT":
        raise Refusal(400, "bad-target", "the target of the request is not a path")
    method = request.method.decode("ascii", "replace")
    if settings.methods is not None and method not in settings.methods:
        text = f"{method} is not sent on to {shown} for this command"
        is_fetch = method == "POST" and target.partition("?")[0].endswith(_GIT_FETCH)
        if is_fetch:
            text += ", and git fetches by POST; let a shell start it: mtls-run -- sh -c 'COMMAND'"
        raise Refusal(403, "method", text, is_to_git=is_fetch)
    best: tuple[int, int] | None = None
    chosen = 0
    for number, identity in enumerate(settings.identities):
        closeness = identity.scope.matches(*origin)
        if closeness is None:
            continue
        try:
            length = identity.scope.matches_path(target)
        except ValueError as error:
            raise Refusal(403, "path", f"the path is refused: {error}") from None
        if length is not None and (best is None or (closeness, length) > best):
            best, chosen = (closeness, length), number
    if best is None:
        raise Refusal(403, "path", f"no identity is for this path on {shown}")
    return Destination(chosen, origin.host, origin.port)


def plain(request: h11.Request) -> tuple[Destination, bytes]:
    """Return where a request without TLS goes, and its target there; raises Refusal.

    It is never shown an identity.
    """
    found = _ABSOLUTE.fullmatch(request.target)
    try:
        authority = b"" if found is None else found["authority"]
        host, port = split_authority(authority.decode("ascii"), _HTTP_PORT)
        origin = Origin(normalized_host(host), port)
    except ValueError as error:
        raise Refusal(400, "bad-target", f"the target is refused: {error}") from None
    if not _is_for(request, origin, _HTTP_PORT):
        raise Refusal(421, "host", "the request's Host is not the one of its URL")
    path = b"" if found is None else found["path"]
    target = path if path.startswith(b"/") else b"/" + path
    return Destination(None, *origin), target


def _is_for(request: h11.Request, origin: Origin, default: int) -> bool:
    """Tell whether the request's Host is the origin; raises BadMessage."""
    try:
        host, port = split_authority(
            (messages.value_of(request.headers, b"host") or b"").decode("ascii"), default
        )
        return (normalized_host(host), port) == origin
    except ValueError:
        return False


def failure(destination: Destination, error: Exception) -> Refusal:
    """Return the refusal that tells why the exchange with a server failed."""
    shown = destination.shown
    if isinstance(error, BadMessage):
        return Refusal(502, "bad-response", f"{shown}: the response is refused: {error}")
    alert = alert_reason(error) if isinstance(error, Broken) else None
    if alert is not None:
        return Refusal(502, "identity-refused", f"{shown} refuses the client certificate: {alert}")
    return Refusal(502, "upstream", f"{shown}: {error}")
