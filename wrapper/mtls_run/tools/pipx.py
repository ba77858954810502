"""pipx: it hands every variable on to pip or uv, which does its work."""

from __future__ import annotations

import shlex

from mtls_run.tools.base import ToolCall, UserOverrides
from mtls_run.tools.command import BUNDLE_VARIABLES
from mtls_run.tools.options import value_of
from mtls_run.tools.pip import TOOL as PIP
from mtls_run.tools.python_tool import PythonTool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.tools.base import TlsFiles, Variables, Version


class PipStarter(PythonTool):
    """A program that starts pip, with the user's options for pip in one word."""

    PIP_ARGUMENTS: str
    SHORTEST: int  # the length of its shortest abbreviation

    def overrides(self, call: ToolCall) -> UserOverrides:
        """Return the --cert and --client-cert among the options for pip."""
        text = value_of(self.PIP_ARGUMENTS, self.SHORTEST, call.arguments) or ""
        try:
            words = shlex.split(text)
        except ValueError:  # the program reports it
            return UserOverrides()
        return PIP.overrides(ToolCall(kind=PIP.KIND, prefix=("pip",), arguments=tuple(words)))

    def own_variables(
        self,
        version: Version | None,
        tls: TlsFiles,
        overrides: UserOverrides,
        environ: Mapping[str, str],
    ) -> Variables:
        """Return what must not beat the user's --cert for pip."""
        return dict.fromkeys(BUNDLE_VARIABLES) if overrides.cert is not None else {}


class Pipx(PipStarter):
    """pipx and `python -m pipx`."""

    KIND = "pipx"
    PROGRAMS = ("pipx",)
    # They start neither pip nor uv (1.4.3, 1.18.4).
    LOCAL = (
        *("completions", "ensurepath", "environment", "help", "list", "pin"),
        *("uninstall", "uninstall-all", "unpin"),
    )
    PIP_ARGUMENTS = "--pip-args"
    SHORTEST = len("--pip-a")

    def skip_reason(self, call: ToolCall, environ: Mapping[str, str]) -> str | None:
        """Return why this command uses no network; `list --outdated` does (1.18.4)."""
        if "--outdated" in call.arguments:
            return None
        return super().skip_reason(call, environ)

    def parse_version(self, output: str) -> Version | None:
        """Return the version in `1.18.4`, which is all that pipx says."""
        return super().parse_version(f"{self.KIND} {output}")


TOOL = Pipx()
