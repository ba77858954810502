"""What a gateway is started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from typing import Callable

    from mtls_run.config.scope import Scope
    from mtls_run.errors import MtlsRunError
    from mtls_run.net.proxy import Proxy


@dataclass(frozen=True)
class ScopedIdentity:
    """An identity and the hosts that it is for.

    `load` puts certificate and key into a context for connections to servers. It is called once, in
    the gateway's process, when one of the hosts is asked for. It raises MtlsRunError. `failure`
    tells why the identity did not sign the last handshake, if that is known.
    """

    label: str
    scope: Scope
    load: Callable[[ssl.SSLContext], None]
    failure: Callable[[], MtlsRunError | None] = lambda: None


@dataclass(frozen=True)
class Settings:
    """The identities, and how to reach their servers.

    `roots` is the PEM that servers are verified by (None: OpenSSL's own). `methods` are those that
    are sent on to the identities' hosts (None: any). `find_proxy` returns the user's own proxy for
    a host and a port; it raises NetworkError. `open_first` runs in the gateway's process before the
    tool starts, and stops the run by an MtlsRunError. `meaning` tells a nested mtls-run whether it
    means the same profile.
    """

    identities: tuple[ScopedIdentity, ...]
    roots: bytes | None
    methods: frozenset[str] | None
    find_proxy: Callable[[str, int], Proxy | None]
    open_first: Callable[[], None]
    meaning: str = ""
