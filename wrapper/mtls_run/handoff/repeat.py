"""Hand an unlocked identity over again, as the run did that cached the launch."""

from __future__ import annotations

import mtls_run.passphrase
from mtls_run.cache.launches import Remembered
from mtls_run.errors import HandoffError
from mtls_run.identity import remembered
from mtls_run.system import anonymous_file, hardening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.cache.launches import Locked


def hold(identity: Remembered | Locked, environ: Mapping[str, str]) -> str | None:
    """Return the path of the identity, unlocked and held in memory for the tool, or None.

    What the session's keyring has counts only where it is the very PEM that was put there.
    """
    hardening.disable_core_dumps()
    if isinstance(identity, Remembered):
        pem = remembered.recall(identity.digest, identity.pem_sha256)
    else:
        pem = mtls_run.passphrase.reopen.reopen(identity, environ)
    if pem is None:
        return None
    try:
        path = anonymous_file.hold(pem, anonymous_file.IDENTITY)
    except HandoffError:
        return None  # `run` knows another way
    hardening.restore_core_limit()
    return path
