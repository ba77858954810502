"""Write the words that completion offers, from the commands themselves, into `shims/`.

    python -m tests.completion_data

A shell evaluates `mtls-run init` when it starts, so the words lie ready there, one file a shell.
`tests/cli/test_completion.py` fails when a file is not what this would write.
"""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Union
from unittest import mock

import click

from mtls_run import cli, commands
from mtls_run.output import Reporter
from mtls_run.shells.init import fish_quote, powershell_quote
from mtls_run.tools import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER = Path(__file__).parents[1] / "shims"
# What an option or an argument takes; a tuple has the words that it can be.
FILE, DIRECTORY, PROFILE, TEXT = "file", "directory", "profile", "text"
Takes = Union[str, "tuple[str, ...]", None]
# Their NAME is of a profile that is not there yet.
NEW_PROFILES = {"profile add", "profile import"}
FIRST = (*registry.NAMES, "python3")


class Option(NamedTuple):
    """An option by its names; `takes` is None for a flag."""

    names: tuple[str, ...]
    about: str
    takes: Takes
    repeated: bool


class Command(NamedTuple):
    """A command by its words (`profile add`), its options, and what its arguments are."""

    words: tuple[str, ...]
    about: str
    options: tuple[Option, ...]
    argument: Takes


_HELP = Option(("-h", "--help"), "Print this help", None, repeated=False)


def options_in(help_text: str) -> tuple[Option, ...]:
    """Return the options that a help text shows, a line each: `-p, --profile NAME    about`."""
    about = r"(?:(?: {2,}|\n {20,})(.+))?"  # or on the next line
    lines = re.findall(rf"(?m)^ +((?:-\w, +)?--[\w-]+)( \S+)?{about}$", help_text)
    return tuple(
        Option(
            tuple(names.replace(",", "").split()),
            _about(about),
            cli.HANDOFFS if names == "--handoff" else _kind(value.strip()),
            repeated="repeatable" in about.lower(),
        )
        for names, value, about in lines
    )


def _about(text: str) -> str:
    """Return the first sentence of a text without the words that a shell offers anyway."""
    return re.split(r"[.;](?: |$)", re.sub(r"^[a-z]+( \| [a-z]+)+: ", "", text))[0]


def every_command() -> Iterator[Command]:
    """Yield every subcommand, and the commands of each group after it."""
    for name in cli.SUBCOMMANDS:
        module = importlib.import_module(f"mtls_run.commands.{name}")
        usage = getattr(module, "USAGE", None)
        yield from _clicked(name, module.run) if usage is None else [_written(name, usage)]


def _written(name: str, usage: str) -> Command:
    """Return a command that has a help text of its own."""
    first, _, rest = usage.partition("\n")
    argument = re.search(r"\[([a-z]+(?:\|[a-z]+)+)\]", first)
    about = _about(rest.strip().partition("\n")[0])
    return Command((name,), about, options_in(usage), argument and tuple(argument[1].split("|")))


class _ParsedByClickError(Exception):
    """Holds the command that is about to parse its words."""


def _clicked(name: str, run: Callable[..., int]) -> Iterator[Command]:
    """Yield a command that click parses, and those below it."""

    def stop(command: click.Command, *_: object, **__: object) -> None:
        raise _ParsedByClickError(command)

    try:
        with mock.patch.object(click.Command, "make_context", stop):
            run([], commands.Context(cli.parse([]).options, {}, Reporter()))
    except _ParsedByClickError as parsed:
        yield from _walk(name, parsed.args[0])
    else:
        raise AssertionError(f"{name} has neither USAGE nor a click command")


def _walk(path: str, command: click.Command) -> Iterator[Command]:
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    yield Command(
        tuple(path.split()),
        _about(command.get_short_help_str(limit=200)),
        (*map(_option, options), _HELP),
        _argument(path, arguments[0]) if arguments else None,
    )
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _walk(f"{path} {name}", inner)


