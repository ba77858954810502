"""How a step on the network fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Union

Step = Literal["name", "connect", "proxy", "tls", "http"]
# `alert`: the peer ended TLS with an alert. `plain`: the peer speaks another protocol. `protocol`:
# no TLS version in common. `status`: the proxy answers with an error. `failed`: anything else.
_Tcp = Literal["unknown", "refused", "timeout", "reset", "closed", "failed"]
Kind = Union[_Tcp, Literal["alert", "protocol", "plain", "status", "unsupported"]]

_REASONS = {
    "timeout": "no answer in time",
    "refused": "connection refused",
    "reset": "connection reset",
    "closed": "connection closed",
    "unknown": "could not resolve host",
}


@dataclass(eq=False)
class NetworkError(Exception):
    """A step failed. `reason` is the peer's or the system's text.

    `number` is that of a TLS alert (RFC 8446, section 6) or the status of a proxy's answer.
    """

    step: Step
    kind: Kind
    reason: str = ""
    number: int | None = None

    @property
    def said(self) -> str:
        """Return what happened, in a few words."""
        return _REASONS.get(self.kind) or self.reason
