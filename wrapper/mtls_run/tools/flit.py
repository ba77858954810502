"""flit: the roots by REQUESTS_CA_BUNDLE; `publish` has no way to present a certificate by file."""

from __future__ import annotations

from mtls_run import tools
from mtls_run.tools.base import needs_gateway
from mtls_run.tools.python_tool import PythonTool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mtls_run.tools.base import TlsFiles, ToolCall
    from mtls_run.tools.index_settings import NamedIndex


class Flit(PythonTool):
    """flit and `python -m flit`. `flit install` calls pip, which has variables of its own."""

    KIND = "flit"
    PROGRAMS = ("flit",)
    WITH_VALUE = ("-f", "--ini-file")
    LOCAL = ("build", "info", "init")
    VERSION = ("--version", "-V")

    def check_call(self, call: ToolCall, tls: TlsFiles) -> None:
        """Raise ToolError for `publish` (3.12.0 and 4.2.0 call requests without a certificate)."""
        if tls.identity is not None and self.publishes(call):
            raise needs_gateway(
                "no version of flit can present a client certificate from a file", "flit", "publish"
            )

    def indexes(self, environ: Mapping[str, str], directory: Path) -> Iterator[NamedIndex]:
        """Return FLIT_INDEX_URL, and the repositories of ~/.pypirc."""
        return tools.index_settings.of_flit(environ)


TOOL = Flit()
