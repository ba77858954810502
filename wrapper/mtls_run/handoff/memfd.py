"""The handoff by a sealed anonymous file: in memory, and gone with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtls_run.handoff.base import Delivering, Delivery
from mtls_run.system import anonymous_file

if TYPE_CHECKING:
    from mtls_run.handoff.base import Request


class Memfd(Delivering):
    """A sealed anonymous file in memory, which ends with the process."""

    def deliver(self, request: Request) -> Delivery:
        """Put the identity into memory."""
        assert request.identity is not None
        pem = request.identity.exportable_pem().reveal()
        return Delivery(self.name, anonymous_file.hold(pem, anonymous_file.IDENTITY))
