"""Unlocked identities that `remember` keeps for a while, in the kernel's session keyring.

Off by default: any process of this user in the login session can read one. It never reaches a file.
What comes out of the keyring counts only where it is the very bytes that went in; the SHA-256 of
these is in the cache of results, or with the caller.
"""

from __future__ import annotations

import errno

from mtls_run import cache
from mtls_run.system import hardening
from mtls_run.system.digests import sha256 as new_sha256
from mtls_run.system.session_keyring import SessionKeyring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.output import Reporter

PREFIX = "mtls-run:"
_KIND = "remembered"


def recall(digest: str, sha256: str | None = None) -> bytes | None:
    """Return the PEM that is remembered for the profile and files of this digest, or None.

    `sha256` is what `remember` returned, in hexadecimal; without it, what the cache has.
    """
    hardening.disable_core_dumps()
    expected = [sha256] if sha256 else _written_down(digest)
    try:
        pem = SessionKeyring().get(PREFIX + digest) if expected else None
    except OSError:
        return None
    return pem if pem is not None and [_hexadecimal(pem)] == expected else None


def remember(digest: str, pem: bytes, seconds: int, reporter: Reporter) -> str | None:
    """Keep the PEM for so many seconds and return its SHA-256; give a notice where that fails."""
    try:
        return keep(digest, pem, seconds)
    except OSError as error:
        full = error.errno == errno.EDQUOT
        reason = "this user's quota for keys is full" if full else error.strerror
        reporter.notice(f"cannot remember the identity: {reason}")
        return None


def keep(digest: str, pem: bytes, seconds: int) -> str:
    """Keep the PEM for so many seconds and return its SHA-256; raises OSError."""
    named = _hexadecimal(pem)
    keyring = SessionKeyring()
    _write_down(digest, named)
    keyring.put(PREFIX + digest, pem, seconds)
    return named


def is_possible() -> bool:
    """Tell whether this login has a session keyring of the user's own."""
    try:
        SessionKeyring()
    except OSError:
        return False
    return True


def forget() -> int:
    """Forget every identity that this session remembers, and return how many there were."""
    try:
        return SessionKeyring().remove(PREFIX)
    except OSError:
        return 0  # no session keyring of this user's: nothing was kept in it


def _write_down(digest: str, named: str) -> None:
    """Put the SHA-256 into the cache; raises OSError where it is not there then."""
    cache.results.store(_KIND, digest, [named])
    if cache.results.find(_KIND, digest) != [named]:
        raise OSError(errno.EACCES, "the cache directory cannot be written")


def _written_down(digest: str) -> list[str] | None:
    """Return what the cache has of the SHA-256, or None."""
    return cache.results.find(_KIND, digest)


def _hexadecimal(pem: bytes) -> str:
    return new_sha256(pem).hexdigest()
