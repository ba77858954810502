"""The identities of a run as the gateway has them: each opened when its host is first asked for.

What only a person can type is asked for before the tool starts, since the gateway has no terminal.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from mtls_run.config.scope import Scope
from mtls_run.handoff.gateway import contexts, process
from mtls_run.handoff.gateway.settings import ScopedIdentity
from mtls_run.identity.token import TokenIdentity
from mtls_run.identity.validity import utc_now
from mtls_run.passphrase import unlock

if TYPE_CHECKING:
    import ssl

    from mtls_run.config.profile import Profile
    from mtls_run.errors import MtlsRunError
    from mtls_run.handoff.base import Request
    from mtls_run.identity.material import Identity, KeyMaterial
    from mtls_run.secret import Secret


class Holder(Protocol):
    """An identity in the gateway's process."""

    def prepare(self) -> None:
        """Ask a person for what only a person has; this runs before the gateway's process."""

    def open(self) -> None:
        """Open the identity, once; raises MtlsRunError."""

    def load(self, context: ssl.SSLContext) -> None:
        """Open the identity, and make a context present it; raises MtlsRunError."""

    def failure(self) -> MtlsRunError | None:
        """Return why it did not sign the last handshake, if that is known."""

    def started(self) -> None:
        """Offer to store what a person typed, now that it has proved right."""


class InFiles:
    """An identity in files; `opened` where that has been done."""

    def __init__(
        self, asked: unlock.Request[Identity] | None, opened: Identity | None = None
    ) -> None:
        self._asked = asked
        self._opened = opened

    def prepare(self) -> None:
        """Open what a person has to type a passphrase for."""
        if self._asked is None or not self._is_locked() or not unlock.needs_person(self._asked):
            return
        found = unlock.unlock(self._asked)
        unlock.offer_to_store(self._asked, found)
        self._opened = found.identity

    def open(self) -> None:
        """Open the identity with the passphrase from its source."""
        if self._opened is None:
            assert self._asked is not None
            if self._is_locked():
                self._opened = unlock.unlock(replace(self._asked, tries=0)).identity
            else:
                self._opened = self._asked.material.unlock(None, utc_now())

    def load(self, context: ssl.SSLContext) -> None:
        """Make a context present the identity."""
        self.open()
        assert self._opened is not None
        contexts.load_pem(context, self._opened.signer.exportable_pem())

    def failure(self) -> None:
        """Return None: a key in memory signs."""

    def started(self) -> None:
        """Do nothing: the passphrase proved right before."""

    def _is_locked(self) -> bool:
        return bool(getattr(self._asked and self._asked.material, "locked", False))


class InToken:
    """An identity whose key is in a token. A PIN is tried once."""

    def __init__(self, asked: unlock.Request[Secret], identity: TokenIdentity) -> None:
        self._asked = asked
        self._identity = identity
        self._typed: unlock.Unlocked[Secret] | None = None
        self._is_open = False
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Ask for the PIN, if the token takes one from mtls-run and no source has it."""
        # PKCS#11 promises nothing to the child of a process that has loaded a module.
        if unlock.needs_person(self._asked) and process.ask_in_child(
            lambda: self._identity.inspect().needs_pin
        ):
            self._typed = unlock.unlock(replace(self._asked, tries=1))

    def open(self) -> None:
        """Log in to the token."""
        with self._lock:
            if self._is_open:
                return
            pin = None
            if self._identity.inspect().needs_pin:
                found = self._typed or unlock.unlock(replace(self._asked, tries=0))
                pin = found.identity
            self._identity.open(pin)
            self._is_open = True

    def load(self, context: ssl.SSLContext) -> None:
        """Make a context sign by the token."""
        self.open()
        self._identity.load(context)

    def failure(self) -> MtlsRunError | None:
        """Return why the token did not sign."""
        return self._identity.failure

    def started(self) -> None:
        """Offer to store a typed PIN."""
        if self._typed is not None:
            unlock.offer_to_store(self._asked, self._typed)


def of(request: Request) -> list[tuple[Profile, Holder]]:
    """Return each identity of the run with the profile whose hosts it is for."""
    found: list[tuple[Profile, Holder]] = []
    if request.identity is not None:
        found.append((request.profile, InFiles(None, request.identity)))
    for profile, part in request.further:
        found.append((profile, _holder(profile, part, request)))
    return found


def scoped(profile: Profile, holder: Holder) -> ScopedIdentity:
    """Return the identity with its hosts, for the gateway."""
    assert profile.hosts is not None
    return ScopedIdentity(
        label=profile.label,
        scope=Scope(profile.hosts.value, profile.paths.value if profile.paths else ()),
        load=holder.load,
        failure=holder.failure,
    )


def _holder(profile: Profile, part: KeyMaterial | TokenIdentity, request: Request) -> Holder:
    if isinstance(part, TokenIdentity):
        pin = unlock.Request(profile, part.pin, request.environ, request.reporter)
        return InToken(pin, part)
    return InFiles(unlock.Request(profile, part, request.environ, request.reporter))
