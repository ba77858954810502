"""The record of what the network showed of one URL. It holds facts; `conclusions` judges them.

`LocalFacts` has what is known of this machine beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography.x509 import Certificate

from mtls_run.doctor.indexes import Index
from mtls_run.net.certificates import DistinguishedName
from mtls_run.net.errors import NetworkError
from mtls_run.net.tls import Handshake

Page = Literal["PEP 503 HTML", "PEP 691 JSON"]


@dataclass(frozen=True)
class Answer:
    """The index's answer. `page` is the kind of index page, or None for any other page.

    `skew` is the number of seconds by which this machine's clock is ahead of the server's Date.
    `text` is the beginning of the body, `location` the target of a redirect.
    """

    status: int
    media: str = ""
    page: Page | None = None
    text: str = field(default="", repr=False)
    location: str | None = None
    skew: float | None = None


@dataclass(frozen=True)
class Attempt:
    """One attempt, with or without the identity: the handshake, then an answer or an error.

    `asked_later` tells that the server asked for a client certificate after the request.
    """

    handshake: Handshake
    answer: Answer | None = None
    later_error: NetworkError | None = None
    redirects: tuple[str, ...] = ()
    asked_later: bool = False

    @property
    def error(self) -> NetworkError | None:
        """Return what ended the attempt, in the handshake or after it."""
        return self.handshake.error or self.later_error


@dataclass(frozen=True)
class ToolVerdict:
    """What one tool makes of the server, and of its decision about the identity.

    `works` is None if that is not known. `fact` says what stops the tool, and `code` is the
    finding's. Without a fact, what doctor's own attempts met stops the tool too.
    """

    kind: str
    version: str
    works: bool | None
    code: str = ""
    fact: str = ""
    action: str = ""

    @property
    def tool(self) -> str:
        """Return the tool with its version."""
        return f"{self.kind} {self.version}".strip()


@dataclass(frozen=True)
class Transcript:
    """All that one URL showed. `error` is what ended it before any TLS.

    `reached` is the address of the connection, `proxy` the proxy's URL without a password.
    """

    index: Index
    addresses: tuple[str, ...] = ()
    reached: str | None = None
    proxy: str | None = None
    proxy_origin: str | None = None
    error: NetworkError | None = None
    anonymous: Attempt | None = None
    identified: Attempt | None = None
    tools: tuple[ToolVerdict, ...] = ()


@dataclass(frozen=True)
class LocalFacts:
    """What is known of this machine when a transcript is judged.

    `profile` is the profile's label, None if none applies. `leaf` is the identity's certificate,
    even if the identity is unusable. `identity` has leaf and intermediates of a usable one.
    `roots` are the names of the roots, None if no server was verified. `issuer_of` returns the root
    that signed a certificate.
    """

    now: datetime
    profile: str | None = None
    leaf: Certificate | None = None
    identity: tuple[Certificate, ...] = ()
    identity_label: str = ""
    roots: tuple[DistinguishedName, ...] | None = None
    roots_label: str = ""
    issuer_of: Callable[[Certificate], Certificate | None] = lambda _: None