def _option(option: click.Option) -> Option:
    takes = None if option.is_flag else _takes(option)
    return Option(tuple(option.opts), _about(option.help or ""), takes, repeated=option.multiple)


def _argument(path: str, argument: click.Argument) -> Takes:
    takes = _takes(argument)
    return TEXT if takes == PROFILE and path in NEW_PROFILES else takes


def _takes(parameter: click.Parameter) -> Takes:
    if isinstance(parameter.type, click.Choice):
        return tuple(parameter.type.choices)
    return _kind(parameter.metavar or parameter.human_readable_name.upper())


def _kind(metavar: str) -> Takes:
    """Return what a placeholder in a help text stands for."""
    if re.fullmatch(r"[a-z\d]+(\|[a-z\d]+)+", metavar):
        return tuple(metavar.split("|"))
    word = re.sub(r"[\[\].]", "", metavar).rpartition("|")[2]
    kinds = {"": None, "NAME": PROFILE, "FILE": FILE, "DIR": DIRECTORY, "DIRECTORY": DIRECTORY}
    return kinds.get(word, TEXT)


class Table:
    """All words, and how each shell has them."""

    def __init__(self) -> None:
        self.options = options_in(commands.HELP)
        self.commands = tuple(every_command())
        self.first = [command.words[0] for command in self.commands if len(command.words) == 1]
        self.valued = _names(option for option in self.options if option.takes is not None)

    def below(self, command: Command) -> list[str]:
        """Return the last words of the commands of a group."""
        return [one.words[-1] for one in self.commands if one.words[:-1] == command.words]

    def offered(self, command: Command) -> str:
        """Return what may stand after a command: its subcommands, or else its options."""
        return " ".join(self.below(command)) or _names(command.options)

    def bash(self) -> str:
        """Return the functions `_mtls_run_words` and `_mtls_run_takes`."""
        takes: dict[str, Takes] = {
            f" {name}": option.takes for option in self.options for name in option.names
        }
        offered = {"": _names(self.options), "first": " ".join((*FIRST, *self.first))}
        for command in self.commands:
            path = " ".join(command.words)
            offered[path] = self.offered(command)
            takes[path] = command.argument
            for option in command.options:
                takes.update(dict.fromkeys((f"{path} {n}" for n in option.names), option.takes))
        kinds = {
            key: kind if isinstance(kind, str) else " ".join(kind)
            for key, kind in takes.items()
            if kind is not None
        }
        return (
            "# shellcheck shell=bash\n"
            "# shellcheck disable=SC2034,SC2209 # the caller's variables; `file` is a word\n"
            + _case("_mtls_run_words", "words", "''", _quoted(offered))
            + _case("_mtls_run_takes", "takes", "''", _quoted(kinds))
        )

    def zsh(self) -> str:
        """Return the functions `_mtls_run_specs` and `_mtls_run_commands`, and two lists."""
        specs = {"": _zsh_specs(self.options, None)}
        listed: dict[str, list[str]] = {"": []}
        for command in self.commands:
            specs[" ".join(command.words)] = _zsh_specs(command.options, command.argument)
            listed.setdefault(" ".join(command.words[:-1]), []).append(
                f"{command.words[-1]}:{command.about}"
            )
        return (
            f"typeset -ga _mtls_run_tools=({' '.join(FIRST)}) _mtls_run_valued=({self.valued})\n"
            + _case("_mtls_run_specs", "specs", "()", _zsh_lists(specs))
            + _case("_mtls_run_commands", "subcommands", "()", _zsh_lists(listed))
        )

    def fish(self) -> str:
        """Return a call of `complete` for each word, and the lists that the conditions need."""
        lines = [
            "complete -c mtls-run -e",
            f"set -g __mtls_run_tools {' '.join(FIRST)}",
            f"set -g __mtls_run_commands {' '.join(self.first)}",
            f"set -g __mtls_run_valued {self.valued}",
        ]
        lines += [_fish_option("__mtls_run_is start", option) for option in self.options]
        for command in self.commands:
            group = " ".join(command.words[:-1])
            where = f"__mtls_run_is {f'group {group}' if group else 'start'}"
            about = fish_quote(command.about)
            lines.append(f"complete -c mtls-run -n '{where}' -a {command.words[-1]} -d {about}")
            inside = f"__mtls_run_is command {' '.join(command.words)}"
            lines += [_fish_option(inside, option) for option in command.options]
            if command.argument not in (None, TEXT):
                lines.append(f"complete -c mtls-run -n '{inside}'{_fish_action(command.argument)}")
        return "\n".join(lines) + "\n"

    def powershell(self) -> str:
        """Return a hash table from a command to what may stand after it."""
        offered = {"": " ".join((_names(self.options), *registry.NAMES, *self.first))}
        for command in self.commands:
            own = self.below(command)
            offered[" ".join(command.words)] = " ".join((*own, _names(command.options)))
        lines = [f"    '{key}' = {powershell_quote(value)}\n" for key, value in offered.items()]
        return f"$__mtls_run_table = @{{\n{''.join(lines)}}}\n"


