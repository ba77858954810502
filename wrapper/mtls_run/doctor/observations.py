"""What the network showed of one URL; facts only, no judgement. `verdict` draws the conclusions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from mtls_run.doctor.indexes import Index
    from mtls_run.doctor.names import Named

Step = Literal["name", "connect", "proxy", "tls", "http"]
# `alert`: the other side ended TLS by an alert; `own-alert`: ours did; `plain`: it speaks no TLS.
Kind = Literal[
    "unknown",
    "refused",
    "unreachable",
    "timeout",
    "reset",
    "closed",
    "alert",
    "protocol",
    "plain",
    "status",
    "unsupported",
    "failed",
]


@dataclass(frozen=True)
class Trouble:
    """What ended a step: how, in the other side's or the system's words, and its number.

    `number` is TLS's of an alert (RFC 8446, section 6), or HTTP's of a proxy's answer.
    """

    step: Step
    kind: Kind
    words: str = ""
    number: int | None = None


class StoppedError(Exception):
    """A step of the network ended in trouble; no error of mtls-run's."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


@dataclass(frozen=True)
class Problem:
    """What OpenSSL objects to: the number, the depth (0 is the leaf), and the certificate."""

    number: int
    depth: int
    certificate: Certificate | None


@dataclass(frozen=True)
class Handshake:
    """A handshake, as far as it came.

    `asked` tells that the server asked for a client certificate, `accepted` of which CAs it takes
    one: none named means any. `name_fits` and `problem` are None where nothing was verified.
    """

    finished: bool
    protocol: str | None = None
    cipher: str | None = None
    asked: bool = False
    accepted: tuple[Named, ...] = ()
    presented: tuple[Certificate, ...] = ()
    chain: tuple[Certificate, ...] = ()
    problem: Problem | None = None
    name_fits: bool | None = None
    trouble: Trouble | None = None

    @property
    def verified(self) -> bool:
        """Tell whether the server was seen to be the one that was meant."""
        return self.name_fits is True and self.problem is None


Page = Literal["PEP 503 HTML", "PEP 691 JSON"]


@dataclass(frozen=True)
class Answer:
    """What the index answered: `page` is its kind, None for no index; `skew` is in seconds.

    `skew` is how far this machine's clock is ahead of the server's Date; `text` is the beginning
    of the body, `location` where a redirect leads, `body` its length as far as it was read.
    """

    status: int
    media: str = ""
    page: Page | None = None
    text: str = field(default="", repr=False)
    location: str | None = None
    skew: float | None = None


@dataclass(frozen=True)
class Attempt:
    """One attempt with or without the identity: the handshake, and the answer or what ended it."""

    handshake: Handshake
    answer: Answer | None = None
    trouble: Trouble | None = None
    redirects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observed:
    """All that one URL showed; `trouble` is what ended it before there was any TLS.

    `reached` is the address that was connected to, `proxy` the proxy on the way, as may be shown.
    """

    index: Index
    addresses: tuple[str, ...] = ()
    reached: str | None = None
    proxy: str | None = None
    proxy_origin: str | None = None
    trouble: Trouble | None = None
    anonymous: Attempt | None = None
    identified: Attempt | None = None
