"""What doctor can find: each code with its rank and meaning, and the order in which they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mtls_run.errors import MtlsRunError

Rank = Literal["note", "warning", "error"]
# As they are printed: the most important last, where the screen ends.
RANKS: tuple[Rank, ...] = ("note", "warning", "error")


@dataclass(frozen=True)
class Entry:
    """One code: the rank that it has as a rule, and what it means in a few words."""

    rank: Rank
    meaning: str


def _error(meaning: str) -> Entry:
    return Entry("error", meaning)


def _warning(meaning: str) -> Entry:
    return Entry("warning", meaning)


def _note(meaning: str) -> Entry:
    return Entry("note", meaning)


# The nearer to the beginning, the more of the others it causes: what the configuration says comes
# before what the identity is, and a name that nobody knows before a page that is no index. Stable:
# scripts read the codes, docs/findings.md explains them.
CATALOGUE: dict[str, Entry] = {
    # What is said, and whether it counts.
    "config-missing": _error("the configuration that is named is not there"),
    "config-invalid": _error("the configuration or a variable says what cannot be taken"),
    "config-unsafe": _error("others own or can write a file that says what mtls-run does"),
    "project-not-allowed": _error("a project file would count, and is not allowed"),
    "disabled": _warning("MTLS_RUN_DISABLE switches mtls-run off"),
    "variable-broken": _error("a variable names a file that is not there"),
    # The identity's files.
    "identity-missing": _error("a file of the identity is not there"),
    "identity-unreadable": _error("a file of the identity cannot be read"),
    "identity-unrecognised": _error("a file of the identity is none, or damaged"),
    "identity-no-key": _error("the identity has no private key"),
    "identity-no-certificate": _error("the identity has no certificate"),
    "identity-ambiguous": _error("several keys or certificates could be meant"),
    # The passphrase.
    "passphrase-variable-unset": _error("the passphrase's variable is not set"),
    "passphrase-file-missing": _error("the passphrase's file is not there, or is no passphrase"),
    "passphrase-file-unsafe": _error("others can read the passphrase's file"),
    "passphrase-command-failed": _error("the passphrase's command gives none"),
    "keyring-plain-text": _error("the keyring would keep the passphrase in plain text"),
    "keyring-failed": _error("the keyring cannot be used"),
    "keyring-locked": _error("the keyring is locked"),
    "keyring-absent": _error("there is no keyring here"),
    "passphrase-wrong": _error("the passphrase does not open the key"),
    "passphrase-missing": _error("there is no passphrase, and nobody to ask"),
    # What the identity is.
    "identity-key-mismatch": _error("the key is another certificate's"),
    "identity-key-kind": _error("a tool cannot use a key of this kind"),
    "identity-version": _error("the certificate is not X.509 v3"),
    "identity-not-for-clients": _error("the certificate is not for clients"),
    "identity-expired": _error("the certificate has expired"),
    "identity-not-yet-valid": _error("the certificate is not valid yet"),
    # Whom to trust.
    "ca-missing": _error("a file of `ca-cert` is not there"),
    "ca-unrecognised": _error("a file of `ca-cert` holds no certificate"),
    "roots-no-store": _error("the system has no store of roots"),
    "roots-empty": _error("the profile trusts nobody"),
    # The tools.
    "tool-missing": _error("neither pip nor uv is there"),
    "tool-failed": _error("a tool does not work"),
    "tool-too-old": _error("a tool is too old for the profile"),
    "handoff-failed": _error("the unlocked identity cannot be handed on"),
    "no-profile": _error("no profile applies here"),
    # The way to the index.
    "url-invalid": _error("the URL names no index"),
    "url-insecure": _error("plain HTTP, where no identity can be asked for"),
    "proxy-unreachable": _error("the proxy cannot be reached"),
    "proxy-auth-required": _error("the proxy wants a password"),
    "proxy-refused": _error("the proxy does not make the connection"),
    "name-unknown": _error("nobody knows the host's name"),
    "network-unreachable": _error("there is no way to the host"),
    "connection-refused": _error("nothing listens there"),
    "connection-timeout": _error("the host does not answer"),
    "tls-not-spoken": _error("what answers is not TLS"),
    "tls-too-old": _error("the server speaks TLS 1.0 or 1.1 at most"),
    "tls-timeout": _error("the TLS handshake does not end"),
    # The server's certificate.
    "server-name-mismatch": _error("the server's certificate is for another name"),
    "server-expired": _error("the server's certificate has expired"),
    "server-not-yet-valid": _error("the server's certificate is not valid yet"),
    "server-chain-incomplete": _error("the server leaves its intermediate out"),
    "server-unknown-ca": _error("no root of the profile vouches for the server"),
    "tls-failed": _error("the TLS handshake fails"),
    # Whether the server takes the identity.
    "identity-chain-incomplete": _warning("the identity's intermediate is left out"),
    "identity-wrong-ca": _error("the server takes identities of other CAs"),
    "identity-required": _error("the server wants an identity, and there is none"),
    "identity-refused": _error("the server refuses the identity"),
    "connection-reset": _error("the connection is closed without an answer"),
    # What the index answers.
    "redirect-insecure": _error("the index redirects to plain HTTP"),
    "http-unauthorized": _error("the index wants a user and a password: 401"),
    "http-forbidden": _error("the index does not admit this user: 403"),
    "http-not-found": _error("there is nothing at this URL: 404"),
    "http-timeout": _error("the index does not answer in time"),
    "http-error": _error("the index answers with an error"),
    "not-an-index": _error("what answers is no package index"),
    # What will bite.
    "clock-skew": _warning("this machine's clock is wrong"),
    "identity-expires-soon": _warning("the certificate expires soon"),
    "server-expires-soon": _warning("the server's certificate expires soon"),
    "redirect-elsewhere": _warning("the index redirects to a host that would see the identity"),
    "identity-key-usage": _warning("the certificate's key usage does not let it sign"),
    "ca-expired": _warning("a CA certificate of the profile has expired"),
    "key-readable-by-others": _warning("others can read the private key"),
    # What is good to know.
    "no-index": _note("no index is named here"),
    "tool-bypassed": _note("a shim is installed, and something else is reached"),
    "variable-replaced": _note("a variable says otherwise, and is replaced for the tools"),
    "roots-snapshot": _note("the system's roots are a snapshot"),
    "identity-not-asked-for": _note("the server asks for no identity"),
    "proxy-not-probed": _note("a proxy that doctor cannot speak to"),
    "key-unencrypted": _note("the private key is not encrypted"),
}
_PLACES = {code: place for place, code in enumerate(CATALOGUE)}


@dataclass(frozen=True)
class Finding:
    """One fact, where it was said or seen (None where the fact says so), and one action."""

    code: str
    rank: Rank
    fact: str
    action: str
    origin: str | None = None


def finding(
    code: str, fact: str, action: str, *, origin: object = None, rank: Rank | None = None
) -> Finding:
    """Return a finding of the catalogue; its rank is the entry's where none is given."""
    said = None if origin is None else str(origin)
    return Finding(code, rank or CATALOGUE[code].rank, fact, action, said)


def of_error(error: MtlsRunError, origin: object = None) -> Finding:
    """Return the finding that this error of the run road is."""
    return finding(error.code or "config-invalid", error.fact, error.hint, origin=origin)


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings, each once: by rank, and within a rank the cause after what it causes."""
    distinct = dict.fromkeys(found)
    return tuple(
        sorted(distinct, key=lambda one: (RANKS.index(one.rank), -_PLACES.get(one.code, -1)))
    )


def status(found: Iterable[Finding]) -> int:
    """Return what doctor ends with: 1 where there is an error, else 0."""
    return int(any(one.rank == "error" for one in found))
