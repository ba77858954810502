"""This machine: profile, identity, roots, variables and tools, as a run would use them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mtls_run.config import layers, pip_settings, selection
from mtls_run.doctor import environment, identity_report, installed_tools, roots_report
from mtls_run.doctor.findings import Section
from mtls_run.doctor.identity_report import IdentityReport
from mtls_run.doctor.roots_report import RootsReport
from mtls_run.errors import MtlsRunError
from mtls_run.net import tls
from mtls_run.output import quoted
from mtls_run.system import ownership

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mtls_run.cli import Options
    from mtls_run.config.layers import Configuration
    from mtls_run.config.profile import Profile
    from mtls_run.output import Reporter

_NO_PROFILE = (
    "create one: mtls-run profile add NAME --client-cert FILE, then mtls-run profile default NAME; "
    "or choose one: mtls-run --profile NAME doctor"
)


@dataclass(frozen=True)
class Invocation:
    """How and where doctor was called."""

    options: Options
    environ: Mapping[str, str]
    directory: Path
    reporter: Reporter


@dataclass(frozen=True)
class Machine:
    """This machine. `profile` is None if none applies, or if that cannot be determined.

    `prefix` is the virtual environment of the pip on PATH.
    """

    profile: Profile | None
    identity: IdentityReport
    roots: RootsReport
    prefix: Path | None
    section: Section


def examine(call: Invocation) -> Machine:
    """Return a report on this machine. Errors become findings.

    Only here, and only once, is a person asked for a passphrase.
    """
    environ = call.environ
    section = Section()
    environment.of_mtls_run(environ, section)
    prefix = installed_tools.pip_prefix(environ)
    chosen, notice_days = _choose(call, prefix, section)
    profile = chosen.profile if chosen is not None else None
    identity = IdentityReport()
    roots = RootsReport(None, "unknown: the profile cannot be determined")
    files = kind = None
    if profile is not None:
        identity = identity_report.examine(profile, environ, call.reporter, notice_days, section)
        roots = roots_report.examine(profile, environ, section)
        if identity.identity is not None:
            kind = identity.identity.kind
            identity_report.examine_chain(identity.identity, roots.trusted, section)
            identity = _presentable(identity, section)
        if roots.resolved is not None:
            files = environment.expected_files(profile, roots.resolved)
            environment.replaced(profile, roots.resolved, environ, section)
    elif chosen is not None:
        roots = roots_report.without_profile(environ, section)
        environment.broken(environ, section)
    environment.rows(environ, section)
    installed_tools.examine(environ, profile, files, kind, section)
    return Machine(profile, identity, roots, prefix, section)


def _choose(
    call: Invocation, prefix: Path | None, section: Section
) -> tuple[selection.Selection | None, int]:
    """Return the selected profile, or None if that cannot be determined, and the notice days."""
    environ, options = call.environ, call.options
    if options.no_profile:
        section.row("profile", "none", "--no-profile")
        return selection.Selection(None), 0
    notice_days = 0
    try:
        file = layers.user_file(environ)
        _configuration(file.value, str(file.origin), section)
        configuration = layers.load(environ)
        notice_days = configuration.expiry_notice_days.value
        situation = selection.Situation(
            options.profile,
            environ,
            call.directory,
            configuration,
            call.reporter,
            pip=lambda: pip_settings.read(environ, command="install", prefix=prefix),
        )
        chosen = selection.select(situation)
    except MtlsRunError as error:
        section.row("profile", "cannot be determined")
        section.error(error)
        return None, notice_days
    if chosen.profile is None:
        section.row("profile", "none applies here")
        _none_applies(configuration, call, section)
    else:
        label = chosen.profile.name or chosen.profile.label
        section.row("profile", label, chosen.profile.origin)
        for other in chosen.won_over:
            section.row("rather than", other, other.origin)
    return chosen, notice_days


def _configuration(path: Path, origin: str, section: Section) -> None:
    try:
        found = path.stat()
    except OSError:
        section.row("configuration", f"{path}: not found", origin)
        return
    section.row("configuration", path, origin)
    writers = ownership.other_writers(found)
    if writers:
        section.finding(
            "config-unsafe",
            f"{writers} can write the configuration {path}, which can name programs to run",
            f"chmod go-w {quoted(path)}",
            origin=origin,
            rank="warning",
        )


def _none_applies(configuration: Configuration, call: Invocation, section: Section) -> None:
    names = ", ".join(configuration.profiles)
    profiles = f"profiles: {names}" if names else f"{configuration.user_file} has none"
    action = _NO_PROFILE
    if names:
        name = next(iter(configuration.profiles))
        action = (
            f"choose one: mtls-run profile default {name}; or: mtls-run --profile {name} doctor"
        )
    fact = f"no profile applies in {call.directory}; {profiles}"
    section.finding("no-profile", fact, action)


def _presentable(report: IdentityReport, section: Section) -> IdentityReport:
    """Return the report, without the identity if OpenSSL would not present it."""
    reason = tls.presentation_error(report.client) if report.client is not None else None
    if report.identity is None or reason is None:
        return report
    section.finding(
        "identity-key-kind",
        f"OpenSSL, and so pip, does not present {report.identity.where}: {reason}",
        "ask your PKI for a certificate with a key of RSA 2048, EC P-256 or better",
    )
    return replace(report, identity=None)
