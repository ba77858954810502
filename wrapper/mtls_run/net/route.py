"""The route to a host: direct, or through a proxy."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from mtls_run.net import transport
from mtls_run.net.certificates import TrustStore
from mtls_run.net.errors import NetworkError
from mtls_run.net.proxy import Proxy, tunnel
from mtls_run.net.tls import Tls
from mtls_run.net.transport import Stream


@dataclass(frozen=True)
class Route:
    """A host and the proxy in front of it, if any. `trusted` verifies a proxy that uses TLS."""

    host: str
    port: int
    proxy: Proxy | None
    trusted: TrustStore | None
    timeout: float

    def resolve(self) -> tuple[str, ...]:
        """Return the addresses to connect to; a proxy resolves the host's name itself."""
        if self.proxy is None:
            return transport.resolve(self.host, self.port, self.timeout)
        if not self.proxy.is_supported:
            raise NetworkError("proxy", "unsupported")
        try:
            return transport.resolve(self.proxy.host, self.proxy.port, self.timeout)
        except NetworkError as error:
            raise replace(error, step="proxy") from None

    def connect(self, addresses: tuple[str, ...]) -> tuple[Stream, str]:
        """Return a stream to the host, and the address it goes to; raises NetworkError."""
        if self.proxy is None:
            return transport.connect(addresses, self.port, self.timeout)
        try:
            stream, address = transport.connect(addresses, self.proxy.port, self.timeout)
            try:
                return self._through(self.proxy, stream), address
            except NetworkError:
                stream.close()
                raise
        except NetworkError as error:
            if error.step == "name":  # with socks5, the name of the host itself
                raise
            raise replace(error, step="proxy") from None

    def _through(self, proxy: Proxy, stream: Stream) -> Stream:
        if proxy.scheme == "https":
            stream = Tls(stream, proxy.host, self.trusted)
            handshake = stream.handshake(time.monotonic() + self.timeout)
            if handshake.error is not None:
                raise handshake.error
            if not handshake.verified:
                raise NetworkError("proxy", "failed", "its certificate is not trusted")
        tunnel(stream, proxy, self.host, self.port, self.timeout)
        return stream
