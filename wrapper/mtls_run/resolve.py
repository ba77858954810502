"""All that is decided before a key is opened, and the list of what that rests on."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mtls_run import identity, plan, renewal, tools
from mtls_run.cache.dependencies import Dependencies
from mtls_run.config import layers, selection
from mtls_run.handoff import nested, registry
from mtls_run.identity import known, source, validity
from mtls_run.roots import bundle
from mtls_run.roots import resolve as roots_resolve
from mtls_run.system import progress
from mtls_run.system.record import replace as changed
from mtls_run.tools import version
from mtls_run.tools.base import HandedOver, Target, TlsFiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Union

    from mtls_run.cache.launches import Launch
    from mtls_run.cli import Options
    from mtls_run.config.policy import Policy
    from mtls_run.config.profile import Profile
    from mtls_run.config.selection import Selection
    from mtls_run.handoff.base import Part
    from mtls_run.handoff.registry import Chosen
    from mtls_run.identity.known import KnownIdentity
    from mtls_run.identity.material import KeyMaterial
    from mtls_run.identity.source import Contents
    from mtls_run.output import Reporter
    from mtls_run.roots.resolve import Roots
    from mtls_run.tools.base import Variables

    Material = Union[KeyMaterial, KnownIdentity, source.Printed]


@dataclass(frozen=True)
class Context:
    """What a run starts from: the options, the tool, and the machine as it was found."""

    options: Options
    target: Target
    environ: Mapping[str, str]
    directory: Path
    reporter: Reporter


@dataclass(frozen=True)
class Resolved:
    """All that is decided before a key is opened. It holds no secret."""

    context: Context
    target: Target
    selection: Selection
    profile: Profile
    expiry_notice_days: int
    handoff: Chosen
    material: Material | None
    further: tuple[tuple[Profile, Part], ...]
    roots: Roots
    handed_over: HandedOver
    policy: Policy

    @property
    def remember_seconds(self) -> int:
        """Return for how long an unlocked identity is remembered; 0 where it is not."""
        return self.profile.remember.value if self.profile.remember else 0

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the hosts that the identity is for, as far as they are known.

        For pip's own settings, these are the hosts of pip's indexes.
        """
        hosts, winner = self.profile.hosts, self.selection.winner
        if hosts is None and winner is not None and winner.pip_settings is not None:
            hosts = tools.index_hosts.of_pip(winner.pip_settings)
        further = [one.hosts for one in self.profile.identities]
        return tuple(str(host) for found in (hosts, *further) if found for host in found.value)

    @property
    def left_out_notice(self) -> str | None:
        """Return the notice of pip's settings that the tool is not handed, or None."""
        if not self.handed_over.left_out:
            return None
        listed = "; ".join(self.handed_over.left_out)
        return f"{self.target.call.kind} is not handed pip's {listed}"

    @property
    def environ_to_ask(self) -> dict[str, str]:
        """Return the environment to ask the tool in: without a passphrase's variable."""
        hidden = self.profile.passphrase_variables
        return {name: value for name, value in self.context.environ.items() if name not in hidden}

    def expected_tls_files(self) -> TlsFiles:
        """Return what the tool will be handed, as far as that shows before anything is opened."""
        files = self.handoff.handoff.tls_files(
            bundle.expected(self.roots), native=self.roots.native
        )
        if self.material is None and not self.further:
            return TlsFiles(None, bundle.expected(self.roots), self.roots.native)
        return files

    def launch(self, tls: TlsFiles, fingerprint: str | None) -> Launch:
        """Return the launch that hands `tls` to the tool.

        `fingerprint` is the SHA-256 of the identity's certificate, where there is an identity.
        """
        added: Variables = {**self.handed_over.variables, nested.VARIABLE: None}
        tls = changed(tls, hosts=self.hosts)
        # A nested run finds a gateway by the proxy's variable.
        if self.material is not None and fingerprint is not None and tls.proxy is None:
            record = nested.record(self.profile, self.material.digest, fingerprint)
            at_path = isinstance(tls.identity, str)
            added[nested.VARIABLE] = f"{record.text}{tls.identity}" if at_path else record
        return plan.prepare(self.target, self.profile, tls, added, self.context.environ)


def resolve(context: Context, *, is_run: bool = False) -> tuple[Resolved | None, Dependencies]:
    """Return all that is decided before a key is opened, and what that rests on.

    The first is None where no profile applies. With `is_run` the tool is to be run: what an earlier
    run has checked is known by its bytes, and files that are due are renewed. Raises MtlsRunError
    for whatever shows by now that it cannot work.
    """
    rests_on = Dependencies()
    reporter, environ, target = context.reporter, context.environ, context.target
    configured = layers.load(environ, rests_on=rests_on)
    chosen = selection.select(
        configured,
        environ,
        context.directory,
        reporter,
        flag=context.options.profile,
        pip_scope=lambda: target.tool.pip_scope(target.call, target.path, rests_on),
        rests_on=rests_on,
    )
    profile = chosen.profile
    if profile is None:
        return None, rests_on
    if reporter.verbose:
        reporter.detail(f"{profile.label}, by {profile.origin}")
        for other in chosen.won_over:
            reporter.detail(f"  rather than {other}, by {other.origin}")
    configured.policy.check_own_identity(target.tool.overrides(target.call).client_cert)
    handoff = registry.choose(context.options, environ, profile, configured.policy)
    if handoff.handoff.keeps_key and (profile.client_cert or profile.identities):
        handoff.handoff.check()
        profile = _with_hosts(profile, context, chosen)
    tool = target.tool.configured(target.call, environ, context.directory, rests_on)
    target = Target(tool, target.call, target.path)
    material = _material(
        profile, context, rests_on, is_run=is_run, keeps_key=handoff.handoff.keeps_key
    )
    resolved = Resolved(
        context=context,
        target=target,
        selection=chosen,
        profile=profile,
        expiry_notice_days=configured.expiry_notice_days.value,
        handoff=handoff,
        material=material,
        further=_further(profile, target, rests_on),
        roots=roots_resolve.resolve(profile, environ, rests_on, use_results=is_run),
        handed_over=_handed_over(context, chosen, rests_on),
        policy=configured.policy,
    )
    resolved = replace(resolved, target=_with_version(resolved, rests_on if is_run else None))
    return _with_usable_roots(resolved), rests_on


