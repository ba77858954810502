"""The handoff by a sealed anonymous file: in memory, and gone with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtls_run.handoff.base import Delivering, Delivery
from mtls_run.system import anonymous_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.identity.material import Identity


class Memfd(Delivering):
    """A sealed anonymous file in memory, which ends with the process."""

    def deliver(self, identity: Identity, environ: Mapping[str, str]) -> Delivery:
        """Put the identity into memory."""
        del environ
        return Delivery(
            self.name,
            anonymous_file.hold(identity.signer.exportable_pem().reveal(), anonymous_file.IDENTITY),
        )
