"""What the tools that are Python programs have in common: names, commands, and the version."""

from __future__ import annotations

from mtls_run import tools
from mtls_run.tools.base import Tool, ToolCall
from mtls_run.tools.options import before_dashes, split
from mtls_run.tools.python import program_name, split_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.cache.dependencies import Dependencies
    from mtls_run.tools.base import Version


class PythonTool(Tool):
    """A program that is also run as `python -m KIND`, with commands after its options."""

    # The options before the command that take a value, and the commands that use no network.
    WITH_VALUE: tuple[str, ...] = ()
    LOCAL: tuple[str, ...] = ()
    VERSION: tuple[str, ...] = ("--version",)

    def recognise(self, words: Sequence[str]) -> ToolCall | None:
        """Return the call where `words` call the tool by its name, a path, or as a module."""
        length = 1
        if program_name(words[0]) not in self.PROGRAMS:
            module = split_module(words)
            if module is None or module[0] != self.KIND:
                return None
            length = module[1]
        return ToolCall(
            kind=self.KIND, prefix=tuple(words[:length]), arguments=tuple(words[length:])
        )

    def skip_reason(self, call: ToolCall, environ: Mapping[str, str]) -> str | None:
        """Return why this command uses no network, or None where it may use it."""
        before, command, after = split(call.arguments, self.WITH_VALUE)
        if any(word in self.VERSION for word in before):
            return f"{self.KIND} {self.VERSION[0]} uses no network"
        if any(word in ("-h", "--help") for word in (*before, *self._own_options(command, after))):
            return f"{self.KIND} shows its help"
        if command is None:
            return f"{self.KIND} without a command shows its help"
        return f"{self.KIND} {command} uses no network" if command in self.LOCAL else None

    def _own_options(self, command: str | None, after: Sequence[str]) -> Sequence[str]:
        """Return the words that are the tool's own; after `run` stands another program."""
        return after[:1] if command == "run" else before_dashes(after)

    def command(self, call: ToolCall) -> str | None:
        """Return the tool's command, or None."""
        return split(call.arguments, self.WITH_VALUE)[1]

    def publishes(self, call: ToolCall) -> bool:
        """Tell whether the command is `publish`."""
        return self.command(call) == "publish"

    def parse_version(self, output: str) -> Version | None:
        """Return the version in `Flit 4.2.0`, `Poetry (version 2.5.1)` or `PDM, version 2.29.4`."""
        words = output.replace("(", "").replace(")", "").replace(",", "").split()
        if len(words) < 2 or words[0].lower() != self.KIND:  # noqa: PLR2004 - name and number
            return None
        number = words[2] if words[1] == "version" and len(words) > 2 else words[1]  # noqa: PLR2004
        found = []
        for part in number.split("."):
            digits = part[: len(part) - len(part.lstrip("0123456789"))]
            if not digits or len(digits) > 9:  # noqa: PLR2004 - no version has such a number
                break
            found.append(int(digits))
        return tuple(found) or None

    def version_rests_on(
        self, call: ToolCall, path: str, answer: str, environ: Mapping[str, str]
    ) -> Dependencies | None:
        """Return the script, its Python, and the packages that this Python has."""
        pip_version = tools.pip_version
        deciding = (self.KIND, *pip_version.AT_START)
        return pip_version.searched(call, path, environ, deciding, ".dist-info")
