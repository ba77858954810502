"""`mtls-run profile …`: the profiles of the user's configuration, looked at and changed.

`show --brief` is for a shell's prompt: it is answered here, before anything slow is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtls_run.commands import Context


def run(arguments: Sequence[str], context: Context) -> int:
    """Return the status of the subcommand."""
    if _is_brief(arguments):
        from mtls_run.commands import profile_show  # noqa: PLC0415

        named = [word for word in arguments[1:] if word != "--brief"]
        return profile_show.brief(context, *named)
    from mtls_run.commands import clicked, profile_cli  # noqa: PLC0415

    return clicked.run(profile_cli.profile, "profile", arguments, context)


def _is_brief(arguments: Sequence[str]) -> bool:
    """Tell whether this is `show [NAME] --brief` and nothing else."""
    if list(arguments[:1]) != ["show"] or "--brief" not in arguments:
        return False
    others = [word for word in arguments[1:] if word != "--brief"]
    return len(others) <= 1 and not any(word.startswith("-") for word in others)
