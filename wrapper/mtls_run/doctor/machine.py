"""This machine: profile, identity, roots, variables and tools, as a run would use them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mtls_run.config import layers, selection
from mtls_run.config.layers import Configuration
from mtls_run.config.pip_settings import PipSettings
from mtls_run.config.profile import Profile
from mtls_run.doctor import (
    certificate_report,
    environment,
    identity_report,
    installed_tools,
    roots_report,
    tool_verdicts,
)
from mtls_run.doctor.identity_report import IdentityReport
from mtls_run.doctor.inspection import Inspection
from mtls_run.doctor.roots_report import RootsReport
from mtls_run.doctor.tool_verdicts import Tools
from mtls_run.errors import MtlsRunError
from mtls_run.handoff import registry as handoffs
from mtls_run.handoff.base import Delivering
from mtls_run.net import tls
from mtls_run.output.text import quoted
from mtls_run.system import ownership
from mtls_run.tools import pip_python
from mtls_run.tools.base import PipScope, Target, TlsFiles
from mtls_run.tools.pip import TOOL as PIP


@dataclass(frozen=True)
class Machine:
    """This machine. `profile` is None if none applies, or if that cannot be determined.

    `pip_scope` says which of pip's settings count for the pip on PATH. `targets` are the tools, and
    `pip_settings` are pip's own settings where they are the profile.
    """

    profile: Profile | None
    identity: IdentityReport
    roots: RootsReport
    pip_scope: PipScope
    tools: Tools
    targets: tuple[Target, ...] = ()
    pip_settings: PipSettings | None = None


def examine(here: Inspection) -> Machine:
    """Return this machine's profile, identity and roots. Errors become findings.

    Only here, and only once, is a person asked for a passphrase.
    """
    here.part("profile")
    environment.of_mtls_run(here)
    scope = installed_tools.pip_scope(here.environ)
    chosen, notice_days = _choose(here, scope)
    profile = chosen.profile if chosen is not None else None
    identity = IdentityReport()
    roots = RootsReport(None, "unknown: the profile cannot be determined")
    files = None
    if profile is not None:
        here.part("identity")
        identity = identity_report.examine(profile, notice_days, here)
        here.part("roots")
        roots = roots_report.examine(profile, here)
        if identity.identity is not None:
            here.part("identity")
            certificate_report.examine_chain(identity.identity, roots.trusted, here)
            identity = _presentable(identity, here)
        here.part("tools")
        if roots.resolved is not None:
            files = environment.expected_files(profile, roots.resolved)
            handoff = _handoff(profile, here)
            if handoff is not None and handoff.keeps_key:
                files = handoff.tls_files(files.bundle, native=files.native)
            environment.replaced(profile, roots.resolved, here)
    elif chosen is not None:
        here.part("roots")
        roots = roots_report.without_profile(here)
        here.part("tools")
        environment.broken(here)
    here.part("tools")
    environment.rows(here)
    handed = None if files is not None and files.proxy is not None else identity.identity
    targets = installed_tools.examine(profile, files, handed, here)
    winner = chosen.winner if chosen is not None else None
    pip_settings = winner.pip_settings if winner is not None else None
    tools = _tools(targets, profile, identity, roots, files, here)
    return Machine(profile, identity, roots, scope, tools, targets, pip_settings)


def _handoff(profile: Profile, here: Inspection) -> Delivering | None:
    """Return the handoff that a run would use, and report the gateway with its hosts."""
    if profile.client_cert is None and not profile.identities:
        return None
    try:
        policy = layers.load(here.environ).policy
        found = handoffs.choose(here.options, here.environ, profile, policy).handoff
        found.check()
    except MtlsRunError as error:
        here.error(error)
        return None
    if found.keeps_key:
        parts = (profile, *profile.identities)
        hosts = [str(host) for part in parts if part.hosts for host in part.hosts.value]
        reason = profile.gateway_reason or profile.handoff
        here.row(
            "handoff", f"gateway, for {', '.join(hosts) or 'no host'}", reason and reason.origin
        )
    return found


def _tools(
    targets: tuple[Target, ...],
    profile: Profile | None,
    identity: IdentityReport,
    roots: RootsReport,
    files: TlsFiles | None,
    here: Inspection,
) -> Tools:
    """Return the tools to ask about each server, and what they are handed.

    With the gateway it is mtls-run's own TLS that meets the server, and no tool is asked.
    """
    if profile is None or roots.resolved is None or roots.trusted is None:
        return Tools()
    if files is None or files.proxy is not None:
        return Tools()
    environ = installed_tools.environ_to_ask(profile, here.environ)
    for target in targets:
        for name in tool_verdicts.left_out(target, roots.trusted):
            version = ".".join(map(str, target.version or ()))
            here.finding(
                "root-left-out",
                f"{target.call.kind} {version} is not handed the root {name}: it panics on its "
                "critical extension",
                "do nothing, if no index has a certificate of that CA; or install another version",
                origin=profile.ca_cert.origin if profile.ca_cert else None,
            )
    pips = [target for target in targets if target.tool is PIP]
    held_roots = tool_verdicts.roots_of(roots.resolved)
    held_identity = tool_verdicts.identity_of(identity.identity)
    # Where there are no anonymous files, pip's interpreter is not asked.
    is_held = (held_roots is not None or roots.resolved.bundle is None) and (
        held_identity is not None or identity.identity is None
    )
    asks = bool(pips) and is_held
    return Tools(
        targets=targets,
        pip=pip_python.find(pips[0].call, pips[0].path, environ) if asks else None,
        roots=held_roots,
        identity=held_identity,
        trusted=roots.trusted,
        environ=environ,
    )


def _choose(here: Inspection, scope: PipScope) -> tuple[selection.Selection | None, int]:
    """Return the selected profile, or None if that cannot be determined, and the notice days."""
    environ, options = here.environ, here.options
    if options.no_profile:
        here.part("profile", "none, by --no-profile")
        here.row("profile", "none", "--no-profile")
        return selection.Selection(None), 0
    notice_days = 0
    try:
        file = layers.user_file(environ)
        _configuration(file.value, str(file.origin), here)
        configuration = layers.load(environ)
        notice_days = configuration.expiry_notice_days.value
        chosen = selection.select(
            configuration,
            environ,
            here.directory,
            here.reporter,
            flag=options.profile,
            pip_scope=lambda: scope,
        )
    except MtlsRunError as error:
        here.part("profile", "cannot be determined")
        here.row("profile", "cannot be determined")
        here.error(error)
        return None, notice_days
    if chosen.profile is None:
        here.part("profile", "none applies here")
        here.row("profile", "none applies here")
        _none_applies(configuration, here)
    else:
        label = chosen.profile.name or chosen.profile.label
        here.part("profile", label)
        here.row("profile", label, chosen.profile.origin)
        for other in chosen.won_over:
            here.row("rather than", other, other.origin)
    return chosen, notice_days


def _configuration(path: Path, origin: str, here: Inspection) -> None:
    try:
        found = path.stat()
    except OSError:
        here.row("configuration", f"{path}: not found", origin)
        return
    here.row("configuration", path, origin)
    writers = ownership.other_writers(found)
    if writers:
        here.finding(
            "config-unsafe",
            f"{writers} can write the configuration {path}, which can name programs to run",
            f"chmod go-w {quoted(path)}",
            origin=origin,
            rank="warning",
        )


def _none_applies(configuration: Configuration, here: Inspection) -> None:
    names = ", ".join(configuration.profiles)
    profiles = f"profiles: {names}" if names else f"{configuration.user_file} has none"
    action = "make one: mtls-run profile add corp"
    if names:
        name = next(iter(configuration.profiles))
        action = (
            f"choose one: mtls-run profile default {name}; or: mtls-run --profile {name} doctor"
        )
    fact = f"no profile applies in {here.directory}; {profiles}"
    here.finding("no-profile", fact, action)


def _presentable(report: IdentityReport, here: Inspection) -> IdentityReport:
    """Return the report, without the identity if OpenSSL would not present it."""
    reason = tls.presentation_error(report.client) if report.client is not None else None
    if report.identity is None or reason is None:
        return report
    here.finding(
        "identity-key-kind",
        f"OpenSSL, and so pip, does not present {report.identity.where}: {reason}",
        "ask your PKI for a certificate with a key of RSA 2048, EC P-256 or better",
    )
    return replace(report, identity=None)
