"""`mtls-run profile add`: check a new profile, and write it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mtls_run import terminal
from mtls_run.commands import profile_check, profile_token, profile_values, say
from mtls_run.config import edit, profile
from mtls_run.config.origin import Origin
from mtls_run.config.store import ConfigFile
from mtls_run.errors import ConfigurationError, UsageError
from mtls_run.identity import checks, token
from mtls_run.identity.material import gather
from mtls_run.passphrase.unlock import Opened, Request, offer_to_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509

    from mtls_run.commands import Context
    from mtls_run.config.edit import Values
    from mtls_run.config.layers import Configuration
    from mtls_run.config.profile import Profile
    from mtls_run.identity.material import KeyMaterial
    from mtls_run.passphrase.unlock import Unlocked


@dataclass(frozen=True)
class Wish:
    """A profile to be written; `origins` has the origins of values that no option gave.

    `default` makes it the default, `force` replaces one of the same name, and `keep` stores its
    passphrase without a question.
    """

    name: str
    values: Values
    origins: Mapping[str, Origin] = field(default_factory=dict)
    default: bool = False
    force: bool = False
    keep: bool = False


def add(context: Context, wish: Wish, *, asking: bool = True) -> None:
    """Write the profile if it works; with `asking`, ask for missing values at a terminal."""
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
            f"profile {wish.name} would be empty",
            hint=f"mtls-run profile add {wish.name} --client-cert FILE …; see --help",
        )
    candidate = _candidate(wish, values, file, configured)
    in_token = token.of(candidate)
    if in_token is not None:
        if asking and _ask_for_ca(values):
            candidate = _candidate(wish, values, file, configured)
        checked = profile_token.check(candidate, in_token, context)
        made_default = _write(file, wish, values)
        _report(file, candidate, checked.leaf)
        if checked.pin is not None:
            _keep(Request(candidate, in_token.pin, context.environ, context.reporter), checked.pin)
        _report_default(file, candidate, wish, context, made_default=made_default)
        return
    material = gather(candidate)
    if asking and material is not None and _ask_for_key(values, material):
        candidate = _candidate(wish, values, file, configured)
        material = gather(candidate)
    if asking and _ask_for_ca(values):
        candidate = _candidate(wish, values, file, configured)
    unlocked = profile_check.check(candidate, material, context)
    made_default = _write(file, wish, values)
    _report(file, candidate, unlocked.identity.leaf if unlocked else None)
    if unlocked is not None and material is not None:
        request = Request(candidate, material, context.environ, context.reporter)
        _keep(request, unlocked, ask=not wish.keep)
    _report_default(file, candidate, wish, context, made_default=made_default)


def _keep(request: Request[Opened], unlocked: Unlocked[Opened], *, ask: bool = True) -> None:
    """Offer to store what was typed."""
    stored = offer_to_store(request, unlocked, ask=ask)
    if stored is not None:
        say(f"its {request.material.asks_for} is stored in {stored}")


def _report_default(
    file: ConfigFile, candidate: Profile, wish: Wish, context: Context, *, made_default: bool
) -> None:
    if made_default:
        say(f"{candidate.label} is the default: it applies wherever nothing else names a profile")
    if wish.name in file.system_profiles():
        context.reporter.notice(f"its keys override those of the same profile in {file.system}")


def _candidate(wish: Wish, values: Values, file: ConfigFile, configured: Configuration) -> Profile:
    """Return the resolved profile, laid over the system's of that name and those it extends."""
    said = profile_values.said(values, wish.origins)
    tables = dict(configured.profiles)
    tables[wish.name] = profile.overlay(file.system_profiles().get(wish.name, {}), said)
    resolved = profile.resolve(wish.name, tables)
    return profile.build(wish.name, resolved, Origin("NAME"))


def _refuse_present(file: ConfigFile, content: bytes | None, wish: Wish) -> None:
    if wish.name in file.own_profiles(content) and not wish.force:
        raise ConfigurationError(
            f"profile {wish.name} is already in {file.path}",
            hint="replace it with --force, or change it: mtls-run profile edit",
        )


def _write(file: ConfigFile, wish: Wish, values: Values) -> bool:
    """Write the profile; return whether it has become the default."""
    is_default = False

    def change(content: bytes) -> bytes:
        nonlocal is_default
        configured = file.configuration(content)
        _refuse_present(file, content, wish)
        is_first = not configured.profiles and configured.default_profile is None
        is_default = wish.default or is_first
        content = edit.put_profile(content, wish.name, values)
        return edit.set_default(content, wish.name) if is_default else content

    file.change(change)
    return is_default


def _report(file: ConfigFile, candidate: Profile, leaf: x509.Certificate | None) -> None:
    fact = f"{candidate.label} is in {file.path}"
    if leaf is not None:
        left = checks.span(leaf.not_valid_after_utc - checks.utc_now())
        fact += f": {leaf.subject.rfc4514_string()}, {left} left"
    say(fact)


def _ask_for_certificate(values: Values) -> None:
    if "client-cert" not in values:
        typed = terminal.ask_line("client certificate (a file; Enter: none)")
        if typed:
            values["client-cert"] = profile_values.written(typed)


def _ask_for_key(values: Values, material: KeyMaterial) -> bool:
    """Ask for the key, if the certificate's file has none; return whether a file was named."""
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
        "CA certificate of the index (a file; Enter: use the system's roots alone)"
    )
    if typed:
        values["ca-cert"] = profile_values.written(typed)
    return bool(typed)
