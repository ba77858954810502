"""`mtls-run help [COMMAND]`: the same as --help, of mtls-run or of one of its commands."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import click

from mtls_run import cli, commands
from mtls_run.commands import Context, runner
from mtls_run.errors import UsageError
from mtls_run.output import answer
from mtls_run.tools import registry

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(arguments: Sequence[str], context: Context) -> int:
    """Return the status of `help`."""
    return runner.run(help_, "help", arguments, context)


@click.command("help", cls=runner.Command, epilog="Example: mtls-run help profile add")
@click.argument("command", nargs=-1)
@click.pass_obj
def help_(context: Context, command: tuple[str, ...]) -> int:
    """Print the help of mtls-run, or that of COMMAND."""
    if not command:
        answer(commands.general_help(context.environ))
        return 0
    if command[0] in cli.SUBCOMMANDS:
        module = importlib.import_module(f".{command[0]}", commands.__name__)
        return int(module.run((*command[1:], "--help"), context))
    known = (*cli.SUBCOMMANDS, *registry.NAMES)
    registry.recognise(command, any_program=False, commands=known)
    raise UsageError(
        f"{command[0]} is a tool, and has a help of its own", hint=f"{command[0]} --help"
    )
