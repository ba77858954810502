"""Name the places that a profile may get its passphrase from."""

from __future__ import annotations

from mtls_run.system.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Union

    PassphraseSource = Union["FromKeyring", "FromPrompt", "FromCommand", "FromFile", "FromVariable"]


class FromKeyring(Record):
    """The user's keyring, and the terminal where the keyring has no passphrase."""


class FromPrompt(Record):
    """The terminal, every time."""


class FromCommand(Record):
    """The output of a program."""

    argv: tuple[str, ...]


class FromFile(Record):
    """The content of a file that nobody else can read."""

    path: Path


class FromVariable(Record):
    """An environment variable, which mtls-run removes for the tool."""

    name: str


def describe(source: PassphraseSource, account: str) -> str:
    """Return the source as messages name it; `account` is the keyring's user name."""
    if isinstance(source, FromKeyring):
        return f"keyring (service mtls-run, user {account})"
    if isinstance(source, FromPrompt):
        return "prompt at the terminal"
    if isinstance(source, FromCommand):
        return f"command {source.argv[0]}"
    if isinstance(source, FromFile):
        return f"file {source.path}"
    return f"variable {source.name}"
