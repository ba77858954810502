"""The tools that mtls-run knows. A new one is a module in this package and its line in TOOLS."""

from __future__ import annotations

from mtls_run.errors import UsageError
from mtls_run.tools.command import COMMAND
from mtls_run.tools.pip import PIP
from mtls_run.tools.python import is_interpreter, program_name
from mtls_run.tools.uv import UV

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.tools.base import TlsFiles, Tool, ToolCall, Variables

# Asked in this order; the first that recognises the words has them.
TOOLS: tuple[Tool, ...] = (PIP, UV, COMMAND)
PROGRAMS = tuple(tool.PROGRAMS for tool in TOOLS if tool.PROGRAMS)
# The words that a user may have meant by a tool's name that is none.
NAMES = (*(name for names in PROGRAMS for name in names), "uvx")
# The variables that decide how a tool is started, by name and by prefix. The program that is
# started may start any tool, so what each of them reads counts.
VARIABLES_READ = tuple(name for tool in TOOLS for name in tool.VARIABLES_READ)
PREFIXES_READ = tuple(prefix for tool in TOOLS for prefix in tool.PREFIXES_READ)


def recognise(
    words: Sequence[str], *, any_program: bool, commands: Sequence[str] = ()
) -> tuple[Tool, ToolCall]:
    """Return the tool that `words` call, and the call.

    Raises UsageError for a word that is no tool, unless `any_program` may stand there. `commands`
    are the words that the user may have meant.
    """
    for tool in TOOLS:
        call = tool.recognise(words)
        if call is not None and (any_program or tool is not COMMAND):
            return tool, call
    raise _unknown(words, commands)


def _unknown(words: Sequence[str], commands: Sequence[str]) -> UsageError:
    from difflib import get_close_matches  # noqa: PLC0415 - for an error alone

    word = words[0]
    near = get_close_matches(word.lower(), commands, n=1, cutoff=0.7)
    guess = f"; did you mean '{near[0]}'?" if near else ""
    shown = " ".join(words[:2]) if is_interpreter(program_name(word)) else word
    return UsageError(
        f"unknown command '{shown}'{guess}", hint=f"to run any program: mtls-run -- {shown} …"
    )


def shared_variables(tls: TlsFiles, environ: Mapping[str, str]) -> Variables:
    """Return the variables that hand `tls` to every tool, whichever program starts it.

    `uv run tox`, or a build backend that calls another tool, means the same profile.
    """
    found: Variables = {}
    for tool in TOOLS:
        found.update(tool.shared_variables(tls, environ))
    return found


def identity_variables(path: str) -> Variables:
    """Return the variables that name the client certificate at `path` to every tool."""
    return {name: path for tool in TOOLS for name in tool.IDENTITY_VARIABLES}


def ambient(environ: Mapping[str, str]) -> set[str]:
    """Return the variables by which the user has set up a tool; they win over pip's settings."""
    return {name for tool in TOOLS for name in tool.ambient(environ)}
