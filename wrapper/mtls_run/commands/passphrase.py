"""`mtls-run passphrase set | check | forget`: the passphrase of a profile's key, in the keyring."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mtls_run import terminal
from mtls_run.commands import Context, clicked
from mtls_run.config import layers, pip_settings, selection
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
from mtls_run.system.files import current_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtls_run.config.profile import Profile
    from mtls_run.identity.material import KeyMaterial

LONGEST = 4096
_ONE_LINE = "with --stdin, the passphrase is one line on standard input"


def run(arguments: Sequence[str], context: Context) -> int:
    """Return the status of the subcommand."""
    return clicked.run(passphrase, "passphrase", arguments, context)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False)
def passphrase() -> None:
    """Keep the passphrase of a profile's key in the keyring."""


@passphrase.command("set")
@click.option("--stdin", is_flag=True, help="Read it from standard input, one line.")
@click.argument("name", required=False)
@click.pass_obj
def set_(context: Context, name: str | None, *, stdin: bool) -> int:
    """Store the passphrase, once it is seen to open the key."""
    profile, material = _profile(context, name)
    if not isinstance(profile.passphrase.value, FromKeyring):
        source = describe(profile.passphrase.value, profile.account)
        raise ConfigurationError(
            f"{profile.passphrase.origin}: the passphrase of {profile.label} comes from: {source}",
            hint='to keep it in the keyring: passphrase = "keyring"',
        )
    if not material.locked:
        raise IdentityError(
            f"{material.where} is not encrypted",
            hint="it needs no passphrase; to give it one: openssl pkcs8 -topk8 -in KEY -out NEW",
        )
    store = keyring.find(context.environ, context.reporter)
    if stdin:
        given = _read_stdin()
        _opens(material, given)
    else:
        given = _ask(unlock.Request(profile, material, context.environ, context.reporter))
    store.set(profile.account, given)
    click.echo(f"the passphrase for {profile.label} is stored in {store.name}")
    return 0


@passphrase.command()
@click.argument("name", required=False)
@click.pass_obj
def check(context: Context, name: str | None) -> int:
    """Open the key with the passphrase that a run would use, and say so. 0: it opens, 1: not."""
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
    click.echo(f"{found.where} opens with {source}")
    return 0


@passphrase.command()
@click.argument("name", required=False)
@click.pass_obj
def forget(context: Context, name: str | None) -> int:
    """Delete the stored passphrase."""
    account, label = _account(context, name)
    store = keyring.find(context.environ, context.reporter)
    if store.forget(account):
        click.echo(f"the passphrase for {label} is no longer in {store.name}")
    else:
        context.reporter.notice(f"no passphrase for {label} is stored in {store.name}")
    return 0


def _profile(context: Context, name: str | None) -> tuple[Profile, KeyMaterial]:
    """Return the profile that is meant, and what its files hold."""
    profile = _chosen(context, name)
    material = gather(profile)
    if material is None:
        raise ConfigurationError(
            f"{profile.label} names no certificate, so there is no key to open",
            hint='give it one: client-cert = "…"',
        )
    return profile, material


def _chosen(context: Context, name: str | None) -> Profile:
    configured = layers.load(context.environ)
    flag = name or context.options.profile
    situation = selection.Situation(
        flag,
        context.environ,
        current_directory(),
        configured,
        context.reporter,
        pip=lambda: pip_settings.read(context.environ, command=None, prefix=None),
    )
    profile = selection.select(situation).profile
    if profile is None:
        raise ConfigurationError(
            "no profile applies here", hint="name one: mtls-run passphrase … NAME"
        )
    return profile


def _account(context: Context, name: str | None) -> tuple[str, str]:
    """Return the keyring's user name to forget; the profile itself may be gone already."""
    named = name or context.options.profile
    if named:
        from mtls_run.config.origin import Origin  # noqa: PLC0415
        from mtls_run.config.schema import check_name  # noqa: PLC0415

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
