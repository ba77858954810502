"""Any other program after `--`. It gets the variables of all tools and no flag."""

from __future__ import annotations

from mtls_run.tools.base import Tool, ToolCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.tools.base import TlsFiles, Variables

# Requests reads these two in this order, and curl the second. In pip they beat --cert (pip #10147).
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Command(Tool):
    """A program that mtls-run knows nothing of, so that each of its calls may use the network."""

    KIND = "command"
    VARIABLES_READ = BUNDLE_VARIABLES

    def recognise(self, words: Sequence[str]) -> ToolCall | None:
        """Return the call of the program that is the first word."""
        return ToolCall(kind=self.KIND, prefix=tuple(words[:1]), arguments=tuple(words[1:]))

    def shared_variables(self, tls: TlsFiles, environ: Mapping[str, str]) -> Variables:
        """Return the variables for requests and curl, which many programs are built on."""
        return dict.fromkeys(BUNDLE_VARIABLES, tls.bundle)


COMMAND = Command()
