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
    from mtls_run.doctor.inspection import Inspection
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
    profile: Profile | None, files: TlsFiles | None, kind: KeyKind | None, here: Inspection
) -> None:
    """Report the tools, and what they can do with these files and a key of this kind."""
    # As in a run, the tool does not see the variable that holds a passphrase.
    source = profile.passphrase.value if profile is not None else None
    hidden = source.name if isinstance(source, FromVariable) else None
    visible = {name: value for name, value in here.environ.items() if name != hidden}
    found = [_tool(names, visible, files, kind, here) for names in _TOOLS]
    if not any(found):
        here.finding(
            "tool-missing",
            "neither pip nor uv is on PATH",
            "install one of them, or add its directory to PATH",
            origin="PATH",
        )
    for shim in shims.survey(shells.folder(), here.environ):
        if shim.is_reached:
            here.row("shim", f"{shim.path}: runs for {shim.tool}")
            continue
        why, action = shims.shadow(shim, here.environ)
        here.row("shim", f"{shim.path}: does not run")
        fact = f"{shim.tool} does not run through mtls-run: {why}"
        here.finding("tool-bypassed", fact, action, origin=shim.path)


def _tool(
    names: tuple[str, ...],
    environ: Mapping[str, str],
    files: TlsFiles | None,
    kind: KeyKind | None,
    here: Inspection,
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
            here.row(names[0], "not on PATH")
            return False
        here.row(names[0], error.fact)
        here.error(error, rank="warning")
        return True
    call = registry.recognise([path], any_program=True)
    adapter = registry.ADAPTERS[call.kind]
    try:
        found = version.of_tool(call, path, adapter, environ)
    except MtlsRunError as failure:
        here.row(names[0], f"{path}: version unknown")
        here.error(failure)
        return True
    here.row(os.path.basename(path), f"{'.'.join(map(str, found))}, {path}")
    try:
        if files is not None:
            adapter.check(found, files, kind)
    except MtlsRunError as failure:
        here.error(failure, path)
    return True
