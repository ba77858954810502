"""`mtls-run profile show`: a profile with the origin of each value, or its name alone."""

from __future__ import annotations

import json
import sys
from typing import Any

from mtls_run import commands
from mtls_run.commands import Context, say
from mtls_run.config import layers, selection
from mtls_run.config.layers import Configuration
from mtls_run.config.origin import DEFAULT, TYPED
from mtls_run.config.profile import Profile
from mtls_run.config.readers import SECONDS
from mtls_run.config.selection import Selection
from mtls_run.errors import MtlsRunError
from mtls_run.identity.validity import utc_now
from mtls_run.output import answer
from mtls_run.output.screen import Row, Screen
from mtls_run.passphrase.sources import describe
from mtls_run.system.files import current_directory
from mtls_run.tools.base import PipScope


def brief(context: Context, name: str | None = None, *, with_state: bool = False) -> int:
    """Print the name of the profile that applies here, or `name` if there is such a profile."""
    configured = layers.load(context.environ)
    if name is not None:
        found: Profile | None = configured.profile(name, TYPED)
    else:
        found = here(context, configured).profile
    if found is not None:
        words = [found.name or f"({found.label})"]
        if with_state:
            words.append(_state(found))
        say(" ".join(words).rstrip())
    return 0


def _state(profile: Profile) -> str:
    """Return how the profile's certificate stands, in a few words; empty if it names none."""
    now = utc_now()
    seen = commands.certificate.inspect(profile, now)
    return seen.state(now) if seen.named else ""


def show(context: Context, name: str | None, *, as_json: bool) -> None:
    """Print the profile that applies here, or `name`."""
    configured = layers.load(context.environ)
    if name is None:
        chosen = here(context, configured)
        profile, applies = chosen.profile, True
    else:
        profile = configured.profile(name, TYPED)
        found = here_or_notice(context, configured)
        applies = found is not None and found.profile is not None and found.profile.name == name
        chosen = found if found and applies else selection.Selection(profile)
        profile = chosen.profile
    if as_json:
        say(json.dumps(_object(profile, chosen, configured, applies=applies), indent=2))
    elif profile is None:
        say("no profile applies here")
    else:
        rows = _rows(profile, chosen, configured, applies=applies)
        if not context.options.verbose:
            rows = [row._replace(origin="") if row.origin == str(DEFAULT) else row for row in rows]
        answer("\n".join(Screen.of(sys.stdout, context.environ).rows(rows)))


def names(context: Context) -> int:
    """Print the names of all profiles; no certificate is read."""
    for name in layers.load(context.environ).profiles:
        say(name)
    return 0


def here(context: Context, configured: Configuration, name: str | None = None) -> Selection:
    """Return the profile `name`, or the one that a run in the current directory would use."""
    if name is not None:
        configured.profile(name, TYPED)  # an error says so, and not that --profile did
    return selection.select(
        configured,
        context.environ,
        current_directory(),
        context.reporter,
        flag=name or context.options.profile,
        pip_scope=PipScope,
    )


def here_or_notice(context: Context, configured: Configuration) -> Selection | None:
    """Return the same, or None with a notice where there is an error."""
    try:
        return here(context, configured)
    except MtlsRunError as error:
        context.reporter.notice(error.fact)
        return None


def _settings(profile: Profile) -> dict[str, tuple[Any, str]]:
    """Return the value of each key, ready for JSON, and its origin."""
    said = profile.settings()
    for number, one in enumerate(profile.identities, 1):
        own = one.settings()
        for key in ("hosts", "client-cert", "client-key"):
            if key in own:
                said[f"identities[{number}].{key}"] = own[key]
    return {
        name: (_value(name, setting.value, profile), str(setting.origin))
        for name, setting in said.items()
    }


def _value(name: str, value: Any, profile: Profile) -> Any:  # noqa: ANN401 - a setting of any key
    if name == "passphrase":
        return describe(value, profile.account)
    if name == "remember":
        return _duration(value)
    if name == "renew":
        before = "a third of its life" if value.before is None else _duration(value.before)
        return f"{value.command}, {before} before the end"
    return [str(path) for path in value] if isinstance(value, tuple) else str(value)


def _duration(seconds: int) -> str:
    """Return the time in the spelling of a configuration."""
    if seconds == 0:
        return "off"
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % SECONDS[unit] == 0)
    return f"{seconds // SECONDS[unit]}{unit}"


def _extends(profile: Profile, chosen: Selection, configured: Configuration) -> dict[str, str]:
    """Return the profiles that this one extends, nearest first, with their origins."""
    tables = configured.profiles
    if profile.name is not None:
        said = tables[profile.name]
    else:
        said = chosen.winner.project.settings if chosen.winner and chosen.winner.project else {}
    chain: dict[str, str] = {}
    while "extends" in said:
        setting = said["extends"]
        chain[setting.value] = str(setting.origin)
        said = tables[setting.value]
    return chain


def _rows(
    profile: Profile, chosen: Selection, configured: Configuration, *, applies: bool
) -> list[Row]:
    where = ("here", str(profile.origin)) if applies else ("not here", "")
    rows = [Row("", "profile", profile.name or f"({profile.label})"), Row("", "applies", *where)]
    if applies:
        rows += [Row("", "rather than", str(one), str(one.origin)) for one in chosen.won_over]
    extends = _extends(profile, chosen, configured)
    rows += [Row("", "extends", name, origin) for name, origin in extends.items()]
    for name, (value, origin) in _settings(profile).items():
        values = value if isinstance(value, list) else [value]
        rows += [Row("", name, one, origin) for one in values]
    return rows


def _object(
    profile: Profile | None, chosen: Selection, configured: Configuration, *, applies: bool
) -> dict[str, Any]:
    if profile is None:
        return {"profile": None, "applies": False, "origin": None, "extends": [], "settings": {}}
    return {
        "profile": profile.name,
        "applies": applies,
        "origin": str(profile.origin) if applies else None,
        "rather_than": [
            {"profile": other.name, "origin": str(other.origin)} for other in chosen.won_over
        ],
        "extends": [
            {"profile": name, "origin": origin}
            for name, origin in _extends(profile, chosen, configured).items()
        ],
        "settings": {
            name: {"value": value, "origin": origin}
            for name, (value, origin) in _settings(profile).items()
        },
    }
