"""Trusted roots: resolve the roots of a profile, and write them as one bundle.

A new operating system's store goes into `stores`.
"""

from __future__ import annotations

from mtls_run import import_on_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.roots import certificates as certificates
else:
    __getattr__ = import_on_use(__name__)
