"""The places a profile may name for its passphrase."""

from __future__ import annotations

from mtls_run.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Union

    PassphraseSource = Union["FromKeyring", "FromPrompt", "FromCommand", "FromFile", "FromVariable"]


class FromKeyring(Record):
    """The user's keyring, asked at the terminal when it has none."""


class FromPrompt(Record):
    """The terminal, every time."""


class FromCommand(Record):
    """What a program prints."""

    argv: tuple[str, ...]


class FromFile(Record):
    """What a file holds that nobody else can read."""

    path: Path


class FromVariable(Record):
    """An environment variable, which the tool does not get to see."""

    name: str


def describe(source: PassphraseSource, account: str) -> str:
    """Return the source in words; `account` is the keyring's user name for this profile."""
    if isinstance(source, FromKeyring):
        return f"keyring (service mtls-run, user {account})"
    if isinstance(source, FromPrompt):
        return "prompt at the terminal"
    if isinstance(source, FromCommand):
        return f"command {source.argv[0]}"
    if isinstance(source, FromFile):
        return f"file {source.path}"
    return f"variable {source.name}"
