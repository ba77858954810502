"""The shell code that `mtls-run init` prints, for each shell."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Callable, NamedTuple

from mtls_run.shells import PROGRAM_MARK, TOOLS, folder, source


class Shell(NamedTuple):
    """A shell: its files in `shims/`, and how it quotes a word.

    `path` puts @SHIMS@ first on PATH, unless it is there already.
    """

    functions: str
    words: str
    completion: str
    path: str
    quote: Callable[[str], str]


def code(
    name: str,
    program: Path,
    *,
    only: Collection[str] = (),
    further: Collection[str] = (),
    completion: bool = True,
    shims: bool = False,
) -> str:
    """Return the code for this shell, which starts `program`.

    `only` names the tools of TOOLS to wrap, and `further` others. `shims` also puts the directory
    of the shims on PATH.
    """
    shell = SHELLS[name]
    left_out = [tool for tool in TOOLS if only and tool not in only]
    starts = [f"function {prefix}{tool}{end}" for tool in left_out for prefix, end in _DEFINES]
    starts.append("# shellcheck ")  # a comment for the linter, not for users
    parts = (shell.functions, shell.words, shell.completion) if completion else (shell.functions,)
    lines = [line for part in parts for line in source(part).splitlines()]
    # A function of another tool is that of the last one, under the other name.
    last = next(at for at in reversed(range(len(lines))) if f" --wrapped {TOOLS[-1]} " in lines[at])
    added = [lines[last].replace(TOOLS[-1], tool) for tool in dict.fromkeys(further)]
    lines[last + 1 : last + 1] = added
    text = "".join(f"{line}\n" for line in lines if not line.startswith(tuple(starts)))
    if shims:
        text = shell.path.replace("@SHIMS@", shell.quote(str(folder()))) + text
    return text.replace(PROGRAM_MARK, shell.quote(str(program)))


# How the line of a function goes on around the tool's name: in bash and zsh, fish, PowerShell.
_DEFINES = (("", " {"), ("", ";"), ("global:", " {"))


def fish_quote(word: str) -> str:
    """Return a word as fish reads it."""
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"


def powershell_quote(word: str) -> str:
    """Return a word as PowerShell reads it. It takes typographic quotes for plain ones."""
    doubled = "".join(char * 2 if char in "'\u2018\u2019\u201a\u201b" else char for char in word)
    return f"'{doubled}'"


_SH_PATH = 'case ":$PATH:" in *:@SHIMS@:*) ;; *) export PATH=@SHIMS@:"$PATH" ;; esac\n'
_FISH_PATH = "contains -- @SHIMS@ $PATH; or set -gx PATH @SHIMS@ $PATH\n"
_POWERSHELL_PATH = (
    "if (($env:PATH -split [IO.Path]::PathSeparator) -notcontains @SHIMS@) "
    "{ $env:PATH = @SHIMS@ + [IO.Path]::PathSeparator + $env:PATH }\n"
)
SHELLS = {
    "bash": Shell("functions.sh", "words.bash", "completion.bash", _SH_PATH, shlex.quote),
    "zsh": Shell("functions.sh", "words.zsh", "completion.zsh", _SH_PATH, shlex.quote),
    "fish": Shell("functions.fish", "words.fish", "completion.fish", _FISH_PATH, fish_quote),
    "powershell": Shell(
        "functions.ps1", "words.ps1", "completion.ps1", _POWERSHELL_PATH, powershell_quote
    ),
}
