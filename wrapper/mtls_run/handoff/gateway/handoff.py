"""The handoff by the gateway, as far as a run knows it that uses another one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mtls_run.errors import HandoffError
from mtls_run.handoff.base import Delivering, Delivery, InPlace
from mtls_run.system import installer
from mtls_run.tools.base import TlsFiles

if TYPE_CHECKING:
    from types import ModuleType

    from mtls_run.handoff.base import Request

_PACKAGES = ("h11",)


class GatewayHandoff(Delivering):
    """A proxy on loopback that keeps the key in a process of its own."""

    def tls_files(self, bundle: str | None, *, native: bool) -> TlsFiles:
        """Return what the tool will be handed, as --explain shows it."""
        return TlsFiles(
            identity=None,
            bundle="(in memory: the roots, and the CA of this run)",
            native=False,
            proxy="http://127.0.0.1:PORT",
        )

    def check(self) -> None:
        """Raise HandoffError where the packages of the extra `gateway` are missing."""
        _delivery()

    def join(self, request: Request) -> InPlace | None:
        """Return the handoff by an outer gateway that serves the same, or None."""
        is_linux = sys.platform.startswith("linux")  # elsewhere no file is held for the tool
        named = request.environ.get("HTTPS_PROXY", "")
        if not is_linux or not named.startswith("http://mtls-run:"):
            return None
        found: InPlace | None = _delivery().join(self.name, request)
        return found

    def deliver(self, request: Request) -> Delivery:
        """Start the gateway; raises HandoffError where that is not possible."""
        found: Delivery = _delivery().start(self.name, request)
        return found


def _delivery() -> ModuleType:
    """Return the module that starts gateways; raises HandoffError where a package is missing."""
    try:
        from mtls_run.handoff.gateway import delivery  # noqa: PLC0415 - few runs have a gateway
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise HandoffError(
            f"the gateway needs {error.name}, which mtls-run was installed without",
            hint=installer.add_command("gateway"),
        ) from None
    return delivery
