"""Any other program after `--`. It gets the variables of all tools and no flag."""

from __future__ import annotations

from mtls_run.tools import tox
from mtls_run.tools.base import Tool, ToolCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.tools.base import TlsFiles, Variables

# Requests reads these two in this order, and curl the second. In pip they beat --cert (pip #10147).
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# Most programs read both spellings; curl and wget read http_proxy in lower case alone.
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
_OTHER_PROXY_VARIABLES = ("ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
# Node adds the first to its own roots. npm replaces them by the second, where it is set in any of
# its files the first counts no more (npm 11.19.1). cargo hands the third to libcurl.
_FURTHER_BUNDLES = ("NODE_EXTRA_CA_CERTS", "npm_config_cafile", "CARGO_HTTP_CAINFO")
# A setting in an npmrc would beat HTTPS_PROXY.
_NPM_PROXIES = ("npm_config_https_proxy", "npm_config_proxy")


class Command(Tool):
    """A program that mtls-run knows nothing of, so that each of its calls may use the network."""

    KIND = "command"
    VARIABLES_READ = (*BUNDLE_VARIABLES, "PATH", tox.OVERRIDE)  # poetry is told to use git on PATH

    def recognise(self, words: Sequence[str]) -> ToolCall | None:
        """Return the call of the program that is the first word."""
        return ToolCall(kind=self.KIND, prefix=tuple(words[:1]), arguments=tuple(words[1:]))

    def publishes(self, call: ToolCall) -> bool:
        """Return True: what a program may send is not known."""
        return True

    def shared_variables(self, tls: TlsFiles, environ: Mapping[str, str]) -> Variables:
        """Return the variables for requests, curl, npm and cargo.

        npm takes an identity for a registry alone, so it gets one where the hosts are known. The
        gateway takes the place of the user's own proxies, and honours them itself.
        """
        changes: Variables = dict.fromkeys((*BUNDLE_VARIABLES, *_FURTHER_BUNDLES), tls.bundle)
        if tls.identity is not None:
            for host in tls.hosts:
                for name in ("certfile", "keyfile"):
                    changes[f"npm_config_//{host}/:{name}"] = tls.identity
        if tls.proxy is not None:
            changes.update(dict.fromkeys((*_PROXY_VARIABLES, *_NPM_PROXIES), tls.proxy))
            changes.update(dict.fromkeys(_OTHER_PROXY_VARIABLES))
            changes["npm_config_noproxy"] = "none.invalid"  # npm passes over an empty one
        return changes


TOOL = Command()
