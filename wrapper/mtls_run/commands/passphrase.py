"""`mtls-run passphrase set | check | forget`: keep the passphrase of a key in the keyring."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mtls_run import terminal
from mtls_run.commands import Context, runner, say
from mtls_run.commands.profile_show import here
from mtls_run.config import layers
from mtls_run.config.origin import Origin
from mtls_run.config.schema import check_name
from mtls_run.errors import (
    ConfigurationError,
    IdentityError,
    MtlsRunError,
    PassphraseError,
    WrongPassphraseError,
)
from mtls_run.identity import checks
from mtls_run.identity.material import gather
from mtls_run.passphrase import keyring, unlock
from mtls_run.passphrase.sources import FromKeyring, FromPrompt, describe
from mtls_run.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtls_run.config.profile import Profile
    from mtls_run.identity.material import KeyMaterial

LONGEST = 4096
_ONE_LINE = "write the passphrase to standard input, on one line"


def run(arguments: Sequence[str], context: Context) -> int:
    """Return the status of the subcommand."""
    return runner.run(passphrase, "passphrase", arguments, context)


@click.group(
    cls=runner.Group, no_args_is_help=False, epilog="Example: mtls-run passphrase set corp"
)
def passphrase() -> None:
    """Keep the passphrase of a profile's key in the keyring.

    Without NAME, the commands take the profile that applies here.
    """


@passphrase.command("set")
@click.option("--stdin", is_flag=True, help="Read one line from standard input.")
@click.argument("name", required=False)
@click.pass_obj
def set_(context: Context, name: str | None, *, stdin: bool) -> int:
    """Store the passphrase, after a check that it opens the key."""
    profile, material = _profile(context, name)
    if not isinstance(profile.passphrase.value, FromKeyring):
        source = describe(profile.passphrase.value, profile.account)
        raise ConfigurationError(
            f"{profile.passphrase.origin}: the passphrase of {profile.label} comes from: {source}",
            hint='store it in the keyring: passphrase = "keyring"',
        )
    if not material.locked:
        raise IdentityError(
            f"{material.where} is not encrypted",
            hint="use it as it is, or encrypt it: openssl pkcs8 -topk8 -in KEY -out NEW",
        )
    store = keyring.find(context.environ, context.reporter)
    if stdin:
        given = _read_stdin()
        _opens(material, given)
    else:
        given = _ask(unlock.Request(profile, material, context.environ, context.reporter))
    store.set(profile.account, given)
    say(f"the passphrase for {profile.label} is stored in {store.name}")
    return 0


@passphrase.command()
@click.argument("name", required=False)
@click.pass_obj
def check(context: Context, name: str | None) -> int:
    """Open the key with the passphrase that a run would use.

    The status is 0 if it opens, and 1 if not.
    """
    profile, material = _profile(context, name)
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


@passphrase.command()
@click.argument("name", required=False)
@click.pass_obj
def forget(context: Context, name: str | None) -> int:
    """Delete the stored passphrase."""
    account, label = _account(context, name)
    store = keyring.find(context.environ, context.reporter)
    if store.forget(account):
        say(f"the passphrase for {label} is no longer in {store.name}")
    else:
        context.reporter.notice(f"no passphrase for {label} is stored in {store.name}")
    return 0


def _profile(context: Context, name: str | None) -> tuple[Profile, KeyMaterial]:
    """Return the profile, and the contents of its files."""
    profile = _chosen(context, name)
    material = gather(profile)
    if material is None:
        raise ConfigurationError(
            f"{profile.label} names no certificate, so there is no key to open",
            hint='add one to the profile: client-cert = "…"',
        )
    return profile, material


def _chosen(context: Context, name: str | None) -> Profile:
    profile = here(context, layers.load(context.environ), name).profile
    if profile is None:
        raise ConfigurationError(
            "no profile applies here", hint="name a profile: mtls-run passphrase … NAME"
        )
    return profile


def _account(context: Context, name: str | None) -> tuple[str, str]:
    """Return the account in the keyring, and its label; the profile may be gone already."""
    named = name or context.options.profile
    if named:
        return check_name(named, Origin("NAME")), f"profile {named}"
    profile = _chosen(context, None)
    return profile.account, profile.label


def _read_stdin() -> Secret:
    content = sys.stdin.buffer.read(LONGEST + 1) if sys.stdin is not None else b""
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


def _ask(request: unlock.Request) -> Secret:
    if not terminal.available():
        raise PassphraseError(
            "there is no terminal to ask at",
            hint=f"{unlock.set_command(request.profile)} --stdin, "
            "with the passphrase on standard input",
        )
    return unlock.ask(request, "it is to be stored")[1]
