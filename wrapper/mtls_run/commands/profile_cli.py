"""The command line of `mtls-run profile`: options in, one call out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import click

from mtls_run.cli import HANDOFFS
from mtls_run.commands import (
    profile_add,
    profile_edit,
    profile_import,
    profile_list,
    profile_remove,
    profile_show,
    runner,
)
from mtls_run.commands.profile_values import PASSPHRASE, values
from mtls_run.config.schema import ROOTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Union

    from mtls_run.commands import Context

    Given = Union[str, Sequence[str], None]


@click.group(
    cls=runner.Group,
    no_args_is_help=False,
    epilog="Example: mtls-run profile add corp --client-cert ~/pki/alice.p12",
)
def profile() -> None:
    """Show and change the profiles of your configuration.

    Comments and the order of the file stay. A configuration with an error is never written.
    """


@profile.command("list")
@click.option("--json", "as_json", is_flag=True, help="Output JSON.")
@click.option("--names", is_flag=True, help="Print the names alone, one on a line.")
@click.pass_obj
def list_(context: Context, *, as_json: bool, names: bool) -> int:
    """List the profiles, and where each one applies.

    A line has the subject and the issuer of the certificate, and the days that are left, or what is
    wrong. Nothing is asked and nothing is unlocked. A certificate that a passphrase hides is shown
    as locked.
    """
    if names and as_json:
        raise click.UsageError("--names and --json contradict each other")
    if names:
        return profile_show.names(context)
    profile_list.show(context, as_json=as_json)
    return 0


@profile.command()
@click.option("--json", "as_json", is_flag=True, help="Output JSON.")
@click.option("--brief", is_flag=True, help="Print the name alone, or nothing if none applies.")
@click.argument("name", required=False)
@click.pass_obj
def show(context: Context, name: str | None, *, as_json: bool, brief: bool) -> int:
    """Show a profile, and the origin of each value.

    Without NAME, show the profile that applies here. --brief is fast and meant for the prompt of a
    shell. Errors still go to stderr.
    """
    if brief and as_json:
        raise click.UsageError("--brief and --json contradict each other")
    if brief:
        return profile_show.brief(context, name)
    profile_show.show(context, name, as_json=as_json)
    return 0


def _making(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with the options of every command that makes a profile."""
    for option in (
        click.option("--force", is_flag=True, help="Replace a profile of this name."),
        click.option("--default", is_flag=True, help="Make it the default profile."),
    ):
        command = option(command)
    return command


@profile.command(epilog="Example: mtls-run profile add corp --client-cert ~/pki/alice.p12")
@click.argument("name")
@click.option("--client-cert", metavar="FILE", help="Certificate: PEM, DER, PKCS#12, pkcs11: URI.")
@click.option("--client-key", metavar="FILE", help="Private key, if it has a file of its own.")
@click.option("--ca-cert", metavar="FILE", multiple=True, help="Add to the roots; repeatable.")
@click.option("--roots", type=click.Choice(ROOTS), help="Roots that --ca-cert is added to.")
@click.option("--passphrase", metavar="WHERE", help=f"{PASSPHRASE} (default: keyring).")
@click.option("--extends", metavar="NAME", help="Another profile, whose keys this one overrides.")
@click.option("--remember", metavar="TIME", help="Keep the identity unlocked: 8h, 90m.")
@click.option("--handoff", type=click.Choice(HANDOFFS), help="How an identity reaches the tool.")
@click.option("--host", "hosts", metavar="HOST", multiple=True, help="Show it to HOST; repeatable.")
@click.option("--path", "paths", metavar="PATH", multiple=True, help="And below PATH; repeatable.")
@_making
@click.pass_obj
def add(context: Context, /, name: str, *, default: bool, force: bool, **given: Given) -> None:
    """Add the profile NAME, after a check that it works.

    Paths are relative to the current directory. At a terminal, mtls-run asks for what is missing:
    the certificate, its key, the CA (not with --ca-cert, --roots or --extends), the passphrase.

    --passphrase says where the passphrase is, and is never the passphrase itself: keyring; prompt
    (at the terminal, each time); env:NAME (a variable); file:PATH (a file that only you can read);
    "command:op read …" (the output of a program, whose words are split as a shell does).

    With --host, a gateway keeps the key, and shows the certificate to these hosts alone.

    For a key in a token, --client-cert pkcs11: lists the tokens and their certificates.
    """
    found = values({key.replace("_", "-"): value for key, value in given.items()})
    profile_add.add(context, profile_add.Wish(name, found, default=default, force=force))


@profile.command(
    "import", epilog="Example: mtls-run profile import --from ~/Downloads/alice.p12 corp"
)
@click.argument("name")
@click.option(
    "--from",
    "source",
    metavar="pip|uv|FILE",
    default="pip",
    help="pip's settings (the default), uv's variables, or a .p12, .pfx or PEM file.",
)
@_making
@click.pass_obj
def import_(context: Context, name: str, *, source: str, default: bool, force: bool) -> None:
    """Make the profile NAME from settings or from a file.

    pip: `cert` and `client-cert` of pip's settings. uv: SSL_CERT_FILE and SSL_CLIENT_CERT; uv
    trusts no other root than SSL_CERT_FILE, so the profile has roots = "none". FILE: a certificate
    with its key; mtls-run asks for the passphrase at the terminal and stores it in the keyring. (A
    file named pip or uv: ./pip, ./uv.)
    """
    profile_import.import_(context, name, source, default=default, force=force)


@profile.command()
@click.pass_obj
def edit(context: Context) -> None:
    """Edit a copy of the configuration with $VISUAL, $EDITOR or vi.

    The copy replaces the configuration if it has no error.
    """
    profile_edit.edit(context)


@profile.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also remove the settings that name it.")
@click.pass_obj
def remove(context: Context, name: str, *, force: bool) -> None:
    """Remove the profile NAME, and its passphrase from the keyring."""
    profile_remove.remove(context, name, force=force)


@profile.command()
@click.argument("name")
@click.pass_obj
def default(context: Context, name: str) -> None:
    """Make NAME the default profile.

    It applies wherever nothing else names a profile.
    """
    profile_remove.default(context, name)
