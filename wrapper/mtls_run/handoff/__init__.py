"""Handoffs: the ways in which a tool receives the unlocked identity.

To add a handoff, write a module like `memfd`. Then add it to `registry.HANDOFFS`, and its name to
`cli.HANDOFFS`.
"""

from __future__ import annotations

from mtls_run import import_on_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.handoff import supervise as supervise
else:
    __getattr__ = import_on_use(__name__)
