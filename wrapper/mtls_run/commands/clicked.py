"""click, speaking as mtls-run speaks: status 125, one fact, a hint, no traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mtls_run.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(group: click.Command, name: str, arguments: Sequence[str], context: object) -> int:
    """Return the status of the command that `arguments` call; raises UsageError for wrong ones."""
    try:
        status = group.main(
            list(arguments), prog_name=f"mtls-run {name}", standalone_mode=False, obj=context
        )
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else f"mtls-run {name}"
        raise UsageError(error.format_message(), hint=f"{path} --help") from None
    except click.Abort:
        raise KeyboardInterrupt from None
    return status if isinstance(status, int) else 0
