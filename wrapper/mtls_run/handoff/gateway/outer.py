"""The gateway of an outer mtls-run: a nested run of the same profile joins it.

The proxy variable carries no authority. The gateway behind it has to be a process of this user, and
to say that it serves the same profile with the same files and roots. Any other nested run starts a
gateway of its own, whose connections pass through the outer one untouched.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mtls_run.handoff.gateway import peer, server
from mtls_run.net import proxy, request, transport
from mtls_run.net.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.net.proxy import Proxy

_TIMEOUT = 5.0
_LARGEST = 65536
_VARIABLE = "HTTPS_PROXY"


@dataclass(frozen=True)
class Outer:
    """An outer gateway: what it serves, whether it lets publish, and the CA of its run as PEM."""

    proxy_url: str
    meaning: str
    publishes: bool
    ca_pem: bytes


def find(environ: Mapping[str, str]) -> Outer | None:
    """Return the gateway that the environment names, if it is this user's and answers."""
    found = _named(environ)
    if found is None or found.authorization is None:
        return None
    try:
        stream, _ = transport.connect((found.host,), found.port, _TIMEOUT)
    except NetworkError:
        return None
    try:
        owner_of = peer.way_to_ask()
        if owner_of is not None and owner_of(stream.connected) != os.geteuid():
            return None
        headers = {
            "Host": f"{found.host}:{found.port}",
            "Proxy-Authorization": found.authorization.reveal().decode("latin-1"),
        }
        response = request.send(stream, "OPTIONS", "*", headers, time.monotonic() + _TIMEOUT)
        meaning = response.getheader(server.PROFILE_HEADER)
        if meaning is None:
            return None
        publishes = response.getheader(server.METHODS_HEADER) == server.ANY
        return Outer(environ[_VARIABLE], meaning, publishes, response.read(_LARGEST))
    except (NetworkError, OSError):
        return None
    finally:
        stream.close()


def passing(found: Proxy | None, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy; where it is an outer gateway, asked to pass everything through."""
    outer = _named(environ)
    if found is None or outer is None or (found.host, found.port) != (outer.host, outer.port):
        return found
    return replace(found, headers=((server.TUNNEL_HEADER, "1"),))


def _named(environ: Mapping[str, str]) -> Proxy | None:
    value = environ.get(_VARIABLE, "")
    if not value.startswith(f"http://{server.USER}:"):
        return None
    try:
        return proxy.parse(value, _VARIABLE)
    except NetworkError:
        return None
