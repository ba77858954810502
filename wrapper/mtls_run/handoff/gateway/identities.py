"""The identities of a run as the gateway has them: each opened when its host is first asked for.

What only a person can type is asked for before the tool starts, since the gateway has no terminal.
An identity that is renewed while the tool runs is taken up.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from mtls_run.config.scope import Scope
from mtls_run.handoff import nested
from mtls_run.handoff.gateway import contexts, process
from mtls_run.handoff.gateway.settings import ExpiryNotice, ScopedIdentity
from mtls_run.identity import chain, checks, source
from mtls_run.identity.known import KnownIdentity
from mtls_run.identity.material import parse
from mtls_run.identity.source import Printed
from mtls_run.identity.token import TokenIdentity
from mtls_run.identity.validity import utc_now
from mtls_run.passphrase import unlock
from mtls_run.renewal import files, printed
from mtls_run.renewal.printed import Obtained
from mtls_run.renewal.schedule import Life
from mtls_run.system.digests import sha256

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

    def open(self) -> ExpiryNotice | None:
        """Open the identity, once, and return its notice if one is due; raises MtlsRunError."""

    def load(self, context: ssl.SSLContext) -> None:
        """Open the identity, and make a context present it; raises MtlsRunError."""

    def failure(self) -> MtlsRunError | None:
        """Return why it did not sign the last handshake, if that is known."""

    def started(self) -> None:
        """Offer to store what a person typed, now that it has proved right."""


class InFiles:
    """An identity in files, or printed by a command, which may be renewed while the tool runs.

    `material` is what a run knows of it, and `opened` the identity if the run has opened it.
    """

    def __init__(
        self,
        profile: Profile,
        material: KeyMaterial | Printed | None,
        request: Request,
        opened: Identity | None = None,
    ) -> None:
        self._profile = profile
        self._request = request
        self._material = None if isinstance(material, Printed) else material
        self._opened = opened
        self._ends = min(opened.not_after, request.ends) if opened is not None else 0.0
        self._digest = getattr(material, "digest", "")

    def prepare(self) -> None:
        """Open what a person has to type a passphrase for."""
        if self._opened is not None or self._material is None or not self._material.locked:
            return
        asked = self._asked(self._material, unlock.TRIES)
        if unlock.needs_person(asked):
            found = unlock.unlock(asked)
            unlock.offer_to_store(asked, found)
            self._opened, self._ends = found.identity, found.identity.not_after

    def open(self) -> None:
        """Open the identity with the passphrase from its source, or have the command print it.

        `unlock` gives the notices.
        """
        if self._opened is not None:
            return
        if self._material is None:
            self._opened, self._ends = self._latest()
        else:
            self._opened = self._unlocked(self._material)
            self._ends = self._opened.not_after

    def load(self, context: ssl.SSLContext) -> None:
        """Make a context present the identity."""
        self.open()
        assert self._opened is not None
        contexts.load_pem(context, self._opened.exportable_pem())

    def is_urgent(self) -> bool:
        """Tell whether the identity is about to expire."""
        opened = self._opened
        return opened is not None and time.time() >= Life(opened.not_before, self._ends).urgent_at

    def renew(self) -> bool:
        """Run the command where that is due, or read the files, and tell whether it is another."""
        found, self._ends = self._latest()
        if self._opened is not None and found.fingerprint == self._opened.fingerprint:
            return False
        self._opened = found
        return True

    def failure(self) -> None:
        """Return None: a key in memory signs."""

    def started(self) -> None:
        """Do nothing: the passphrase proved right before."""

    def _latest(self) -> tuple[Identity, float]:
        """Return the identity as it is now, and when it ends; raises MtlsRunError."""
        profile, request = self._profile, self._request
        key, environ, reporter = nested.renewal_key(profile), request.environ, request.reporter
        if key is not None and source.is_printed(profile):
            held = None if self._opened is None else Obtained(self._opened, self._ends)
            found = printed.obtain(
                printed.Request(profile, key, environ, reporter, may_ask=False, held=held)
            )
            return found.identity, found.ends
        if key is not None:
            contents = files.current(files.Request(profile, key, environ, reporter))
        else:
            contents = source.read(profile)
        digest = source.digest(contents)
        if digest == self._digest and self._opened is not None:
            return self._opened, self._ends
        self._digest = digest  # what cannot be opened is not tried again before it changes
        opened = self._unlocked(parse(contents))
        return opened, opened.not_after

    def _unlocked(self, material: KeyMaterial) -> Identity:
        if material.locked:
            return unlock.unlock(self._asked(material, 0)).identity
        return material.unlock(None, utc_now())

    def _asked(self, material: KeyMaterial, tries: int) -> unlock.Request[Identity]:
        request = self._request
        return unlock.Request(self._profile, material, request.environ, request.reporter, tries)


class InToken:
    """An identity whose key is in a token. A PIN is tried once."""

    def __init__(
        self, asked: unlock.Request[Secret], identity: TokenIdentity, expiry_notice_days: int
    ) -> None:
        self._asked = asked
        self._identity = identity
        self._expiry_notice_days = expiry_notice_days
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

    def open(self) -> ExpiryNotice | None:
        """Log in to the token."""
        with self._lock:
            if self._is_open:
                return None
            pin = None
            if self._identity.inspect().needs_pin:
                found = self._typed or unlock.unlock(replace(self._asked, tries=0))
                pin = found.identity
            leaf = self._identity.open(pin).leaf
            self._is_open = True
        fact = checks.expiry_notice(
            leaf, self._identity.where, checks.utc_now(), self._expiry_notice_days
        )
        return ExpiryNotice(fact, sha256(chain.der(leaf)).hexdigest()) if fact else None

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
        material = request.material
        assert not isinstance(material, KnownIdentity)  # with the gateway, all are opened
        found.append(
            (request.profile, InFiles(request.profile, material, request, request.identity))
        )
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
        rotation=holder if isinstance(holder, InFiles) else None,
    )


def _holder(
    profile: Profile, part: KeyMaterial | TokenIdentity | Printed, request: Request
) -> Holder:
    if isinstance(part, TokenIdentity):
        pin = unlock.Request(profile, part.pin, request.environ, request.reporter)
        return InToken(pin, part, request.expiry_notice_days)
    return InFiles(profile, part, request)
