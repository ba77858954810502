"""`mtls-run forget`: forget every identity that `remember` keeps unlocked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mtls_run.commands import Context, runner, say
from mtls_run.identity import remembered

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(arguments: Sequence[str], context: Context) -> int:
    """Return the status of `forget`."""
    return runner.run(forget, "forget", arguments, context)


@click.command(cls=runner.Command)
def forget() -> None:
    """Forget every identity that this login session keeps unlocked.

    `remember = "8h"` in a profile keeps them in the session keyring of the kernel. A tool that is
    running keeps the identity that it was handed.
    """
    count = remembered.forget()
    say(f"forgot {count} unlocked identit{'y' if count == 1 else 'ies'}")
