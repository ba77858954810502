"""One call of a tool, and what every adapter has to say about its own tool."""

from __future__ import annotations

from mtls_run.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from mtls_run.identity.kind import KeyKind
    from mtls_run.tools.tls_files import TlsFiles

    Version = tuple[int, ...]

    class Adapter(Protocol):
        """All that mtls-run knows of one tool. A new tool is one new module with these."""

        def recognise(self, words: Sequence[str]) -> ToolCall | None:
            """Return the call that `words` make of this tool, or None where they call another."""

        def skip_reason(self, call: ToolCall, environ: Mapping[str, str]) -> str | None:
            """Return why this call needs no identity and no roots, or None where it may."""

        def pip_command(self, call: ToolCall) -> str | None:
            """Return the command whose section of pip's settings counts for this call, or None."""

        def overrides(self, call: ToolCall) -> UserOverrides:
            """Return what the user's own arguments say of trust and identity."""

        def parse_version(self, output: str) -> Version | None:
            """Return the version that the tool's answer to `--version` names."""

        def version_matters(self, trust: TlsFiles) -> bool:
            """Tell whether the version has to be asked for to hand `trust` on."""

        def check(self, version: Version | None, trust: TlsFiles, key: KeyKind | None) -> None:
            """Raise ToolError where this version of the tool cannot use what it would be handed."""

        def flags(
            self, version: Version | None, trust: TlsFiles, overrides: UserOverrides
        ) -> tuple[str, ...]:
            """Return the arguments to stand before the tool's own subcommand."""

        def variables(
            self,
            version: Version | None,
            trust: TlsFiles,
            overrides: UserOverrides,
            environ: Mapping[str, str],
        ) -> Mapping[str, str | None]:
            """Return the variables that this tool needs otherwise than all others; None unsets."""


class ToolCall(Record):
    """`prefix` starts the tool (`uv`, or `python -m pip`); `arguments` are the tool's own."""

    kind: str
    prefix: tuple[str, ...]
    arguments: tuple[str, ...]


class UserOverrides(Record):
    """What the user's own arguments settle: files they name, or None."""

    cert: str | None
    client_cert: str | None


NO_OVERRIDES = UserOverrides(cert=None, client_cert=None)
