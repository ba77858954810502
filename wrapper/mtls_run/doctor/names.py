"""Distinguished names: shown to people, and compared where the certificates behind them are not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.x509 import Certificate, Name

# Words that most authorities have in their names, and that say nothing of whose they are.
_COMMON = frozenset(
    [
        *("authority", "cas", "cert", "certificate", "certificates", "certification", "class"),
        *("client", "clients", "corp", "ecc", "global", "inc", "intermediate", "internal"),
        *("issuer", "issuing", "limited", "llc", "ltd", "network", "primary", "private"),
        *("public", "root", "rsa", "secure", "server", "servers", "sha256", "sha384"),
        *("signing", "ssl", "sub", "subordinate", "test", "tls", "trust"),
    ]
)
_SHORTEST_WORD = 3


@dataclass(frozen=True)
class Named:
    """A name as DER, by which two are equal; as it is shown; and what it says of whose it is."""

    der: bytes
    shown: str
    common: str = ""
    organization: str = ""

    @property
    def is_like_a_root(self) -> bool:
        """Tell whether the authority calls itself a root."""
        return "root" in _words(self.common)

    def is_akin(self, others: Iterable[Named]) -> bool:
        """Tell whether one of the others is, by its name, of the same authorities."""
        own = _words(self.common) - _COMMON
        for other in others:
            if self.organization and self.organization == other.organization:
                return True
            if own & _words(other.common):
                return True
        return False


def named(name: Name) -> Named:
    """Return the name of a certificate's subject or issuer."""
    return Named(
        name.public_bytes(),
        name.rfc4514_string() or "(no name)",
        _first(name, NameOID.COMMON_NAME),
        _first(name, NameOID.ORGANIZATION_NAME),
    )


def of_components(der: bytes, components: Iterable[tuple[bytes, bytes]]) -> Named:
    """Return a name from its attributes, each with its short name such as `CN`."""
    said = [(key.decode("ascii"), value.decode("utf-8", "replace")) for key, value in components]
    last = dict(said)
    shown = ",".join(f"{key}={value}" for key, value in reversed(said))
    return Named(der, shown or "(no name)", last.get("CN", ""), last.get("O", ""))


def above(certificates: Iterable[Certificate]) -> list[Named]:
    """Return the authorities that these certificates name above themselves, nearest first."""
    found = [named(certificate.issuer) for certificate in certificates]
    return list(dict.fromkeys(found))


def listed(found: Iterable[Named], most: int = 3) -> str:
    """Return some of the names, and how many there are beside them."""
    shown = [one.shown for one in found]
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return "; ".join(shown[:most]) + more


def _first(name: Name, oid: object) -> str:
    found = name.get_attributes_for_oid(oid)  # type: ignore[arg-type]
    return str(found[0].value) if found else ""


def _words(text: str) -> set[str]:
    return {word for word in re.split(r"[^a-z0-9]+", text.lower()) if len(word) >= _SHORTEST_WORD}
