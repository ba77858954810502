"""The identity, opened and checked, and the handoff that will deliver it.

An identity comes, in this order, from its own file, from an outer mtls-run, from the session's
keyring (`remember`), or from unlocking its key with a passphrase.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run.cache import results
from mtls_run.cache.launches import ALWAYS, DAY, Remembered
from mtls_run.handoff import base, nested
from mtls_run.identity import known, remembered, validity
from mtls_run.identity.kind import ANY_PURPOSE, ANY_PURPOSE_FACT
from mtls_run.identity.known import KnownIdentity
from mtls_run.passphrase.sources import describe
from mtls_run.system import hardening
from mtls_run.system.digests import sha256

if TYPE_CHECKING:
    from typing import Union

    from mtls_run.handoff.base import Delivery, Handoff
    from mtls_run.identity.material import Identity
    from mtls_run.output import Reporter
    from mtls_run.resolve import Resolved

    Checked = Union[Identity, KnownIdentity]


@dataclass(frozen=True)
class Unlocked:
    """A checked identity (None: the profile has none) and the handoff that will deliver it.

    `remembered` says how the session's keyring keeps it, where `remember` is on.
    """

    identity: Checked | None
    handoff: Handoff
    remembered: Remembered | None = None

    def deliver(self, resolved: Resolved) -> Delivery:
        """Deliver the identity to the tool; raises HandoffError where it cannot be delivered."""
        if isinstance(self.handoff, base.InPlace):
            return self.handoff.deliver()
        assert not isinstance(self.identity, KnownIdentity)
        return resolved.handoff.deliver(_request(resolved, self.identity))


def unlock(resolved: Resolved) -> Unlocked:
    """Return the identity, opened and checked; only here a passphrase is asked for."""
    material = resolved.material
    if material is not None and not isinstance(material, KnownIdentity):
        hardening.disable_core_dumps()
    unlocked = without_passphrase(resolved) or _remembered(resolved) or _with_passphrase(resolved)
    if unlocked.identity is not None:
        check_tool(resolved, unlocked.identity)
    _give_notices(resolved, unlocked.identity)
    return unlocked


def without_passphrase(resolved: Resolved) -> Unlocked | None:
    """Return the identity where it can be had without a passphrase, else None."""
    context, material, profile = resolved.context, resolved.material, resolved.profile
    handoff = resolved.handoff.handoff
    joined = handoff.join(_request(resolved))
    if joined is not None:
        return Unlocked(None, joined)
    if material is None:
        return Unlocked(None, handoff if resolved.further else base.NO_IDENTITY)
    if isinstance(material, KnownIdentity):
        return Unlocked(material, base.own_path(material.file))
    now = validity.utc_now()
    if not material.locked:
        found = material.unlock(None, now)
        # A file that an approval pins may be replaced before the tool reads it. So the tool gets
        # the bytes that were checked.
        if found.ready is not None and not profile.pinned and not handoff.keeps_key:
            known.store(material.digest, found)
            return Unlocked(found, base.own_path(found.ready))
        return Unlocked(found, handoff)
    if handoff.keeps_key:
        return None
    inherited = nested.reuse(context.environ, profile, material, now)
    if inherited is None:
        return None
    return Unlocked(inherited.identity, base.inherited(inherited.path))


def _request(resolved: Resolved, identity: Identity | None = None) -> base.Request:
    return base.Request(
        identity=identity,
        profile=resolved.profile,
        material=resolved.material,
        further=resolved.further,
        roots=resolved.roots,
        target=resolved.target,
        environ=resolved.context.environ,
        handed_over=resolved.handed_over.variables,
        reporter=resolved.context.reporter,
    )


def _remembered(resolved: Resolved) -> Unlocked | None:
    """Return the identity that an earlier run of this session unlocked, checked anew."""
    context, material = resolved.context, resolved.material
    if material is None or isinstance(material, KnownIdentity) or not resolved.remember_seconds:
        return None
    digest = nested.digest(resolved.profile, material.digest)
    pem = remembered.recall(digest)
    found = None if pem is None else nested.checked(pem, material, validity.utc_now())
    if found is None or pem is None:
        return None
    context.reporter.detail("the identity is remembered: an earlier run unlocked it")
    how = Remembered(digest, sha256(pem).hexdigest())
    return Unlocked(found, resolved.handoff.handoff, how)


def _with_passphrase(resolved: Resolved) -> Unlocked:
    context, material, profile = resolved.context, resolved.material, resolved.profile
    assert material is not None
    assert not isinstance(material, KnownIdentity)
    from mtls_run.passphrase import unlock as passphrase  # noqa: PLC0415 - for a locked key alone

    source = describe(profile.passphrase.value, profile.account)
    context.reporter.detail(f"unlocks {material.where}, passphrase: {source}")
    request = passphrase.Request(profile, material, context.environ, context.reporter)
    opened = passphrase.unlock(request)
    passphrase.offer_to_store(request, opened)
    found = opened.identity
    how = None
    if resolved.remember_seconds:
        digest = nested.digest(profile, material.digest)
        pem_sha256 = remembered.remember(
            digest,
            found.signer.exportable_pem().reveal(),
            resolved.remember_seconds,
            context.reporter,
        )
        how = Remembered(digest, pem_sha256) if pem_sha256 else None
    return Unlocked(found, resolved.handoff.handoff, how)


def check_tool(resolved: Resolved, identity: Checked) -> None:
    """Raise ToolError where the tool cannot use this identity, if it gets the key at all."""
    target = resolved.target
    if resolved.handoff.handoff.keeps_key:
        target.tool.check(target.version, resolved.expected_tls_files(), None)
        return
    target.tool.check(target.version, resolved.expected_tls_files(), identity.kind)
    oddities = identity.oddities
    if oddities:
        environ = resolved.environ_to_ask
        target.tool.check_certificates(target, oddities, lambda: identity.certificates_pem, environ)


def expiry_notice(resolved: Resolved, identity: Checked) -> str | None:
    """Return the notice for an identity that expires soon, or None."""
    return validity.notice(
        identity.described,
        identity.where,
        (identity.not_before, identity.not_after),
        time.time(),
        resolved.expiry_notice_days,
    )


def _give_notices(resolved: Resolved, identity: Checked | None) -> None:
    """Give the notices of an expiry, and of settings that are left out, each once a day."""
    if identity is not None:
        text = expiry_notice(resolved, identity)
        _give_once_a_day(text, identity.fingerprint, resolved.context.reporter)
        for one in identity.oddities:
            if one.kind == ANY_PURPOSE:
                text = f"{one.whose} {ANY_PURPOSE_FACT}"
                digest = f"purpose-{identity.fingerprint}"
                _give_once_a_day(text, digest, resolved.context.reporter)
    text = resolved.left_out_notice
    if text is not None:
        digest = sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        _give_once_a_day(text, digest, resolved.context.reporter)


def _give_once_a_day(text: str | None, digest: str, reporter: Reporter) -> None:
    if text and not reporter.quiet and time.time() >= _last_notice(digest) + DAY:
        reporter.notice(text, once_a_day=True)
        results.store("notice", digest, [repr(time.time())])


def _last_notice(digest: str) -> float:
    """Return when the last notice of this certificate or text was given (seconds since 1970)."""
    try:
        (given,) = results.find("notice", digest) or ["0"]
        return min(float(given), time.time())  # the clock may have been set back since
    except ValueError:
        return 0.0


def valid_between(resolved: Resolved, identity: Checked | None) -> tuple[float, float]:
    """Return the times (seconds since 1970) between which the identity needs no notice."""
    if identity is None:
        return ALWAYS
    due = validity.notice_due_at(
        identity.not_before, identity.not_after, resolved.expiry_notice_days
    )
    if time.time() >= due:
        due = _last_notice(identity.fingerprint) + DAY
    return identity.not_before, min(due, identity.not_after)
