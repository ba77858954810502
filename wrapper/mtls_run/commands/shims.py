"""`mtls-run shims install | remove | list`: programs on PATH that start mtls-run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from mtls_run import shells
from mtls_run.commands import Context, runner, say
from mtls_run.output import answer
from mtls_run.output.screen import Screen
from mtls_run.shells import shims as shim_files
from mtls_run.shells.shims import Shim
from mtls_run.system.files import current_directory

_HEADINGS = ("shim", "reached", "runs")
_DIR = click.option("--dir", "directory", metavar="DIR", help="Use this directory.")


@click.group(cls=runner.Group, no_args_is_help=False, epilog="Example: mtls-run shims install")
def shims() -> None:
    """Make programs called pip, pip3, uv and uvx that start mtls-run.

    On PATH they serve scripts, Makefiles and editors, which shell functions do not reach.
    """


run = runner.entry(shims)


def _tools(help_text: str) -> Callable[[click.decorators.FC], click.decorators.FC]:
    return click.option("--tool", "tools", metavar="TOOL", multiple=True, help=help_text)


@shims.command(epilog="Example: mtls-run shims install --tool poetry")
@_DIR
@_tools("Also make a shim for this program. Repeatable.")
@click.pass_obj
def install(context: Context, directory: str | None, tools: tuple[str, ...]) -> None:
    """Install shims for pip, pip3, uv, uvx and each --tool."""
    where = _where(directory)
    wanted = dict.fromkeys((*shells.TOOLS, *tools))
    for path in shim_files.install(where, wanted, shells.own_program()):
        say(f"installed {path}")
    unreached = [found for found in _survey(where, context) if not found.is_reached]
    hints: dict[tuple[str, str], list[str]] = {}
    for found in unreached:
        if found.path.parent == where:
            hints.setdefault(shim_files.shadow(found, context.environ), []).append(found.tool)
    for (why, remedy), named in hints.items():
        context.reporter.notice(f"{', '.join(dict.fromkeys(named))}: {why}; {remedy}")


@shims.command(epilog="Example: mtls-run shims remove --tool uvx")
@_DIR
@_tools("Remove only this one. Repeatable.")
def remove(directory: str | None, tools: tuple[str, ...]) -> None:
    """Remove the shims, or those that --tool names. Other files stay."""
    where = _where(directory)
    gone = shim_files.remove(where, tools)
    for path in gone:
        say(f"removed {path}")
    if not gone:
        say(f"there are no shims in {where}")


@shims.command("list", epilog="Example: mtls-run shims list --json")
@_DIR
@click.option("--json", "as_json", is_flag=True, help="Output JSON.")
@click.pass_obj
def list_(context: Context, directory: str | None, *, as_json: bool) -> None:
    """List the shims, and the tool that each runs.

    For a shim that PATH does not find first, show why, and how to fix that.
    """
    where = _where(directory)
    found = _survey(where, context)
    if as_json:
        say(json.dumps({"shims": [_object(shim, context.environ) for shim in found]}, indent=2))
        return
    screen = Screen.of(sys.stdout, context.environ)
    if not found:
        none = f"there are no shims in {where}, nor on PATH; to make them: mtls-run shims install"
        answer("\n".join(screen.advice(none)))
        return
    rows = [_HEADINGS]
    hidden: dict[tuple[str, str], list[str]] = {}
    for shim in found:
        reached = "yes" if shim.is_reached else "no"
        rows.append((str(shim.path), reached, shim.runs or f"no {shim.tool} on PATH"))
        if not shim.is_reached:
            hidden.setdefault(shim_files.shadow(shim, context.environ), []).append(shim.tool)
    lines = screen.table(rows, ["", *("" if shim.is_reached else "warning" for shim in found)])
    for (why, remedy), tools in hidden.items():
        lines += screen.wrapped(f"{', '.join(tools)}: {why}")
        lines += screen.advice(remedy, first="  to do: ")
    answer("\n".join(lines))


def _survey(where: Path, context: Context) -> list[Shim]:
    return shim_files.survey(where, context.environ)


def _object(shim: Shim, environ: Mapping[str, str]) -> dict[str, object]:
    why, remedy = (None, None) if shim.is_reached else shim_files.shadow(shim, environ)
    return {
        "path": str(shim.path),
        "tool": shim.tool,
        "reached": shim.is_reached,
        "first_on_path": shim.reached,
        "runs": shim.runs,
        "shadowed_by": why,
        "to_do": remedy,
    }


def _where(directory: str | None) -> Path:
    if directory is None:
        return shells.folder()
    # The path is printed and written down, so it is absolute. `..` stays as typed.
    return current_directory() / Path(directory).expanduser()
