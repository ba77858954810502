"""hatch: SSL_CERT_FILE and HATCH_INDEX_CLIENT_CERT for `publish`; pip or uv do all else.

`publish` uses httpx, to which a path of roots and a client certificate exclude each other: with
HATCH_INDEX_CA_CERT, 1.14.1 and 1.16.0 upload without the certificate, and 1.18.2 ends (ran).
"""

from __future__ import annotations

from mtls_run import tools
from mtls_run.errors import ToolError
from mtls_run.tools.base import UserOverrides
from mtls_run.tools.options import split, value_of
from mtls_run.tools.python_tool import PythonTool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mtls_run.cache.dependencies import Dependencies
    from mtls_run.identity.kind import KeyKind
    from mtls_run.tools.base import TlsFiles, Tool, ToolCall, Variables, Version
    from mtls_run.tools.index_settings import NamedIndex

_ROOTS = "HATCH_INDEX_CA_CERT"
_IDENTITY, _KEY = "HATCH_INDEX_CLIENT_CERT", "HATCH_INDEX_CLIENT_KEY"
_CLIENT_CERT_SINCE = (1, 4)


class Hatch(PythonTool):
    """hatch and `python -m hatch`.

    `ca_cert` is where the user's configuration names roots for publishing; `sends` tells that the
    call is `publish`.
    """

    KIND = "hatch"
    PROGRAMS = ("hatch",)
    WITH_VALUE = ("-e", "--env", "-p", "--project", "--data-dir", "--cache-dir", "--config")
    LOCAL = ("config", "new", "status")
    IDENTITY_VARIABLES = (_IDENTITY,)

    def __init__(self, ca_cert: str | None = None, *, sends: bool = False) -> None:
        self.ca_cert = ca_cert
        self.sends = sends

    def configured(
        self,
        call: ToolCall,
        environ: Mapping[str, str],
        directory: Path,
        rests_on: Dependencies,
    ) -> Tool:
        """Return hatch with what its configuration says of publishing."""
        if not self.publishes(call):
            return self
        before, _, _ = split(call.arguments, self.WITH_VALUE)
        named = value_of("--config", len("--config"), before) or environ.get("HATCH_CONFIG")
        ca_cert = tools.hatch_settings.publishing_roots(named, directory, rests_on)
        return Hatch(ca_cert, sends=True)

    def overrides(self, call: ToolCall) -> UserOverrides:
        """Return the --ca-cert and --client-cert of `hatch publish`."""
        if not self.publishes(call):
            return UserOverrides()
        return UserOverrides(
            cert=value_of("--ca-cert", len("--ca-cert"), call.arguments),
            client_cert=value_of("--client-cert", len("--client-cert"), call.arguments),
        )

    def shared_variables(self, tls: TlsFiles, environ: Mapping[str, str]) -> Variables:
        """Return the variables for publishing; the key's one beats `client-key` in config.toml."""
        return {
            _ROOTS: tls.bundle if tls.identity is None else None,
            _IDENTITY: tls.identity,
            _KEY: tls.identity,
        }

    def own_variables(
        self,
        version: Version | None,
        tls: TlsFiles,
        overrides: UserOverrides,
        environ: Mapping[str, str],
    ) -> Variables:
        """Return the roots as httpx reads them, also where they are the operating system's own."""
        return {"SSL_CERT_FILE": tls.bundle}

    def check_call(self, call: ToolCall, tls: TlsFiles) -> None:
        """Raise ToolError for a `publish` that would go round the gateway, or be anonymous."""
        if not self.sends:
            return
        if tls.proxy is not None:
            raise ToolError(
                "hatch publish ignores proxies, so it would go past the gateway",
                hint="upload by another tool: mtls-run twine upload dist/*",
            )
        own = self.overrides(call).cert
        named = f"--ca-cert {own}" if own is not None else self.ca_cert
        if tls.identity is not None and named is not None:
            raise ToolError(
                f"{named} would make hatch upload without the client certificate",
                hint="remove it, and name the CA in the profile: ca-cert = …",
            )

    def version_matters(self, tls: TlsFiles) -> bool:
        """Tell whether a client certificate is handed to `publish`."""
        return self.sends and tls.identity is not None

    def check(self, version: Version | None, tls: TlsFiles, key: KeyKind | None) -> None:
        """Raise ToolError where this hatch does not know a client certificate."""
        if self.version_matters(tls) and version is not None and version < _CLIENT_CERT_SINCE:
            shown = ".".join(map(str, version))
            raise ToolError(
                f"hatch {shown} cannot present a client certificate; hatch 1.4.0 and newer can",
                hint="upgrade hatch, or upload by another tool: mtls-run twine upload dist/*",
                code="tool-too-old",
            )

    def masked(self, call: ToolCall) -> tuple[str, ...]:
        """Return the masked arguments; -a of `publish` is a password."""
        return tools.secret_words.masked(call.arguments, ("-a",) if self.publishes(call) else ())

    def indexes(self, environ: Mapping[str, str], directory: Path) -> Iterator[NamedIndex]:
        """Return the repositories of the user's configuration."""
        return tools.index_settings.of_hatch(environ)


TOOL = Hatch()
