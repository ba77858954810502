"""`mtls-run init [SHELL]`: shell code to evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mtls_run import shells
from mtls_run.commands import Context, runner
from mtls_run.errors import UsageError
from mtls_run.output import answer
from mtls_run.shells import init as shell_code
from mtls_run.shells.words import SHELL_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

# As programs and as parents of ours are called.
_ALSO = {"pwsh": "powershell"}


def run(arguments: Sequence[str], context: Context) -> int:
    """Return the status of `init`."""
    return runner.run(init, "init", arguments, context)


@click.command(cls=runner.Command)
@click.argument("shell", required=False, metavar="[bash|zsh|fish|powershell]")
@click.option(
    "--only", type=click.Choice(shells.TOOLS), multiple=True, help="Wrap this alone; repeatable."
)
@click.option("--no-completion", is_flag=True, help="Functions alone, no completion.")
@click.option("--shims", is_flag=True, help="Put the directory of the shims first on PATH, too.")
def init(shell: str | None, only: tuple[str, ...], *, no_completion: bool, shims: bool) -> None:
    """Print shell code to evaluate when a shell starts.

    It has functions for pip, pip3, uv and uvx that go through mtls-run, and completion for
    mtls-run. Without a name it is for the shell that this runs in. `command uv` stays the bare one.

    \b
    bash, zsh:   eval "$(mtls-run init bash)"
    fish:        mtls-run init fish | source
    PowerShell:  mtls-run init powershell | Out-String | Invoke-Expression
    """  # noqa: D301 - click's mark for lines to be left as they are
    name = _known(shell) if shell is not None else _detected()
    program = shells.own_program()
    code = shell_code.code(name, program, only=only, completion=not no_completion, shims=shims)
    answer(code.rstrip("\n"))


def _known(name: str) -> str:
    found = _ALSO.get(name, name)
    if found not in shell_code.SHELLS:
        raise UsageError(
            f"there is no shell code for `{name}`",
            hint=f"for {', '.join(SHELL_NAMES)} there is; any other is served by shims: "
            "mtls-run shims install",
        )
    return found


def _detected() -> str:
    import shellingham  # type: ignore[import-untyped]  # noqa: PLC0415 - whoever names the shell does not wait for it

    try:
        return _known(shellingham.detect_shell()[0])
    except (shellingham.ShellDetectionFailure, NotImplementedError, RuntimeError):
        raise UsageError(
            "the shell that this runs in cannot be told",
            hint=f"name it: mtls-run init {'|'.join(SHELL_NAMES)}",
        ) from None
