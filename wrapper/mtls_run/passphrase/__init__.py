"""Get passphrases: from the sources that a profile may name, to unlock its key.

A new source is a type in `sources`, its reading in `config.readers`, and its fetching in `fetch`.
"""

from __future__ import annotations

from mtls_run import import_on_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.passphrase import reopen as reopen
    from mtls_run.passphrase import secret_service as secret_service
    from mtls_run.passphrase import unlock as unlock
else:
    __getattr__ = import_on_use(__name__)
