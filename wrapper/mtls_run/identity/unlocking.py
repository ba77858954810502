"""The identity, opened and checked, and how it is to reach the tool."""

from __future__ import annotations

import sys
import time

from mtls_run import cli
from mtls_run.handoff import nested
from mtls_run.identity import ready, validity
from mtls_run.identity.ready import Ready
from mtls_run.passphrase.sources import describe
from mtls_run.record import Record
from mtls_run.resolve import foreseen
from mtls_run.system import hardening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.identity.material import Identity
    from mtls_run.resolve import Resolved, Start


class Opened(Record):
    """A checked identity and how it reaches the tool.

    `handoff` is `none`, `path` (its own file), `inherited` (from an outer mtls-run), `memfd` or
    `supervise`; `path` is known for those that make no new file. `remembered` is the digest that
    the session's keyring keeps it by, if it does.
    """

    identity: Identity | Ready | None
    handoff: str
    path: str | None = None
    remembered: str | None = None


def unlock(resolved: Resolved) -> Opened:
    """Return the identity, opened and checked; a passphrase is asked for only here."""
    start, material, profile = resolved.start, resolved.material, resolved.profile
    if material is None:
        return Opened(None, "none")
    if not isinstance(material, Ready):
        hardening.disable_core_dumps()
    opened = without_passphrase(resolved)
    if opened is None:
        opened = _remembered(resolved)
    if opened is None:
        assert not isinstance(material, Ready)  # noqa: S101 - that needs no passphrase
        from mtls_run.passphrase import unlock as opening  # noqa: PLC0415 - not for an identity that is not locked

        source = describe(profile.passphrase.value, profile.account)
        start.reporter.detail(f"unlocks {material.where}, passphrase: {source}")
        request = opening.Request(profile, material, start.environ, start.reporter)
        unlocked = opening.unlock(request)
        opening.offer_to_store(request, unlocked)
        found = unlocked.identity
        opened = Opened(found, mode(start)[0], remembered=_remember(resolved, found))
    assert opened.identity is not None  # noqa: S101 - there is material
    vet(resolved, opened.identity)
    return opened


def _remembered(resolved: Resolved) -> Opened | None:
    """Return the identity that an earlier run of this session unlocked, checked anew."""
    material, profile = resolved.material, resolved.profile
    if material is None or isinstance(material, Ready) or not resolved.remembers:
        return None
    from mtls_run.identity import remembered  # noqa: PLC0415 - off by default

    digest = nested.digest(profile, material.digest)
    pem = remembered.recall(digest)
    found = None if pem is None else nested.checked(pem, material, validity.utc_now())
    if found is None:
        return None
    resolved.start.reporter.detail("the identity is remembered, unlocked by an earlier run")
    return Opened(found, mode(resolved.start)[0], remembered=digest)


def _remember(resolved: Resolved, found: Identity) -> str | None:
    """Keep an unlocked identity where the profile says so; return the digest it is kept by."""
    if resolved.material is None or not resolved.remembers:
        return None
    from mtls_run.identity import remembered  # noqa: PLC0415 - off by default

    digest = nested.digest(resolved.profile, resolved.material.digest)
    pem = found.pem().reveal()
    reporter = resolved.start.reporter
    return digest if remembered.remember(digest, pem, resolved.remembers, reporter) else None


def vet(resolved: Resolved, checked: Identity | Ready) -> None:
    """Say what a checked identity gives to say; raise ToolError where the tool cannot use it."""
    target = resolved.target
    target.adapter.check(target.version, foreseen(resolved), checked.kind)
    times = (checked.not_before, checked.not_after)
    days = resolved.expiry_notice_days
    notice = validity.notice(checked.described, checked.where, times, time.time(), days)
    if notice:
        resolved.start.reporter.notice(notice)


def without_passphrase(resolved: Resolved) -> Opened | None:
    """Return the identity as far as it can be had without a passphrase, else None."""
    start, material = resolved.start, resolved.material
    if material is None:
        return Opened(None, "none")
    if isinstance(material, Ready):
        return Opened(material, "path", str(material.ready))
    now = validity.utc_now()
    if not material.locked:
        found = material.unlock(None, now)
        if found.ready is not None:
            ready.keep(material.digest, found)
            return Opened(found, "path", str(found.ready))
        return Opened(found, mode(start)[0])
    inherited = nested.honoured(start.environ, resolved.profile, material, now)
    if inherited is not None:
        return Opened(inherited.identity, "inherited", inherited.path)
    return None


def mode(start: Start) -> tuple[str, bool]:
    """Return how an unlocked identity is handed on, and whether the user asked for just that."""
    if start.options.handoff is not None:
        return start.options.handoff, True
    named = start.environ.get("MTLS_RUN_HANDOFF")
    if named:
        return cli.check_handoff(named, "MTLS_RUN_HANDOFF"), True
    return ("memfd" if sys.platform.startswith("linux") else "supervise"), False
