"""The one exception root: one fact with its origin, a hint, a code, and the status it ends with."""

from __future__ import annotations

FAILED = 125  # mtls-run itself failed, usage errors included
NOT_EXECUTABLE = 126
NOT_FOUND = 127
INTERRUPTED = 130


class MtlsRunError(Exception):
    """Something that stops the run before the tool starts.

    `fact` says what is wrong, with its origin; `hint` says how to mend it; `status` is the
    exit status; `code` is the finding of `doctor.findings` that this is, or None for what is no
    matter of the set-up. None may carry a secret: raise `from None` where a cause could.
    """

    code: str | None = None

    def __init__(
        self, fact: str, *, hint: str, status: int = FAILED, code: str | None = None
    ) -> None:
        super().__init__(fact)
        self.fact = fact
        self.hint = hint
        self.status = status
        if code is not None:
            self.code = code


def state(code: str | None) -> str:
    """Return a finding's code as a short state, for a cell of a table: `key mismatch`."""
    return (code or "unusable").removeprefix("identity-").replace("-", " ")


class UsageError(MtlsRunError):
    """The command line is wrong."""


class ConfigurationError(MtlsRunError):
    """A configuration file or variable says something that mtls-run cannot take."""

    code = "config-invalid"


class IdentityError(MtlsRunError):
    """The client certificate or its key cannot work."""

    code = "identity-unrecognised"


class WrongPassphraseError(IdentityError):
    """The passphrase does not open the key; another one may."""

    code = "passphrase-wrong"


class PassphraseError(MtlsRunError):
    """No passphrase can be had from where the profile says it is."""

    code = "passphrase-missing"


class RootsError(MtlsRunError):
    """The set of trusted roots cannot be made."""

    code = "roots-empty"


class ToolError(MtlsRunError):
    """The tool is not there, cannot be started, or cannot do what the profile needs."""

    code = "tool-failed"


class HandoffError(MtlsRunError):
    """The unlocked identity cannot be handed to the tool."""

    code = "handoff-failed"
