"""The road from a recognised call to the tool: profile, identity and roots, plan, handoff.

Every command that may use the network comes here; one that does not never imports this module.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from . import (
    active,
    configuration,
    identity,
    invocation,
    kept,
    launch,
    messages,
    plan,
    roots,
    selection,
    versions,
    witness,
)
from .errors import HandoffError
from .identity import ready, validity
from .identity.ready import Ready
from .passphrase.sources import FromVariable, describe
from .record import Record, replace
from .roots import bundles
from .tools import uv
from .trust import Trust

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .identity import Identity, Material
    from .invocation import Options
    from .messages import Voice
    from .plan import LaunchPlan, Target
    from .profile import Profile
    from .roots import Roots
    from .selection import Selection
    from .witness import Witness

# Stands for a path that is known only once there is something to be at it.
TO_COME = "(identity)"


class Start(Record):
    """What a run starts from: the options, the tool, and the machine as it was found."""

    options: Options
    target: Target
    environ: Mapping[str, str]
    directory: Path
    voice: Voice


class Resolved(Record):
    """All that is decided before a key is opened; everything in it may be shown."""

    start: Start
    target: Target
    selection: Selection
    profile: Profile
    expiry_notice_days: int
    material: Material | Ready | None
    roots: Roots
    indexes: Mapping[str, str]

    def trust(self, identity_path: str | None, bundle: str | None) -> Trust:
        """Return what the tool is handed at these paths."""
        return Trust(identity=identity_path, bundle=bundle, native=self.roots.native)

    @property
    def remembers(self) -> int:
        """Return for how many seconds an unlocked identity is kept; 0 where it is not."""
        return self.profile.remember.value if self.profile.remember else 0

    def good(self, checked: Identity | Ready | None) -> tuple[float, float]:
        """Return from when until when there is nothing to say of the identity's validity."""
        if checked is None:
            return kept.ALWAYS
        notice = self.expiry_notice_days * kept.DAY
        return checked.not_before.timestamp(), checked.not_after.timestamp() - notice

    def plan(self, trust: Trust, checked: Identity | Ready | None) -> LaunchPlan:
        """Return the plan that hands `trust` to the tool."""
        record = None
        if checked is not None and self.material is not None and trust.identity is not None:
            named = self.material.digest
            record = active.record(self.profile, named, checked.fingerprint, trust.identity)
        added = {**self.indexes, active.VARIABLE: record}
        return plan.prepare(self.target, self.profile, trust, added, self.start.environ)


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


def travel(start: Start, key: str | None = None) -> int:
    """Run the tool with the profile that applies, or unchanged where none does.

    With a `key`, what was resolved is kept by it for the next run, where that can be. Where this
    process does not become the tool, the status to end with is returned.
    """
    seen = None
    if key is not None:
        seen = witness.listen(start.environ)
        start = replace(start, environ=seen.environ)
    resolved = resolve(start, again=True)
    if resolved is None:
        if seen is not None:
            kept.keep(key, kept.NO_PROFILE, seen)
        if not start.options.wrapped:
            start.voice.notice(messages.NO_PROFILE)
        bare = plan.unchanged(start.target)
        return launch.become(bare.path, bare.argv, witness.plain(start.environ))
    _sweep(start.environ)
    opened = _open(resolved)
    bundle = bundles.handed(resolved.roots)
    start.voice.detail(f"roots: {resolved.roots}, in {bundle or 'the system itself'}")
    if opened.handoff == "memfd":
        opened = _held(resolved, opened)
    start.voice.detail(f"handoff: {opened.handoff}")
    if opened.handoff == "supervise":
        return _supervised(resolved, opened, bundle)
    launched = resolved.plan(resolved.trust(opened.path, bundle), opened.identity)
    start.voice.detail(f"becomes: {_command(launched)}")
    if seen is not None and not start.voice.noticed:  # a notice is to be given again
        _keep(resolved, opened, bundle, key, seen)
    return launch.become(launched.path, launched.argv, launched.environ(start.environ))


def _keep(
    resolved: Resolved, opened: Opened, bundle: str | None, key: str | None, seen: Witness
) -> None:
    """Keep how the tool is started; of an unlocked identity only where it is remembered."""
    stand_in = remembered = None
    path = opened.path
    if opened.handoff == "memfd" and opened.remembered is not None:
        path = stand_in = kept.stand_in()
        remembered = opened.remembered
    elif opened.handoff not in ("none", "path"):
        return
    launched = resolved.plan(resolved.trust(path, bundle), opened.identity)
    again = kept.Launch(
        flags=launched.flags,
        changes=launched.changes,
        unchanged=False,
        remembered=remembered,
        stand_in=stand_in,
    )
    kept.keep(key, again, seen, resolved.good(opened.identity))


