"""Run click commands with the errors and the exit statuses of mtls-run."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Callable

import click

from mtls_run import cli
from mtls_run.commands import Context, say
from mtls_run.errors import UsageError
from mtls_run.output import Reporter
from mtls_run.system import record


class Command(click.Command):
    """A command whose help is written by `say`: click writes it past mtls-run's own errors."""

    def get_help_option_names(self, _ctx: click.Context) -> list[str]:
        """Return the flags for help."""
        return ["-h", "--help"]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters, with those of mtls-run's own options that any command takes."""
        return [*_everywhere(), *super().get_params(ctx)]

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return click's option, with a callback of mtls-run's own."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _print_help
            option.help = "Print this help."
        return option


class Group(Command, click.Group):
    """A group of such commands."""

    command_class = Command

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command; raises UsageError for an unknown one, with a guess at what was meant.

        Click guesses since 8.3 alone.
        """
        found = super().get_command(ctx, cmd_name)
        if found is None and not cmd_name.startswith("-"):
            name = f"{ctx.command_path} {cmd_name}".partition(" ")[2]
            raise UsageError(
                f"unknown command '{name}'{cli.guess(cmd_name, self.commands)}",
                hint=f"{ctx.command_path} --help",
            )
        return found


def entry(command: click.Command) -> Callable[[Sequence[str], Context], int]:
    """Return the function `run` of a module in this package, for the module's click command."""
    return functools.partial(run, command)


def run(command: click.Command, arguments: Sequence[str], context: Context) -> int:
    """Return the status of `command`, called with `arguments`; raises UsageError."""
    name = f"mtls-run {command.name}"
    try:
        # Not `command.main`: that ends the process with status 1 where the reader has gone away.
        with command.make_context(name, list(arguments), obj=context) as made:
            status: object = command.invoke(made)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else name
        raise UsageError(_fact(error, path), hint=f"{path} --help") from None
    return status if isinstance(status, int) else 0


def _fact(error: click.UsageError, path: str) -> str:
    """Return click's message as mtls-run says it."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        known = [name for one in error.ctx.command.get_params(error.ctx) for name in one.opts]
        return f"{path} has no option {error.option_name}{cli.guess(error.option_name, known)}"
    text = error.format_message().rstrip(".")
    return text if text.split(" ")[0].isupper() else text[:1].lower() + text[1:]


@functools.cache
def _everywhere() -> tuple[click.Parameter, ...]:
    """Return -p, -q and -v, which change the context of the command that they are given to."""
    how: dict[str, Any] = {"expose_value": False, "hidden": True, "callback": _change}
    return (
        click.Option(["-p", "--profile"], metavar="NAME", **how),
        click.Option(["-q", "--quiet"], is_flag=True, **how),
        click.Option(["-v", "--verbose"], is_flag=True, **how),
    )


def _change(ctx: click.Context, option: click.Parameter, value: object) -> None:
    """Lay the option over those that stood before the subcommand."""
    if not value:
        return
    options = record.replace(ctx.obj.options, **{str(option.name): value})
    cli.check(options)
    reporter = Reporter(quiet=options.quiet, verbose=options.verbose)
    ctx.obj = dataclasses.replace(ctx.obj, options=options, reporter=reporter)


def _print_help(ctx: click.Context, _option: click.Parameter, value: object) -> None:
    if value and not ctx.resilient_parsing:
        say(ctx.get_help())
        ctx.exit()
