"""Unlocked identities that `remember` keeps for a while, in the kernel's keyring of the session.

Off by default: any process of the login session can read what is remembered. What is found is
never more than what unlocking would have given: it is kept by the profile and the very bytes of its
files, and checked again before it is used. Nothing of it is written to a file.
"""

from __future__ import annotations

import errno

from mtls_run.system import hardening
from mtls_run.system.session_keyring import SessionKeyring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.output import Reporter

PREFIX = "mtls-run:"


def recall(digest: str) -> bytes | None:
    """Return the PEM that is remembered for the profile and files of this digest, or None."""
    try:
        return SessionKeyring().get(PREFIX + digest)
    except OSError:
        return None


def remember(digest: str, pem: bytes, seconds: int, reporter: Reporter) -> bool:
    """Keep the PEM for so many seconds; where that cannot be, say so, and return False."""
    try:
        SessionKeyring().put(PREFIX + digest, pem, seconds)
    except OSError as error:
        reason = "its quota is full" if error.errno == errno.EDQUOT else error.strerror
        reporter.notice(f"the kernel's session keyring does not keep the identity: {reason}")
        return False
    return True


def forget() -> int:
    """Forget every identity that this session remembers, and return how many there were."""
    try:
        return SessionKeyring().remove(PREFIX)
    except OSError:
        return 0  # no keyring of the session: nothing was kept in it


def held(digest: str) -> str | None:
    """Return the path of what is remembered, held in memory for the tool, or None."""
    hardening.disable_core_dumps()
    pem = recall(digest)
    if pem is None:
        return None
    from mtls_run.errors import HandoffError  # noqa: PLC0415
    from mtls_run.handoff import memfd  # noqa: PLC0415

    try:
        path = memfd.hold(pem, memfd.IDENTITY)
    except HandoffError:
        return None  # the road knows another way
    hardening.restore_core_limit()
    return path
