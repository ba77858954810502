"""What `Tool.proxies` returns: the proxies of one call of a tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtls_run.config.origin import Setting
    from mtls_run.net.proxy import Proxy


class Proxies:
    """The proxies that one call of a tool uses, by the tool's own rules."""

    def find(self, host: str, port: int) -> Proxy | None:
        """Return the proxy in front of this host, or None.

        Raises NetworkError where the setting is one that the tool stops at.
        """
        raise NotImplementedError

    def beats_variables(self) -> Setting[str] | None:
        """Return the setting by which the tool uses a proxy whatever HTTPS_PROXY says, or None."""
        return None

    def bypassed_by(self, host: str, port: int) -> str | None:
        """Return the setting by which the tool connects to this host directly, or None."""
        raise NotImplementedError
