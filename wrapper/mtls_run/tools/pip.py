"""pip: flags and variables, which commands use the network, and what each version needs."""

from __future__ import annotations

import os

import mtls_run
from mtls_run import tools
from mtls_run.errors import ToolError
from mtls_run.tools.base import PipScope, Tool, ToolCall, UserOverrides
from mtls_run.tools.command import BUNDLE_VARIABLES
from mtls_run.tools.options import abbreviates, before_dashes, value_of
from mtls_run.tools.python import program_name, split_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mtls_run.cache.dependencies import Dependencies
    from mtls_run.cache.launches import WithIdentity
    from mtls_run.identity.kind import KeyKind, Oddity
    from mtls_run.tools.base import Target, TlsFiles, Variables, Version
    from mtls_run.tools.proxies import Proxies

# Commands that never open a connection (pip 21.3 to 26.3). One that is not here is taken to.
_LOCAL = frozenset(
    ["cache", "check", "completion", "config", "debug", "freeze", "hash", "help", "inspect", "show"]
)
# pip's general options that take a value, as they may stand before the subcommand.
_WITH_VALUE = frozenset(
    [
        "--cache-dir",
        "--cert",
        "--client-cert",
        "--exists-action",
        "--keyring-provider",
        "--log",
        "--log-file",
        "--local-log",
        "--proxy",
        "--python",
        "--resume-retries",
        "--retries",
        "--timeout",
        "--default-timeout",
        "--trusted-host",
        "--use-deprecated",
        "--use-feature",
    ]
)
# pip 24.2 verifies by truststore, where --cert only adds to the system's roots and certifi's;
# legacy-certs makes it the whole set again. Before 24.2 pip ends with "invalid choice".
LEGACY_CERTS = "legacy-certs"
TRUSTSTORE_SINCE = (24, 2)


