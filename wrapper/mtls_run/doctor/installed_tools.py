"""The tools: their paths and versions, and whether they can use the profile's files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from mtls_run import shells
from mtls_run.cache.dependencies import Dependencies
from mtls_run.config.profile import Profile
from mtls_run.doctor.findings import from_error
from mtls_run.doctor.indexes import FURTHER
from mtls_run.doctor.inspection import Inspection
from mtls_run.errors import MtlsRunError
from mtls_run.identity.material import Identity
from mtls_run.shells import shims
from mtls_run.shells.shims import Shim
from mtls_run.system import progress
from mtls_run.tools import registry, version, which
from mtls_run.tools.base import PipScope, Target, TlsFiles, Tool
from mtls_run.tools.pip import TOOL as PIP
from mtls_run.tools.uv import TOOL as UV

_NOT_EXECUTABLE = 126
_IDLE = "does not run"


def pip_scope(environ: Mapping[str, str]) -> PipScope:
    """Return which of pip's settings count for an installation by the pip on PATH."""
    for name in PIP.PROGRAMS:
        try:
            path = which.find(name, environ)
        except MtlsRunError:
            continue
        _, call = registry.recognise([path, "install"], any_program=False)
        return PIP.pip_scope(call, path, Dependencies())
    return PipScope(command="install")


def environ_to_ask(profile: Profile | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment to ask a tool in: as in a run, without a passphrase's variable."""
    hidden = profile.passphrase_variables if profile is not None else ()
    return {name: value for name, value in environ.items() if name not in hidden}


def examine(
    profile: Profile | None, files: TlsFiles | None, identity: Identity | None, here: Inspection
) -> tuple[Target, ...]:
    """Report the tools, and what they can do with these files and this identity.

    Returns the tools that a run would start.
    """
    visible = environ_to_ask(profile, here.environ)
    found = [_tool(names, visible, files, identity, here) for names in (PIP.PROGRAMS, UV.PROGRAMS)]
    found += [
        _tool(tool.PROGRAMS, visible, files, identity, here)
        for tool in FURTHER
        if _is_set_up(tool, here) and _is_on_path(tool, visible)
    ]
    if not any(is_there for is_there, _ in found):
        here.finding(
            "tool-missing",
            "neither pip nor uv is on PATH",
            "install one of them, or add its directory to PATH",
            origin="PATH",
        )
    _shims(here)
    return tuple(target for _, target in found if target is not None)


def _is_set_up(tool: Tool, here: Inspection) -> bool:
    """Tell whether the tool's own settings name an index here."""
    try:
        return any(True for _ in tool.indexes(here.environ, here.directory))
    except MtlsRunError:  # reported with the indexes
        return True


def _is_on_path(tool: Tool, environ: Mapping[str, str]) -> bool:
    try:
        which.find(tool.PROGRAMS[0], environ)
    except MtlsRunError:
        return False
    return True


def _shims(here: Inspection) -> None:
    """Report the shims; one action for several of them is one finding."""
    bypassed: dict[str, list[Shim]] = {}
    for shim in shims.survey(shells.folder(), here.environ):
        here.row("shim", f"{shim.path}: {f'runs for {shim.tool}' if shim.is_reached else _IDLE}")
        if not shim.is_reached:
            bypassed.setdefault(shims.shadow(shim, here.environ)[1], []).append(shim)
    for action, found in bypassed.items():
        names = ", ".join(shim.tool for shim in found)
        reasons = "; ".join(dict.fromkeys(shims.shadow(one, here.environ)[0] for one in found))
        verb, origin = ("does", found[0].path) if len(found) == 1 else ("do", found[0].path.parent)
        fact = f"{names} {verb} not run through mtls-run: {reasons}"
        here.finding("tool-bypassed", fact, action, origin=origin)


def _tool(
    names: tuple[str, ...],
    environ: Mapping[str, str],
    files: TlsFiles | None,
    identity: Identity | None,
    here: Inspection,
) -> tuple[bool, Target | None]:
    """Report the first of these tools on PATH; return whether there is one, and it if it works."""
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
            _sum_up(f"no {names[0]}", here)
            return False, None
        here.row(names[0], error.fact)
        _sum_up(f"{names[0]} cannot be executed", here)
        here.error(error, rank="warning")
        return True, None
    tool, call = registry.recognise([path], any_program=True)
    try:
        with progress.shown(lambda: f"asking {path} for its version", quiet=here.options.quiet):
            found = version.ask(tool, call, path, environ)
    except MtlsRunError as failure:
        here.row(names[0], f"{path}: version unknown")
        _sum_up(f"{names[0]} of unknown version", here)
        here.error(failure)
        return True, None
    here.row(os.path.basename(path), f"{'.'.join(map(str, found))}, {path}")
    target = Target(tool, call, path, found)
    _sum_up(f"{tool.KIND} {'.'.join(map(str, found))}", here)
    try:
        if files is not None:
            tool.check(found, files, identity.kind if identity else None)
        if identity is not None:
            tool.check_certificates(
                target, identity.oddities, lambda: identity.certificates_pem, environ
            )
    except MtlsRunError as failure:
        shown = f"{tool.KIND} {'.'.join(map(str, found))}"
        here.add(replace(from_error(failure, path), stops=shown))
        return True, None
    return True, target


def _sum_up(tool: str, here: Inspection) -> None:
    """Add the tool to the line that sums up the tools."""
    before = here.parts.get(here.current)
    here.part(here.current, f"{before}, {tool}" if before else tool)
