"""`mtls-run help [COMMAND]`: the same as --help, of mtls-run or of one of its commands."""

from __future__ import annotations

import importlib

import click

from mtls_run import cli, commands
from mtls_run.commands import Context, runner
from mtls_run.errors import UsageError
from mtls_run.output import answer
from mtls_run.tools import registry


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
    word = command[0]
    if word in registry.NAMES:
        raise UsageError(f"{word} is a tool, and has a help of its own", hint=f"{word} --help")
    raise UsageError(
        f"unknown command '{word}'{cli.guess(word, cli.SUBCOMMANDS)}", hint="mtls-run help"
    )


run = runner.entry(help_)
