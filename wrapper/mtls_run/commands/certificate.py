"""Inspect the certificate of a profile without a passphrase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run.errors import IdentityError, MtlsRunError
from mtls_run.identity import chain, source
from mtls_run.identity.keys import open_key, open_pkcs12, public_bytes
from mtls_run.identity.material import gather
from mtls_run.identity.pem import Kind

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from mtls_run.config.profile import Profile
    from mtls_run.identity.material import KeyMaterial


@dataclass(frozen=True)
class Certificate:
    """The client certificate of a profile, as far as it shows without a passphrase.

    `named` says whether the profile names one, `locked` whether it needs a passphrase, and
    `problem` why it cannot work. `leaf` is None where it does not show.
    """

    named: bool
    leaf: x509.Certificate | None = None
    locked: bool = False
    problem: str | None = None

    @property
    def subject(self) -> str | None:
        """Return the subject, in the form of RFC 4514; it may hold any character."""
        return self.leaf.subject.rfc4514_string() or "(no subject)" if self.leaf else None

    @property
    def issuer(self) -> str | None:
        """Return the issuer, in the form of RFC 4514; it may hold any character."""
        return self.leaf.issuer.rfc4514_string() or "(no issuer)" if self.leaf else None

    def days_left(self, now: datetime) -> int | None:
        """Return the whole days until the certificate expires, negative afterwards."""
        return (self.leaf.not_valid_after_utc - now).days if self.leaf else None


def inspect(profile: Profile, now: datetime) -> Certificate:
    """Return the certificate of the profile; ask nothing and unlock nothing."""
    if source.is_in_token(profile):
        return Certificate(named=True, locked=True)  # to load its module would be to run code
    try:
        material = gather(profile)
    except MtlsRunError as error:
        return Certificate(named=True, problem=error.fact)
    if material is None:
        return Certificate(named=False)
    problem = None
    try:
        material.check_early(now)
        if not material.locked:
            material.unlock(None, now)
    except IdentityError as error:
        problem = error.fact
    return Certificate(named=True, leaf=_leaf(material), locked=material.locked, problem=problem)


def _leaf(material: KeyMaterial) -> x509.Certificate | None:
    """Return the certificate of the key or, if the key is locked, the one that issued no other."""
    found, keys = list(material.certificates), []
    try:
        for container in material.containers:
            if not container.locked:
                key, held = open_pkcs12(container.block, None)
                keys += [key] if key else []
                found += held
        keys += [open_key(block, None) for block in material.keys if block.kind is Kind.KEY]
    except IdentityError:
        return None
    found = chain.unique(found)
    if keys:
        publics = [public_bytes(key) for key in keys]
        leaves = [one for one in found if any(chain.same_key(one, public) for public in publics)]
    else:
        leaves = [
            one
            for one in found
            if not any(other.issuer == one.subject for other in found if other != one)
        ]
    return leaves[0] if len(leaves) == 1 else None
