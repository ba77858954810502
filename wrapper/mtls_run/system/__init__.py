"""Helpers for the operating system: files, directories, ownership, memory and digests.

At run time these modules import `errors` alone. Add a module if several packages need it.
"""

from __future__ import annotations

from mtls_run import import_on_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.system import files as files
    from mtls_run.system import libc as libc
    from mtls_run.system import urls as urls
else:
    __getattr__ = import_on_use(__name__)
