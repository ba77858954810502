"""`mtls-run deny [DIR]`: a directory's project file does not count, whatever it will say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mtls_run.commands import Context, allow, clicked
from mtls_run.config import project_trust

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(arguments: Sequence[str], context: Context) -> int:
    """Return the status of `deny`."""
    return clicked.run(deny, "deny", arguments, context)


@click.command(context_settings=allow.SETTINGS)
@click.argument("directory", required=False)
@click.pass_obj
def deny(context: Context, directory: str | None) -> None:
    """Distrust the project file of DIR (the current directory), until `allow` is said again."""
    found = allow.find(context, directory)
    project_trust.deny(found.path)
    click.echo(f"denied: {allow.shown(str(found.path))}")
