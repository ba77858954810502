"""pip and uv: where they are, which versions, and whether they can use what they would get."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run import shells
from mtls_run.doctor.findings import finding, of_error
from mtls_run.doctor.rows import row
from mtls_run.errors import MtlsRunError
from mtls_run.passphrase.sources import FromVariable
from mtls_run.shells import shims
from mtls_run.tools import registry, which
from mtls_run.tools import version as versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.config.profile import Profile
    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.rows import Row
    from mtls_run.identity.kind import KeyKind
    from mtls_run.tools.tls_files import TlsFiles

_PIPS = ("pip", "pip3")


@dataclass(frozen=True)
class Tools:
    """The tools that are there; `prefix` is the virtual environment that pip is the own pip of."""

    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    prefix: Path | None = None


def pip_prefix(environ: Mapping[str, str]) -> Path | None:
    """Return the virtual environment of the pip on PATH, whose own file counts for it."""
    for name in _PIPS:
        try:
            found = Path(which.find(name, environ)).parent.parent
        except MtlsRunError:
            continue
        return found if (found / "pyvenv.cfg").is_file() else None
    return None


def examine(
    environ: Mapping[str, str],
    profile: Profile | None,
    trust: TlsFiles | None,
    kind: KeyKind | None,
) -> Tools:
    """Return what the tools are and can do with `trust`, and a key of this kind."""
    rows: list[Row] = []
    findings: list[Finding] = []
    missing = []
    for names in (_PIPS, ("uv",)):
        found = _tool(names, environ, profile, trust, kind)
        if found is None:
            missing.append(names[0])
            rows.append(row(names[0], "not on PATH"))
        else:
            rows.append(found[0])
            findings += found[1]
    if len(missing) == len(("pip", "uv")):
        findings.append(
            finding(
                "tool-missing",
                "neither pip nor uv is on PATH",
                "install one of them, or put its directory on PATH",
                origin="PATH",
            )
        )
    for shim in shims.survey(shells.folder(), environ):
        if shim.is_reached:
            rows.append(row("shim", f"{shim.path}: reached by typing {shim.tool}"))
            continue
        why, mend = shims.shadow(shim, environ)
        rows.append(row("shim", f"{shim.path}: not reached"))
        findings.append(
            finding(
                "tool-bypassed",
                f"typing {shim.tool} does not go through mtls-run: {why}",
                mend,
                origin=shim.path,
            )
        )
    return Tools(tuple(rows), tuple(findings))


def _tool(
    names: tuple[str, ...],
    environ: Mapping[str, str],
    profile: Profile | None,
    trust: TlsFiles | None,
    kind: KeyKind | None,
) -> tuple[Row, list[Finding]] | None:
    """Return the first of these tools that is there, and what is wrong with it."""
    path = error = None
    for name in names:
        try:
            path = which.find(name, environ)
            break
        except MtlsRunError as found:
            error = error or found
    if path is None:
        if error is not None and error.status == 126:  # noqa: PLR2004 - there, and not executable
            return row(names[0], error.fact), [replace(of_error(error), rank="warning")]
        return None
    call = registry.recognise([path], any_program=True)
    adapter = registry.ADAPTERS[call.kind]
    # As on the run road: not with the variable that has a passphrase.
    source = profile.passphrase.value if profile is not None else None
    hidden = source.name if isinstance(source, FromVariable) else None
    visible = {name: value for name, value in environ.items() if name != hidden}
    try:
        version = versions.of_tool(call, path, adapter, visible)
    except MtlsRunError as failed:
        return row(names[0], f"{path}: does not say its version"), [of_error(failed)]
    shown = row(os.path.basename(path), f"{'.'.join(map(str, version))}, {path}")
    if trust is None:
        return shown, []
    try:
        adapter.check(version, trust, kind)
    except MtlsRunError as unfit:
        return shown, [of_error(unfit, path)]
    return shown, []
