"""`mtls-run allow [DIR]` and `deny [DIR]`: whether a directory's project file counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtls_run.commands import Context, clicked
from mtls_run.config import project, project_trust
from mtls_run.errors import ConfigurationError
from mtls_run.output import printable
from mtls_run.passphrase import sources
from mtls_run.passphrase.sources import FromFile, FromKeyring, FromPrompt
from mtls_run.system.files import current_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtls_run.config.project import ProjectFile

SETTINGS = {"help_option_names": ["-h", "--help"]}


def run(arguments: Sequence[str], context: Context) -> int:
    """Return the status of `allow`."""
    return clicked.run(allow, "allow", arguments, context)


@click.command(context_settings=SETTINGS)
@click.argument("directory", required=False)
@click.pass_obj
def allow(context: Context, directory: str | None) -> None:
    """Let the project file of DIR (the current directory) count, as it is now.

    Any change of what it says, or of a file below the project that it names, asks again.
    """
    found = find(context, directory)
    # The names are checked before anything is kept: an approval of what cannot work helps nobody.
    said = project_trust.allow(found)
    click.echo(f"allowed: {shown(str(found.path))}")
    for line in describe(found):
        click.echo(f"  {shown(line)}")
    for path, digest in said.files.items():
        state = digest if digest == project_trust.MISSING else f"sha256 {digest[:16]}…"
        click.echo(f"  pinned: {shown(path)} ({state})")


def find(context: Context, directory: str | None) -> ProjectFile:
    """Return the project file that speaks for `directory`; raise where there is none."""
    start = current_directory() / directory if directory else current_directory()
    if not start.is_dir():
        raise ConfigurationError(
            f"{start} is not a directory", hint="name the directory that has the project file"
        )
    found = project.find(Path(start), context.environ, context.reporter)
    if found is None:
        raise ConfigurationError(
            f"there is no project file for {start}",
            hint=f"it is called {project.OWN}, or a table [tool.mtls-run] in {project.SHARED}",
        )
    return found


def describe(found: ProjectFile) -> list[str]:
    """Return what the project file says, a line for each key."""
    if found.names is not None:
        return [f'profile = "{found.names.value}"']
    return [f"{name} = {_value(setting.value)}" for name, setting in found.said.items()]


def shown(text: str) -> str:
    """Return text from a file so that it cannot move the cursor."""
    return printable(text)


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, (FromKeyring, FromPrompt, FromFile)):
        return sources.describe(value, "file:KEY")
    return str(value)
