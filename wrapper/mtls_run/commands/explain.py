"""`--explain`: what would be done, and why. It unlocks nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mtls_run import plan
from mtls_run import resolve as resolving
from mtls_run.config.origin import DEFAULT
from mtls_run.identity import unlocking
from mtls_run.output import Reporter, printable, shown_word
from mtls_run.passphrase.sources import describe
from mtls_run.roots import bundle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.plan import LaunchPlan, Target
    from mtls_run.resolve import Resolved, Start

_PLACES = {"memfd": "/proc/PID/fd/N", "supervise": "(a private file)"}


class NoticeCollector(Reporter):
    """A reporter that keeps the notices, to be shown with the rest."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.notices: list[str] = []

    def notice(self, fact: str) -> None:
        """Keep the notice."""
        self.notices.append(fact)


def show(start: Start, reporter: NoticeCollector, *, reason: str | None) -> str:
    """Return what would be done, for a person or as JSON; `reason` is why nothing is injected.

    Raises MtlsRunError where the run itself would stop by what shows without a passphrase.
    """
    resolved = None if reason else resolving.resolve(start)
    if resolved is None:
        bare = plan.unchanged(start.target)
        found = _object(start.target, bare, skipped=reason or "no profile applies here")
        label, origins = "", []
    else:
        found = _explained(resolved, reporter)
        label, origins = resolved.profile.label, _origins(resolved)
    return json.dumps(found, indent=2) if start.options.json else _as_text(found, label, origins)


def _origins(resolved: Resolved) -> list[tuple[str, str]]:
    """Return each value that was said rather than left to its default, and where."""
    profile = resolved.profile
    settings = {
        "client-cert": profile.client_cert,
        "client-key": profile.client_key,
        "ca-cert": profile.ca_cert,
        "roots": profile.roots,
        "passphrase": profile.passphrase,
    }
    said = [
        (name, str(setting.origin))
        for name, setting in settings.items()
        if setting is not None and setting.origin is not DEFAULT
    ]
    won_over = resolved.selection.won_over
    return said + [(f"rather than {other}", str(other.origin)) for other in won_over]


def _explained(resolved: Resolved, reporter: NoticeCollector) -> dict[str, Any]:
    start = resolved.start
    opened = unlocking.without_passphrase(resolved)
    if opened is not None and opened.identity is not None:
        unlocking.vet(resolved, opened.identity)
    handoff = opened.handoff if opened else unlocking.mode(start)[0]
    path = opened.path if opened and opened.path else _PLACES.get(handoff)
    trust = resolved.trust(path, bundle.expected(resolved.roots))
    launched = resolved.plan(trust, opened.identity if opened else None)
    changes = dict(launched.changes)
    if path is not None:
        # Its value is made of the path, which is not there yet.
        changes["MTLS_RUN_ACTIVE"] = "(what spares a nested mtls-run a second unlock)"
    for name, value in changes.items():
        before = start.environ.get(name)
        if before is not None and before != value and value is None:
            reporter.notices.append(f"{name} is unset for the tool")
        elif before is not None and before != value:
            reporter.notices.append(f"{name} is replaced for the tool")
    shown = plan.LaunchPlan(launched.path, launched.argv, changes)
    found = _object(resolved.target, shown, resolved=resolved, handoff=handoff)
    return {**found, "notices": reporter.notices}


def _object(
    target: Target,
    launched: LaunchPlan,
    *,
    resolved: Resolved | None = None,
    handoff: str = "none",
    skipped: str | None = None,
) -> dict[str, Any]:
    changes = launched.changes
    return {
        "profile": resolved.profile.name if resolved else None,
        "origin": str(resolved.profile.origin) if resolved else None,
        "tool": {
            "path": target.path,
            "kind": target.call.kind,
            "version": ".".join(map(str, target.version)) if target.version else None,
        },
        "argv": [shown_word(word) for word in launched.argv],
        "env": {
            "set": {name: shown_word(value) for name, value in changes.items() if value},
            "unset": [name for name, value in changes.items() if value is None],
        },
        "identity": _identity(resolved) if resolved else None,
        "roots": _roots(resolved) if resolved else None,
        "handoff": handoff,
        "skipped": skipped,
        "notices": [],
    }


def _identity(resolved: Resolved) -> dict[str, Any] | None:
    material, profile = resolved.material, resolved.profile
    if material is None:
        return None
    source = describe(profile.passphrase.value, profile.account) if material.locked else None
    return {"source": material.where, "encrypted": material.locked, "passphrase": source}


def _roots(resolved: Resolved) -> dict[str, Any]:
    return {"base": resolved.roots.base, "added": [str(path) for path in resolved.roots.added]}


def _as_text(found: Mapping[str, Any], label: str, origins: list[tuple[str, str]]) -> str:
    """Return the object for a person to read.

    `label` is what a profile without a name is called, `origins` has where each value was said.
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
    import shlex  # noqa: PLC0415

    return printable(shlex.join(argv))
