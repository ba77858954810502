"""An identity that is ready as its file stands, and was checked before: told by its bytes."""

from __future__ import annotations

from mtls_run.cache import results
from mtls_run.identity.kind import KeyKind
from mtls_run.identity.source import digest
from mtls_run.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.identity.material import Identity
    from mtls_run.identity.source import Contents

_KIND = "identity"


class Ready(Record):
    """What the road asks of KeyMaterial and of Identity, of one that needs no opening.

    Times are seconds since 1970. `described` is empty where nobody has read its names yet, which
    only `material` can.
    """

    ready: Path
    digest: str
    fingerprint: str
    kind: KeyKind
    described: str
    not_before: float
    not_after: float
    locked: bool = False

    @property
    def where(self) -> str:
        """Return the file, as messages name it."""
        return str(self.ready)


def recall(contents: Contents, now: float) -> Ready | None:
    """Return the identity in these bytes where it was checked before and is valid now, or None."""
    if len(contents) != 1:
        return None
    (path, _) = contents[0]
    named = digest(contents)
    fields = results.recall(_KIND, named)
    if fields is None:
        return None
    try:
        fingerprint, name, rustls, described, *times = fields
        not_before, not_after = map(int, times)
    except ValueError:
        return None
    if not not_before <= now <= not_after:
        return None  # whoever opens it says so
    kind = KeyKind(name, rustls == "rustls")
    return Ready(path, named, fingerprint, kind, described, not_before, not_after)


def keep(named: str, checked: Identity | Ready) -> None:
    """Keep that the bytes of this digest are this identity, checked and ready."""
    kind = checked.kind
    results.keep(
        _KIND,
        named,
        [
            checked.fingerprint,
            kind.name,
            "rustls" if kind.rustls else "",
            checked.described,
            str(int(checked.not_before)),
            str(int(checked.not_after)),
        ],
    )
