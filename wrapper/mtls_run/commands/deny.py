"""`mtls-run deny [DIR]`: distrust the project file of a directory."""

from __future__ import annotations

import click

from mtls_run.commands import Context, runner, say
from mtls_run.commands.allow import no_project_file, start_directory
from mtls_run.config import project, project_trust


@click.command(cls=runner.Command, epilog="Example: mtls-run deny ~/src/project")
@click.argument("directory", metavar="[DIR]", required=False)
@click.pass_obj
def deny(context: Context, directory: str | None) -> None:
    """Distrust the project file of DIR, or of the current directory, until it is allowed again.

    The file may have errors: only its path counts.
    """
    start = start_directory(directory)
    path = project.locate(start, context.environ, context.reporter)
    if path is None:
        raise no_project_file(start)
    project_trust.deny(path)
    say(f"denied: {path}")


run = runner.entry(deny)
