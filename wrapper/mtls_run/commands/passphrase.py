"""`mtls-run passphrase set | check | forget`: keep the passphrase of a key in the keyring."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mtls_run import terminal
from mtls_run.commands import Context, runner, say
from mtls_run.commands.profile_show import here
from mtls_run.config import layers
from mtls_run.config.origin import TYPED
from mtls_run.config.profile import Profile
from mtls_run.config.readers import check_name
from mtls_run.config.scope import HostPattern, Scope
from mtls_run.errors import (
    ConfigurationError,
    IdentityError,
    MtlsRunError,
    PassphraseError,
    UsageError,
    WrongPassphraseError,
)
from mtls_run.identity import checks, source, token
from mtls_run.identity.material import KeyMaterial, gather
from mtls_run.identity.token import TokenIdentity
from mtls_run.passphrase import fetch, keyring, unlock
from mtls_run.passphrase.sources import FromKeyring, FromPrompt, describe
from mtls_run.passphrase.unlock import Locked
from mtls_run.secret import Secret

if TYPE_CHECKING:
    # It needs the extra `pkcs11`.
    from mtls_run.identity.token_session import Facts

LONGEST = 4096
_HOST = click.option("--host", metavar="HOST", help="Take the profile's identity for this host.")
_ONE_LINE = "write the passphrase to standard input, on one line"


@click.group(
    cls=runner.Group, no_args_is_help=False, epilog="Example: mtls-run passphrase set corp"
)
def passphrase() -> None:
    """Keep the passphrase of a profile's key in the keyring.

    Without NAME, the commands take the profile that applies here.
    """


run = runner.entry(passphrase)


@passphrase.command("set", epilog="Example: mtls-run passphrase set corp")
@click.option("--stdin", is_flag=True, help="Read one line from standard input.")
@_HOST
@click.argument("name", required=False)
@click.pass_obj
def set_(context: Context, name: str | None, host: str | None, *, stdin: bool) -> int:
    """Store the passphrase, after a check that it opens the key."""
    profile = _chosen(context, name, host)
    in_token = token.of(profile, quiet=context.options.quiet)
    material: Locked[Any] = in_token.pin if in_token else _material(profile)
    if not isinstance(profile.passphrase.value, FromKeyring):
        source = describe(profile.passphrase.value, profile.account)
        raise ConfigurationError(
            f"{profile.passphrase.origin}: the passphrase of {profile.label} comes from: {source}",
            hint='store it in the keyring: passphrase = "keyring"',
        )
    if in_token is not None:
        _refuse_without_pin(in_token)
    elif isinstance(material, KeyMaterial) and not material.locked:
        raise IdentityError(
            f"{material.where} is not encrypted",
            hint="use it as it is, or encrypt it: openssl pkcs8 -topk8 -in KEY -out NEW",
        )
    store = keyring.find(context.environ, context.reporter)
    if stdin:
        given = _read_stdin()
        if isinstance(material, KeyMaterial):
            _opens(material, given)
    else:
        given = _ask(unlock.Request(profile, material, context.environ, context.reporter))
    if in_token is not None:
        _try_pin(in_token, given)
    store.set(profile.account, given)
    say(f"the {material.asks_for} for {profile.label} is stored in {store.name}")
    return 0


@passphrase.command(epilog="Example: mtls-run passphrase check corp")
@_HOST
@click.argument("name", required=False)
@click.pass_obj
def check(context: Context, name: str | None, host: str | None) -> int:
    """Open the key with the passphrase that a run would use.

    The status is 0 if it opens, and 1 if not.
    """
    profile = _chosen(context, name, host)
    in_token = token.of(profile, quiet=context.options.quiet)
    if in_token is not None:
        return _check_token(context, profile, in_token)
    material = _material(profile)
    try:
        if not material.locked:
            found, source = material.unlock(None, checks.utc_now()), "no passphrase; none is needed"
        else:
            # Only `prompt` asks here: what the keyring lacks is what the user wants to know.
            tries = 1 if isinstance(profile.passphrase.value, FromPrompt) else 0
            request = unlock.Request(profile, material, context.environ, context.reporter, tries)
            found = unlock.unlock(request).identity
            source = f"the passphrase from: {describe(profile.passphrase.value, profile.account)}"
    except (IdentityError, PassphraseError) as error:
        context.reporter.error(MtlsRunError(error.fact, hint=error.hint))
        return 1
    say(f"{found.where} opens with {source}")
    return 0


@passphrase.command(epilog="Example: mtls-run passphrase forget corp")
@_HOST
@click.argument("name", required=False)
@click.pass_obj
def forget(context: Context, name: str | None, host: str | None) -> int:
    """Delete the stored passphrase."""
    account, label = _account(context, name, host)
    store = keyring.find(context.environ, context.reporter)
    if store.forget(account):
        say(f"the passphrase for {label} is no longer in {store.name}")
    else:
        context.reporter.notice(f"no passphrase for {label} is stored in {store.name}")
    return 0


def _refuse_without_pin(identity: TokenIdentity) -> None:
    """Raise IdentityError if mtls-run gives this token no PIN."""
    facts = identity.inspect()
    if not facts.needs_pin:
        asks = "the reader asks for its PIN" if facts.asks_itself else "it needs none"
        raise IdentityError(
            f"mtls-run gives the token {facts.label} no PIN: {asks}", hint="use it as it is"
        )


def _try_pin(identity: TokenIdentity, given: Secret) -> None:
    """Open the token with the PIN, once; raise MtlsRunError if it does not open."""
    try:
        identity.open(given)
    finally:
        identity.close()


def _check_token(context: Context, profile: Profile, identity: TokenIdentity) -> int:
    """Open the token as a run would, and return the status; a warning comes before the try."""
    tries = 1 if isinstance(profile.passphrase.value, FromPrompt) else 0
    request = unlock.Request(profile, identity.pin, context.environ, context.reporter, tries)
    source = describe(profile.passphrase.value, profile.account)
    try:
        facts = identity.inspect()
        pin = None
        if facts.needs_pin:
            pin = unlock.unlock(request).identity
            left = facts.tries or "the token does not say how many are left"
            context.reporter.notice(f"this uses a try of the PIN of {facts.label}: {left}")
            _agree(facts, f"try the PIN from: {source}?", profile)
        opened = identity.open(pin)
    except (IdentityError, PassphraseError) as error:
        context.reporter.error(MtlsRunError(error.fact, hint=error.hint))
        return 1
    finally:
        identity.close()
    how = f"the PIN from: {source}" if facts.needs_pin else "no PIN of mtls-run's"
    say(f"the token {facts.label} opens with {how}; it signs by {opened.mechanism}")
    return 0


def _agree(facts: Facts, question: str, profile: Profile) -> None:
    """Raise PassphraseError if few tries are left, and nobody says that one may be used up."""
    if facts.tries and not (terminal.available() and terminal.ask_yes(question)):
        raise PassphraseError(
            f"the PIN of the token {facts.label} was not tried: {facts.tries}",
            hint=f"make sure of it, then: {profile.set_command}",
        )


def _material(profile: Profile) -> KeyMaterial:
    """Return the contents of the profile's files."""
    if source.is_printed(profile):
        raise ConfigurationError(
            f"{source.Printed(profile).where} prints the identity of {profile.label}, "
            "which has no key in a file",
            hint=f"mtls-run profile renew {profile.name or ''}".rstrip(),
        )
    material = gather(profile)
    if material is None:
        raise ConfigurationError(
            f"{profile.label} names no certificate, so there is no key to open",
            hint='add one to the profile: client-cert = "…"',
        )
    return material


