"""pip and uv: their paths and versions, and whether they can use the profile's files."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run import shells
from mtls_run.doctor.findings import finding, from_error
from mtls_run.doctor.rows import row
from mtls_run.errors import MtlsRunError
from mtls_run.passphrase.sources import FromVariable
from mtls_run.shells import shims
from mtls_run.tools import registry, version, which

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.config.profile import Profile
    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.rows import Row
    from mtls_run.identity.kind import KeyKind
    from mtls_run.tools.tls_files import TlsFiles

_TOOLS = (("pip", "pip3"), ("uv",))
_NOT_EXECUTABLE = 126


@dataclass(frozen=True)
class InstalledTools:
    """Rows and findings about the tools."""

    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]


def pip_prefix(environ: Mapping[str, str]) -> Path | None:
    """Return the virtual environment that the pip on PATH belongs to, or None."""
    for name in _TOOLS[0]:
        try:
            found = Path(which.find(name, environ)).parent.parent
        except MtlsRunError:
            continue
        return found if (found / "pyvenv.cfg").is_file() else None
    return None


def examine(
    environ: Mapping[str, str],
    profile: Profile | None,
    files: TlsFiles | None,
    kind: KeyKind | None,
) -> InstalledTools:
    """Return a report on the tools, and on what they can do with these files and this key."""
    rows: list[Row] = []
    findings: list[Finding] = []
    missing = []
    for names in _TOOLS:
        found = _tool(names, environ, profile, files, kind)
        if found is None:
            missing.append(names[0])
            rows.append(row(names[0], "not on PATH"))
        else:
            rows.append(found[0])
            findings += found[1]
    if len(missing) == len(_TOOLS):
        findings.append(
            finding(
                "tool-missing",
                "neither pip nor uv is on PATH",
                "install one of them, or add its directory to PATH",
                origin="PATH",
            )
        )
    for shim in shims.survey(shells.folder(), environ):
        if shim.is_reached:
            rows.append(row("shim", f"{shim.path}: runs for {shim.tool}"))
            continue
        why, action = shims.shadow(shim, environ)
        rows.append(row("shim", f"{shim.path}: does not run"))
        findings.append(
            finding(
                "tool-bypassed",
                f"{shim.tool} does not run through mtls-run: {why}",
                action,
                origin=shim.path,
            )
        )
    return InstalledTools(tuple(rows), tuple(findings))


def _tool(
    names: tuple[str, ...],
    environ: Mapping[str, str],
    profile: Profile | None,
    files: TlsFiles | None,
    kind: KeyKind | None,
) -> tuple[Row, list[Finding]] | None:
    """Return a row and findings for the first of these tools on PATH, or None if there is none."""
    path = error = None
    for name in names:
        try:
            path = which.find(name, environ)
            break
        except MtlsRunError as not_found:
            error = error or not_found
    if path is None:
        if error is not None and error.status == _NOT_EXECUTABLE:
            return row(names[0], error.fact), [replace(from_error(error), rank="warning")]
        return None
    call = registry.recognise([path], any_program=True)
    adapter = registry.ADAPTERS[call.kind]
    # As in a run, the tool does not see the variable that holds a passphrase.
    source = profile.passphrase.value if profile is not None else None
    hidden = source.name if isinstance(source, FromVariable) else None
    visible = {name: value for name, value in environ.items() if name != hidden}
    try:
        found = version.of_tool(call, path, adapter, visible)
    except MtlsRunError as failure:
        return row(names[0], f"{path}: version unknown"), [from_error(failure)]
    shown = row(os.path.basename(path), f"{'.'.join(map(str, found))}, {path}")
    if files is None:
        return shown, []
    try:
        adapter.check(found, files, kind)
    except MtlsRunError as failure:
        return shown, [from_error(failure, path)]
    return shown, []