def resolve(start: Start, *, again: bool = False) -> Resolved | None:
    """Return all that is decided before a key is opened, or None where no profile applies.

    With `again`, an identity that an earlier run has checked is known by its bytes.
    Raises MtlsRunError for whatever shows by now that it cannot work.
    """
    voice, environ = start.voice, start.environ
    configured = configuration.load(environ)
    chosen = selection.select(
        selection.Situation(
            start.options.profile,
            environ,
            start.directory,
            configured,
            voice,
            pip=lambda: start.target.pip_settings(environ),
        )
    )
    profile = chosen.profile
    if profile is None:
        return None
    if voice.verbose:
        voice.detail(f"{profile.label}, by {profile.origin}")
        for other in chosen.won_over:
            voice.detail(f"  rather than {other}, by {other.origin}")
    target = start.target
    claims = target.adapter.claims(target.call)
    material = None
    if claims.client_cert is None and not _set_already(profile, target, environ):
        material = _material(profile, again=again)
    trusted = roots.resolve(profile, environ)
    resolved = Resolved(
        start=start,
        target=target,
        selection=chosen,
        profile=profile,
        expiry_notice_days=configured.expiry_notice_days.value,
        material=material,
        roots=trusted,
        indexes=_indexes(start, chosen),
    )
    return replace(resolved, target=_with_version(resolved))


def _material(profile: Profile, *, again: bool) -> Material | Ready | None:
    contents = identity.read(profile)
    if not contents:
        return None
    now = validity.utc_now()
    known = ready.recall(contents, now) if again else None
    if known is not None:
        return known
    found = identity.parse(contents)
    found.check_early(now)
    return found


def _set_already(profile: Profile, target: Target, environ: Mapping[str, str]) -> bool:
    """Tell whether an identity is set for uv already, over one that pip's settings name."""
    return profile.yields and target.call.kind == "uv" and bool(environ.get("SSL_CLIENT_CERT"))


def _indexes(start: Start, chosen: Selection) -> Mapping[str, str]:
    """Return the variables that hand pip's own indexes to `uv pip`, and to nothing else of uv.

    `uv lock`, `sync` and `add` would write an index that was handed over into uv.lock.
    """
    call = start.target.call
    if chosen.winner is None or chosen.winner.pip is None or call.kind != uv.KIND:
        return {}
    if not uv.is_pip(call):
        return {}
    from . import uv_indexes  # noqa: PLC0415 - only beside pip's settings

    witness.unkeepable()  # a URL may hold a password, and how uv finds its files is a long story

    named = uv_indexes.named_for_uv(call.arguments, start.environ, start.directory)
    if named is not None:
        start.voice.detail(f"indexes: as {named} has them for uv")
        return {}
    return uv_indexes.variables(chosen.winner.pip)


def _with_version(resolved: Resolved) -> Target:
    """Return the target with its version, where that matters to what it will be handed."""
    target, start = resolved.target, resolved.start
    trust = _foreseen(resolved)
    if not target.adapter.version_matters(trust):
        return target
    # The question is asked of the tool as it is, without the variable that has a passphrase.
    source = resolved.profile.passphrase.value
    hidden = source.name if isinstance(source, FromVariable) else None
    plain = witness.plain(start.environ)
    environ = {name: value for name, value in plain.items() if name != hidden}
    version = versions.of_tool(target.call, target.path, target.adapter, environ)
    start.voice.detail(f"{target.path} is {target.call.kind} {'.'.join(map(str, version))}")
    target.adapter.check(version, trust, None)
    return replace(target, version=version)


def _foreseen(resolved: Resolved) -> Trust:
    return resolved.trust(
        TO_COME if resolved.material is not None else None, bundles.expected(resolved.roots)
    )


def _open(resolved: Resolved) -> Opened:
    """Return the identity, opened and checked; a passphrase is asked for only here."""
    start, material, profile = resolved.start, resolved.material, resolved.profile
    if material is None:
        return Opened(None, "none")
    now = validity.utc_now()
    opened = without_passphrase(resolved)
    if opened is None:
        opened = _remembered(resolved)
    if opened is None:
        assert not isinstance(material, Ready)  # noqa: S101 - that needs no passphrase
        from .passphrase import opening  # noqa: PLC0415 - not for an identity that is not locked

        source = describe(profile.passphrase.value, profile.account)
        start.voice.detail(f"unlocks {material.where}, passphrase: {source}")
        found = opening.unlock(
            profile,
            lambda passphrase: material.unlock(passphrase, now),
            material.where,
            start.environ,
            start.voice,
        )
        opened = Opened(found, mode(start)[0], remembered=_remember(resolved, found))
    assert opened.identity is not None  # noqa: S101 - there is material
    vet(resolved, opened.identity)
    return opened


