"""uv and uvx: variables alone, which commands use the network, and what each version can do."""

from __future__ import annotations

import mtls_run
from mtls_run import tools
from mtls_run.errors import ToolError
from mtls_run.tools.base import HandedOver, PipScope, Tool, ToolCall, UserOverrides
from mtls_run.tools.options import split
from mtls_run.tools.python import program_name, split_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mtls_run.cache.dependencies import Dependencies
    from mtls_run.config.pip_settings import PipSettings
    from mtls_run.identity.kind import KeyKind, Oddity
    from mtls_run.tools.base import Target, TlsFiles, Variables, Version
    from mtls_run.tools.proxies import Proxies

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
    # `list` fetches what UV_PYTHON_DOWNLOADS_JSON_URL names, and `find` may follow it.
    "python": frozenset(["dir", "uninstall", "update-shell"]),
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
# rustls 0.23.29 parses the leaf of an identity with webpki; 0.8.3 has 0.23.22 (ran: 0.8.4 panics).
LEAF_PARSED_SINCE = (0, 8, 4)
# uv parses each root with webpki and panics on what that refuses (ran: 0.10.0 does not, 0.11.0 to
# 0.11.3 do, 0.11.6 does not).
ROOTS_PANIC = ((0, 11, 0), (0, 11, 6))
# The extensions that webpki knows; another one must not be critical (`remember_cert_extension` in
# cert.rs of 0.102 and 0.103): key usage, names, basic and name constraints, CRLs, extended usage.
WEBPKI_EXTENSIONS = (
    *("2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.37"),
)

# uv 0.1.19 to 0.10 know the first, 0.11 on the second; with both set none warns. The value is
# `true`, because uv 0.1.19 rejects `1`.
_NATIVE = ("UV_NATIVE_TLS", "UV_SYSTEM_CERTS")
_ROOTS = ("SSL_CERT_FILE", "SSL_CERT_DIR", *_NATIVE)
_IDENTITY = "SSL_CLIENT_CERT"


