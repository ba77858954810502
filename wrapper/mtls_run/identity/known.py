"""An identity that was checked before, known by the bytes of its file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run.cache import results
from mtls_run.identity import source
from mtls_run.identity.kind import KeyKind, Oddity

if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.identity.material import Identity
    from mtls_run.identity.source import Contents

_KIND = "identity"
_CERTIFICATES = re.compile(
    rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\s*", re.DOTALL
)
_ODDITY = 4  # the fields of one


@dataclass(frozen=True)
class KnownIdentity:
    """An unencrypted identity that every tool reads as its file stands, checked by an earlier run.

    Times are seconds since 1970; `digest` is the SHA-256 of the file.
    """

    file: Path
    digest: str
    fingerprint: str
    kind: KeyKind
    described: str
    not_before: float
    not_after: float
    oddities: tuple[Oddity, ...] = ()
    locked: bool = False

    @property
    def where(self) -> str:
        """Return the file, as messages name it."""
        return str(self.file)

    @property
    def certificates_pem(self) -> bytes:
        """Return its certificates as PEM, without the key."""
        return b"".join(_CERTIFICATES.findall(self.file.read_bytes()))


def find(contents: Contents, now: float) -> KnownIdentity | None:
    """Return the identity in these bytes where it was checked before and is valid now, or None."""
    if len(contents) != 1:
        return None
    ((path, _),) = contents
    digest = source.digest(contents)
    fields = results.find(_KIND, digest)
    try:
        fingerprint, name, rustls, described, begin, end, *rest = fields or [""]
        not_before, not_after = int(begin), int(end)
        oddities = tuple(
            Oddity(kind, value, int(position), certificate)
            for kind, value, position, certificate in zip(*[iter(rest)] * _ODDITY)
        )
    except ValueError:
        return None
    if not not_before <= now <= not_after:
        return None  # the full check says so
    kind = KeyKind(name, rustls == "rustls")
    return KnownIdentity(
        path, digest, fingerprint, kind, described, not_before, not_after, oddities
    )


def store(digest: str, checked: Identity) -> None:
    """Store that the file with this digest is this identity, which passed every check."""
    fields = [
        checked.fingerprint,
        checked.kind.name,
        "rustls" if checked.kind.rustls else "",
        checked.described,
        str(int(checked.not_before)),
        str(int(checked.not_after)),
    ]
    for one in checked.oddities:
        fields += [one.kind, one.value, str(one.position), one.certificate]
    results.store(_KIND, digest, fields)
