"""Unlock an identity as the run did that cached the launch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.errors import MtlsRunError
from mtls_run.identity import source
from mtls_run.identity.material import parse
from mtls_run.identity.validity import utc_now
from mtls_run.passphrase import keyring
from mtls_run.system.files import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.cache.launches import Locked


def reopen(locked: Locked, environ: Mapping[str, str]) -> bytes | None:
    """Return the unlocked identity as PEM, or None where a whole run has to say what is wrong.

    It opens no dialog, and gives up before a person notices that the keyring is slow.
    """
    try:
        contents = [(Path(name), read_file(Path(name), source.LARGEST)) for name in locked.files]
        read = [(path, data) for path, data in contents if data is not None]
        if source.digest(read) != locked.digest:
            return None
        passphrase = keyring.look_up_directly(environ, locked.account)
        if passphrase is None:
            return None
        return parse(read).unlock(passphrase, utc_now()).exportable_pem().reveal()
    except (OSError, MtlsRunError):
        return None
