"""curl: flags alone, since it reads no client certificate from a variable."""

from __future__ import annotations

import os
import sys

from mtls_run.tools.base import Tool, ToolCall, UserOverrides
from mtls_run.tools.python import program_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mtls_run.cache.launches import WithIdentity
    from mtls_run.tools.base import TlsFiles, Version

# curl's short options that take a value (7.61 to 8.17); -h may.
_SHORT_WITH_VALUE = "AbcCdDeEFHKmoPQrtTuUwxXyYz"
_SHOWS = ("-h", "--help", "-M", "--manual", "-V", "--version")


class Curl(Tool):
    """curl. What it sends is the user's choice, so nothing is refused."""

    KIND = "curl"
    PROGRAMS = ("curl",)
    # A header may be `Authorization`, and a passphrase may follow the certificate's path.
    SECRET_OPTIONS = (
        *("-u", "--user", "-U", "--proxy-user", "-H", "--header", "-b", "--cookie"),
        *("-E", "--cert", "--oauth2-bearer", "--aws-sigv4"),
    )

    def recognise(self, words: Sequence[str]) -> ToolCall | None:
        """Return the call where `words` call curl.

        curl reads no .curlrc where -q is its first argument, so no flag may stand before it.
        """
        if program_name(words[0]) != "curl":
            return None
        length = 1 + (len(words) > 1 and _disables(words[1]))
        return ToolCall(
            kind=self.KIND, prefix=tuple(words[:length]), arguments=tuple(words[length:])
        )

    def skip_reason(self, call: ToolCall, environ: Mapping[str, str]) -> str | None:
        """Return why this call uses no network, or None where it may use it."""
        if not call.arguments or call.arguments[0] in _SHOWS:
            return "curl shows its help or its version"
        return None

    def publishes(self, call: ToolCall) -> bool:
        """Return True: the user says what curl sends."""
        return True

    def overrides(self, call: ToolCall) -> UserOverrides:
        """Return --cacert, and --cert or -E without the passphrase that may follow it."""
        given = dict(_options(call.arguments))
        own = given.get("--cert")
        return UserOverrides(
            cert=given.get("--cacert") or given.get("--capath"),
            client_cert=None if own is None else _without_passphrase(own),
        )

    def flags(
        self, version: Version | None, tls: TlsFiles, overrides: UserOverrides
    ) -> tuple[str | WithIdentity, ...]:
        """Return --cert, --cacert and --capath. The last of each counts, so the user's own wins.

        Debian's curl adds /etc/ssl/certs to --cacert, where --capath names nothing (7.88.1).
        """
        found: list[str | WithIdentity] = []
        if tls.bundle is not None and overrides.cert is None:
            found += ["--cacert", tls.bundle]
            if sys.platform.startswith("linux"):
                found += ["--capath", os.devnull]
        if tls.identity is not None and overrides.client_cert is None:
            path = tls.identity
            # A colon ends the path: the passphrase follows.
            found += ["--cert", path.replace(":", "\\:") if isinstance(path, str) else path]
        return tuple(found)

    def parse_version(self, output: str) -> Version | None:
        """Return the version in `curl 7.88.1 (x86_64-pc-linux-gnu) …`."""
        name, _, rest = output.partition(" ")
        numbers = rest.partition(" ")[0].partition("-")[0].split(".")
        if name != "curl" or not all(one.isascii() and one.isdigit() for one in numbers):
            return None
        return tuple(map(int, numbers))


TOOL = Curl()


def _disables(word: str) -> bool:
    """Tell whether it is --disable, -q, or short options that begin with q and take no value."""
    is_short = word[:2] == "-q" and not any(letter in _SHORT_WITH_VALUE for letter in word)
    return word == "--disable" or is_short


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield --cert, --cacert and --capath, each with its value."""
    words = iter(arguments)
    for word in words:
        if word in ("--cert", "--cacert", "--capath"):
            yield word, next(words, "")
        elif word[:1] == "-" and word[1:2] != "-":
            at = next((n for n, one in enumerate(word) if one in _SHORT_WITH_VALUE), None)
            if at is not None:
                value = word[at + 1 :] or next(words, "")
                if word[at] == "E":
                    yield "--cert", value


def _without_passphrase(text: str) -> str:
    """Return the path in `FILE:PASSPHRASE`; a backslash keeps a colon in the path."""
    path = text.replace("\\:", "\0").partition(":")[0]
    return path.replace("\0", ":")
