"""twine: --client-cert after its command, because it reads no variable for it (4.0 to 7.0)."""

from __future__ import annotations

from mtls_run import tools
from mtls_run.tools.base import UserOverrides
from mtls_run.tools.command import BUNDLE_VARIABLES
from mtls_run.tools.options import split, value_of
from mtls_run.tools.python_tool import PythonTool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mtls_run.cache.launches import WithIdentity
    from mtls_run.tools.base import TlsFiles, ToolCall, Variables, Version
    from mtls_run.tools.index_settings import NamedIndex

_SHORTEST = 4  # --c abbreviates four options


class Twine(PythonTool):
    """twine and `python -m twine`."""

    KIND = "twine"
    PROGRAMS = ("twine",)
    LOCAL = ("check",)
    SECRET_OPTIONS = ("-p",)

    def publishes(self, call: ToolCall) -> bool:
        """Return True: `upload` and `register` send."""
        return True

    def overrides(self, call: ToolCall) -> UserOverrides:
        """Return the --cert and --client-cert among twine's arguments; the last of each counts."""
        return UserOverrides(
            cert=value_of("--cert", _SHORTEST, call.arguments),
            client_cert=value_of("--client-cert", _SHORTEST, call.arguments),
        )

    def shared_variables(self, tls: TlsFiles, environ: Mapping[str, str]) -> Variables:
        """Return the variable for the roots, which beats `ca_cert` in .pypirc."""
        return {"TWINE_CERT": tls.bundle}

    def own_variables(
        self,
        version: Version | None,
        tls: TlsFiles,
        overrides: UserOverrides,
        environ: Mapping[str, str],
    ) -> Variables:
        """Return what keeps the user's --cert: REQUESTS_CA_BUNDLE would beat it (7.0.0, ran)."""
        return dict.fromkeys(BUNDLE_VARIABLES) if overrides.cert is not None else {}

    def flags_at(self, call: ToolCall) -> int:
        """Return the place after the command: twine takes no such option before it."""
        before, _, _ = split(call.arguments, self.WITH_VALUE)
        return min(len(before) + 1, len(call.arguments))

    def flags(
        self, version: Version | None, tls: TlsFiles, overrides: UserOverrides
    ) -> tuple[str | WithIdentity, ...]:
        """Return --client-cert, which beats `client_cert` in .pypirc, unless the user gives one."""
        if tls.identity is None or overrides.client_cert is not None:
            return ()
        return ("--client-cert", tls.identity)

    def indexes(self, environ: Mapping[str, str], directory: Path) -> Iterator[NamedIndex]:
        """Return TWINE_REPOSITORY_URL, and the repositories of ~/.pypirc."""
        return tools.index_settings.of_twine(environ)


TOOL = Twine()
