"""Any other program after `--`: it gets the variables of all tools, and no flag."""

from __future__ import annotations

from mtls_run.tools.base import NO_OVERRIDES, ToolCall, UserOverrides

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.identity.kind import KeyKind
    from mtls_run.tools.base import Version
    from mtls_run.tools.tls_files import TlsFiles

KIND = "command"


def recognise(words: Sequence[str]) -> ToolCall | None:
    """Return the call of the program that is the first word."""
    return ToolCall(kind=KIND, prefix=tuple(words[:1]), arguments=tuple(words[1:]))


def skip_reason(call: ToolCall, environ: Mapping[str, str]) -> str | None:  # noqa: ARG001
    """Return None: what a program will do is not known."""
    return None


def pip_command(call: ToolCall) -> str | None:  # noqa: ARG001
    """Return None: only what counts for every command counts."""
    return None


def overrides(call: ToolCall) -> UserOverrides:  # noqa: ARG001
    """Return nothing: its arguments are its own."""
    return NO_OVERRIDES


def parse_version(output: str) -> Version | None:  # noqa: ARG001
    """Return None: it is not asked."""
    return None


def version_matters(trust: TlsFiles) -> bool:  # noqa: ARG001
    """Return False: it may start any version of any tool."""
    return False


def check(version: Version | None, trust: TlsFiles, key: KeyKind | None) -> None:
    """Accept every program."""


def flags(version: Version | None, trust: TlsFiles, overrides: UserOverrides) -> tuple[str, ...]:  # noqa: ARG001
    """Return nothing."""
    return ()


def variables(
    version: Version | None,  # noqa: ARG001
    trust: TlsFiles,  # noqa: ARG001
    overrides: UserOverrides,  # noqa: ARG001
    environ: Mapping[str, str],  # noqa: ARG001
) -> Mapping[str, str | None]:
    """Return nothing beyond the variables that every tool gets."""
    return {}
