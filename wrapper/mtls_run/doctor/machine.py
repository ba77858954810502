"""This machine: profile, identity, roots, variables and tools, as a run would use them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mtls_run.config import layers, pip_settings, selection
from mtls_run.doctor import environment, identity_report, installed_tools, roots_report
from mtls_run.doctor.findings import finding, from_error
from mtls_run.doctor.identity_report import IdentityReport
from mtls_run.doctor.roots_report import RootsReport
from mtls_run.doctor.rows import row
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
    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.rows import Row
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
    """This machine. `profile` is None if none applies, or if that cannot be determined."""

    profile: Profile | None
    identity: IdentityReport
    roots: RootsReport
    prefix: Path | None
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]


def examine(call: Invocation) -> Machine:
    """Return a report on this machine. Errors become findings.

    Only here, and only once, is a person asked for a passphrase.
    """
    environ = call.environ
    prefix = installed_tools.pip_prefix(environ)
    chosen, configuration, rows, findings = _choose(call, prefix)
    findings = [*environment.of_mtls_run(environ), *findings]
    profile = chosen.profile if chosen is not None else None
    identity = IdentityReport()
    roots = RootsReport(None, "unknown: the profile cannot be determined")
    files = kind = None
    if profile is not None:
        days = configuration.expiry_notice_days.value if configuration is not None else 0
        identity = identity_report.examine(profile, environ, call.reporter, days)
        roots = roots_report.examine(profile, environ)
        rows += [*identity.rows, *_chain(identity, roots, findings), *roots.rows]
        kind = identity.identity.kind if identity.identity is not None else None
        identity = _presentable(identity)
        findings += [*identity.findings, *roots.findings]
        findings += environment.replaced(profile, roots.resolved, environ)
        if roots.resolved is not None:
            has_identity = profile.client_cert is not None
            files = environment.expected_files(roots.resolved, has_identity=has_identity)
    elif chosen is not None:
        roots = roots_report.without_profile(environ)
        rows += roots.rows
        findings += environment.broken(environ)
    rows += environment.rows(environ)
    tools = installed_tools.examine(environ, profile, files, kind)
    rows += tools.rows
    findings += tools.findings
    return Machine(profile, identity, roots, prefix, tuple(rows), tuple(findings))


def _choose(
    call: Invocation, prefix: Path | None
) -> tuple[selection.Selection | None, Configuration | None, list[Row], list[Finding]]:
    """Return the selected profile, or None if that cannot be determined, with rows and findings."""
    environ, options = call.environ, call.options
    if options.no_profile:
        return selection.Selection(None), None, [row("profile", "none", "--no-profile")], []
    rows: list[Row] = []
    findings: list[Finding] = []
    configuration = None
    try:
        file = layers.user_file(environ)
        rows.append(_configuration(file.value, str(file.origin), findings))
        configuration = layers.load(environ)
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
        rows.append(row("profile", "cannot be determined"))
        return None, configuration, rows, [*findings, from_error(error)]
    if chosen.profile is None:
        rows.append(row("profile", "none applies here"))
        findings.append(_none_applies(configuration, call))
    else:
        label = chosen.profile.name or chosen.profile.label
        rows.append(row("profile", label, chosen.profile.origin))
        rows += [row("rather than", other, other.origin) for other in chosen.won_over]
    return chosen, configuration, rows, findings


def _configuration(path: Path, origin: str, findings: list[Finding]) -> Row:
    try:
        found = path.stat()
    except OSError:
        return row("configuration", f"{path}: not found", origin)
    writers = ownership.other_writers(found)
    if writers:
        findings.append(
            finding(
                "config-unsafe",
                f"{writers} can write the configuration {path}, which can name programs to run",
                f"chmod go-w {quoted(path)}",
                origin=origin,
                rank="warning",
            )
        )
    return row("configuration", path, origin)


def _none_applies(configuration: Configuration, call: Invocation) -> Finding:
    names = ", ".join(configuration.profiles)
    profiles = f"profiles: {names}" if names else f"{configuration.user_file} has none"
    action = _NO_PROFILE
    if names:
        name = next(iter(configuration.profiles))
        action = (
            f"choose one: mtls-run profile default {name}; or: mtls-run --profile {name} doctor"
        )
    return finding("no-profile", f"no profile applies in {call.directory}; {profiles}", action)


def _chain(report: IdentityReport, roots: RootsReport, findings: list[Finding]) -> list[Row]:
    identity = report.identity
    if identity is None:
        return []
    top = identity.intermediates[-1] if identity.intermediates else identity.leaf
    shown, is_incomplete = identity_report.chain_row(identity, roots.with_subject(top.issuer))
    if is_incomplete:
        findings.append(
            finding(
                "identity-chain-incomplete",
                f"{identity.where} lacks an intermediate: {shown.value}",
                "append the intermediate's certificate to the file of client-cert, after the leaf",
            )
        )
    return [shown]


def _presentable(report: IdentityReport) -> IdentityReport:
    """Return the report, without the identity if OpenSSL would not present it."""
    identity = report.identity
    reason = tls.presentation_error(identity) if identity is not None else None
    if identity is None or reason is None:
        return report
    found = finding(
        "identity-key-kind",
        f"OpenSSL, and so pip, does not present {identity.where}: {reason}",
        "ask your PKI for a certificate with a key of RSA 2048, EC P-256 or better",
    )
    return replace(report, identity=None, findings=(*report.findings, found))
