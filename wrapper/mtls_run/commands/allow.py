"""`mtls-run allow [DIR]`: trust the project file of a directory."""

from __future__ import annotations

from pathlib import Path

import click

from mtls_run.commands import Context, runner, say
from mtls_run.config import layers, project, project_trust
from mtls_run.config.project import ProjectFile
from mtls_run.errors import ConfigurationError
from mtls_run.passphrase import sources
from mtls_run.passphrase.sources import FromFile, FromKeyring, FromPrompt
from mtls_run.system.files import current_directory


@click.command(cls=runner.Command, epilog="Example: mtls-run allow ~/src/project")
@click.argument("directory", metavar="[DIR]", required=False)
@click.pass_obj
def allow(context: Context, directory: str | None) -> None:
    """Trust the project file of DIR, or of the current directory, as it is now.

    It has to be allowed again when its text changes, or a file in the project that it names.
    """
    start = start_directory(directory)
    found = project.find(start, context.environ, context.reporter)
    if found is None:
        raise no_project_file(start)
    layers.load(context.environ).policy.check_project_files(found.path)
    approval = project_trust.allow(found)
    say(f"allowed: {found.path}")
    for line in _settings(found):
        say(f"  {line}")
    for path, digest in approval.files.items():
        state = digest if digest == project_trust.MISSING else f"sha256 {digest[:16]}…"
        say(f"  pinned: {path} ({state})")


run = runner.entry(allow)


def start_directory(directory: str | None) -> Path:
    """Return the directory whose project file is meant; raise where it is none."""
    start = current_directory() / (directory or "")
    if not start.is_dir():
        raise ConfigurationError(
            f"{start} is not a directory", hint="name the directory that has the project file"
        )
    return start


def no_project_file(start: Path) -> ConfigurationError:
    """Return the error for a directory without a project file."""
    return ConfigurationError(
        f"there is no project file for {start}",
        hint=f"write a {project.OWN}, or a table [tool.mtls-run] in {project.SHARED}",
    )


def _settings(found: ProjectFile) -> list[str]:
    """Return a line for each key of the project file."""
    if found.names is not None:
        return [f'profile = "{found.names.value}"']
    return [f"{name} = {_value(setting.value)}" for name, setting in found.settings.items()]


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, (FromKeyring, FromPrompt, FromFile)):
        return sources.describe(value, "file:KEY")
    return str(value)
