"""What a gateway is started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import ssl
    from typing import Callable

    from mtls_run.config.scope import Scope
    from mtls_run.errors import MtlsRunError
    from mtls_run.net.proxy import Proxy


class Rotation(Protocol):
    """What renews an identity while the gateway runs."""

    def is_urgent(self) -> bool:
        """Tell whether a request has to wait for the renewal: the old one is about to expire."""

    def renew(self) -> bool:
        """Look for a newer identity, and tell whether the next `load` presents one.

        Raises MtlsRunError where there should be one and is none.
        """


@dataclass(frozen=True)
class ScopedIdentity:
    """An identity and the hosts that it is for.

    `load` puts certificate and key into a context for connections to servers. It is called in the
    gateway's process, when one of the hosts is first asked for, and again when `rotation` has a
    newer identity. It raises MtlsRunError. `failure` tells why the identity did not sign the last
    handshake, if that is known.
    """

    label: str
    scope: Scope
    load: Callable[[ssl.SSLContext], None]
    failure: Callable[[], MtlsRunError | None] = lambda: None
    rotation: Rotation | None = None


class ExpiryNotice(NamedTuple):
    """The notice that a certificate expires soon, and the certificate's SHA-256."""

    fact: str
    fingerprint: str


@dataclass(frozen=True)
class Settings:
    """The identities, and how to reach their servers.

    `roots` is the PEM that servers are verified by (None: OpenSSL's own). `methods` are those that
    are sent on to the identities' hosts (None: any). `find_proxy` returns the user's own proxy for
    a host and a port; it raises NetworkError. `open_first` runs in the gateway's process before the
    tool starts. It returns the certificate's expiry notice, if one is due, or stops the run by an
    MtlsRunError. `meaning` tells a nested mtls-run whether it
    means the same profile.
    """

    identities: tuple[ScopedIdentity, ...]
    roots: bytes | None
    methods: frozenset[str] | None
    find_proxy: Callable[[str, int], Proxy | None]
    open_first: Callable[[], ExpiryNotice | None]
    meaning: str = ""
