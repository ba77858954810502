"""The command line of `mtls-run profile`: options in, one call out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Union

import click

from mtls_run import terminal
from mtls_run.cli import HANDOFFS
from mtls_run.commands import (
    Context,
    profile_add,
    profile_edit,
    profile_import,
    profile_list,
    profile_published,
    profile_remove,
    profile_renew,
    profile_show,
    profile_wizard,
    runner,
)
from mtls_run.commands.profile_values import PASSPHRASE, values
from mtls_run.config.schema import ROOTS
from mtls_run.config.store import ConfigFile

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


@profile.command("list", epilog="Example: mtls-run profile list --json")
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


@profile.command(epilog="Example, for a prompt: mtls-run profile show --brief -v")
@click.option("--json", "as_json", is_flag=True, help="Output JSON.")
@click.option("--brief", is_flag=True, help="Print the name alone, or nothing if none applies.")
@click.argument("name", required=False)
@click.pass_obj
def show(context: Context, name: str | None, *, as_json: bool, brief: bool) -> int:
    """Show a profile, and the origin of each value.

    Without NAME, show the profile that applies here. --brief is fast and meant for the prompt of a
    shell. With -v it adds the days that are left, or what is wrong. Errors still go to stderr.
    """
    if brief and as_json:
        raise click.UsageError("--brief and --json contradict each other")
    if brief:
        return profile_show.brief(context, name, with_state=context.options.verbose)
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


_HOST = click.option(
    "--host", "hosts", metavar="HOST", multiple=True, help="Show it to HOST; repeatable."
)


@profile.command(epilog="Example: mtls-run profile add corp --client-cert ~/pki/alice.p12")
@click.argument("name", required=False)
@click.option("--client-cert", metavar="FILE", help="Certificate: PEM, DER, PKCS#12, pkcs11: URI.")
@click.option("--client-key", metavar="FILE", help="Private key, if it has a file of its own.")
@click.option("--ca-cert", metavar="FILE", multiple=True, help="Add to the roots; repeatable.")
@click.option("--roots", type=click.Choice(ROOTS), help="Roots that --ca-cert is added to.")
@click.option("--passphrase", metavar="WHERE", help=f"{PASSPHRASE} (default: keyring).")
@click.option("--extends", metavar="NAME", help="Another profile, whose keys this one overrides.")
@click.option("--remember", metavar="TIME", help="Keep the identity unlocked: 8h, 90m.")
@click.option("--handoff", type=click.Choice(HANDOFFS), help="How an identity reaches the tool.")
@_HOST
@click.option("--path", "paths", metavar="PATH", multiple=True, help="And below PATH; repeatable.")
@_making
@click.pass_obj
def add(
    context: Context, /, name: str | None, *, default: bool, force: bool, **given: Given
) -> None:
    """Add the profile NAME, after a check that it works.

    Paths are relative to the current directory. At a terminal, mtls-run asks for what is missing:
    the name, the certificate, its key, the CA (not with --ca-cert, --roots or --extends), the
    passphrase. It then tries the certificate that you named at the index that you name.

    --passphrase says where the passphrase is, and is never the passphrase itself: keyring; prompt
    (at the terminal, each time); env:NAME (a variable); file:PATH (a file that only you can read);
    "command:op read …" (the output of a program, whose words are split as a shell does).

    With --host, a gateway keeps the key, and shows the certificate to these hosts alone.

    For a key in a token, --client-cert pkcs11: lists the tokens and their certificates. For an
    identity that a program prints: --client-cert "command:corp-identity --pem".
    """
    found = values({key.replace("_", "-"): value for key, value in given.items()})
    if name is None:
        if not terminal.available():
            raise click.UsageError("missing argument 'NAME'")
        name = profile_wizard.ask_name(ConfigFile.find(context.environ))
    profile_add.add(context, profile_add.Wish(name, found, default=default, force=force))


@profile.command(
    "import", epilog="Example: mtls-run profile import --from ~/Downloads/alice.p12 corp"
)
@click.argument("name", metavar="NAME|URL")
@click.option(
    "--from",
    "source",
    metavar="pip|uv|FILE",
    help="pip's settings (the default), uv's variables, or a file.",
)
@_HOST
@click.option("--sha256", metavar="DIGEST", help="SHA-256 of the file at URL.")
@click.option("--ca-cert", metavar="FILE", multiple=True, help="CA of URL's server; repeatable.")
@click.option("--yes", is_flag=True, help="Take the profiles at URL without a question.")
@click.option("--allow-commands", is_flag=True, help="With --yes, also those that run programs.")
@_making
@click.pass_obj
def import_(
    context: Context,
    /,
    name: str,
    source: str | None,
    hosts: tuple[str, ...],
    **given: Any,  # noqa: ANN401 - each option has its own type
) -> None:
    """Make a profile from settings or a file, or take those at a URL.

    pip: `cert` and `client-cert` of pip's settings. uv: SSL_CERT_FILE and SSL_CLIENT_CERT; uv
    trusts no other root than SSL_CERT_FILE, so the profile has roots = "none". FILE: a certificate
    with its key (PEM, .p12, .pfx); mtls-run asks for the passphrase at the terminal and stores it
    in the keyring. Or Google's certificate_config.json, which names files or a key in a token. (A
    file named pip or uv: ./pip, ./uv.)

    URL: a configuration file with [profiles.NAME] alone, which a company publishes. It has to have
    the SHA-256 that --sha256 says. Its server is verified by the system's roots and by --ca-cert.
    mtls-run shows the profiles, and the programs that they run, and
    asks before it takes them.
    """
    if "://" in name:
        for option, value in (("from", source), ("host", hosts)):
            if value:
                raise click.UsageError(f"--{option} and a URL contradict each other")
        profile_published.import_(context, profile_published.Wish(name, **given))
        return
    for option in ("sha256", "ca_cert", "yes", "allow_commands"):
        if given[option]:
            raise click.UsageError(f"--{option.replace('_', '-')} needs a URL: https://…")
    making = {option: given[option] for option in ("default", "force")}
    profile_import.import_(context, name, source or "pip", hosts=hosts, **making)


@profile.command(epilog="Example: EDITOR=nano mtls-run profile edit")
@click.pass_obj
def edit(context: Context) -> None:
    """Edit a copy of the configuration with $VISUAL, $EDITOR or vi.

    The copy replaces the configuration if it has no error.
    """
    profile_edit.edit(context)


@profile.command(epilog="Example, for a timer: mtls-run -q profile renew --all")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Renew every profile that has a command.")
@click.pass_obj
def renew(context: Context, name: str | None, *, every: bool) -> int:
    """Renew the identity of a profile, if that is due.

    The profile names the command: renew = { command = […] } for files, or client-cert =
    { command = […] }. Without NAME, it is the profile that applies here. Runs renew by themselves,
    so a timer is needed only where the certificate could expire between two runs.
    """
    if every and name is not None:
        raise click.UsageError("NAME and --all contradict each other")
    return profile_renew.renew(context, name, every=every)


@profile.command(epilog="Example: mtls-run profile remove old")
@click.argument("name")
@click.option("--force", is_flag=True, help="Do not ask; also remove the settings that name it.")
@click.pass_obj
def remove(context: Context, name: str, *, force: bool) -> None:
    """Remove the profile NAME, and its passphrase from the keyring.

    At a terminal, mtls-run asks first. --force does not ask.
    """
    profile_remove.remove(context, name, force=force)


@profile.command(epilog="Example: mtls-run profile default corp")
@click.argument("name")
@click.pass_obj
def default(context: Context, name: str) -> None:
    """Make NAME the default profile.

    It applies wherever nothing else names a profile.
    """
    profile_remove.default(context, name)
