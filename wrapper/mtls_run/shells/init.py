"""The shell code that `mtls-run init` prints, for each shell."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from mtls_run.shells import PROGRAM_MARK, TOOLS, folder, source, words

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from mtls_run.shells.words import Command, Option, Takes

TABLE_MARK = "@TABLE@"


@dataclass(frozen=True)
class Shell:
    """A shell: its two files in `shims/`, how it quotes a word, and how it has the table.

    `path` puts @SHIMS@ first on PATH, where it is not on it yet.
    """

    functions: str
    completion: str
    path: str
    quote: Callable[[str], str]
    table: Callable[[], str]


def code(
    name: str,
    program: Path,
    *,
    only: Collection[str] = (),
    completion: bool = True,
    shims: bool = False,
) -> str:
    """Return the code for this shell, which starts `program`.

    `only` names the tools to wrap; `shims` puts the directory of the shims on PATH as well.
    """
    shell = SHELLS[name]
    unwrapped = [tool for tool in TOOLS if only and tool not in only]
    lines = source(shell.functions).splitlines()
    starts = [f"function {prefix}{tool}{end}" for tool in unwrapped for prefix, end in _DEFINES]
    starts.append("# shellcheck ")  # for those who check shims/, not for users
    if completion:
        lines += source(shell.completion).replace(TABLE_MARK, shell.table()).splitlines()
    text = "".join(f"{line}\n" for line in lines if not line.startswith(tuple(starts)))
    if shims:
        text = shell.path.replace("@SHIMS@", shell.quote(str(folder()))) + text
    return text.replace(PROGRAM_MARK, shell.quote(str(program)))


# How the line of a function goes on around the tool's name: in bash and zsh, fish, PowerShell.
_DEFINES = (("", " {"), ("", ";"), ("global:", " {"))


def _fish_quote(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _powershell_quote(word: str) -> str:
    # PowerShell takes the typographic quotes for plain ones.
    doubled = "".join(char * 2 if char in "'\u2018\u2019\u201a\u201b" else char for char in word)
    return f"'{doubled}'"


def _subcommands(command: tuple[str, ...]) -> list[Command]:
    """Return the commands one word longer than this one."""
    length = len(command) + 1
    return [
        other
        for other in words.COMMANDS
        if len(other.words) == length and other.words[: length - 1] == command
    ]


def _offered(command: Command) -> str:
    """Return what may stand after a command: its subcommands, or else its options."""
    found = [other.words[-1] for other in _subcommands(command.words)]
    return " ".join(found) or _names(command.options)


def _names(options: tuple[Option, ...]) -> str:
    return " ".join(name for option in options for name in option.names)


def _bash_table() -> str:
    takes = {f" {name}": option.takes for option in words.OPTIONS for name in option.names}
    offered = {"": _names(words.OPTIONS)}
    first = [command.words[0] for command in _subcommands(())]
    offered["first"] = " ".join([*TOOLS, "python3", *first])
    for command in words.COMMANDS:
        path = " ".join(command.words)
        offered[path] = _offered(command)
        takes[path] = command.argument
        takes.update(
            {f"{path} {name}": option.takes for option in command.options for name in option.names}
        )
    kinds = {
        key: kind if isinstance(kind, str) else " ".join(kind)
        for key, kind in takes.items()
        if kind is not None
    }
    return "\n\n".join(
        (
            _bash_case("_mtls_run_words", "words", offered),
            _bash_case("_mtls_run_takes", "takes", kinds),
        )
    )


def _bash_case(function: str, variable: str, values: dict[str, str]) -> str:
    lines = [
        f"  {shlex.quote(key)}) {variable}={shlex.quote(value)} ;;" for key, value in values.items()
    ]
    body = "\n".join(lines)
    return f"function {function} {{\n  case $1 in\n{body}\n  *) {variable}='' ;;\n  esac\n}}"


_ZSH_ACTIONS = {
    words.FILE: "_files",
    words.FOLDER: "_files -/",
    words.PROFILE: "_mtls_run_profiles",
}


def _zsh_table() -> str:
    specs = {"": _zsh_specs(words.OPTIONS, None)}
    commands: dict[str, list[str]] = {"": []}
    for command in words.COMMANDS:
        path = " ".join(command.words)
        specs[path] = _zsh_specs(command.options, command.argument)
        commands.setdefault(" ".join(command.words[:-1]), []).append(
            f"{command.words[-1]}:{command.about}"
        )
    return f"{_zsh_case('_mtls_run_specs', 'specs', specs)}\n\n" + _zsh_case(
        "_mtls_run_commands", "subcommands", commands
    )


def _zsh_specs(options: tuple[Option, ...], argument: Takes) -> list[str]:
    found = []
    for option in options:
        others = f"({' '.join(option.names)})" if len(option.names) > 1 else ""
        for name in option.names:
            value = "" if option.takes is None else ("=" if name.startswith("--") else "+")
            repeated = "*" if option.repeated else others
            found.append(f"{repeated}{name}{value}[{option.about}]{_zsh_action(option.takes)}")
    if argument is not None:
        found.append(f"*{_zsh_action(argument)}")
    return found


def _zsh_action(takes: Takes) -> str:
    if takes is None:
        return ""
    if isinstance(takes, tuple):
        return f":word:({' '.join(takes)})"
    return f":{takes}:{_ZSH_ACTIONS.get(takes, '')}"


def _zsh_case(function: str, variable: str, values: dict[str, list[str]]) -> str:
    lines = []
    for key, found in values.items():
        quoted = " ".join(map(shlex.quote, found))
        lines.append(f"    {shlex.quote(key)}) {variable}=({quoted}) ;;")
    body = "\n".join(lines)
    return f"function {function} {{\n  case $1 in\n{body}\n    *) {variable}=() ;;\n  esac\n}}"


_FISH_ACTIONS = {
    words.FILE: "-r -F",
    words.FOLDER: "-x -a '(__fish_complete_directories)'",
    words.PROFILE: "-x -a '(__mtls_run_profiles)'",
    words.TEXT: "-x",
}


def _fish_table() -> str:
    first = " ".join(command.words[0] for command in _subcommands(()))
    lines = [f"set -g __mtls_run_commands {first}"]
    lines += [_fish_option("__mtls_run_is start", option) for option in words.OPTIONS]
    for command in words.COMMANDS:
        group = " ".join(command.words[:-1])
        where = f"__mtls_run_is {f'group {group}' if group else 'start'}"
        about = _fish_quote(command.about)
        lines.append(f"complete -c mtls-run -n '{where}' -a {command.words[-1]} -d {about}")
        inside = f"__mtls_run_is command {' '.join(command.words)}"
        lines += [_fish_option(inside, option) for option in command.options]
        if command.argument is not None and command.argument != words.TEXT:
            lines.append(f"complete -c mtls-run -n '{inside}' {_fish_action(command.argument)}")
    return "\n".join(lines)


def _fish_option(where: str, option: Option) -> str:
    names = " ".join(
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    )
    action = "" if option.takes is None else f" {_fish_action(option.takes)}"
    return f"complete -c mtls-run -n '{where}' {names}{action} -d {_fish_quote(option.about)}"


def _fish_action(takes: Takes) -> str:
    if isinstance(takes, tuple):
        return f"-x -a '{' '.join(takes)}'"
    assert takes is not None  # noqa: S101 - flags have none
    return _FISH_ACTIONS[takes]


def _powershell_table() -> str:
    offered = {"": " ".join([_names(words.OPTIONS), *TOOLS])}
    offered[""] += "".join(f" {command.words[0]}" for command in _subcommands(()))
    for command in words.COMMANDS:
        offered[" ".join(command.words)] = f"{_offered(command)} {_names(command.options)}"
    return "\n".join(f"    '{key}' = '{value}'" for key, value in offered.items())


_SH_PATH = 'case ":$PATH:" in *:@SHIMS@:*) ;; *) export PATH=@SHIMS@:"$PATH" ;; esac\n'
_FISH_PATH = "contains -- @SHIMS@ $PATH; or set -gx PATH @SHIMS@ $PATH\n"
_POWERSHELL_PATH = (
    "if (($env:PATH -split [IO.Path]::PathSeparator) -notcontains @SHIMS@) "
    "{ $env:PATH = @SHIMS@ + [IO.Path]::PathSeparator + $env:PATH }\n"
)
SHELLS = {
    "bash": Shell("functions.sh", "completion.bash", _SH_PATH, shlex.quote, _bash_table),
    "zsh": Shell("functions.sh", "completion.zsh", _SH_PATH, shlex.quote, _zsh_table),
    "fish": Shell("functions.fish", "completion.fish", _FISH_PATH, _fish_quote, _fish_table),
    "powershell": Shell(
        "functions.ps1", "completion.ps1", _POWERSHELL_PATH, _powershell_quote, _powershell_table
    ),
}
