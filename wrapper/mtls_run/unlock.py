"""The identity, opened and checked, and the handoff that will deliver it.

An identity comes, in this order, from its own file, from an outer mtls-run, from its command, from
the session's keyring (`remember`), or from unlocking its key with a passphrase.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import mtls_run.identity
from mtls_run import passphrase, renewal
from mtls_run.cache import notices
from mtls_run.cache.launches import ALWAYS, Locked, Remembered
from mtls_run.errors import IdentityError
from mtls_run.handoff import base, nested
from mtls_run.identity import known, remembered, source, validity
from mtls_run.identity.kind import ANY_PURPOSE, ANY_PURPOSE_FACT
from mtls_run.identity.known import KnownIdentity
from mtls_run.identity.source import Printed
from mtls_run.passphrase.sources import describe
from mtls_run.renewal import schedule
from mtls_run.renewal.schedule import Life
from mtls_run.renewal.state import load as load_state
from mtls_run.system import hardening
from mtls_run.system.digests import sha256

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Union

    from mtls_run.handoff.base import Delivery, Handoff
    from mtls_run.identity.material import Identity
    from mtls_run.resolve import Resolved

    Checked = Union[Identity, KnownIdentity]

# A file that is younger than `_NEW` may be of a renewal that is under way.
_NEW, _SETTLED, _TICK = 10.0, 1.0, 0.05


@dataclass(frozen=True)
class Unlocked:
    """A checked identity (None: the profile has none) and the handoff that will deliver it.

    `again` says how a later run unlocks it again at little cost, where it can. `ends` is when it
    expires where a command says an earlier time than the certificate (seconds since 1970).
    """

    identity: Checked | None
    handoff: Handoff
    again: Remembered | Locked | None = None
    ends: float = float("inf")

    def deliver(self, resolved: Resolved) -> Delivery:
        """Deliver the identity to the tool; raises HandoffError where it cannot be delivered."""
        if isinstance(self.handoff, base.InPlace):
            return self.handoff.deliver()
        assert not isinstance(self.identity, KnownIdentity)
        request = _request(resolved, self.identity)
        return resolved.handoff.deliver(replace(request, ends=self.ends))


def settled(resolved: Resolved) -> tuple[Resolved, Unlocked]:
    """Return the identity as `unlock` does, and what it rests on.

    A program that renews certificate and key replaces one file after the other. Files of different
    generations are read again before they are refused.
    """
    try:
        return resolved, unlock(resolved)
    except IdentityError as error:
        again = _read_again(resolved) if error.code == "identity-key-mismatch" else None
        if again is None:
            raise
    return again, unlock(again)


def _read_again(resolved: Resolved) -> Resolved | None:
    """Return the same with the next generation of the files, or None where none comes soon."""
    named = source.files_of(resolved.profile)
    assert resolved.material is not None
    deadline = time.monotonic() + _SETTLED
    while len(named) > 1 and any(_is_new(setting.value) for _, setting in named):
        contents = source.read(resolved.profile)
        if source.digest(contents) != resolved.material.digest:
            return replace(resolved, material=mtls_run.identity.material.parse(contents))
        if time.monotonic() >= deadline:
            return None
        time.sleep(_TICK)
    return None


def _is_new(path: Path) -> bool:
    """Tell whether a file was written in the last seconds."""
    try:
        return time.time() - path.stat().st_mtime < _NEW
    except OSError:
        return False


def unlock(resolved: Resolved) -> Unlocked:
    """Return the identity, opened and checked; only here a passphrase is asked for."""
    material = resolved.material
    if material is not None and not isinstance(material, KnownIdentity):
        hardening.disable_core_dumps()
    unlocked = without_passphrase(resolved) or _from_command(resolved)
    unlocked = unlocked or _remembered(resolved) or _with_passphrase(resolved)
    identity = unlocked.identity
    if identity is not None:
        check_tool(resolved, identity)
    if identity is not None and resolved.profile.renew is not None and material is not None:
        times = (identity.not_before, identity.not_after)
        renewal.files.note(material.digest, *times, identity.fingerprint)
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
    if not isinstance(material, Printed) and not material.locked:
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
    life = _life(resolved, inherited.identity)
    if life is not None and now.timestamp() >= life.due_at:
        return None  # a long outer run had it delivered
    return Unlocked(inherited.identity, base.inherited(inherited.path))


def _from_command(resolved: Resolved) -> Unlocked | None:
    """Return the identity that a command prints, or printed before; None for any other."""
    context, material, profile = resolved.context, resolved.material, resolved.profile
    if not isinstance(material, Printed):
        return None
    printed = renewal.printed
    key = nested.digest(profile, material.digest)
    found = printed.obtain(printed.Request(profile, key, context.environ, context.reporter))
    how = Remembered(key, found.pem_sha256) if found.pem_sha256 else None
    return Unlocked(found.identity, resolved.handoff.handoff, how, found.ends)


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
        expiry_notice_days=resolved.expiry_notice_days,
        reporter=resolved.context.reporter,
    )


def _remembered(resolved: Resolved) -> Unlocked | None:
    """Return the identity that an earlier run of this session unlocked, checked anew."""
    context, material = resolved.context, resolved.material
    if isinstance(material, (KnownIdentity, Printed)):
        return None
    if material is None or not resolved.remember_seconds:
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
    assert not isinstance(material, (KnownIdentity, Printed))
    asked = describe(profile.passphrase.value, profile.account)
    context.reporter.detail(f"unlocks {material.where}, passphrase: {asked}")
    request = passphrase.unlock.Request(profile, material, context.environ, context.reporter)
    opened = passphrase.unlock.unlock(request)
    passphrase.unlock.offer_to_store(request, opened)
    found = opened.identity
    how: Remembered | Locked | None = None
    if opened.directly and not material.is_slow:
        files = tuple(str(setting.value) for _, setting in source.files_of(profile))
        how = Locked(material.digest, profile.account, files)
    if resolved.remember_seconds:
        digest = nested.digest(profile, material.digest)
        pem_sha256 = remembered.remember(
            digest,
            found.exportable_pem().reveal(),
            resolved.remember_seconds,
            context.reporter,
        )
        how = Remembered(digest, pem_sha256) if pem_sha256 else how
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
    if identity is not None and _life(resolved, identity) is None:
        text = expiry_notice(resolved, identity)
        notices.give_once_a_day(text, identity.fingerprint, resolved.context.reporter)
    if identity is not None:
        for one in identity.oddities:
            if one.kind == ANY_PURPOSE:
                text = f"{one.whose} {ANY_PURPOSE_FACT}"
                digest = f"purpose-{identity.fingerprint}"
                notices.give_once_a_day(text, digest, resolved.context.reporter)
    text = resolved.left_out_notice
    if text is not None:
        digest = sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        notices.give_once_a_day(text, digest, resolved.context.reporter)


def valid_between(resolved: Resolved, unlocked: Unlocked) -> tuple[float, float]:
    """Return the times (seconds since 1970) between which there is nothing to say or renew."""
    identity = unlocked.identity
    if identity is None:
        return ALWAYS
    life = _life(resolved, identity, unlocked.ends)
    if life is not None:
        key = nested.renewal_key(resolved.profile)
        retry_at = load_state(key).retry_at if time.time() >= life.due_at and key else 0.0
        return identity.not_before, min(max(life.due_at, retry_at), life.urgent_at)
    due = validity.notice_due_at(
        identity.not_before, identity.not_after, resolved.expiry_notice_days
    )
    if time.time() >= due:
        due = notices.last(identity.fingerprint) + notices.DAY
    return identity.not_before, min(due, identity.not_after)


def _life(resolved: Resolved, identity: Checked, ends: float = float("inf")) -> Life | None:
    """Return the life of an identity that mtls-run renews, or None for any other."""
    renew = resolved.profile.renew
    if renew is None and not isinstance(resolved.material, Printed):
        return None
    before = None if renew is None else renew.value.before
    spread = schedule.spread(identity.fingerprint)
    return Life(identity.not_before, min(ends, identity.not_after), before, spread)
