"""git: its settings by GIT_CONFIG_COUNT, which both `-c` and a setting for one host override.

GIT_SSL_CERT and GIT_SSL_CAINFO would beat them (git 2.39.5), and pre-commit 4.7.0 drops those.
"""

from __future__ import annotations

import os
import sys

from mtls_run import system, tools
from mtls_run.tools.base import Tool, ToolCall, UserOverrides
from mtls_run.tools.options import before_dashes, split
from mtls_run.tools.python import program_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mtls_run.cache.dependencies import Dependencies
    from mtls_run.cache.launches import WithIdentity
    from mtls_run.tools.base import TlsFiles, Variables, Version

    Settings = list[tuple[str, str | WithIdentity]]

# Commands that connect to nothing and run no hook. `status` may, in a partial clone, to follow a
# renamed file: prompts call it all the time, and git then names the URL that refused it.
_LOCAL = frozenset(
    [
        *("check-attr", "check-ignore", "check-ref-format", "config", "for-each-ref", "help"),
        *("init", "ls-files", "rev-parse", "show-ref", "status", "symbolic-ref", "var", "version"),
    ]
)
_WITH_VALUE = (
    *("-C", "-c", "--attr-source", "--config-env", "--git-dir", "--namespace"),
    *("--super-prefix", "--work-tree"),
)
# They beat the settings, also those of a user's `-c`.
_AMBIENT = (
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_CERT_PASSWORD_PROTECTED",
    "GIT_SSL_KEY",
)
_NAMES = ("sslcainfo", "sslcapath", "sslcert", "sslcertpasswordprotected", "sslkey")
_COUNT, _KEY, _VALUE = "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"
_COUNT_SINCE = (2, 31)
_MOST = 5  # digits of a count


