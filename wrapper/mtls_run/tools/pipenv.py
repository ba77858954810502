"""pipenv: its own pip reads pip's variables."""

from __future__ import annotations

from mtls_run import tools
from mtls_run.tools.options import split
from mtls_run.tools.pipx import PipStarter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mtls_run.tools.base import ToolCall
    from mtls_run.tools.index_settings import NamedIndex

# Options that answer and end (2023.12.1, 2026.10.3).
_ANSWERS = ("--where", "--venv", "--py", "--envs", "--man", "--rm")


class Pipenv(PipStarter):
    """pipenv and `python -m pipenv`."""

    KIND = "pipenv"
    PROGRAMS = ("pipenv",)
    WITH_VALUE = ("--pypi-mirror", "--python")
    LOCAL = ("activate", "graph", "open", "remove", "requirements", "scripts", "verify")
    PIP_ARGUMENTS = "--extra-pip-args"
    SHORTEST = len("--ex")

    def skip_reason(self, call: ToolCall, environ: Mapping[str, str]) -> str | None:
        """Return why this command uses no network; `--python 3.13` alone makes an environment."""
        before, command, _ = split(call.arguments, self.WITH_VALUE)
        if any(word in _ANSWERS for word in before):
            return "pipenv answers without the network"
        if command is None and "--python" in before:
            return None
        return super().skip_reason(call, environ)

    def indexes(self, environ: Mapping[str, str], directory: Path) -> Iterator[NamedIndex]:
        """Return the sources of the Pipfile, and the mirror."""
        return tools.index_settings.of_pipenv(environ, directory)


TOOL = Pipenv()
