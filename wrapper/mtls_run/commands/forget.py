"""`mtls-run forget`: forget every identity that `remember` keeps unlocked."""

from __future__ import annotations

import click

from mtls_run.commands import runner, say
from mtls_run.identity import remembered


@click.command(cls=runner.Command)
def forget() -> None:
    """Forget every identity that this login session keeps unlocked.

    `remember = "8h"` in a profile keeps them in the session keyring of the kernel. A tool that is
    running keeps the identity that it was handed.
    """
    count = remembered.forget()
    say(f"forgot {count} unlocked identit{'y' if count == 1 else 'ies'}")


run = runner.entry(forget)
