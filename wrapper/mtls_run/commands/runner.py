"""Run click commands with the errors and the exit statuses of mtls-run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mtls_run.commands import say
from mtls_run.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Command(click.Command):
    """A command whose help is written by `say`: click writes it past mtls-run's own errors."""

    def get_help_option_names(self, _ctx: click.Context) -> list[str]:
        """Return the flags for help."""
        return ["-h", "--help"]

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return click's option, with a callback of mtls-run's own."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _print_help
        return option


class Group(Command, click.Group):
    """A group of such commands."""

    command_class = Command


def run(command: click.Command, name: str, arguments: Sequence[str], context: object) -> int:
    """Return the status of `command`, called with `arguments`; raises UsageError."""
    try:
        # Not `command.main`: that ends the process with status 1 where the reader has gone away.
        with command.make_context(f"mtls-run {name}", list(arguments), obj=context) as made:
            status: object = command.invoke(made)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else f"mtls-run {name}"
        raise UsageError(error.format_message(), hint=f"{path} --help") from None
    return status if isinstance(status, int) else 0


def _print_help(ctx: click.Context, _option: click.Parameter, value: object) -> None:
    if value and not ctx.resilient_parsing:
        say(ctx.get_help())
        ctx.exit()
