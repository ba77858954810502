"""All that is decided before a key is opened."""

from __future__ import annotations

import time

from mtls_run import plan
from mtls_run.cache import dependencies, launches
from mtls_run.config import layers, selection
from mtls_run.handoff import nested
from mtls_run.identity import ready, source, validity
from mtls_run.identity.material import parse
from mtls_run.passphrase.sources import FromVariable
from mtls_run.record import Record, replace
from mtls_run.roots import bundle as bundles
from mtls_run.roots import resolve as roots
from mtls_run.tools import uv
from mtls_run.tools.tls_files import TlsFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mtls_run.cli import Options
    from mtls_run.config.profile import Profile
    from mtls_run.config.selection import Selection
    from mtls_run.identity.material import Identity, KeyMaterial
    from mtls_run.identity.ready import Ready
    from mtls_run.output import Reporter
    from mtls_run.plan import LaunchPlan, Target
    from mtls_run.roots.resolve import Roots

# Stands for a path that is known only once there is something to be at it.
TO_COME = "(identity)"


class Start(Record):
    """What a run starts from: the options, the tool, and the machine as it was found."""

    options: Options
    target: Target
    environ: Mapping[str, str]
    directory: Path
    reporter: Reporter


class Resolved(Record):
    """All that is decided before a key is opened; everything in it may be shown."""

    start: Start
    target: Target
    selection: Selection
    profile: Profile
    expiry_notice_days: int
    material: KeyMaterial | Ready | None
    roots: Roots
    indexes: Mapping[str, str]

    def trust(self, identity_path: str | None, bundle: str | None) -> TlsFiles:
        """Return what the tool is handed at these paths."""
        return TlsFiles(identity=identity_path, bundle=bundle, native=self.roots.native)

    @property
    def remembers(self) -> int:
        """Return for how many seconds an unlocked identity is kept; 0 where it is not."""
        return self.profile.remember.value if self.profile.remember else 0

    def good(self, checked: Identity | Ready | None) -> tuple[float, float]:
        """Return from when until when there is nothing to say of the identity's validity."""
        if checked is None:
            return launches.ALWAYS
        notice = self.expiry_notice_days * launches.DAY
        return checked.not_before, checked.not_after - notice

    def plan(self, trust: TlsFiles, checked: Identity | Ready | None) -> LaunchPlan:
        """Return the plan that hands `trust` to the tool."""
        record = None
        if checked is not None and self.material is not None and trust.identity is not None:
            named = self.material.digest
            record = nested.record(self.profile, named, checked.fingerprint, trust.identity)
        added = {**self.indexes, nested.VARIABLE: record}
        return plan.prepare(self.target, self.profile, trust, added, self.start.environ)


def resolve(start: Start, *, again: bool = False) -> Resolved | None:
    """Return all that is decided before a key is opened, or None where no profile applies.

    With `again`, what an earlier run has parsed and checked is known by its bytes.
    Raises MtlsRunError for whatever shows by now that it cannot work.
    """
    reporter, environ = start.reporter, start.environ
    configured = layers.load(environ)
    chosen = selection.select(
        selection.Situation(
            start.options.profile,
            environ,
            start.directory,
            configured,
            reporter,
            pip=lambda: start.target.pip_settings(environ),
        )
    )
    profile = chosen.profile
    if profile is None:
        return None
    if reporter.verbose:
        reporter.detail(f"{profile.label}, by {profile.origin}")
        for other in chosen.won_over:
            reporter.detail(f"  rather than {other}, by {other.origin}")
    target = start.target
    overrides = target.adapter.overrides(target.call)
    material = None
    if overrides.client_cert is None and not _set_already(profile, target, environ):
        days = configured.expiry_notice_days.value
        material = _material(profile, days if again else None)
    trusted = roots.resolve(profile, environ, again=again)
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


def _material(profile: Profile, days: int | None) -> KeyMaterial | Ready | None:
    """Return what the identity's files hold; with `days`, as it is known."""
    contents = source.read(profile)
    if not contents:
        return None
    if days is not None:
        now = time.time()
        known = ready.recall(contents, now)
        if known is not None:
            return known
    found = parse(contents)
    found.check_early(validity.utc_now())
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
    from mtls_run.tools import uv_indexes  # noqa: PLC0415 - only beside pip's settings

    dependencies.unkeepable()  # a URL may hold a password, and how uv finds its files is a long story

    named = uv_indexes.named_for_uv(call.arguments, start.environ, start.directory)
    if named is not None:
        start.reporter.detail(f"indexes: as {named} has them for uv")
        return {}
    return uv_indexes.variables(chosen.winner.pip)


def _with_version(resolved: Resolved) -> Target:
    """Return the target with its version, where that matters to what it will be handed."""
    target, start = resolved.target, resolved.start
    trust = foreseen(resolved)
    if not target.adapter.version_matters(trust):
        return target
    from mtls_run.tools import version as versions  # noqa: PLC0415 - seldom asked

    # The question is asked of the tool as it is, without the variable that has a passphrase.
    source = resolved.profile.passphrase.value
    hidden = source.name if isinstance(source, FromVariable) else None
    plain = dependencies.plain(start.environ)
    environ = {name: value for name, value in plain.items() if name != hidden}
    version = versions.of_tool(target.call, target.path, target.adapter, environ)
    start.reporter.detail(f"{target.path} is {target.call.kind} {'.'.join(map(str, version))}")
    target.adapter.check(version, trust, None)
    return replace(target, version=version)


def foreseen(resolved: Resolved) -> TlsFiles:
    """Return what the tool will be handed, as far as it shows before anything is opened."""
    return resolved.trust(
        TO_COME if resolved.material is not None else None, bundles.expected(resolved.roots)
    )
