"""`mtls-run profile add` and `import`: a new profile, checked before it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtls_run import terminal
from mtls_run.commands import profile_check, profile_values
from mtls_run.commands.profile_show import say
from mtls_run.config import edit as editing
from mtls_run.config import profile
from mtls_run.config.origin import Origin
from mtls_run.config.store import ConfigFile
from mtls_run.errors import ConfigurationError, UsageError
from mtls_run.identity import checks
from mtls_run.identity.material import gather
from mtls_run.passphrase.unlock import Request, offer_to_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.commands import Context
    from mtls_run.config.edit import Values
    from mtls_run.config.layers import Configuration
    from mtls_run.config.profile import Profile
    from mtls_run.identity.material import KeyMaterial
    from mtls_run.passphrase.unlock import Unlocked


@dataclass(frozen=True)
class Wish:
    """A profile to be written; `origins` says where a value came from that no option said.

    `default` makes it the default, `force` replaces one of the same name, and `keep` keeps its
    passphrase without a question.
    """

    name: str
    values: Values
    origins: Mapping[str, Origin] = field(default_factory=dict)
    default: bool = False
    force: bool = False
    keep: bool = False


def add(context: Context, wish: Wish, *, asking: bool = True) -> None:
    """Check the profile and write it; nothing is written where it cannot work."""
    profile_values.spelled_name(wish.name)
    file = ConfigFile.find(context.environ)
    before = file.read()
    configured = file.configuration(before)
    _refuse_present(file, before, wish)
    values = dict(wish.values)
    asking = asking and "extends" not in values and terminal.available()
    if asking:
        _ask_for_certificate(values)
    if not values:
        raise UsageError(
            f"profile {wish.name} would say nothing",
            hint=f"mtls-run profile add {wish.name} --client-cert FILE …; see --help",
        )
    candidate = _candidate(wish, values, file, configured)
    material = gather(candidate)
    if asking and material is not None and _ask_for_key(values, material):
        candidate = _candidate(wish, values, file, configured)
        material = gather(candidate)
    if asking and _ask_for_ca(values):
        candidate = _candidate(wish, values, file, configured)
    unlocked = profile_check.check(candidate, material, context)
    made_default = _write(file, wish, values)
    _report(file, candidate, unlocked)
    if unlocked is not None and material is not None:
        request = Request(candidate, material, context.environ, context.reporter)
        stored = offer_to_store(request, unlocked, ask=not wish.keep)
        if stored is not None:
            say(f"its passphrase is stored in {stored}")
    if made_default:
        say(f"{candidate.label} is the default: it applies wherever nothing else says otherwise")
    if wish.name in file.system_profiles():
        context.reporter.notice(f"it is laid, key by key, over the one of {file.system}")


def _candidate(wish: Wish, values: Values, file: ConfigFile, configured: Configuration) -> Profile:
    """Return the profile as it will be, over the system's of that name and what it extends."""
    said = profile_values.said(values, wish.origins)
    tables = dict(configured.profiles)
    tables[wish.name] = profile.overlay(file.system_profiles().get(wish.name, {}), said)
    resolved = profile.resolve(wish.name, tables)
    return profile.build(wish.name, resolved, Origin("NAME"))


def _refuse_present(file: ConfigFile, content: bytes | None, wish: Wish) -> None:
    if wish.name in file.own_profiles(content) and not wish.force:
        raise ConfigurationError(
            f"profile {wish.name} is in {file.path} already",
            hint="--force replaces it; mtls-run profile edit changes it",
        )


def _write(file: ConfigFile, wish: Wish, values: Values) -> bool:
    """Write the profile; return whether it has become the default."""
    outcome = {"default": False}

    def edit(content: bytes) -> bytes:
        configured = file.configuration(content)
        _refuse_present(file, content, wish)
        first = not configured.profiles and configured.default_profile is None
        outcome["default"] = wish.default or first
        content = editing.put_profile(content, wish.name, values)
        return editing.set_default(content, wish.name) if outcome["default"] else content

    file.change(edit)
    return outcome["default"]


def _report(file: ConfigFile, candidate: Profile, unlocked: Unlocked | None) -> None:
    fact = f"{candidate.label} is in {file.path}"
    if unlocked is not None:
        leaf = unlocked.identity.leaf
        left = checks.span(leaf.not_valid_after_utc - checks.utc_now())
        fact += f": {leaf.subject.rfc4514_string()}, {left} left"
    say(fact)


def _ask_for_certificate(values: Values) -> None:
    if "client-cert" not in values:
        typed = terminal.ask_line("client certificate (a file; Enter for none)")
        if typed:
            values["client-cert"] = profile_values.written(typed)


def _ask_for_key(values: Values, material: KeyMaterial) -> bool:
    """Ask for the key's file, where the certificate's has none; tell whether one was named."""
    if "client-key" in values or material.keys or material.containers:
        return False
    typed = terminal.ask_line("its private key (a file)")
    if typed:
        values["client-key"] = profile_values.written(typed)
    return bool(typed)


def _ask_for_ca(values: Values) -> bool:
    if "ca-cert" in values or "roots" in values:
        return False
    typed = terminal.ask_line(
        "CA certificate of the index (a file; Enter: the system's roots are enough)"
    )
    if typed:
        values["ca-cert"] = profile_values.written(typed)
    return bool(typed)


def import_(context: Context, name: str, source: str, *, default: bool, force: bool) -> None:
    """Make a profile of pip's settings, of uv's variables, or of a file."""
    profile_values.spelled_name(name)
    values: dict[str, Any]
    origins: dict[str, Origin]
    if source == "pip":
        values, origins = _of_pip(context)
    elif source == "uv":
        values, origins = _of_uv(context)
    else:
        values, origins = {"client-cert": profile_values.written(source)}, {}
        origins["client-cert"] = Origin("--from")
    keep = source not in ("pip", "uv")
    wish = Wish(name, values, origins, default=default, force=force, keep=keep)
    add(context, wish, asking=False)


def _of_pip(context: Context) -> tuple[Values, dict[str, Origin]]:
    from mtls_run.config import pip_settings  # noqa: PLC0415 - where it is asked for

    found = pip_settings.read(context.environ, command=None, prefix=None)
    named = {"client-cert": found.client_cert, "ca-cert": found.cert}
    settings = {key: setting for key, setting in named.items() if setting is not None}
    if not settings:
        raise ConfigurationError(
            "pip's settings name neither `cert` nor `client-cert`",
            hint="see what they are: pip config debug",
        )
    values = {key: profile_values.written(setting.value) for key, setting in settings.items()}
    return values, {key: setting.origin for key, setting in settings.items()}


def _of_uv(context: Context) -> tuple[Values, dict[str, Origin]]:
    """Return what uv's variables mean; with SSL_CERT_FILE it trusts no other root."""
    names = {"client-cert": "SSL_CLIENT_CERT", "ca-cert": "SSL_CERT_FILE"}
    found = {key: name for key, name in names.items() if context.environ.get(name)}
    if not found:
        raise ConfigurationError(
            "neither SSL_CLIENT_CERT nor SSL_CERT_FILE is set, and uv takes these from there alone",
            hint="set them as for uv, or name the files: mtls-run profile add",
        )
    values: Values = {
        key: profile_values.written(Path(context.environ[name])) for key, name in found.items()
    }
    origins = {key: Origin(name) for key, name in found.items()}
    if "ca-cert" in values:
        values["roots"], origins["roots"] = "none", Origin("SSL_CERT_FILE")
    return values, origins