def _material(
    profile: Profile,
    context: Context,
    rests_on: Dependencies,
    *,
    is_run: bool,
    keeps_key: bool,
) -> Material | None:
    """Return what the identity's files hold, or None where the tool gets no identity."""
    target, environ = context.target, context.environ
    if target.tool.overrides(target.call).client_cert is not None:
        return None
    if profile.yields and set(target.tool.IDENTITY_VARIABLES) & set(target.tool.ambient(environ)):
        return None  # an identity is set for the tool already
    if keeps_key and source.is_in_token(profile):
        return None
    if source.is_printed(profile):
        return source.Printed(profile)
    renews = is_run and profile.renew is not None
    contents = _renewed(profile, context) if renews else source.read(profile)
    if not contents:
        return None
    for path, data in contents:
        rests_on.content(path, data)
    as_on_disk = not renews or contents == source.read(profile)
    if is_run and as_on_disk and not keeps_key and not profile.pinned:
        found = known.find(contents, time.time())
        if found is not None:
            return found
    material = identity.material.parse(contents)
    material.check_early(validity.utc_now())
    return material if as_on_disk else replace(material, ready=None)


def _renewed(profile: Profile, context: Context) -> Contents:
    """Return the bytes of the identity's files, renewed if that is due."""
    key = nested.renewal_key(profile)
    assert key is not None
    files = renewal.files
    return files.current(files.Request(profile, key, context.environ, context.reporter))


def _further(
    profile: Profile, target: Target, rests_on: Dependencies
) -> tuple[tuple[Profile, Part], ...]:
    """Return the identities that the gateway opens itself, with what their files hold.

    These are the further identities, checked early, and the profile's own where it is in a token.
    """
    if target.tool.overrides(target.call).client_cert is not None:
        return ()
    found: list[tuple[Profile, Part]] = []
    for one in (profile, *profile.identities):
        if source.is_in_token(one):
            part = identity.token.of(one)
            assert part is not None
            found.append((one, part))
            continue
        if one is profile:
            continue
        if source.is_printed(one):
            found.append((one, source.Printed(one)))
            continue
        contents = source.read(one)
        for path, data in contents:
            rests_on.content(path, data)
        material = identity.material.parse(contents)
        material.check_early(validity.utc_now())
        found.append((one, material))
    return tuple(found)


def _with_hosts(profile: Profile, context: Context, chosen: Selection) -> Profile:
    """Return the profile with the hosts that the gateway shows it to.

    For pip's own settings, these are the hosts of pip's indexes.

    Raises ConfigurationError where nothing says which hosts are shown the identity.
    """
    if profile.hosts is not None or profile.client_cert is None:
        return profile
    if chosen.winner is not None and chosen.winner.pip_settings is not None:
        found = tools.index_hosts.of_pip(chosen.winner.pip_settings)
        if found is not None:
            return replace(profile, hosts=found)
    raise tools.index_hosts.missing(profile, context.environ, context.directory)


def _handed_over(context: Context, chosen: Selection, rests_on: Dependencies) -> HandedOver:
    """Return what hands pip's own indexes and further settings to the tool."""
    if chosen.winner is None or chosen.winner.pip_settings is None:
        return HandedOver()
    target = context.target
    found = target.tool.handed_over(
        target.call, chosen.winner.pip_settings, context.environ, context.directory
    )
    if found.variables or found.left_out or found.named is not None:
        rests_on.forbid_reuse()  # a URL may hold a password, and the tool's own files count
    if found.named is not None:
        context.reporter.detail(f"indexes: as {found.named} names them for {target.call.kind}")
    return found


def _with_usable_roots(resolved: Resolved) -> Resolved:
    """Return the same without the roots on which this version of the tool panics."""
    target = resolved.target
    known_extensions = target.tool.known_extensions(target.version)
    if known_extensions is None:
        return resolved
    roots, others = roots_resolve.with_known_extensions(resolved.roots, known_extensions)
    shown = f"{target.call.kind} {'.'.join(map(str, target.version or ()))}"
    for name in others:
        resolved.context.reporter.notice(
            f"the root {name} is left out: {shown} panics on its critical extension"
        )
    return replace(resolved, roots=roots)


def _with_version(resolved: Resolved, rests_on: Dependencies | None) -> Target:
    """Return the target with its version, where that matters to what it will be handed."""
    target, context = resolved.target, resolved.context
    tls = resolved.expected_tls_files()
    target.tool.check_call(target.call, tls)
    if not target.tool.version_matters(tls):
        return target
    environ, quiet = resolved.environ_to_ask, context.options.quiet
    with progress.shown(lambda: f"asking {target.path} for its version", quiet=quiet):
        found = version.ask(target.tool, target.call, target.path, environ, rests_on)
    shown = ".".join(map(str, found))
    context.reporter.detail(f"{target.path} is {target.call.kind} {shown}")
    target.tool.check(found, tls, None)
    return Target(target.tool, target.call, target.path, found)
