"""`mtls-run init [SHELL]`: print shell code to evaluate.

A shell runs this each time it starts, so it parses its few words without click.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import shellingham  # type: ignore[import-untyped]

from mtls_run import shells
from mtls_run.errors import UsageError
from mtls_run.output import answer
from mtls_run.shells import init as shell_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtls_run.commands import Context

USAGE = """\
Usage: mtls-run init [bash|zsh|fish|powershell] [OPTION…]

Print shell code to evaluate when a shell starts.

The code has functions for pip, pip3, uv and uvx that go through mtls-run, and completion for
mtls-run. Without SHELL, it is for the shell that mtls-run runs in. `command uv` is the bare uv.

Add one of these lines to the shell's startup file. It does nothing if mtls-run is gone:

  bash:        if command -v mtls-run >/dev/null; then eval "$(mtls-run init bash)"; fi
  zsh:         if command -v mtls-run >/dev/null; then eval "$(mtls-run init zsh)"; fi
  fish:        type -q mtls-run; and mtls-run init fish | source
  PowerShell:  mtls-run init powershell | Out-String | Invoke-Expression

Options:
      --only pip|pip3|uv|uvx  Wrap only this tool. Repeatable.
      --no-completion         Print the functions without completion.
      --shims                 Also put the directory of the shims first on PATH.
  -h, --help                  Print this help.
"""
_HINT = "mtls-run init --help"
# As programs and as parent processes are called.
_ALSO = {"pwsh": "powershell"}


def run(arguments: Sequence[str], _context: Context) -> int:
    """Print the code and return 0. Raises UsageError for arguments that are not in USAGE."""
    names, only, flags = _parsed(list(arguments))
    if "--help" in flags:
        answer(USAGE.rstrip())
        return 0
    name = _known(names[0]) if names else _detected()
    text = shell_code.code(
        name,
        shells.own_program(),
        only=only,
        completion="--no-completion" not in flags,
        shims="--shims" in flags,
    )
    answer(text.rstrip("\n"))
    return 0


def _parsed(words: list[str]) -> tuple[list[str], list[str], set[str]]:
    """Return the shells, the values of --only, and the flags that the words are."""
    names: list[str] = []
    only: list[str] = []
    flags: set[str] = set()
    while words:
        word, equals, value = words.pop(0).partition("=")
        if word == "--only":
            tool = value if equals or not words else words.pop(0)
            if tool not in shells.TOOLS:
                tools = ", ".join(map(repr, shells.TOOLS))
                raise UsageError(f"--only: '{tool}' is not one of {tools}", hint=_HINT)
            only.append(tool)
        elif word in {"--no-completion", "--shims", "--help", "-h"} and not equals:
            flags.add("--help" if word == "-h" else word)
        elif word.startswith("-"):
            raise UsageError(f"no such option: {word}", hint=_HINT)
        elif names:
            raise UsageError(f"unexpected argument: {word}", hint=_HINT)
        else:
            names.append(word)
    return names, only, flags


def _known(name: str) -> str:
    found = _ALSO.get(name, name)
    if found not in shell_code.SHELLS:
        raise UsageError(
            f"there is no shell code for `{name}`",
            hint=f"name one of {', '.join(shell_code.SHELLS)}; for any other shell: "
            "mtls-run shims install",
        )
    return found


def _detected() -> str:
    try:
        return _known(shellingham.detect_shell()[0])
    except (shellingham.ShellDetectionFailure, NotImplementedError, RuntimeError):
        raise UsageError(
            "cannot tell which shell this is",
            hint=f"name it: mtls-run init {'|'.join(shell_code.SHELLS)}",
        ) from None
