"""The tools that mtls-run knows, one module each.

To add one: write a module with the functions of `call.Adapter` and put it into ADAPTERS.
"""

from __future__ import annotations

from mtls_run.errors import UsageError
from mtls_run.tools import command, pip, uv
from mtls_run.tools.python import is_interpreter, program_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtls_run.tools.base import Adapter, ToolCall

# Asked in this order; the first that recognises the words has them.
ADAPTERS: dict[str, Adapter] = {pip.KIND: pip, uv.KIND: uv, command.KIND: command}


def recognise(words: Sequence[str], *, any_program: bool) -> ToolCall:
    """Return the call that `words` make.

    Raises UsageError for a word that is no tool, unless `any_program` may stand there.
    """
    for adapter in ADAPTERS.values():
        call = adapter.recognise(words)
        if call is not None and (any_program or call.kind != command.KIND):
            return call
    word = words[0]
    shown = " ".join(words[:2]) if is_interpreter(program_name(word)) else word
    raise UsageError(
        f"`{shown}` is no tool that mtls-run knows",
        hint=f"to run any program: mtls-run -- {shown} …",
    )