class Git(Tool):
    """git. Each of its commands that connects may send: even `fetch` is a POST."""

    KIND = "git"
    PROGRAMS = ("git",)

    def recognise(self, words: Sequence[str]) -> ToolCall | None:
        """Return the call where `words` call git."""
        if program_name(words[0]) != "git":
            return None
        return ToolCall(kind=self.KIND, prefix=tuple(words[:1]), arguments=tuple(words[1:]))

    def skip_reason(self, call: ToolCall, environ: Mapping[str, str]) -> str | None:
        """Return why this command uses no network, or None where it may use it.

        A hook, an alias and a partial clone (`git log -p`) may use it in most commands.
        """
        before, command, after = split(call.arguments, _WITH_VALUE)
        if command is None or any(word in ("-h", "--help", "-v", "--version") for word in before):
            return "git shows its help or its version"
        if after[:1] and after[0] in ("-h", "--help"):
            return f"git {command} shows its help"
        return f"git {command} uses no network" if command in _LOCAL else None

    def publishes(self, call: ToolCall) -> bool:
        """Return True: git asks for objects by POST."""
        return True

    def overrides(self, call: ToolCall) -> UserOverrides:
        """Return http.sslCAInfo and http.sslCert, for a host or all, as `-c` sets them."""
        found: dict[str, str] = {}
        for setting in _settings_of(call.arguments):
            key, _, value = setting.partition("=")
            name = _ssl_name(key)
            if name is not None:
                found[name] = os.path.expanduser(value)
        return UserOverrides(cert=found.get("sslcainfo"), client_cert=found.get("sslcert"))

    def shared_variables(self, tls: TlsFiles, environ: Mapping[str, str]) -> Variables:
        """Return the settings, after those that GIT_CONFIG_COUNT has already."""
        return {**dict.fromkeys(_AMBIENT), **_appended(_settings(tls), environ)}

    def flags(
        self, version: Version | None, tls: TlsFiles, overrides: UserOverrides
    ) -> tuple[str | WithIdentity, ...]:
        """Return `-c` for each setting, for a git that does not read GIT_CONFIG_COUNT."""
        if version is None or version >= _COUNT_SINCE:
            return ()
        found: list[str | WithIdentity] = []
        for key, value in _settings(tls):
            if key.endswith(".proxy"):
                continue  # it has a secret, and HTTPS_PROXY says the same
            if isinstance(value, str):
                found += ["-c", f"{key}={value}"]
            else:
                found += ["-c", type(value)(f"{key}={value.text}")]
        return tuple(found)

    def ambient(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return the variables by which the user has set up git."""
        return tuple(name for name in _AMBIENT if environ.get(name))

    def version_matters(self, tls: TlsFiles) -> bool:
        """Tell whether anything is handed on: git reads GIT_CONFIG_COUNT since 2.31."""
        return tls.identity is not None or tls.bundle is not None

    def parse_version(self, output: str) -> Version | None:
        """Return the version in `git version 2.39.5 (Apple Git-154)` or `… 2.39.5.windows.1`."""
        words = output.split()
        if words[:2] != ["git", "version"] or len(words) < len(("git", "version", "2")):
            return None
        numbers: list[int] = []
        for part in words[2].split("."):
            if not (part.isascii() and part.isdigit() and len(part) <= _MOST):
                break
            numbers.append(int(part))
        return tuple(numbers) or None

    def version_rests_on(
        self, call: ToolCall, path: str, answer: str, environ: Mapping[str, str]
    ) -> Dependencies | None:
        """Return the binary; None for a script, which may choose another git each time."""
        return tools.version.of_binary(path, self.PROGRAMS)

    def masked(self, call: ToolCall) -> tuple[str, ...]:
        """Return the masked arguments; http.extraHeader is a secret too."""
        mask, shown = system.urls.MASK, super().masked(call)
        return tuple(
            f"{word.partition('=')[0]}={mask}" if "extraheader=" in word.lower() else word
            for word in shown
        )


TOOL = Git()


def by_setting(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a person: each setting of git by its key."""
    found: dict[str, str] = {}
    for name, value in variables.items():
        if name.startswith(_VALUE):
            found[f"git's {variables[_KEY + name[len(_VALUE) :]]}"] = value
        elif not name.startswith(_KEY) and name != _COUNT:
            found[name] = value
    return found


def _settings_of(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the settings of git's own `-c`, and of clone's, which it writes into the clone."""
    before, command, after = split(arguments, _WITH_VALUE)
    words = [*before, "", *(before_dashes(after) if command == "clone" else ())]
    for word, following in zip(words, (*words[1:], "")):
        if word in ("-c", "--config"):
            yield following
        elif word.startswith("--config="):
            yield word.partition("=")[2]


def _ssl_name(key: str) -> str | None:
    """Return which of _NAMES the key `http.NAME` or `http.URL.NAME` sets, or None."""
    start, _, name = key.lower().rpartition(".")
    is_http = start == "http" or start.startswith("http.")
    return name if is_http and name in _NAMES else None


def _settings(tls: TlsFiles) -> Settings:
    """Return the settings that hand `tls` to git.

    An identity with known hosts is set for these alone. All of its settings are, because a user's
    own http.sslKey would go with the profile's certificate.
    """
    urls = [f"https://{host}/." for host in tls.hosts]
    found: Settings = []
    # A user's setting for one host beats one for all. The gateway's CA has to be used there.
    for url in ("", *urls) if tls.proxy is not None else ("",):
        if tls.proxy is not None:
            found.append((f"http.{url}proxy", tls.proxy))
    for url in ("", *urls) if tls.proxy is not None else ("",):
        if tls.bundle is not None:
            found.append((f"http.{url}sslCAInfo", tls.bundle))
            if sys.platform.startswith("linux"):
                # Debian's libcurl adds /etc/ssl/certs to http.sslCAInfo (git 2.39.5, curl 7.88.1).
                found.append((f"http.{url}sslCAPath", os.devnull))
    for url in urls or ("",):
        if tls.identity is not None:
            found.append((f"http.{url}sslCert", tls.identity))
            found.append((f"http.{url}sslKey", tls.identity))
            found.append((f"http.{url}sslCertPasswordProtected", "false"))
    return found


def _appended(settings: Settings, environ: Mapping[str, str]) -> Variables:
    """Return the variables that add the settings to those of the environment.

    They replace the last ones there that are of the same kind: those of an outer mtls-run.
    """
    text = environ.get(_COUNT) or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST):
        return {}  # git ends with "bogus count"
    before = first = int(text)
    while first > 0 and _ssl_name(environ.get(f"{_KEY}{first - 1}", "")) is not None:
        first -= 1
    count = first + len(settings)
    if count == 0 == before:
        return {}
    changes: Variables = {_COUNT: str(count) if count else None}
    for index, (key, value) in enumerate(settings, first):
        changes[f"{_KEY}{index}"] = key
        changes[f"{_VALUE}{index}"] = value
    for index in range(count, before):
        changes[f"{_KEY}{index}"] = changes[f"{_VALUE}{index}"] = None
    return changes
