"""`--explain`: describe the run and the reasons for it, without unlocking a key."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from mtls_run import unlock
from mtls_run.cache.launches import WithIdentity
from mtls_run.config.origin import DEFAULT
from mtls_run.output import Reporter, printable
from mtls_run.passphrase.sources import describe
from mtls_run.resolve import resolve
from mtls_run.roots import bundle
from mtls_run.system import urls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.cache.launches import Launch
    from mtls_run.resolve import Context, Resolved
    from mtls_run.tools.base import Target


class NoticeCollector(Reporter):
    """A reporter that collects the notices for the answer."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.notices: list[str] = []

    def notice(self, fact: str, *, once_a_day: bool = False) -> None:
        """Keep the notice."""
        del once_a_day
        self.notices.append(fact)


def show(context: Context, reporter: NoticeCollector, *, reason: str | None) -> str:
    """Return what would be done, for a person or as JSON; `reason` is why nothing is injected.

    Raises MtlsRunError where the run itself would stop by what shows without a passphrase.
    """
    resolved = None if reason else resolve(context)[0]
    if resolved is None:
        found = _object(context.target, (), {}, skipped=reason or "no profile applies here")
        label, origins = "", []
    else:
        found = _explained(resolved, reporter)
        label, origins = resolved.profile.label, _origins(resolved)
    return json.dumps(found, indent=2) if context.options.json else _as_text(found, label, origins)


def _origins(resolved: Resolved) -> list[tuple[str, str]]:
    """Return each value that is not a default, and its origin."""
    profile = resolved.profile
    settings = {
        "client-cert": profile.client_cert,
        "client-key": profile.client_key,
        "ca-cert": profile.ca_cert,
        "roots": profile.roots,
        "passphrase": profile.passphrase,
        "handoff": profile.handoff,
        "hosts": profile.hosts,
        "paths": profile.paths,
    }
    rows = [
        (name, str(setting.origin))
        for name, setting in settings.items()
        if setting is not None and setting.origin is not DEFAULT
    ]
    won_over = resolved.selection.won_over
    return rows + [(f"rather than {other}", str(other.origin)) for other in won_over]


def _explained(resolved: Resolved, reporter: NoticeCollector) -> dict[str, Any]:
    context = resolved.context
    unlocked = unlock.without_passphrase(resolved)
    identity = unlocked.identity if unlocked else None
    if identity is not None:
        unlock.check_tool(resolved, identity)
        notice = unlock.expiry_notice(resolved, identity)
        reporter.notices += [notice] if notice else []
    if resolved.left_out_notice is not None:
        reporter.notices.append(resolved.left_out_notice)
    handoff = unlocked.handoff if unlocked else resolved.handoff.handoff
    tls = handoff.tls_files(bundle.expected(resolved.roots), native=resolved.roots.native)
    planned = resolved.launch(tls, identity.fingerprint if identity else None)
    changes = _shown_changes(planned, handoff.shown_path)
    if tls.identity is not None:
        changes["MTLS_RUN_ACTIVE"] = "(what spares a nested mtls-run a second unlock)"
    for name, value in changes.items():
        before = context.environ.get(name)
        if before is not None and before != value:
            verb = "unset" if value is None else "replaced"
            reporter.notices.append(f"{name} is {verb} for the tool")
    words = planned.words(handoff.shown_path)
    found = _object(resolved.target, words, changes, resolved=resolved, handoff=handoff.name)
    return {**found, "notices": reporter.notices}


def _shown_changes(planned: Launch, path: str) -> dict[str, str | None]:
    return {
        name: f"{value.text}{path}" if isinstance(value, WithIdentity) else value
        for name, value in planned.variables.items()
    }


def _object(
    target: Target,
    flags: tuple[str, ...],
    changes: Mapping[str, str | None],
    *,
    resolved: Resolved | None = None,
    handoff: str = "none",
    skipped: str | None = None,
) -> dict[str, Any]:
    sets = {name: urls.without_passwords(value) for name, value in changes.items() if value}
    return {
        "profile": resolved.profile.name if resolved else None,
        "origin": str(resolved.profile.origin) if resolved else None,
        "tool": {
            "path": target.path,
            "kind": target.call.kind,
            "version": ".".join(map(str, target.version)) if target.version else None,
        },
        "argv": list(target.shown(flags)),
        "env": {
            "set": sets,
            "unset": [name for name, value in changes.items() if value is None],
        },
        "identity": _identity(resolved) if resolved else None,
        "roots": _roots(resolved) if resolved else None,
        "handoff": handoff,
        "skipped": skipped,
        "notices": [],
    }


def _identity(resolved: Resolved) -> dict[str, Any] | None:
    profile = resolved.profile
    source = describe(profile.passphrase.value, profile.account)
    for owner, part in resolved.further:
        if owner is profile:  # its key is in a token
            return {"source": part.where, "encrypted": True, "passphrase": source}
    material = resolved.material
    if material is None:
        return None
    where, is_locked = material.where, material.locked
    return {"source": where, "encrypted": is_locked, "passphrase": source if is_locked else None}


def _roots(resolved: Resolved) -> dict[str, Any]:
    return {"base": resolved.roots.base, "added": [str(path) for path in resolved.roots.added]}


def _as_text(found: Mapping[str, Any], label: str, origins: list[tuple[str, str]]) -> str:
    """Return the object for a person to read.

    `label` is what a profile without a name is called, `origins` has where each value is set.
    """
    tool = found["tool"]
    kind = " ".join(filter(None, (tool["kind"], tool["version"])))
    lines = [f"tool:     {tool['path']} ({kind})"]
    if found["skipped"]:
        lines.append(f"profile:  none is used: {found['skipped']}")
        lines.append(f"runs:     {_command(found['argv'])}")
        return "\n".join(printable(line) for line in lines)
    lines.append(f"profile:  {found['profile'] or label}, by {found['origin']}")
    lines += [f"          {name}: {origin}" for name, origin in origins]
    lines.append(f"identity: {_shown_identity(found['identity'])}")
    roots = found["roots"]
    lines.append(f"roots:    {' + '.join([roots['base'], *roots['added']])}")
    lines.append(f"handoff:  {found['handoff']}")
    lines.append(f"runs:     {_command(found['argv'])}")
    lines += [f"sets:     {name}={value}" for name, value in found["env"]["set"].items()]
    lines += [f"unsets:   {name}" for name in found["env"]["unset"]]
    lines += [f"notice:   {notice}" for notice in found["notices"]]
    return "\n".join(printable(line) for line in lines)


def _shown_identity(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "none of the profile's"
    if not found["encrypted"]:
        return f"{found['source']} (not encrypted)"
    return f"{found['source']} (encrypted; passphrase: {found['passphrase']})"


def _command(argv: list[str]) -> str:
    """Return the command, quoted for a shell, with its secrets masked."""
    words = [word if urls.MASK in word else shlex.quote(word) for word in argv]
    return printable(" ".join(words))