def _remembered(resolved: Resolved) -> Opened | None:
    """Return the identity that an earlier run of this session unlocked, checked anew."""
    material, profile = resolved.material, resolved.profile
    if material is None or isinstance(material, Ready) or not resolved.remembers:
        return None
    from . import remembered  # noqa: PLC0415 - off by default

    digest = active.digest(profile, material.digest)
    pem = remembered.recall(digest)
    found = None if pem is None else active.checked(pem, material, validity.utc_now())
    if found is None:
        return None
    resolved.start.voice.detail("the identity is remembered, unlocked by an earlier run")
    return Opened(found, mode(resolved.start)[0], remembered=digest)


def _remember(resolved: Resolved, found: Identity) -> str | None:
    """Keep an unlocked identity where the profile says so; return the digest it is kept by."""
    if resolved.material is None or not resolved.remembers:
        return None
    from . import remembered  # noqa: PLC0415 - off by default

    digest = active.digest(resolved.profile, resolved.material.digest)
    pem = found.pem().reveal()
    voice = resolved.start.voice
    return digest if remembered.remember(digest, pem, resolved.remembers, voice) else None


def vet(resolved: Resolved, checked: Identity | Ready) -> None:
    """Say what a checked identity gives to say; raise ToolError where the tool cannot use it."""
    target = resolved.target
    target.adapter.check(target.version, _foreseen(resolved), checked.kind)
    notice = validity.notice(
        checked.described,
        checked.not_after,
        checked.where,
        validity.utc_now(),
        resolved.expiry_notice_days,
    )
    if notice:
        resolved.start.voice.notice(notice)


def without_passphrase(resolved: Resolved) -> Opened | None:
    """Return the identity as far as it can be had without a passphrase, else None."""
    start, material = resolved.start, resolved.material
    if material is None:
        return Opened(None, "none")
    now = validity.utc_now()
    if isinstance(material, Ready):
        return Opened(material, "path", str(material.ready))
    if not material.locked:
        found = material.unlock(None, now)
        if found.ready is not None:
            ready.keep(material.digest, found)
            return Opened(found, "path", str(found.ready))
        return Opened(found, mode(start)[0])
    inherited = active.honoured(start.environ, resolved.profile, material, now)
    if inherited is not None:
        return Opened(inherited.identity, "inherited", inherited.path)
    return None


def mode(start: Start) -> tuple[str, bool]:
    """Return how an unlocked identity is handed on, and whether the user asked for just that."""
    if start.options.handoff is not None:
        return start.options.handoff, True
    named = start.environ.get("MTLS_RUN_HANDOFF")
    if named:
        return invocation.check_handoff(named, "MTLS_RUN_HANDOFF"), True
    return ("memfd" if sys.platform.startswith("linux") else "supervise"), False


def _held(resolved: Resolved, opened: Opened) -> Opened:
    """Return the identity held in memory, or to be supervised where memory is refused."""
    from .handoff import memfd  # noqa: PLC0415

    assert opened.identity is not None  # noqa: S101 - what has a handoff has an identity
    assert not isinstance(opened.identity, Ready)  # noqa: S101 - that is handed on by its own path
    try:
        path = memfd.hold(opened.identity.pem().reveal(), memfd.IDENTITY)
    except HandoffError as error:
        if mode(resolved.start)[1]:
            raise
        resolved.start.voice.notice(
            f"{error.fact}; the unlocked identity is in a private file until the tool ends"
        )
        return replace(opened, handoff="supervise")
    return replace(opened, path=path)


def _supervised(resolved: Resolved, opened: Opened, bundle: str | None) -> int:
    """Run the tool as a child that reads a private file; remove it on every way out."""
    from .handoff import private_file, supervise  # noqa: PLC0415

    assert opened.identity is not None  # noqa: S101 - what has a handoff has an identity
    assert not isinstance(opened.identity, Ready)  # noqa: S101 - that is handed on by its own path
    start = resolved.start
    block = supervise.Block()
    try:
        file = private_file.create(opened.identity.pem().reveal(), start.environ)
        try:
            launched = resolved.plan(resolved.trust(str(file.path), bundle), opened.identity)
            start.voice.detail(f"starts: {_command(launched)}")
            environ = launched.environ(start.environ)
            try:
                status = supervise.run(launched.path, launched.argv, environ, block)
            except OSError as error:
                raise launch.cannot_start(launched.path, error) from None
        finally:
            file.remove()
    finally:
        block.release()
    return supervise.end_as(status)


def _sweep(environ: Mapping[str, str]) -> None:
    from .handoff import private_file  # noqa: PLC0415

    private_file.sweep(environ)


def _command(launched: LaunchPlan) -> str:
    """Return the command in words, without the passwords of its URLs."""
    return " ".join(messages.shown_word(word) for word in launched.argv)
