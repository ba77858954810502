"""Identities that are renewed: when, by which command, and under which lock.

A command prints an identity (`printed`), or renews its files (`files`). `schedule` says when either
is due, and `turn` lets one run renew for all.
"""

from __future__ import annotations

from mtls_run import import_on_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.renewal import files as files
    from mtls_run.renewal import printed as printed
else:
    __getattr__ = import_on_use(__name__)
