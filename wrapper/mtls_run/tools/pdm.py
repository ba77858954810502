"""pdm: SSL_CERT_FILE, and a settings file for this run that names the client certificate.

pdm hands both to httpx, to which a path of roots and a client certificate exclude each other. So
REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and `ca_certs` end it (2.29.4, ran), and SSL_CERT_FILE serves.
"""

from __future__ import annotations

from mtls_run import tools
from mtls_run.errors import ToolError
from mtls_run.tools.base import IN_MEMORY, UserOverrides
from mtls_run.tools.command import BUNDLE_VARIABLES
from mtls_run.tools.options import short_value_of, split, value_of
from mtls_run.tools.python_tool import PythonTool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mtls_run.cache.dependencies import Dependencies
    from mtls_run.identity.kind import KeyKind
    from mtls_run.tools.base import TlsFiles, Tool, ToolCall, Variables, Version
    from mtls_run.tools.index_settings import NamedIndex
    from mtls_run.tools.pdm_settings import PdmSettings

CONFIG = "PDM_CONFIG_FILE"
_PUBLISH_ROOTS = "PDM_PUBLISH_CA_CERTS"
# Older ones follow the link of the anonymous file, and find nothing where it leads (source).
_READS_MEMORY_SINCE = (2, 27)


class Pdm(PythonTool):
    """pdm and `python -m pdm`; `found` are the settings of the user and the project."""

    KIND = "pdm"
    PROGRAMS = ("pdm",)
    WITH_VALUE = ("-c", "--config")
    LOCAL = ("cache", "completion", "config", "export", "fix", "info", "list")
    VERSION = ("--version", "-V")

    def __init__(self, found: PdmSettings | None = None) -> None:
        self.found = found

    def configured(
        self,
        call: ToolCall,
        environ: Mapping[str, str],
        directory: Path,
        rests_on: Dependencies,
    ) -> Tool:
        """Return pdm with the settings of the user and the project."""
        rests_on.forbid_reuse()  # the settings file is of one run
        repository = None
        if self.publishes(call):
            given = value_of("--repository", 5, call.arguments)
            given = given or short_value_of("-r", call.arguments)
            repository = given or environ.get("PDM_PUBLISH_REPO") or "pypi"
        project = environ.get("PDM_PROJECT")
        if self.command(call) != "run":  # what follows is another program's
            given = value_of("--project", 6, call.arguments) or short_value_of("-p", call.arguments)
            project = given or project
        return Pdm(tools.pdm_settings.read(environ, directory / (project or ""), repository))

    def overrides(self, call: ToolCall) -> UserOverrides:
        """Return the --ca-certs of `pdm publish`; pdm has no option for a client certificate."""
        if not self.publishes(call):
            return UserOverrides()
        return UserOverrides(cert=value_of("--ca-certs", 4, call.arguments))

    def own_variables(
        self,
        version: Version | None,
        tls: TlsFiles,
        overrides: UserOverrides,
        environ: Mapping[str, str],
    ) -> Variables:
        """Return the roots as httpx reads them, and the name of the settings file."""
        if tls.identity is None:
            return {_PUBLISH_ROOTS: None}
        return {
            **dict.fromkeys(BUNDLE_VARIABLES),
            _PUBLISH_ROOTS: None,
            "SSL_CERT_FILE": tls.bundle,
            CONFIG: IN_MEMORY,
        }

    def settings(self, identity: str | None, hosts: Sequence[str] = ()) -> tuple[str, bytes] | None:
        """Return the user's settings, with the client certificate for each source it is for."""
        if identity is None or self.found is None:
            return None
        return CONFIG, self.found.with_identity(identity, hosts)

    def check_call(self, call: ToolCall, tls: TlsFiles) -> None:
        """Raise ToolError for a setting that pdm prefers to the profile's, or cannot combine."""
        assert self.found is not None
        if tls.proxy is not None and self.found.roots:
            raise ToolError(
                f"{self.found.roots[0]} makes pdm refuse the gateway, whose CA is made for each "
                "run",
                hint="remove it, and name the CA in the profile: ca-cert = …",
            )
        if tls.identity is None:
            return
        before, _, _ = split(call.arguments, self.WITH_VALUE)
        config = value_of("--config", 3, before) or short_value_of("-c", before)
        if config is not None:
            raise ToolError(
                f"--config {config} beats the settings that hand the client certificate to pdm",
                hint=f"name it by the variable: {CONFIG}={config} mtls-run pdm …",
            )
        own = self.overrides(call).cert
        preferred = [f"--ca-certs {own}"] if own is not None else []
        for setting in (*preferred, *self.found.of_project):
            raise ToolError(
                f"pdm prefers {setting} to the profile's, or ends with both",
                hint="remove it: the profile has the client certificate and its CA",
            )

    def version_matters(self, tls: TlsFiles) -> bool:
        """Tell whether a client certificate is handed on."""
        return tls.identity is not None

    def check(self, version: Version | None, tls: TlsFiles, key: KeyKind | None) -> None:
        """Raise ToolError where this pdm cannot read its settings from memory."""
        if tls.identity is not None and version is not None and version < _READS_MEMORY_SINCE:
            shown = ".".join(map(str, version))
            raise ToolError(
                f"pdm {shown} cannot be handed a client certificate; pdm 2.27.0 and newer can",
                hint="upgrade pdm, or let the gateway present it: mtls-run --handoff gateway pdm …",
                code="tool-too-old",
            )

    def masked(self, call: ToolCall) -> tuple[str, ...]:
        """Return the masked arguments; -P of `publish` is a password."""
        return tools.secret_words.masked(call.arguments, ("-P",) if self.publishes(call) else ())

    def indexes(self, environ: Mapping[str, str], directory: Path) -> Iterator[NamedIndex]:
        """Return the sources and repositories of the project and the user."""
        return tools.index_settings.of_pdm(environ, directory)


TOOL = Pdm()
