"""uv and uvx: variables alone, which commands use the network, and what each version can do."""

from __future__ import annotations

from mtls_run.errors import ToolError
from mtls_run.tools.base import NO_OVERRIDES, ToolCall, UserOverrides
from mtls_run.tools.python import program_name, split_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.identity.kind import KeyKind
    from mtls_run.tools.base import Version
    from mtls_run.tools.tls_files import TlsFiles

KIND = "uv"

# uv's global options that take a value; they may stand before and between its commands.
_WITH_VALUE = frozenset(
    [
        "--allow-insecure-host",
        "--trusted-host",
        "--cache-dir",
        "--color",
        "--config-file",
        "--directory",
        "--preview-features",
        "--project",
        "--python-downloads",
        "--python-fetch",
        "--python-preference",
    ]
)
_HELP = ("-h", "--help")
_VERSION = ("-V", "--version")
# What builds no HTTP client (0.1 to 0.13): a command, or a command of a group.
_LOCAL = frozenset(["cache", "generate-shell-completion", "help"])
_LOCAL_IN = {
    "pip": frozenset(["check", "debug", "freeze", "list", "show", "tree", "uninstall"]),
    "python": frozenset(["dir", "find", "list", "uninstall", "update-shell"]),
    "self": frozenset(["version"]),
    "tool": frozenset(["dir", "list", "uninstall", "update-shell"]),
    "workspace": frozenset(["dir", "list"]),
}
# `uv version` says a version; with anything else it may set one, and lock and sync for it.
_VERSION_READS = frozenset(["--short", "--output-format", "json", "text", "--quiet", "-q"])
_GROUPS = frozenset([*_LOCAL_IN, "auth"])

CLIENT_CERT_SINCE = (0, 2, 11)
CA_FILE_SINCE = (0, 1, 19)
P521_SINCE = (0, 11, 0)


def recognise(words: Sequence[str]) -> ToolCall | None:
    """Return the call where `words` call uv, uvx or `python … -m uv`."""
    length = 1
    if program_name(words[0]) not in ("uv", "uvx"):
        module = split_module(words)
        if module is None or module[0] != "uv":
            return None
        length = module[1]
    return ToolCall(kind=KIND, prefix=tuple(words[:length]), arguments=tuple(words[length:]))


def skip_reason(call: ToolCall, environ: Mapping[str, str]) -> str | None:
    """Return why this command opens no connection, or None where it may."""
    if len(call.prefix) == 1 and program_name(call.prefix[0]) == "uvx":
        first = call.arguments[:1]
        if not first or first[0] in (*_HELP, *_VERSION):
            return "uvx shows its help, or its version"
        return None
    before, command, after = _split(call.arguments)
    if any(word in _VERSION for word in before):
        return "uv --version uses no network"
    if command is None or any(word in _HELP for word in before):
        return "uv shows its help"
    if command in _GROUPS:
        between, command_in, after = _split(after)
        if command_in is None or any(word in _HELP for word in between):
            return f"uv {command} shows its help"
        if (command, command_in) == ("tool", "run"):
            return _skip_run("uv tool run", after)
        return _skip_in_group(command, command_in, (*before, *between, *after), environ)
    if command == "run":
        return _skip_run("uv run", after)
    return _skip_plain(command, (*before, *after), environ)


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], str | None, Sequence[str]]:
    """Return the options before the first command, that command or None, and what follows it."""
    index = 0
    while index < len(arguments) and arguments[index].startswith("-"):
        index += 2 if arguments[index] in _WITH_VALUE else 1
    if index >= len(arguments):
        return arguments, None, ()
    return arguments[:index], arguments[index], arguments[index + 1 :]


def _skip_run(name: str, after: Sequence[str]) -> str | None:
    """Tell the help of `uv run`; all else may be the other program's own, network and all."""
    return f"{name} shows its help" if after[:1] and after[0] in _HELP else None


def _skip_in_group(
    group: str, command: str, after: Sequence[str], environ: Mapping[str, str]
) -> str | None:
    name = f"uv {group} {command}"
    if any(word in _HELP for word in after):
        return f"{name} shows its help"
    if command in _LOCAL_IN.get(group, ()):
        if "--outdated" in after or any("://" in word for word in after):
            return None
        return f"{name} uses no network"
    return _offline(name, after, environ)


