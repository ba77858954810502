"""The user's private cache: launches, results of checks, and what each of them depends on.

To cache another result, call `results.store` and `results.find` with the bytes that were checked.
"""

from __future__ import annotations

from mtls_run import import_on_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.cache import dependencies as dependencies
    from mtls_run.cache import results as results
    from mtls_run.cache import store as store
else:
    __getattr__ = import_on_use(__name__)