def _names(options: Iterator[Option] | tuple[Option, ...]) -> str:
    return " ".join(name for option in options for name in option.names)


def _case(function: str, variable: str, nothing: str, values: dict[str, str]) -> str:
    lines = [f"  {shlex.quote(key)}) {variable}={value} ;;\n" for key, value in values.items()]
    body = "".join(lines)
    return f"function {function} {{\n  case $1 in\n{body}  *) {variable}={nothing} ;;\n  esac\n}}\n"


def _quoted(values: dict[str, str]) -> dict[str, str]:
    return {key: shlex.quote(value) for key, value in values.items()}


def _zsh_lists(values: dict[str, list[str]]) -> dict[str, str]:
    return {key: f"({' '.join(map(shlex.quote, found))})" for key, found in values.items()}


_ZSH_ACTIONS = {FILE: "_files", DIRECTORY: "_files -/", PROFILE: "_mtls_run_profiles"}


def _zsh_specs(options: tuple[Option, ...], argument: Takes) -> list[str]:
    found = []
    for option in options:
        others = f"({' '.join(option.names)})" if len(option.names) > 1 else ""
        about = option.about.replace("[", "\\[").replace("]", "\\]")
        for name in option.names:
            value = "" if option.takes is None else ("=" if name.startswith("--") else "+")
            repeated = "*" if option.repeated else others
            found.append(f"{repeated}{name}{value}[{about}]{_zsh_action(option.takes)}")
    if argument is not None:
        found.append(f"*{_zsh_action(argument)}")
    return found


def _zsh_action(takes: Takes) -> str:
    if takes is None:
        return ""
    if isinstance(takes, tuple):
        return f":word:({' '.join(takes)})"
    return f":{takes}:{_ZSH_ACTIONS.get(takes, '')}"


_FISH_ACTIONS = {
    FILE: " -r -F",
    DIRECTORY: " -x -a '(__fish_complete_directories)'",
    PROFILE: " -x -a '(__mtls_run_profiles)'",
    TEXT: " -x",
    None: "",
}


def _fish_option(where: str, option: Option) -> str:
    names = " ".join(
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    )
    about = fish_quote(option.about)
    return f"complete -c mtls-run -n '{where}' {names}{_fish_action(option.takes)} -d {about}"


def _fish_action(takes: Takes) -> str:
    return f" -x -a '{' '.join(takes)}'" if isinstance(takes, tuple) else _FISH_ACTIONS[takes]


def files() -> dict[Path, str]:
    """Return each file, and what is to stand in it."""
    table = Table()
    head = "# Written by tests/completion_data.py from mtls-run's commands. Do not edit.\n"
    return {
        FOLDER / "words.bash": head + table.bash(),
        FOLDER / "words.zsh": head + table.zsh(),
        FOLDER / "words.fish": head + table.fish(),
        FOLDER / "words.ps1": head + table.powershell(),
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
