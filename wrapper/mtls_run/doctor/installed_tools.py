"""pip and uv: their paths and versions, and whether they can use the profile's files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run import shells
from mtls_run.errors import MtlsRunError
from mtls_run.passphrase.sources import FromVariable
from mtls_run.shells import shims
from mtls_run.tools import registry, version, which

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.config.profile import Profile
    from mtls_run.doctor.findings import Section
    from mtls_run.identity.kind import KeyKind
    from mtls_run.tools.tls_files import TlsFiles

_TOOLS = (("pip", "pip3"), ("uv",))
_NOT_EXECUTABLE = 126


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
    section: Section,
) -> None:
    """Report the tools, and what they can do with these files and a key of this kind."""
    found = [_tool(names, environ, profile, files, kind, section) for names in _TOOLS]
    if not any(found):
        section.finding(
            "tool-missing",
            "neither pip nor uv is on PATH",
            "install one of them, or add its directory to PATH",
            origin="PATH",
        )
    for shim in shims.survey(shells.folder(), environ):
        if shim.is_reached:
            section.row("shim", f"{shim.path}: runs for {shim.tool}")
            continue
        why, action = shims.shadow(shim, environ)
        section.row("shim", f"{shim.path}: does not run")
        fact = f"{shim.tool} does not run through mtls-run: {why}"
        section.finding("tool-bypassed", fact, action, origin=shim.path)


def _tool(
    names: tuple[str, ...],
    environ: Mapping[str, str],
    profile: Profile | None,
    files: TlsFiles | None,
    kind: KeyKind | None,
    section: Section,
) -> bool:
    """Report the first of these tools on PATH; tell whether there is one."""
    path = error = None
    for name in names:
        try:
            path = which.find(name, environ)
            break
        except MtlsRunError as not_found:
            error = error or not_found
    if path is None:
        if error is None or error.status != _NOT_EXECUTABLE:
            section.row(names[0], "not on PATH")
            return False
        section.row(names[0], error.fact)
        section.error(error, rank="warning")
        return True
    call = registry.recognise([path], any_program=True)
    adapter = registry.ADAPTERS[call.kind]
    # As in a run, the tool does not see the variable that holds a passphrase.
    source = profile.passphrase.value if profile is not None else None
    hidden = source.name if isinstance(source, FromVariable) else None
    visible = {name: value for name, value in environ.items() if name != hidden}
    try:
        found = version.of_tool(call, path, adapter, visible)
    except MtlsRunError as failure:
        section.row(names[0], f"{path}: version unknown")
        section.error(failure)
        return True
    section.row(os.path.basename(path), f"{'.'.join(map(str, found))}, {path}")
    try:
        if files is not None:
            adapter.check(found, files, kind)
    except MtlsRunError as failure:
        section.error(failure, path)
    return True
