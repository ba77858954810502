"""`mtls-run init [SHELL]`: print shell code to evaluate.

A shell runs this each time it starts, so it parses its few words without click.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import shellingham  # type: ignore[import-untyped]

from mtls_run import cli, shells
from mtls_run.commands import Context
from mtls_run.errors import UsageError
from mtls_run.output import answer
from mtls_run.shells import init as shell_code
from mtls_run.tools import registry

# For each shell, the startup file and the line in it.
_LINES = {
    "bash": (
        "~/.bashrc",
        'if command -v mtls-run >/dev/null; then eval "$(mtls-run init bash)"; fi',
    ),
    "zsh": ("~/.zshrc", 'if command -v mtls-run >/dev/null; then eval "$(mtls-run init zsh)"; fi'),
    "fish": ("~/.config/fish/config.fish", "type -q mtls-run; and mtls-run init fish | source"),
    "powershell": (
        "$PROFILE",
        (
            "if (Get-Command mtls-run -ErrorAction Ignore) "
            "{ mtls-run init powershell | Out-String | Invoke-Expression }"
        ),
    ),
}
USAGE = """\
Usage: mtls-run init [bash|zsh|fish|powershell] [OPTION…]

Print shell code to evaluate when a shell starts.

The code has functions for pip, pip3, uv and uvx that go through mtls-run, and
completion for mtls-run. Without SHELL, it is for the shell that mtls-run runs
in. `command uv` is the bare uv.

Add one of these lines to the shell's startup file. It does nothing if mtls-run
is gone:

{lines}

Options:
      --only pip|pip3|uv|uvx  Wrap only this tool. Repeatable.
      --tool curl|flit|git|hatch|pdm|pipenv|pipx|poetry|twine
                              Also wrap this tool. Repeatable.
      --no-completion         Print the functions without completion.
      --shims                 Also put the directory of the shims first on PATH.
  -h, --help                  Print this help.

Example: mtls-run init bash --tool poetry --tool twine
"""
# What an option that names a tool takes.
_TOOLS = {"--only": shells.TOOLS, "--tool": tuple(registry.MODULES)}
# -p and -v, as after any subcommand; they change nothing here.
_FLAGS = {
    **{one: one for one in ("--no-completion", "--shims", "--help", "--quiet", "--verbose")},
    "-h": "--help",
    "-q": "--quiet",
    "-v": "--verbose",
}
_OTHERS = ("-p", "--profile")
_OPTIONS = (*_TOOLS, *_FLAGS, *_OTHERS)
_HINT = "mtls-run init --help"
# As programs and as parent processes are called.
_ALSO = {"pwsh": "powershell"}


def run(arguments: Sequence[str], context: Context) -> int:
    """Print the code and return 0. Raises UsageError for arguments that are not in USAGE."""
    names, tools, flags = _parsed(list(arguments))
    if "--help" in flags:
        lines = (f"  {file}:\n    {line}" for file, line in _LINES.values())
        answer(USAGE.format(lines="\n".join(lines)).rstrip())
        return 0
    name = _known(names[0]) if names else _detected()
    text = shell_code.code(
        name,
        shells.own_program(),
        only=tools["--only"],
        further=tools["--tool"],
        completion="--no-completion" not in flags,
        shims="--shims" in flags,
    )
    answer(text.rstrip("\n"))
    if "--quiet" not in flags and sys.stdout is not None and sys.stdout.isatty():
        file, line = _LINES[name]
        context.reporter.notice(
            f"this code is for {name} to evaluate when it starts; add to {file}: {line}"
        )
    return 0


def _parsed(words: list[str]) -> tuple[list[str], dict[str, list[str]], set[str]]:
    """Return the shells, the values of --only and --tool, and the flags that the words are."""
    names: list[str] = []
    named: dict[str, list[str]] = {option: [] for option in _TOOLS}
    flags: set[str] = set()
    while words:
        word, equals, value = words.pop(0).partition("=")
        if word in _TOOLS:
            tool = value if equals or not words else words.pop(0)
            if tool not in _TOOLS[word]:
                tools = ", ".join(map(repr, _TOOLS[word]))
                raise UsageError(f"{word}: '{tool}' is not one of {tools}", hint=_HINT)
            named[word].append(tool)
        elif word in _FLAGS and not equals:
            flags.add(_FLAGS[word])
        elif word in _OTHERS:
            words[:] = words[0 if equals else 1 :]
        elif word.startswith("-"):
            raise UsageError(f"init has no option {word}{cli.guess(word, _OPTIONS)}", hint=_HINT)
        elif names:
            raise UsageError(f"init takes one shell, not also `{word}`", hint=_HINT)
        else:
            names.append(word)
    return names, named, flags


def _known(name: str) -> str:
    found = _ALSO.get(name, name)
    if found not in shell_code.SHELLS:
        raise UsageError(
            f"there is no shell code for `{name}`{cli.guess(name, shell_code.SHELLS)}",
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
