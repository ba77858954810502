"""This machine: profile, identity, roots, variables and tools, examined as a run would use them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mtls_run import resolve
from mtls_run.config import layers, pip_settings, selection
from mtls_run.doctor import ambient, anchors, holder, tls, toolbox
from mtls_run.doctor.anchors import Anchors
from mtls_run.doctor.findings import finding, of_error
from mtls_run.doctor.holder import Held
from mtls_run.doctor.rows import row
from mtls_run.errors import MtlsRunError
from mtls_run.output import quoted
from mtls_run.roots import bundle as bundles
from mtls_run.system import ownership
from mtls_run.tools.tls_files import TlsFiles

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
    "make one: mtls-run profile add NAME --client-cert FILE, then mtls-run profile default NAME; "
    "or name one: mtls-run --profile NAME doctor"
)


@dataclass(frozen=True)
class Surroundings:
    """Where doctor was called, and how."""

    options: Options
    environ: Mapping[str, str]
    directory: Path
    reporter: Reporter


@dataclass(frozen=True)
class Machine:
    """What was found here; `profile` is None where none applies, or where that cannot be told."""

    profile: Profile | None
    held: Held
    anchors: Anchors
    prefix: Path | None
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]


def examine(here: Surroundings) -> Machine:
    """Return what is to be said of this machine; nothing raises, whatever is wrong.

    A person is asked for a passphrase here, once, and nowhere else.
    """
    environ = here.environ
    rows: list[Row] = []
    findings = list(ambient.own(environ))
    prefix = toolbox.pip_prefix(environ)
    chosen, configured, said, wrong = _choose(here, prefix)
    rows += said
    findings += wrong
    profile = chosen.profile if chosen is not None else None
    kind = None
    held, roots = Held(), Anchors(None, "not known: the profile cannot be told")
    if profile is not None:
        days = configured.expiry_notice_days.value if configured is not None else 0
        held = holder.examine(profile, environ, here.reporter, days)
        roots = anchors.examine(profile, environ)
        rows += [*held.rows, *_chain(held, roots, findings), *roots.rows]
        kind = held.identity.kind if held.identity is not None else None
        held = _presentable(held)
        findings += [*held.findings, *roots.findings]
        has_identity = profile.client_cert is not None
        findings += ambient.replaced(profile, roots.resolved, environ, has_identity=has_identity)
    elif chosen is not None:
        roots = anchors.by_themselves(environ)
        rows += roots.rows
        findings += ambient.broken(environ)
    rows += ambient.rows(environ)
    tools = toolbox.examine(environ, profile, _trust(profile, roots), kind)
    rows += tools.rows
    findings += tools.findings
    return Machine(profile, held, roots, prefix, tuple(rows), tuple(findings))


def _choose(
    here: Surroundings, prefix: Path | None
) -> tuple[selection.Selection | None, Configuration | None, list[Row], list[Finding]]:
    """Return which profile applies, or None where that cannot be told, and what says so."""
    environ, options = here.environ, here.options
    if options.no_profile:
        return selection.Selection(None), None, [row("profile", "none", "--no-profile")], []
    rows: list[Row] = []
    findings: list[Finding] = []
    configured = None
    try:
        file = layers.user_file(environ)
        rows.append(_configuration(file.value, str(file.origin), findings))
        configured = layers.load(environ)
        situation = selection.Situation(
            options.profile,
            environ,
            here.directory,
            configured,
            here.reporter,
            pip=lambda: pip_settings.read(environ, command="install", prefix=prefix),
        )
        chosen = selection.select(situation)
    except MtlsRunError as error:
        rows.append(row("profile", "cannot be told"))
        return None, configured, rows, [*findings, of_error(error)]
    if chosen.profile is None:
        rows.append(row("profile", "none applies here"))
        findings.append(_none_applies(configured, here))
    else:
        label = chosen.profile.name or chosen.profile.label
        rows.append(row("profile", label, chosen.profile.origin))
        rows += [row("rather than", other, other.origin) for other in chosen.won_over]
    return chosen, configured, rows, findings


def _configuration(path: Path, origin: str, findings: list[Finding]) -> Row:
    try:
        found = path.stat()
    except OSError:
        return row("configuration", f"{path}: not there", origin)
    writers = ownership.other_writers(found)
    if writers:
        findings.append(
            finding(
                "config-unsafe",
                f"{writers} can write the configuration {path}, which may name programs to run",
                f"chmod go-w {quoted(path)}",
                origin=origin,
                rank="warning",
            )
        )
    return row("configuration", path, origin)


def _none_applies(configured: Configuration, here: Surroundings) -> Finding:
    known = ", ".join(configured.profiles)
    beside = f"; there are: {known}" if known else f"; {configured.user_file} has none"
    mend = _NO_PROFILE
    if known:
        name = next(iter(configured.profiles))
        mend = f"choose one: mtls-run profile default {name}; or: mtls-run --profile {name} doctor"
    return finding(
        "no-profile", f"no profile applies in {here.directory}{beside}", mend, origin=None
    )


def _chain(held: Held, roots: Anchors, findings: list[Finding]) -> list[Row]:
    if held.identity is None:
        return []
    top = held.identity.intermediates[-1] if held.identity.intermediates else held.identity.leaf
    shown, is_missing = holder.chain_row(held.identity, roots.called(top.issuer))
    if is_missing:
        findings.append(
            finding(
                "identity-chain-incomplete",
                f"{held.identity.where} lacks an intermediate: {shown.value}",
                "append the intermediate's certificate to the file of client-cert, after the leaf",
            )
        )
    return [shown]


def _presentable(held: Held) -> Held:
    """Return what is held, without the identity where OpenSSL would not present it."""
    objection = tls.objection(held.identity) if held.identity is not None else None
    if held.identity is None or objection is None:
        return held
    found = finding(
        "identity-key-kind",
        f"OpenSSL, and so pip, does not present {held.identity.where}: {objection}",
        "ask your PKI for a certificate with a key of RSA 2048, EC P-256 or better",
    )
    return replace(held, identity=None, findings=(*held.findings, found))


def _trust(profile: Profile | None, roots: Anchors) -> TlsFiles | None:
    if profile is None or roots.resolved is None:
        return None
    return TlsFiles(
        identity=resolve.TO_COME if profile.client_cert is not None else None,
        bundle=bundles.expected(roots.resolved),
        native=roots.resolved.native,
    )
