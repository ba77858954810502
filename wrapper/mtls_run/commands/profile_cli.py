"""The command line of `mtls-run profile`: options in, one call out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import click

from mtls_run.commands.profile_values import PASSPHRASE, values
from mtls_run.config.schema import ROOTS

if TYPE_CHECKING:
    from mtls_run.commands import Context

SETTINGS = {"help_option_names": ["-h", "--help"]}


@click.group(context_settings=SETTINGS, no_args_is_help=False)
def profile() -> None:
    """Look at the profiles of your configuration, and change them.

    Comments and order of the file survive, and what would be an error is not written.
    """


@profile.command("list")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.option("--names", is_flag=True, help="The names alone, a line each; for completion.")
@click.pass_obj
def list_(context: Context, *, as_json: bool, names: bool) -> None:
    """List the profiles, and where each applies.

    Each with its certificate's subject and issuer, and the days left, or what is wrong. Nothing is
    asked for and nothing unlocked: what a passphrase hides is shown as locked.
    """
    from mtls_run.commands import profile_list  # noqa: PLC0415 - each command brings what it needs

    if names and as_json:
        raise click.UsageError("--names and --json contradict each other")
    if names:
        profile_list.names(context)
    else:
        profile_list.show(context, as_json=as_json)


@profile.command()
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.option("--brief", is_flag=True, help="The name alone, nothing where none applies; fast.")
@click.argument("name", required=False)
@click.pass_obj
def show(context: Context, name: str | None, *, as_json: bool, brief: bool) -> int:
    """Show a profile, and what says each value.

    It is NAME, or the one that applies here. With --brief it is one line for a shell's prompt, and
    errors still go to stderr.
    """
    from mtls_run.commands import profile_show  # noqa: PLC0415

    if brief and as_json:
        raise click.UsageError("--brief and --json contradict each other")
    if brief:
        return profile_show.brief(context, name)
    profile_show.show(context, name, as_json=as_json)
    return 0


def _making(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with the options of all that make a profile."""
    for option in (
        click.option("--force", is_flag=True, help="Replace a profile of this name."),
        click.option("--default", is_flag=True, help="Make it the default profile."),
    ):
        command = option(command)
    return command


@profile.command()
@click.argument("name")
@click.option("--client-cert", metavar="FILE", help="PEM, DER or PKCS#12.")
@click.option("--client-key", metavar="FILE", help="Where the key is a file of its own.")
@click.option("--ca-cert", metavar="FILE", multiple=True, help="Added to the roots; repeatable.")
@click.option("--roots", type=click.Choice(ROOTS), help="What --ca-cert is added to.")
@click.option("--passphrase", metavar="WHERE", help=f"{PASSPHRASE} (default: keyring).")
@click.option("--extends", metavar="NAME", help="A profile whose keys this one overrides.")
@click.option("--remember", metavar="TIME", help="Keep it unlocked this long: 8h, 90m.")
@_making
@click.pass_obj
def add(context: Context, /, name: str, *, default: bool, force: bool, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Add the profile NAME, checked before it is written.

    Paths are relative to the current directory. At a terminal, what is missing is asked for: the
    certificate, its key, the CA (not with --ca-cert, --roots or --extends), and the passphrase.

    --passphrase says where the passphrase is, and is never the passphrase itself: keyring; prompt,
    the terminal each time; env:NAME, a variable; file:PATH, a file that only you can read;
    "command:op read …", what a program prints, its words split as a shell would.
    """
    from mtls_run.commands import profile_add  # noqa: PLC0415

    found = values({key.replace("_", "-"): value for key, value in given.items()})
    wish = profile_add.Wish(name, found, default=default, force=force)
    profile_add.add(context, wish)


@profile.command("import")
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
    """Make a profile NAME of what is there already.

    pip: `cert` and `client-cert` of pip's settings. uv: SSL_CERT_FILE, which for uv is all that is
    trusted (roots = "none"), and SSL_CLIENT_CERT. FILE: a profile of that file; its passphrase is
    asked for at the terminal and stored in the keyring. (A file of that name: ./pip, ./uv.)
    """
    from mtls_run.commands import profile_add  # noqa: PLC0415

    profile_add.import_(context, name, source, default=default, force=force)


@profile.command()
@click.pass_obj
def edit(context: Context) -> None:
    """Open the configuration in an editor.

    It is $VISUAL, $EDITOR, or vi, on a copy. What would be an error is said, and does not take the
    configuration's place.
    """
    from mtls_run.commands import profile_edit  # noqa: PLC0415

    profile_edit.edit(context)


@profile.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also take away what names it.")
@click.pass_obj
def remove(context: Context, name: str, *, force: bool) -> None:
    """Remove the profile NAME, and forget its passphrase."""
    from mtls_run.commands import profile_remove  # noqa: PLC0415

    profile_remove.remove(context, name, force=force)


@profile.command()
@click.argument("name")
@click.pass_obj
def default(context: Context, name: str) -> None:
    """Make NAME the default profile.

    It applies wherever nothing else says otherwise.
    """
    from mtls_run.commands import profile_remove  # noqa: PLC0415

    profile_remove.default(context, name)
