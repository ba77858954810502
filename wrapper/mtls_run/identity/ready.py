"""An identity that is ready as its file stands, and was checked before: told by its bytes."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from mtls_run import verdicts
from mtls_run.record import Record

from . import digest
from .kind import KeyKind

if TYPE_CHECKING:
    from pathlib import Path

    from . import Contents
    from .material import Identity

_KIND = "identity"


class Ready(Record):
    """What the road asks of Material and of Identity, of one that needs no opening."""

    ready: Path
    digest: str
    fingerprint: str
    kind: KeyKind
    described: str
    not_before: datetime
    not_after: datetime
    locked: bool = False

    @property
    def where(self) -> str:
        """Return the file, as messages name it."""
        return str(self.ready)


def recall(contents: Contents, now: datetime) -> Ready | None:
    """Return the identity in these bytes where it was checked before and is valid now, or None."""
    if len(contents) != 1:
        return None
    (path, _) = contents[0]
    named = digest(contents)
    fields = verdicts.recall(_KIND, named)
    if fields is None:
        return None
    try:
        fingerprint, name, rustls, described, *times = fields
        not_before, not_after = (datetime.fromtimestamp(int(t), timezone.utc) for t in times)
    except (ValueError, OverflowError, OSError):
        return None
    if not not_before <= now <= not_after:
        return None  # whoever opens it says so
    kind = KeyKind(name, rustls == "rustls")
    return Ready(path, named, fingerprint, kind, described, not_before, not_after)


def keep(named: str, checked: Identity) -> None:
    """Keep that the bytes of this digest are this identity, checked and ready."""
    kind = checked.kind
    verdicts.keep(
        _KIND,
        named,
        [
            checked.fingerprint,
            kind.name,
            "rustls" if kind.rustls else "",
            checked.described,
            str(int(checked.not_before.timestamp())),
            str(int(checked.not_after.timestamp())),
        ],
    )