class Pip(Tool):
    """pip, pip3, pip3.N and `python -m pip`."""

    KIND = "pip"
    PROGRAMS = ("pip", "pip3")
    # PYTHON…: which pip an interpreter imports, and so its version.
    PREFIXES_READ = ("PIP_", "PYTHON")
    IDENTITY_VARIABLES = ("PIP_CLIENT_CERT",)

    def recognise(self, words: Sequence[str]) -> ToolCall | None:
        """Return the call where `words` call pip, pip3, pip3.N or `python … -m pip`."""
        name = program_name(words[0])
        if name in ("pip", "pip3") or (name.startswith("pip3.") and name[5:].isdigit()):
            length = 1
        else:
            module = split_module(words)
            if module is None or module[0] != "pip":
                return None
            length = module[1]
        return ToolCall(
            kind=self.KIND, prefix=tuple(words[:length]), arguments=tuple(words[length:])
        )

    def skip_reason(self, call: ToolCall, environ: Mapping[str, str]) -> str | None:
        """Return why this command uses no network, or None where it may use it."""
        before, command, after = _split(call.arguments)
        if command is None:
            return "pip without a command shows its help"
        if any(word in ("-V", "--version") for word in before):
            return "pip --version uses no network"
        if any(word in ("-h", "--help") for word in (*before, *before_dashes(after))):
            return "pip shows its help"
        if command in _LOCAL:
            return f"pip {command} uses no network"
        if command == "list" and not _asks_for_outdated(after, environ):
            return "pip list uses no network"
        if command == "uninstall" and not any("://" in word for word in after):
            return "pip uninstall uses no network"
        return None

    def pip_scope(self, call: ToolCall, path: str, rests_on: Dependencies) -> PipScope:
        """Return the scope of pip's own settings: the file of a virtual environment counts too.

        It counts for the environment's own pip alone: what a repository brings in `.venv/pip.conf`
        is nothing to uv.
        """
        environment = os.path.dirname(os.path.dirname(path))
        marker = os.path.join(environment, "pyvenv.cfg")
        rests_on.file(marker)
        return PipScope(
            command=_split(call.arguments)[1],
            environment=environment if os.path.isfile(marker) else None,
            isolated="--isolated" in call.arguments,
        )

    def overrides(self, call: ToolCall) -> UserOverrides:
        """Return the --cert and --client-cert among pip's arguments; the last of each counts."""
        return UserOverrides(
            cert=value_of("--cert", 4, call.arguments),
            client_cert=value_of("--client-cert", 4, call.arguments),
        )

    def proxies(self, target: Target, environ: Mapping[str, str], directory: Path) -> Proxies:
        """Return the proxies of this pip: --proxy, its settings, or the variables."""
        flag = value_of("--proxy", 6, target.call.arguments)
        return tools.pip_proxy.of_pip(self, target, flag, environ)

    def shared_variables(self, tls: TlsFiles, environ: Mapping[str, str]) -> Variables:
        """Return pip's variables; flags do not reach a pip that another program starts."""
        changes: Variables = {"PIP_CERT": tls.bundle, "PIP_CLIENT_CERT": tls.identity}
        # pip 22.2 to 24.1 would add the system's roots on `truststore`; later ones ignore it.
        features = environ.get("PIP_USE_FEATURE", "").split()
        if "truststore" in features:
            features.remove("truststore")
            changes["PIP_USE_FEATURE"] = " ".join(features) or None
        if tls.proxy is not None:
            changes["PIP_PROXY"] = None  # it would beat HTTPS_PROXY (pip 23.3 to 26.3)
        return changes

    def own_variables(
        self,
        version: Version | None,
        tls: TlsFiles,
        overrides: UserOverrides,
        environ: Mapping[str, str],
    ) -> Variables:
        """Return what pip alone needs: legacy-certs for its children, nothing that beats a --cert.

        pip's build-isolation child is not handed the flag (source, 26.3), but reads the variable.
        """
        if overrides.cert is not None:
            return dict.fromkeys(BUNDLE_VARIABLES)
        if tls.bundle is None or not _has_truststore(version):
            return {}
        deprecated = environ.get("PIP_USE_DEPRECATED", "").split()
        if LEGACY_CERTS not in deprecated:
            deprecated.append(LEGACY_CERTS)
        return {"PIP_USE_DEPRECATED": " ".join(deprecated)}

    def flags(
        self, version: Version | None, tls: TlsFiles, overrides: UserOverrides
    ) -> tuple[str | WithIdentity, ...]:
        """Return --cert, --client-cert and --use-deprecated where the user has not given them.

        Flags and not variables alone, because --isolated drops variables and not flags.
        """
        given: list[str | WithIdentity] = []
        if tls.bundle is not None and overrides.cert is None:
            given += ["--cert", tls.bundle]
            if _has_truststore(version):
                given.append(f"--use-deprecated={LEGACY_CERTS}")
        if tls.identity is not None and overrides.client_cert is None:
            given += ["--client-cert", tls.identity]
        return tuple(given)

    def version_matters(self, tls: TlsFiles) -> bool:
        """Tell whether roots are handed on: pip means them otherwise since 24.2."""
        return tls.bundle is not None or tls.native

    def parse_version(self, output: str) -> Version | None:
        """Return the version in `pip 26.3 from /…/pip (python 3.13)`."""
        words = output.split()
        if len(words) < 2 or words[0] != "pip":  # noqa: PLR2004 - the name and the number
            return None
        # A leading number is enough of each part: 24.1b2 is 24.1.
        parts: list[int] = []
        for part in words[1].split("."):
            digits = part[: len(part) - len(part.lstrip("0123456789"))]
            if not digits or len(digits) > 9:  # noqa: PLR2004 - no version has such a number
                break
            parts.append(int(digits))
            if digits != part:
                break
        return tuple(parts) or None

    def version_rests_on(
        self, call: ToolCall, path: str, answer: str, environ: Mapping[str, str]
    ) -> Dependencies | None:
        """Return what decides which pip is imported, absent files included."""
        return tools.pip_version.rests_on(call, path, answer, environ)

    def check(self, version: Version | None, tls: TlsFiles, key: KeyKind | None) -> None:
        """Raise ToolError where this pip cannot verify as the profile says.

        A pip since before 21.3 can use every identity that it is handed as a file. The system's own
        verifier (macOS, Windows) is no file, and pip uses it since 24.2.
        """
        if tls.native and tls.bundle is None and version and not _has_truststore(version):
            shown = ".".join(map(str, version))
            raise ToolError(
                f"pip {shown} cannot use the operating system's verifier; pip 24.2 and newer can",
                hint='upgrade pip, or use the public roots: roots = "public"',
                code="tool-too-old",
            )

    def check_certificates(
        self,
        target: Target,
        oddities: Sequence[Oddity],
        certificates: Callable[[], bytes],
        environ: Mapping[str, str],
    ) -> None:
        """Raise ToolError where the OpenSSL of pip's own Python refuses a weak certificate.

        Debian's Python has security level 2, others level 1 or what openssl.cnf says, and OpenSSL
        3.0 counts SHA-1 for less than 1.1.1 did. So that Python is asked.
        """
        kinds = mtls_run.identity.kind
        weak = [one for one in oddities if one.kind in (kinds.DIGEST, kinds.SHORT_RSA)]
        if not weak:
            return
        pip_python = tools.pip_python
        python = pip_python.find(target.call, target.path, environ)
        answer = python and python.ask({"certificates": certificates().decode("ascii")}, environ)
        if not answer or answer["done"] or answer["reason"] not in pip_python.WEAK:
            return
        culprit = pip_python.culprit(answer["reason"], weak)
        what = f"is signed with {culprit.value}"
        if culprit.kind == kinds.SHORT_RSA:
            what = f"has a key of RSA {culprit.value}"
        raise ToolError(
            f"pip cannot present the identity: {culprit.whose} {what}, which {answer['openssl']} "
            f"of its Python {answer['python']} refuses",
            hint="ask your PKI for certificates signed with SHA-256, of keys of RSA 2048 or more",
            code="identity-weak",
        )


TOOL = Pip()


def _has_truststore(version: Version | None) -> bool:
    return version is not None and version >= TRUSTSTORE_SINCE


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], str | None, Sequence[str]]:
    """Return the general options, the subcommand or None, and the subcommand's own words."""
    index = 0
    while index < len(arguments) and arguments[index].startswith("-"):
        index += 2 if _takes_next(arguments[index]) else 1
    if index >= len(arguments):
        shown = any(word in ("-V", "--version") for word in arguments)
        return arguments, "help" if shown else None, ()
    return arguments[:index], arguments[index], arguments[index + 1 :]


def _takes_next(word: str) -> bool:
    """Tell whether the next word is this option's value."""
    if "=" in word or not word.startswith("--"):
        return False
    return any(abbreviates(word, option, 4) for option in _WITH_VALUE)


def _asks_for_outdated(words: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Tell whether `pip list` compares with the index: -o, -u, or a prefix of the long names."""
    if environ.get("PIP_OUTDATED") or environ.get("PIP_UPTODATE"):
        return True
    for word in before_dashes(words):
        if word.startswith("--"):
            if abbreviates(word, "--outdated", 3) or abbreviates(word, "--uptodate", 4):
                return True
        elif word.startswith("-") and ("o" in word or "u" in word):
            return True
    return False
