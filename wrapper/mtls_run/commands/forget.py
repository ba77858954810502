"""`mtls-run forget`: forget every identity that `remember` keeps unlocked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mtls_run.commands import Context, clicked
from mtls_run.commands.profile_show import say
from mtls_run.identity import remembered

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(arguments: Sequence[str], context: Context) -> int:
    """Return the status of `forget`."""
    return clicked.run(forget, "forget", arguments, context)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def forget() -> None:
    """Forget every identity that this login session keeps unlocked.

    They are what `remember = "8h"` in a profile keeps in the kernel's session keyring. What a tool
    that runs now was handed stays with it.
    """
    count = remembered.forget()
    say(f"forgot {count} unlocked identit{'y' if count == 1 else 'ies'}")
