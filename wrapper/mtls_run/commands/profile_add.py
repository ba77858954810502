"""`mtls-run profile add`: check a new profile, and write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509

from mtls_run import terminal
from mtls_run.commands import (
    Context,
    profile_check,
    profile_token,
    profile_values,
    profile_wizard,
    say,
)
from mtls_run.commands.profile_wizard import Draft
from mtls_run.config import edit
from mtls_run.config.edit import Values
from mtls_run.config.origin import Origin
from mtls_run.config.profile import Profile
from mtls_run.config.store import ConfigFile
from mtls_run.errors import ConfigurationError, UsageError
from mtls_run.identity import checks, source, token
from mtls_run.identity.material import Identity, KeyMaterial, gather
from mtls_run.passphrase.unlock import Opened, Request, Unlocked, offer_to_store


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
    draft = Draft(wish.name, dict(wish.values), file, configured, dict(wish.origins))
    asking = asking and "extends" not in draft.values and terminal.available()
    if asking:
        profile_wizard.ask_identity(draft, context)
    _refuse_empty(draft)
    if asking:
        profile_wizard.ask_ca(draft)
    if token.of(draft.candidate()) is not None:
        _add_token(draft, wish, context)
        return
    unlocked, material = _unlocked(draft, context)
    # An option spares a script at a terminal the questions, and this one too.
    while unlocked is not None and "client-cert" in draft.asked:
        if profile_wizard.is_proven(draft, unlocked.identity, context):
            break
        profile_wizard.ask_identity(draft, context)
        _refuse_empty(draft)
        unlocked, material = _unlocked(draft, context)
    candidate = draft.candidate()
    made_default = _write(file, wish, draft.values)
    _report(file, candidate, unlocked.identity.leaf if unlocked else None)
    if unlocked is not None and material is not None:
        request = Request(candidate, material, context.environ, context.reporter)
        _keep(request, unlocked, ask=not wish.keep)
    _report_default(file, candidate, wish, context, made_default=made_default)
    if source.is_printed(candidate):
        draft.next = f"mtls-run profile renew {candidate.name}"  # which runs its command
    if draft.next:
        say(f"next: {draft.next}")


def _add_token(draft: Draft, wish: Wish, context: Context) -> None:
    """Write a profile whose key is in a token, if that opens."""
    candidate = draft.candidate()
    in_token = token.of(candidate, quiet=context.options.quiet)
    assert in_token is not None
    checked = profile_token.check(candidate, in_token, context)
    made_default = _write(draft.file, wish, draft.values)
    _report(draft.file, candidate, checked.leaf)
    if checked.pin is not None:
        _keep(Request(candidate, in_token.pin, context.environ, context.reporter), checked.pin)
    _report_default(draft.file, candidate, wish, context, made_default=made_default)


def _unlocked(
    draft: Draft, context: Context
) -> tuple[Unlocked[Identity] | None, KeyMaterial | None]:
    """Return the draft's identity, if it could be unlocked, and its files."""
    candidate = draft.candidate()
    material = None if source.is_printed(candidate) else gather(candidate)
    return profile_check.check(candidate, material, context), material


def _refuse_empty(draft: Draft) -> None:
    if not draft.values:
        raise UsageError(
            f"profile {draft.name} would be empty",
            hint=f"mtls-run profile add {draft.name} --client-cert FILE …; see --help",
        )


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
