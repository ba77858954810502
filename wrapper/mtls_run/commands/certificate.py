"""Inspect the certificate of a profile without a passphrase."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from mtls_run import errors
from mtls_run.config.profile import Profile
from mtls_run.errors import IdentityError, MtlsRunError
from mtls_run.handoff import nested
from mtls_run.identity import source, validity, visible
from mtls_run.identity.material import gather
from mtls_run.renewal import printed

_BY_THE_CLOCK = ("identity-expired", "identity-not-yet-valid")


@dataclass(frozen=True)
class Certificate:
    """The client certificate of a profile, as far as it shows without a passphrase.

    `named` says whether the profile names one, `locked` whether it needs a passphrase, and
    `problem` why it cannot work, with the `code` of that finding. `leaf` is None where it does not
    show. `command` names what prints it, which nothing here runs.
    """

    named: bool
    leaf: x509.Certificate | None = None
    locked: bool = False
    problem: str | None = None
    code: str | None = None
    command: str | None = None

    @property
    def subject(self) -> str | None:
        """Return the subject, in the form of RFC 4514; it may hold any character."""
        return self.leaf.subject.rfc4514_string() or "(no subject)" if self.leaf else None

    @property
    def issuer(self) -> str | None:
        """Return the issuer, in the form of RFC 4514; it may hold any character."""
        return self.leaf.issuer.rfc4514_string() or "(no issuer)" if self.leaf else None

    def state(self, now: datetime) -> str:
        """Return how it stands, in a few words: `312 days left`, `key mismatch`, `locked`."""
        if not self.named:
            return "no client certificate"
        if self.problem and (self.leaf is None or self.code not in _BY_THE_CLOCK):
            return errors.state(self.code)
        if self.leaf is None:
            return self.command or ("locked" if self.locked else "unknown")
        return validity.state(self.leaf.not_valid_before_utc, self.leaf.not_valid_after_utc, now)

    def rank(self, now: datetime, notice_days: int) -> str:
        """Return "error" if it cannot work, "warning" if it expires soon, else "well"."""
        if self.problem:
            return "error"
        if self.leaf is None:
            return "well"
        times = (
            self.leaf.not_valid_before_utc.timestamp(),
            self.leaf.not_valid_after_utc.timestamp(),
        )
        due = validity.notice_due_at(*times, notice_days)
        return "well" if now.timestamp() < due else "warning"

    def days_left(self, now: datetime) -> int | None:
        """Return the whole days until the certificate expires, negative afterwards."""
        return (self.leaf.not_valid_after_utc - now).days if self.leaf else None


def inspect(profile: Profile, now: datetime) -> Certificate:
    """Return the certificate of the profile; ask nothing and unlock nothing."""
    if source.is_printed(profile):
        key = nested.renewal_key(profile)
        kept = printed.kept(key) if key is not None else None
        leaf = None if kept is None else kept.identity.leaf
        return Certificate(named=True, leaf=leaf, command=source.Printed(profile).where)
    if source.is_in_token(profile):
        return Certificate(named=True, locked=True)  # to load its module would be to run code
    try:
        material = gather(profile)
    except MtlsRunError as error:
        return Certificate(named=True, problem=error.fact, code=error.code)
    if material is None:
        return Certificate(named=False)
    problem = code = None
    try:
        material.check_early(now)
        if not material.locked:
            material.unlock(None, now)
    except IdentityError as error:
        problem, code = error.fact, error.code
    leaf = visible.leaf(material)
    return Certificate(named=True, leaf=leaf, locked=material.locked, problem=problem, code=code)
