"""Configuration: the user's and the system's files, project files, pip's settings, the selection.

To add a key, add it to `schema`, and to `profile.Profile` or `layers.Configuration`.
"""

from __future__ import annotations

from mtls_run import import_on_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.config import layers as layers
    from mtls_run.config import scope as scope
else:
    __getattr__ = import_on_use(__name__)
