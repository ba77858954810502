"""Certificate authorities, compared by their names where their certificates are not at hand."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cryptography.x509 import Certificate

from mtls_run.net.certificates import DistinguishedName, of_name

# Words in the names of most authorities, which say nothing of whose they are.
_COMMON_WORDS = frozenset(
    [
        *("authority", "cas", "cert", "certificate", "certificates", "certification", "class"),
        *("client", "clients", "corp", "ecc", "global", "inc", "intermediate", "internal"),
        *("issuer", "issuing", "limited", "llc", "ltd", "network", "primary", "private"),
        *("public", "root", "rsa", "secure", "server", "servers", "sha256", "sha384"),
        *("signing", "ssl", "sub", "subordinate", "test", "tls", "trust"),
    ]
)
_SHORTEST_WORD = 3
_MOST_LISTED = 3


def subject_of(certificate: Certificate) -> str:
    """Return the certificate's subject as text."""
    return of_name(certificate.subject).text


def issuers_of(certificates: Iterable[Certificate]) -> list[DistinguishedName]:
    """Return the authorities that issued these certificates, nearest first."""
    return list(dict.fromkeys(of_name(certificate.issuer) for certificate in certificates))


def named_by(identity: tuple[Certificate, ...]) -> set[DistinguishedName]:
    """Return every authority that a chain names: as an issuer, or as an intermediate's subject."""
    return {*issuers_of(identity), *(of_name(one.subject) for one in identity[1:])}


def calls_itself_root(name: DistinguishedName) -> bool:
    """Tell whether the authority has `root` in its name."""
    return "root" in _words(name.common_name)


def is_related(name: DistinguishedName, others: Iterable[DistinguishedName]) -> bool:
    """Tell whether one of the others, by its name, belongs to the same organization."""
    own_words = _words(name.common_name) - _COMMON_WORDS
    for other in others:
        if name.organization and name.organization == other.organization:
            return True
        if own_words & _words(other.common_name):
            return True
    return False


def listed(names: Iterable[DistinguishedName]) -> str:
    """Return the first few names as text, and the number of the rest."""
    texts = [name.text for name in names]
    rest = len(texts) - _MOST_LISTED
    return "; ".join(texts[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _words(text: str) -> set[str]:
    return {word for word in re.split(r"[^a-z0-9]+", text.lower()) if len(word) >= _SHORTEST_WORD}
