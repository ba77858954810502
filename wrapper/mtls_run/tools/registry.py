"""The tools that mtls-run knows. A new one is a module in this package and its line in MODULES."""

from __future__ import annotations

import mtls_run
from mtls_run import cli, tools
from mtls_run.errors import UsageError
from mtls_run.tools.python import is_interpreter, program_name, split_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.cache.dependencies import VariablesRead
    from mtls_run.tools.base import TlsFiles, Tool, ToolCall, Variables

# The tools by the name of the program: the module that has TOOL. Only the one that is called is
# imported, and all are for the variables of a COMMAND.
MODULES = {
    name: name
    for name in ("curl", "flit", "git", "hatch", "pdm", "pipenv", "pipx", "poetry", "twine")
}
# pip and uv, and git, which they start: every run hands these their variables.
_ALWAYS = ("pip", "uv", "command", "git")
_PROGRAMS = {"pip": "pip", "pip3": "pip", "uv": "uv", "uvx": "uv", **MODULES}
# The words that a user may have meant by a tool's name that is none.
NAMES = tuple(_PROGRAMS)


def recognise(
    words: Sequence[str], *, any_program: bool, commands: Sequence[str] = ()
) -> tuple[Tool, ToolCall]:
    """Return the tool that `words` call, and the call.

    Raises UsageError for a word that is no tool, unless `any_program` may stand there. `commands`
    are the words that the user may have meant.
    """
    for tool in (*_named(words), *([load("command")] if any_program else [])):
        call = tool.recognise(words)
        if call is not None:
            return tool, call
    raise _unknown(words, commands)


def load(module: str) -> Tool:
    """Return the tool of a module in this package."""
    found: Tool = __import__(f"mtls_run.tools.{module}", fromlist=["TOOL"]).TOOL
    return found


def _named(words: Sequence[str]) -> list[Tool]:
    """Return the tool whose name, or a path to it, or module, the words begin with."""
    name = program_name(words[0])
    if name.startswith("pip3."):
        name = "pip3"
    if name not in _PROGRAMS:
        module = split_module(words)
        name = module[0] if module is not None else ""
    return [load(_PROGRAMS[name])] if name in _PROGRAMS else []


def variables_read() -> VariablesRead:
    """Return the variables that decide how a tool is started.

    The program that is started may start any tool, so what each of them reads counts.
    """
    every = [load(module) for module in _ALWAYS]
    return mtls_run.cache.dependencies.VariablesRead(
        names=tuple(name for tool in every for name in tool.VARIABLES_READ),
        prefixes=(
            *(prefix for tool in every for prefix in tool.PREFIXES_READ),
            *(f"{name.upper()}_" for name in MODULES),
        ),
    )


def _unknown(words: Sequence[str], commands: Sequence[str]) -> UsageError:
    word = words[0]
    shown = " ".join(words[:2]) if is_interpreter(program_name(word)) else word
    return UsageError(
        f"unknown command '{shown}'{cli.guess(word, commands)}",
        hint=f"to run any program: mtls-run -- {shown} …",
    )


def shared_variables(
    tls: TlsFiles, environ: Mapping[str, str], started: Tool | None = None
) -> Variables:
    """Return the variables that hand `tls` to every tool, whichever program starts it.

    `uv run tox`, or a build backend that calls another tool, means the same profile. Where a
    COMMAND is `started`, it may start any tool of MODULES as well.
    """
    found: Variables = {}
    further = MODULES if started is load("command") else ()
    for tool in (*map(load, (*_ALWAYS, *further)), *filter(None, [started])):
        found.update(tool.shared_variables(tls, environ))
    return found


def identity_variables(path: str) -> Variables:
    """Return the variables that name the client certificate at `path` to every tool."""
    return {name: path for tool in map(load, _ALWAYS) for name in tool.IDENTITY_VARIABLES}


def shown_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by the names that a person knows, and a long value by its meaning."""
    found = tools.git.by_setting(variables)
    if tools.tox.OVERRIDE in found:
        found[tools.tox.OVERRIDE] = "(tox passes these on)"
    return found


def ambient(environ: Mapping[str, str]) -> set[str]:
    """Return the variables by which the user has set up a tool; they win over pip's settings."""
    return {name for tool in map(load, _ALWAYS) for name in tool.ambient(environ)}
