"""The road from a recognised call to the tool: profile, identity and roots, plan, handoff.

Every command that may use the network comes here; one that does not never imports this module.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import (
    active,
    configuration,
    identity,
    invocation,
    launch,
    messages,
    plan,
    roots,
    selection,
    versions,
)
from .errors import HandoffError
from .identity import checks
from .passphrase.sources import FromVariable, describe
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

# Stands for a path that is known only once there is something to be at it.
TO_COME = "(identity)"


@dataclass(frozen=True)
class Start:
    """What a run starts from: the options, the tool, and the machine as it was found."""

    options: Options
    target: Target
    environ: Mapping[str, str]
    directory: Path
    voice: Voice


@dataclass(frozen=True)
class Resolved:
    """All that is decided before a key is opened; everything in it may be shown."""

    start: Start
    target: Target
    selection: Selection
    profile: Profile
    expiry_notice_days: int
    material: Material | None
    roots: Roots
    indexes: Mapping[str, str]

    def trust(self, identity_path: str | None, bundle: str | None) -> Trust:
        """Return what the tool is handed at these paths."""
        return Trust(identity=identity_path, bundle=bundle, native=self.roots.native)

    def plan(self, trust: Trust, checked: Identity | None) -> LaunchPlan:
        """Return the plan that hands `trust` to the tool."""
        record = None
        if checked is not None and self.material is not None and trust.identity is not None:
            record = active.record(self.profile, self.material, checked, trust.identity)
        added = {**self.indexes, active.VARIABLE: record}
        return plan.prepare(self.target, self.profile, trust, added, self.start.environ)


@dataclass(frozen=True)
class Opened:
    """A checked identity and how it reaches the tool.

    `handoff` is `none`, `path` (its own file), `inherited` (from an outer mtls-run), `memfd` or
    `supervise`; `path` is known for those that make no new file.
    """

    identity: Identity | None
    handoff: str
    path: str | None = None


def travel(start: Start) -> int:
    """Run the tool with the profile that applies, or unchanged where none does.

    Where this process does not become the tool, it returns the status to end with.
    """
    resolved = resolve(start)
    if resolved is None:
        if not start.options.wrapped:
            start.voice.notice("no profile applies here; the tool runs unchanged")
        bare = plan.unchanged(start.target)
        return launch.become(bare.path, bare.argv, start.environ)
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
    return launch.become(launched.path, launched.argv, launched.environ(start.environ))


def resolve(start: Start) -> Resolved | None:
    """Return all that is decided before a key is opened, or None where no profile applies.

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
    voice.detail(f"{profile.label}, by {profile.origin}")
    for other in chosen.won_over:
        voice.detail(f"  rather than {other}, by {other.origin}")
    if profile.remember is not None and profile.remember.value:
        voice.notice(
            f"{profile.remember.origin}: `remember` is not in this version; nothing is kept"
        )
    target = start.target
    claims = target.adapter.claims(target.call)
    material = None
    if claims.client_cert is None and not _set_already(profile, target, environ):
        material = identity.gather(profile)
    if material is not None:
        material.check_early(checks.utc_now())
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
    environ = {name: value for name, value in start.environ.items() if name != hidden}
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
    now = checks.utc_now()
    opened = without_passphrase(resolved)
    if opened is None:
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
        opened = Opened(found, mode(start)[0])
    assert opened.identity is not None  # noqa: S101 - there is material
    vet(resolved, opened.identity)
    return opened


def vet(resolved: Resolved, checked: Identity) -> None:
    """Say what a checked identity gives to say; raise ToolError where the tool cannot use it."""
    target = resolved.target
    target.adapter.check(target.version, _foreseen(resolved), checked.kind)
    notice = checks.expiry_notice(
        checked.leaf, checked.where, checks.utc_now(), resolved.expiry_notice_days
    )
    if notice:
        resolved.start.voice.notice(notice)


def without_passphrase(resolved: Resolved) -> Opened | None:
    """Return the identity as far as it can be had without a passphrase, else None."""
    start, material = resolved.start, resolved.material
    if material is None:
        return Opened(None, "none")
    now = checks.utc_now()
    if not material.locked:
        found = material.unlock(None, now)
        if found.ready is not None:
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
    try:
        path = memfd.hold(opened.identity.pem().reveal(), "mtls-run-identity")
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
