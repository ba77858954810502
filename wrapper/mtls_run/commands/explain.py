"""`--explain`: describe the run and the reasons for it, without unlocking a key."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mtls_run import unlock
from mtls_run.cache.launches import Launch, WithIdentity
from mtls_run.config.origin import DEFAULT
from mtls_run.config.project_trust import NOT_ALLOWED
from mtls_run.errors import ConfigurationError
from mtls_run.identity.source import Printed
from mtls_run.output import Reporter
from mtls_run.output.screen import Row, Screen
from mtls_run.output.text import printable, quoted
from mtls_run.passphrase.sources import describe
from mtls_run.resolve import Context, Resolved, resolve
from mtls_run.roots import bundle
from mtls_run.system import urls
from mtls_run.tools import registry
from mtls_run.tools.base import Target

_LABELS = 8  # in columns
_FATES = ("unset for the tool", "replaced for the tool")
# A bundle has the digest of its content as its name, which is wider than most terminals.
_DIGEST = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{24,}\b")


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

    Raises MtlsRunError where the run itself would stop by what shows without a passphrase. A
    project file that is not allowed stops the run too, but is part of the answer.
    """
    resolved, origins = None, list[tuple[str, str]]()
    try:
        resolved = None if reason else resolve(context)[0]
    except ConfigurationError as error:
        if error.code != NOT_ALLOWED:
            raise
        found = _object(context.target, (), {}, skipped=error.fact)
        found.update(argv=[], notices=[*reporter.notices, error.hint])
    else:
        if resolved is None:
            found = _object(context.target, (), {}, skipped=reason or "no profile applies here")
        else:
            found = _explained(resolved, reporter)
            origins = _origins(resolved)
    if context.options.json:
        return json.dumps(found, indent=2)
    label = resolved.profile.label if resolved else ""
    screen = Screen.of(sys.stdout, context.environ)
    return "\n".join(_as_text(found, label, origins, screen, verbose=context.options.verbose))


def _origins(resolved: Resolved) -> list[tuple[str, str]]:
    """Return each value that is not a default, and its origin."""
    rows = [
        (name, str(setting.origin))
        for name, setting in resolved.profile.settings().items()
        if setting.origin is not DEFAULT
    ]
    rows += [(f"policy {key}", str(origin)) for key, origin in resolved.policy.origins().items()]
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
        changes["MTLS_RUN_ACTIVE"] = "(it saves a nested mtls-run a second unlock)"
    for name, value in changes.items():
        before = context.environ.get(name)
        if before is not None and before != value:
            reporter.notices.append(f"{name} is {_FATES[value is not None]}")
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
    if isinstance(material, Printed):
        return {"source": material.where, "encrypted": None, "passphrase": None}
    where, is_locked = material.where, material.locked
    return {"source": where, "encrypted": is_locked, "passphrase": source if is_locked else None}


def _roots(resolved: Resolved) -> dict[str, Any]:
    return {"base": resolved.roots.base, "added": [str(path) for path in resolved.roots.added]}


def _as_text(
    found: Mapping[str, Any],
    label: str,
    origins: list[tuple[str, str]],
    screen: Screen,
    *,
    verbose: bool,
) -> list[str]:
    """Return the object in lines for a person.

    `label` is what a profile without a name is called, `origins` has where each value is set.
    """
    tool = found["tool"]
    kind = " ".join(filter(None, (tool["kind"], tool["version"])))
    rows = [Row("", "tool", f"{tool['path']} ({kind})")]
    if not found["argv"]:
        rows.append(Row("", "stops", found["skipped"]))
    elif found["skipped"]:
        rows.append(Row("", "profile", f"none is used: {found['skipped']}"))
    else:
        rows.append(Row("", "profile", f"{found['profile'] or label}, by {found['origin']}"))
        rows += [Row("", "", f"{name}: {origin}") for name, origin in origins]
        rows.append(Row("", "identity", _shown_identity(found["identity"])))
        roots = [found["roots"]["base"], *found["roots"]["added"]]
        rows.append(Row("", "roots", " + ".join(roots)))
        rows.append(Row("", "handoff", found["handoff"]))
    lines = screen.rows(rows, labels=_LABELS)
    if found["argv"]:
        head = f"{'runs':<{_LABELS + 2}}"
        lines += screen.command(_words(found["argv"]), first=head, indent=len(head))
    sets = registry.shown_variables(found["env"]["set"])
    rows = [Row("", "sets", text) for text in _by_value(sets)]
    if screen.width is not None and not verbose:
        rows = [row._replace(value=_DIGEST.sub(r"\1…", row.value)) for row in rows]
    if found["env"]["unset"]:
        rows.append(Row("", "unsets", ", ".join(found["env"]["unset"])))
    lines += screen.rows(rows, labels=_LABELS)
    label = "to do" if not found["argv"] else "notice"
    for notice in _by_fate(found["notices"]):
        lines += screen.advice(notice, first=f"{label:<{_LABELS + 2}}", indent=_LABELS + 2)
    return lines


def _by_value(variables: Mapping[str, str]) -> list[str]:
    """Return a line for each value, with its variables: most of them name the same bundle."""
    names: dict[str, list[str]] = {}
    for name, value in variables.items():
        names.setdefault(value, []).append(name)
    return [
        f"{value} as {', '.join(named)}" if len(named) > 1 else f"{named[0]}={value}"
        for value, named in names.items()
    ]


def _by_fate(notices: Sequence[str]) -> list[str]:
    """Return the notices, with one for all variables that are replaced, and one for the unset."""
    names: dict[str, list[str]] = {}
    for notice in notices:
        name, _, fate = notice.partition(" is ")
        if fate in _FATES:
            names.setdefault(fate, []).append(name)
        else:
            names[notice] = []
    return [
        f"{', '.join(named)} {'are' if named[1:] else 'is'} {text}" if named else text
        for text, named in names.items()
    ]


def _shown_identity(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "none of the profile's"
    if found["encrypted"] is None:
        return f"{found['source']} (not run)"
    if not found["encrypted"]:
        return f"{found['source']} (not encrypted)"
    return f"{found['source']} (encrypted; passphrase: {found['passphrase']})"


def _words(argv: list[str]) -> list[str]:
    """Return the words of the command, quoted for a shell, with its secrets masked."""
    return [printable(word) if urls.MASK in word else quoted(word) for word in argv]