class Uv(Tool):
    """uv, uvx and `python -m uv`."""

    KIND = "uv"
    PROGRAMS = ("uv",)
    VARIABLES_READ = (_IDENTITY,)
    PREFIXES_READ = ("UV_",)
    IDENTITY_VARIABLES = (_IDENTITY,)

    def recognise(self, words: Sequence[str]) -> ToolCall | None:
        """Return the call where `words` call uv, uvx or `python … -m uv`."""
        length = 1
        if program_name(words[0]) not in ("uv", "uvx"):
            module = split_module(words)
            if module is None or module[0] != "uv":
                return None
            length = module[1]
        return ToolCall(
            kind=self.KIND, prefix=tuple(words[:length]), arguments=tuple(words[length:])
        )

    def skip_reason(self, call: ToolCall, environ: Mapping[str, str]) -> str | None:
        """Return why this command uses no network, or None where it may use it."""
        if len(call.prefix) == 1 and program_name(call.prefix[0]) == "uvx":
            first = call.arguments[:1]
            if not first or first[0] in (*_HELP, *_VERSION):
                return "uvx shows its help, or its version"
            return None
        before, command, after = split(call.arguments, _WITH_VALUE)
        if any(word in _VERSION for word in before):
            return "uv --version uses no network"
        if command is None or any(word in _HELP for word in before):
            return "uv shows its help"
        if command in _GROUPS:
            between, command_in, after = split(after, _WITH_VALUE)
            if command_in is None or any(word in _HELP for word in between):
                return f"uv {command} shows its help"
            if (command, command_in) == ("tool", "run"):
                return _skip_run("uv tool run", after)
            return _skip_in_group(command, command_in, (*before, *between, *after), environ)
        if command == "run":
            return _skip_run("uv run", after)
        return _skip_plain(command, (*before, *after), environ)

    def overrides(self, call: ToolCall) -> UserOverrides:
        """Return the --cert of `uv pip` (0.12.0); uv has no option for a client certificate."""
        if split(call.arguments, _WITH_VALUE)[1] != "pip":
            return UserOverrides()
        found = None
        for word, following in zip(call.arguments, (*call.arguments[1:], "")):
            if word == "--":
                break
            name, equals, value = word.partition("=")
            if name == "--cert":
                found = value if equals else following
        return UserOverrides(cert=found)

    def publishes(self, call: ToolCall) -> bool:
        """Tell whether it is `uv publish`."""
        return split(call.arguments, _WITH_VALUE)[1] == "publish"

    def pip_scope(self, call: ToolCall, path: str, rests_on: Dependencies) -> PipScope:
        """Return the scope of pip's own settings: [install] counts for `uv pip install`."""
        _, command, after = split(call.arguments, _WITH_VALUE)
        is_install = command == "pip" and split(after, _WITH_VALUE)[1] == "install"
        return PipScope(command="install" if is_install else None)

    def shared_variables(self, tls: TlsFiles, environ: Mapping[str, str]) -> Variables:
        """Return uv's variables. None is set empty, since an empty SSL_CLIENT_CERT is a warning."""
        return {
            # SSL_CERT_FILE would replace uv's native roots.
            "SSL_CERT_FILE": None if tls.native else tls.bundle,
            "SSL_CERT_DIR": None,  # it adds to SSL_CERT_FILE
            _IDENTITY: tls.identity,
            **dict.fromkeys(_NATIVE, "true" if tls.native else None),
        }

    def ambient(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return the variables by which the user has set up uv, if any of a kind is set."""
        roots = _ROOTS if any(environ.get(name) for name in _ROOTS) else ()
        return (*roots, _IDENTITY) if environ.get(_IDENTITY) else roots

    def handed_over(
        self,
        call: ToolCall,
        settings: PipSettings,
        environ: Mapping[str, str],
        directory: Path,
    ) -> HandedOver:
        """Return what hands pip's settings to `uv pip`, and to nothing else of uv.

        `uv lock`, `sync` and `add` would write an index that was handed over into uv.lock.
        """
        if split(call.arguments, _WITH_VALUE)[1] != "pip":
            return HandedOver()
        return tools.uv_pip_settings.handed_over(settings, call.arguments, environ, directory)

    def proxies(self, target: Target, environ: Mapping[str, str], directory: Path) -> Proxies:
        """Return the proxies of this uv, from its configuration and the variables."""
        return tools.uv_proxy.UvProxies(environ, target.call.arguments, directory, target.version)

    def version_matters(self, tls: TlsFiles) -> bool:
        """Tell whether anything is handed on: old versions go on without what they do not know."""
        return tls.identity is not None or tls.bundle is not None or tls.native

    def parse_version(self, output: str) -> Version | None:
        """Return the version in `uv 0.13.9 (…)`, `uvx 0.4.0` or `uv-tool-uvx 0.2.0`."""
        words = output.split()
        if len(words) < 2 or not words[0].startswith("uv"):  # noqa: PLR2004 - name and number
            return None
        number = words[1].split("+")[0].split("-")[0]
        parts = number.split(".")
        return tuple(map(int, parts)) if all(map(_is_number, parts)) else None

    def version_rests_on(
        self,
        call: ToolCall,
        path: str,
        answer: str,
        environ: Mapping[str, str],
    ) -> Dependencies | None:
        """Return the binary, where it is one and the call starts it by itself."""
        return tools.version.of_binary(path, ("uv", "uvx")) if len(call.prefix) == 1 else None

    def check(self, version: Version | None, tls: TlsFiles, key: KeyKind | None) -> None:
        """Raise ToolError where this uv would go on without the identity, or panic on it."""
        if version is None:
            return
        shown = ".".join(map(str, version))
        upgrade = "uv self update, or install a newer uv"
        if tls.identity is not None and version < CLIENT_CERT_SINCE:
            raise ToolError(
                f"uv {shown} cannot present a client certificate; uv 0.2.11 and newer can",
                hint=upgrade,
                code="tool-too-old",
            )
        if version < CA_FILE_SINCE:
            raise ToolError(
                f"uv {shown} cannot use the profile's roots; uv 0.1.19 and newer can",
                hint=upgrade,
                code="tool-too-old",
            )
        if key is None:
            return
        if key.name == "EC P-521" and version < P521_SINCE:
            raise ToolError(
                f"uv {shown} cannot use a client certificate with a P-521 key; "
                "uv 0.11.0 and newer can",
                hint=upgrade,
                code="tool-too-old",
            )
        if not key.rustls:
            raise ToolError(
                f"uv {shown} cannot use a client certificate with a key of kind {key.name}",
                hint="uv takes RSA of 2048 bits or more, EC P-256, P-384, P-521, and Ed25519: "
                "ask for a certificate of such a key",
                code="identity-key-kind",
            )

    def check_certificates(
        self,
        target: Target,
        oddities: Sequence[Oddity],
        certificates: Callable[[], bytes],
        environ: Mapping[str, str],
    ) -> None:
        """Raise ToolError where rustls cannot use the leaf, or panics on it.

        It verifies neither its own chain nor the digests in it, so nothing else is in its way.
        """
        version, kinds = target.version, mtls_run.identity.kind
        for one in oddities:
            if one.position > 0:
                continue
            code = "identity-key-kind"
            reason, hint = "", "ask your PKI for a certificate of an ordinary RSA or EC key"
            if one.kind == kinds.PSS_KEY:
                reason = "has a key of kind rsassaPss"
            elif one.kind == kinds.EXPLICIT_CURVE:
                reason = "describes its curve by parameters, not by name"
            elif one.kind == kinds.CRITICAL and _is_unknown_to(version, one.value):
                code = "identity-extension"
                reason = f"has the critical extension {one.value}"
                hint = "ask your PKI for a certificate in which it is not critical"
            if reason:
                shown = ".".join(map(str, version or ()))
                raise ToolError(
                    f"uv {shown} cannot use {one.whose}: it {reason}; pip can",
                    hint=hint,
                    code=code,
                )

    def known_extensions(self, version: Version | None) -> tuple[str, ...] | None:
        """Return webpki's extensions for a uv that panics on a root with another one."""
        oldest, fixed = ROOTS_PANIC
        return WEBPKI_EXTENSIONS if version and oldest <= version < fixed else None

    def masked(self, call: ToolCall) -> tuple[str, ...]:
        """Return the masked arguments; -p and -t of `publish` and `auth` are secrets."""
        is_secret = split(call.arguments, _WITH_VALUE)[1] in ("publish", "auth")
        return tools.secret_words.masked(call.arguments, ("-p", "-t") if is_secret else ())


TOOL = Uv()


def _is_unknown_to(version: Version | None, extension: str) -> bool:
    """Tell whether this uv parses the leaf of an identity, and lacks the extension."""
    parses = version is None or version >= LEAF_PARSED_SINCE
    return parses and extension not in WEBPKI_EXTENSIONS


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
    if command == "version" and all(word in _VERSION_READS for word in after):
        return f"{name} uses no network"
    return _offline(name, after, environ)


def _offline(name: str, after: Sequence[str], environ: Mapping[str, str]) -> str | None:
    if "--offline" in after or environ.get("UV_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return f"{name} is offline"
    return None


def _is_number(text: str) -> bool:
    """Tell whether int takes it: not `²`, which is a digit too, and not thousands of digits."""
    return text.isascii() and text.isdecimal() and len(text) < 10  # noqa: PLR2004