def _skip_plain(command: str, after: Sequence[str], environ: Mapping[str, str]) -> str | None:
    name = f"uv {command}"
    if any(word in _HELP for word in after):
        return f"{name} shows its help"
    if command in _LOCAL:
        return f"{name} uses no network"
    if command == "venv" and not _venv_downloads(after, environ):
        return "uv venv without packages uses no network"
    if command == "version" and all(word in _VERSION_READS for word in after):
        return f"{name} uses no network"
    return _offline(name, after, environ)


def _venv_downloads(after: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Tell whether `uv venv` may download: packages to seed it with, or the Python it names."""
    if environ.get("UV_VENV_SEED") or environ.get("UV_PYTHON"):
        return True
    return any(word.startswith(("--seed", "--python", "-p")) for word in after)


def _offline(name: str, after: Sequence[str], environ: Mapping[str, str]) -> str | None:
    if "--offline" in after or environ.get("UV_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return f"{name} is offline"
    return None


def is_pip(call: ToolCall) -> bool:
    """Tell whether this is `uv pip …`, uv's stand-in for pip."""
    return _split(call.arguments)[1] == "pip"


def pip_command(call: ToolCall) -> str | None:
    """Return "install" for `uv pip install`, the one that pip's [install] speaks of."""
    _, command, after = _split(call.arguments)
    return "install" if command == "pip" and _split(after)[1] == "install" else None


def overrides(call: ToolCall) -> UserOverrides:  # noqa: ARG001 - part of the protocol
    """Return nothing: `uv pip --cert` beats the variables by itself (0.12.0 on)."""
    return NO_OVERRIDES


def parse_version(output: str) -> Version | None:
    """Return the version in `uv 0.13.9 (…)`, `uvx 0.4.0` or `uv-tool-uvx 0.2.0`."""
    words = output.split()
    if len(words) < 2 or not words[0].startswith("uv"):  # noqa: PLR2004 - name and number
        return None
    number = words[1].split("+")[0].split("-")[0]
    parts = number.split(".")
    return tuple(map(int, parts)) if all(map(_is_number, parts)) else None


def _is_number(text: str) -> bool:
    """Tell whether int takes it: not `²`, which is a digit too, and not thousands of digits."""
    return text.isascii() and text.isdecimal() and len(text) < 10  # noqa: PLR2004


def version_matters(trust: TlsFiles) -> bool:
    """Tell whether anything is handed on: old versions go on without what they do not know."""
    return trust.identity is not None or trust.bundle is not None or trust.native


def check(version: Version | None, trust: TlsFiles, key: KeyKind | None) -> None:
    """Raise ToolError where this uv would go on without the identity, or panic on it."""
    if version is None:
        return
    shown = ".".join(map(str, version))
    mend = "uv self update, or install a newer uv"
    if trust.identity is not None and version < CLIENT_CERT_SINCE:
        raise ToolError(
            f"uv {shown} cannot present a client certificate; uv 0.2.11 and newer can",
            hint=mend,
            code="tool-too-old",
        )
    if version < CA_FILE_SINCE:
        raise ToolError(
            f"uv {shown} cannot be told which roots to trust; uv 0.1.19 and newer can",
            hint=mend,
            code="tool-too-old",
        )
    if key is None:
        return
    if key.name == "EC P-521" and version < P521_SINCE:
        raise ToolError(
            f"uv {shown} cannot use a client certificate with a P-521 key; uv 0.11.0 and newer can",
            hint=mend,
            code="tool-too-old",
        )
    if not key.rustls:
        raise ToolError(
            f"uv {shown} cannot use a client certificate with a key of kind {key.name}",
            hint="uv takes RSA of 2048 bits or more, EC P-256, P-384, P-521, and Ed25519: "
            "ask for a certificate of such a key",
            code="identity-key-kind",
        )


def flags(version: Version | None, trust: TlsFiles, overrides: UserOverrides) -> tuple[str, ...]:  # noqa: ARG001
    """Return nothing: a flag that a version does not know ends it, a variable it ignores."""
    return ()


def variables(
    version: Version | None,  # noqa: ARG001
    trust: TlsFiles,  # noqa: ARG001
    overrides: UserOverrides,  # noqa: ARG001
    environ: Mapping[str, str],  # noqa: ARG001
) -> Mapping[str, str | None]:
    """Return nothing: all that uv reads is among the variables that every tool gets."""
    return {}
