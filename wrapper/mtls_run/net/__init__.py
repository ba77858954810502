"""Connections to a host: name, TCP, proxy, TLS and one HTTP request, each within a deadline.

`doctor` uses this package, and so does the gateway. It knows nothing of profiles and tools.
"""

from __future__ import annotations

from mtls_run import import_on_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.net import socks as socks
else:
    __getattr__ = import_on_use(__name__)