def _chosen(context: Context, name: str | None, host: str | None) -> Profile:
    """Return the profile, or the one identity of it that is for the host."""
    profile = here(context, layers.load(context.environ), name).profile
    if profile is None:
        command = click.get_current_context().command_path
        raise ConfigurationError("no profile applies here", hint=f"name a profile: {command} NAME")
    return profile if host is None else _for_host(profile, host)


def _for_host(profile: Profile, host: str) -> Profile:
    try:
        pattern = HostPattern.parse(host)
    except ValueError as error:
        raise UsageError(f"--host {host}: {error}", hint="as in: --host lab.corp.example") from None
    parts = [one for one in (profile, *profile.identities) if one.hosts]
    named = [one for one in parts if one.hosts and pattern in one.hosts.value] or [
        one
        for one in parts
        if one.hosts and Scope(one.hosts.value).matches(pattern.name, pattern.port) is not None
    ]
    if len(named) == 1:
        return named[0]
    shown = ", ".join(str(each) for one in parts if one.hosts for each in one.hosts.value)
    raise ConfigurationError(
        f"--host {host}: {len(named) or 'no'} identities of {profile.label} are for that host",
        hint=f"name one of these: {shown}" if shown else "leave --host away",
    )


def _account(context: Context, name: str | None, host: str | None) -> tuple[str, str]:
    """Return the account in the keyring, and its label; the profile may be gone already."""
    named = name or context.options.profile
    if named and host is None:
        return check_name(named, TYPED), f"profile {named}"
    profile = _chosen(context, name, host)
    return profile.account, profile.label


def _read_stdin() -> Secret:
    content = sys.stdin.buffer.read(LONGEST + 1) if sys.stdin is not None else b""
    encoding = fetch.encoding_of(content)
    if encoding is not None:
        raise PassphraseError(f"standard input is {encoding}", hint=fetch.PLAIN)
    line, _, rest = content.partition(b"\n")
    line = line[:-1] if line.endswith(b"\r") else line
    if not line:
        raise PassphraseError("standard input has no passphrase", hint=_ONE_LINE)
    if rest or len(content) > LONGEST:
        raise PassphraseError("standard input has more than one line", hint=_ONE_LINE)
    return Secret(line)


def _opens(material: KeyMaterial, given: Secret) -> None:
    try:
        material.unlock(given, checks.utc_now())
    except WrongPassphraseError as error:
        raise PassphraseError(
            f"{error.fact}; nothing is stored",
            hint="try the passphrase that the file was made with",
        ) from None


def _ask(request: unlock.Request[Any]) -> Secret:
    if not terminal.available():
        raise PassphraseError(
            "there is no terminal to ask at",
            hint=f"{request.profile.set_command} --stdin, with the passphrase on standard input",
        )
    return unlock.ask(request, "it is to be stored")[1]
