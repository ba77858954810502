"""A tool that mtls-run knows: everything that it knows of it, in one class.

A new tool is a module here with one subclass of `Tool`, and its line in `registry.MODULES`.
"""

from __future__ import annotations

from mtls_run import tools
from mtls_run.errors import ToolError
from mtls_run.system.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mtls_run.cache.dependencies import Dependencies
    from mtls_run.cache.launches import WithIdentity
    from mtls_run.config.pip_settings import PipSettings
    from mtls_run.identity.kind import KeyKind, Oddity
    from mtls_run.tools.index_settings import NamedIndex
    from mtls_run.tools.proxies import Proxies

    Version = tuple[int, ...]
    # What a variable is to be for the tool; None unsets it.
    Variables = dict[str, str | WithIdentity | None]


class ToolCall(Record):
    """One call: `prefix` starts the tool (`uv`, `python -m pip`), `arguments` are its own."""

    kind: str
    prefix: tuple[str, ...]
    arguments: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Return the whole command line."""
        return (*self.prefix, *self.arguments)


class TlsFiles(Record):
    """The identity and roots that the tool is handed, as paths, and the gateway's URL.

    `identity` is one PEM with certificate, chain and key, or None where there is none. `bundle` is
    a PEM file with exactly the roots, or None where the operating system's verifier is meant
    (macOS, Windows). `native` says that the roots are the operating system's store alone. `proxy`
    is the URL of the gateway, or None where the tool connects by itself. `hosts` are those that the
    identity is for (`localhost:8443`, `*.corp.example`), as far as they are known.
    """

    HIDDEN = ("proxy",)  # it has the secret of this run

    identity: str | WithIdentity | None
    bundle: str | None
    native: bool
    proxy: str | None = None
    hosts: tuple[str, ...] = ()


# What --explain shows for a settings file that is made for one run.
IN_MEMORY = "(in memory: the settings of this run)"


class UserOverrides(Record):
    """The files that the user's own arguments name, or None; they win over the profile's."""

    cert: str | None = None
    client_cert: str | None = None


class PipScope(Record):
    """Which of pip's own settings count for a call.

    `command` is pip's subcommand, whose section counts. `environment` is the virtual environment
    whose own pip is called. `isolated` is pip's --isolated: no variables and no user files.
    """

    command: str | None = None
    environment: str | None = None
    isolated: bool = False


class HandedOver(Record):
    """What of pip's own settings another tool is handed.

    `named` is the flag, variable or FILE:LINE that names indexes for the tool already, or None.
    `left_out` are the settings that cannot be handed over, each with its origin and the reason.
    """

    variables: Mapping[str, str] = {}
    named: str | None = None
    left_out: tuple[str, ...] = ()


class Tool:
    """All that mtls-run knows of one tool; what a tool does not say stays as it is here."""

    KIND: str
    # The names by which the tool is looked for on PATH.
    PROGRAMS: tuple[str, ...] = ()
    # What of the environment decides how the tool is started, for the key of a cached launch.
    VARIABLES_READ: tuple[str, ...] = ()
    PREFIXES_READ: tuple[str, ...] = ()
    # Variables that name a client certificate to the tool.
    IDENTITY_VARIABLES: tuple[str, ...] = ()
    # The tool's own options whose values are secret, beside those whose names say so.
    SECRET_OPTIONS: tuple[str, ...] = ()

    def recognise(self, words: Sequence[str]) -> ToolCall | None:
        """Return the call that `words` make of this tool, or None where they call another."""
        raise NotImplementedError

    def skip_reason(self, call: ToolCall, environ: Mapping[str, str]) -> str | None:
        """Return why this call uses no network, or None where it may use it."""
        return None

    def configured(
        self,
        call: ToolCall,
        environ: Mapping[str, str],
        directory: Path,
        rests_on: Dependencies,
    ) -> Tool:
        """Return the tool as its own settings and the project's files set it up for this call.

        A tool that reads none of them returns itself. Raises ConfigurationError for a file that
        cannot be read, and ToolError for a setting that the profile and the tool cannot both obey.
        """
        return self

    def publishes(self, call: ToolCall) -> bool:
        """Tell whether this call sends something to the index, and not only reads from it."""
        return False

    def pip_scope(self, call: ToolCall, path: str, rests_on: Dependencies) -> PipScope:
        """Return which of pip's own settings count for this call of the program at `path`."""
        return PipScope()

    def overrides(self, call: ToolCall) -> UserOverrides:
        """Return what the user's own arguments say of trust and identity."""
        return UserOverrides()

    def shared_variables(self, tls: TlsFiles, environ: Mapping[str, str]) -> Variables:
        """Return the variables that hand `tls` to this tool, whatever program starts it."""
        return {}

    def own_variables(
        self,
        version: Version | None,
        tls: TlsFiles,
        overrides: UserOverrides,
        environ: Mapping[str, str],
    ) -> Variables:
        """Return the variables that this tool needs where it is itself what mtls-run starts."""
        return {}

    def settings(self, identity: str | None, hosts: Sequence[str] = ()) -> tuple[str, bytes] | None:
        """Return a variable, and the content of the settings file that it names in this run.

        `identity` is the path of the identity, or None where the tool gets none, and `hosts` are
        those it is for, as TlsFiles has them. The file ends with
        the run. `own_variables` gives the variable the value IN_MEMORY, for --explain. The launch
        is not cached: `configured` has forbidden it.
        """
        return None

    def flags_at(self, call: ToolCall) -> int:
        """Return how many of the call's arguments stand before the flags that are injected."""
        return 0

    def flags(
        self, version: Version | None, tls: TlsFiles, overrides: UserOverrides
    ) -> tuple[str | WithIdentity, ...]:
        """Return the arguments to inject, before the tool's subcommand or at `flags_at`."""
        return ()

    def ambient(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return the variables that set this tool up already; they win over pip's settings."""
        return ()

    def handed_over(
        self,
        call: ToolCall,
        settings: PipSettings,
        environ: Mapping[str, str],
        directory: Path,
    ) -> HandedOver:
        """Return what hands pip's indexes and further settings to this call of another tool."""
        return HandedOver()

    def indexes(self, environ: Mapping[str, str], directory: Path) -> Iterator[NamedIndex]:
        """Return the indexes that this tool's own settings name here, for doctor.

        Raises ConfigurationError where a file cannot be read.
        """
        return iter(())

    def proxies(self, target: Target, environ: Mapping[str, str], directory: Path) -> Proxies:
        """Return the proxies that this call uses, with `environ` and in `directory`.

        Where no rule of the tool's own is known, it is that of requests. Raises
        ConfigurationError where a file of the tool's cannot be read.
        """
        return tools.pip_proxy.PipProxies(environ, None, None)

    def version_matters(self, tls: TlsFiles) -> bool:
        """Tell whether the tool has to be asked for its version to hand `tls` on."""
        return False

    def parse_version(self, output: str) -> Version | None:
        """Return the version in the tool's answer to `--version`, or None."""
        return None

    def version_rests_on(
        self, call: ToolCall, path: str, answer: str, environ: Mapping[str, str]
    ) -> Dependencies | None:
        """Return the files on which the answer to `--version` depends, or None if unknown."""
        return None

    def check_call(self, call: ToolCall, tls: TlsFiles) -> None:
        """Raise ToolError where this call cannot use what it would be handed, in any version."""

    def check(self, version: Version | None, tls: TlsFiles, key: KeyKind | None) -> None:
        """Raise ToolError where this version of the tool cannot use what it would be handed."""

    def check_certificates(
        self,
        target: Target,
        oddities: Sequence[Oddity],
        certificates: Callable[[], bytes],
        environ: Mapping[str, str],
    ) -> None:
        """Raise ToolError where this tool cannot use an identity for what is odd in it.

        `certificates` returns the identity's certificates as PEM.
        """

    def known_extensions(self, version: Version | None) -> tuple[str, ...] | None:
        """Return the critical extensions that a root may have for this version; None for any.

        A root with another one is left out of what the tool is handed.
        """
        return None

    def masked(self, call: ToolCall) -> tuple[str, ...]:
        """Return the call's arguments as they may be shown, each secret as `***`."""
        # The program's name tells which of its short options are secret.
        words = (call.prefix[0], *call.arguments)
        return tools.secret_words.masked(words, self.SECRET_OPTIONS)[1:]


class Target(Record):
    """The tool as it was found: the call, the program's absolute path, and its version if known."""

    tool: Tool
    call: ToolCall
    path: str
    version: Version | None = None

    def argv(self, flags: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the tool's whole argv: the user's words in order, with `flags` among them."""
        return self._argv(flags, self.call.arguments)

    def shown(self, flags: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return argv as it may be shown, without the secrets among the user's words."""
        return self._argv(flags, self.tool.masked(self.call))

    def _argv(self, flags: tuple[str, ...], arguments: tuple[str, ...]) -> tuple[str, ...]:
        at = self.tool.flags_at(self.call)
        return (self.path, *self.call.prefix[1:], *arguments[:at], *flags, *arguments[at:])


def needs_gateway(fact: str, *command: str) -> ToolError:
    """Return the error for what the tool cannot be told by file; its hint names the gateway."""
    return ToolError(fact, hint=f"mtls-run --handoff gateway -- {' '.join(command)}")
