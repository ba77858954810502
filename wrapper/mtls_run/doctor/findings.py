"""Findings and rows, and the catalogue of findings: each code with its usual rank."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from mtls_run.errors import MtlsRunError

Rank = Literal["note", "warning", "error"]
# In the order of printing: most important last, where the screen ends.
RANKS: tuple[Rank, ...] = ("note", "warning", "error")


# A cause comes before its consequences: the configuration before the identity, an unknown hostname
# before a page that is not an index. The codes are stable, for scripts read them. docs/findings.md
# says what each means.
CATALOGUE: dict[str, Rank] = {
    # Configuration.
    "config-missing": "error",
    "config-invalid": "error",
    "config-unsafe": "error",
    "project-not-allowed": "error",
    "disabled": "warning",
    "variable-broken": "error",
    # The identity's files.
    "identity-missing": "error",
    "identity-unreadable": "error",
    "identity-unrecognised": "error",
    "identity-no-key": "error",
    "identity-no-certificate": "error",
    "identity-ambiguous": "error",
    "identity-command-failed": "error",
    "renewal-failed": "warning",
    # The token of an identity.
    "token-extra-missing": "error",
    "token-missing": "error",
    "token-failed": "error",
    "token-locked": "error",
    "token-tries-low": "warning",
    # The passphrase.
    "passphrase-variable-unset": "error",
    "passphrase-file-missing": "error",
    "passphrase-file-unsafe": "error",
    "passphrase-command-failed": "error",
    "keyring-plain-text": "error",
    "keyring-failed": "error",
    "keyring-locked": "error",
    "keyring-absent": "error",
    "passphrase-wrong": "error",
    "passphrase-missing": "error",
    # The identity itself.
    "identity-key-mismatch": "error",
    "identity-key-kind": "error",
    "identity-version": "error",
    "identity-weak": "error",
    "identity-extension": "error",
    "identity-not-for-clients": "error",
    "identity-expired": "error",
    "identity-not-yet-valid": "error",
    # Roots.
    "ca-missing": "error",
    "ca-unrecognised": "error",
    "roots-no-store": "error",
    "roots-empty": "error",
    # The tools.
    "tool-missing": "error",
    "tool-failed": "error",
    "tool-too-old": "error",
    "handoff-failed": "error",
    "no-profile": "error",
    # The connection to the index.
    "url-invalid": "error",
    "url-insecure": "error",
    "proxy-unreachable": "error",
    "proxy-auth-required": "error",
    "proxy-refused": "error",
    "proxy-needs-pysocks": "error",
    "name-unknown": "error",
    "network-unreachable": "error",
    "connection-refused": "error",
    "connection-timeout": "error",
    "tls-not-spoken": "error",
    "tls-too-old": "error",
    "tls-timeout": "error",
    # The server's certificate.
    "server-name-mismatch": "error",
    "server-expired": "error",
    "server-not-yet-valid": "error",
    "server-chain-incomplete": "error",
    "server-unknown-ca": "error",
    "tls-failed": "error",
    "tool-refuses-server": "error",
    # The server's decision about the identity.
    "identity-chain-incomplete": "warning",
    "identity-wrong-ca": "error",
    "identity-required": "error",
    "server-asks-late": "error",
    "identity-refused": "error",
    "connection-reset": "error",
    # The answer of the index.
    "redirect-insecure": "error",
    "http-unauthorized": "error",
    "http-forbidden": "error",
    "http-not-found": "error",
    "http-timeout": "error",
    "http-error": "error",
    "not-an-index": "error",
    # Trouble to come.
    "clock-skew": "warning",
    "identity-expires-soon": "warning",
    "server-expires-soon": "warning",
    "redirect-elsewhere": "warning",
    "identity-key-usage": "warning",
    "identity-any-purpose": "warning",
    "ca-expired": "warning",
    "key-readable-by-others": "warning",
    # Good to know.
    "no-index": "note",
    "tool-bypassed": "note",
    "variable-replaced": "note",
    "roots-snapshot": "note",
    "root-left-out": "note",
    "identity-not-asked-for": "note",
    "proxy-differs": "note",
    "proxy-not-probed": "note",
    "key-unencrypted": "note",
}
_POSITIONS = {code: position for position, code in enumerate(CATALOGUE)}


@dataclass(frozen=True)
class Finding:
    """One fact, its origin (None if the fact names it), and one action.

    `stops` names the tools that it stops, None if it concerns every tool. `about` are the parts of
    the report that it marks: "identity", or a URL.
    """

    code: str
    rank: Rank
    fact: str
    action: str
    origin: str | None = None
    stops: str | None = None
    about: tuple[str, ...] = field(default=(), compare=False)


def finding(
    code: str, fact: str, action: str, *, origin: object = None, rank: Rank | None = None
) -> Finding:
    """Return a finding with this code; its rank is the catalogue's unless another is given."""
    text = None if origin is None else str(origin)
    return Finding(code, rank or CATALOGUE[code], fact, action, text)


def from_error(error: MtlsRunError, origin: object = None, rank: Rank | None = None) -> Finding:
    """Return the finding for an error that would stop a run."""
    code = error.code or "config-invalid"
    return finding(code, error.fact, error.hint, origin=origin, rank=rank)


@dataclass(frozen=True)
class Row:
    """One row of the report: what was examined, in a word or two, its value, and its origin.

    `part` is the part of the report that it stands in.
    """

    what: str
    value: str
    origin: str | None = None
    part: str = ""


def row(what: str, value: object, origin: object = None) -> Row:
    """Return a row with the value and the origin as text."""
    return Row(what, str(value), None if origin is None else str(origin))


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return each finding once, sorted by rank. Within a rank, a cause follows its consequences."""
    about: dict[Finding, tuple[str, ...]] = {}
    for one in found:
        about[one] = (*about.get(one, ()), *one.about)
    distinct = [replace(one, about=tuple(dict.fromkeys(parts))) for one, parts in about.items()]
    return tuple(
        sorted(distinct, key=lambda one: (RANKS.index(one.rank), -_POSITIONS.get(one.code, -1)))
    )


def status(found: Iterable[Finding]) -> int:
    """Return doctor's exit status: 1 if there is an error, else 0."""
    return int(any(one.rank == "error" for one in found))
