"""`mtls-run profile …`: show and change the profiles of the user's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtls_run.commands import profile_show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtls_run.commands import Context


def run(arguments: Sequence[str], context: Context) -> int:
    """Return the status of the subcommand."""
    # A shell's prompt and its completion wait for these two, and need none of the imports below.
    if _is_brief(arguments):
        named = [word for word in arguments[1:] if word != "--brief"]
        return profile_show.brief(context, *named)
    if list(arguments) == ["list", "--names"]:
        return profile_show.names(context)
    from mtls_run.commands import profile_cli, runner  # noqa: PLC0415 - see above

    return runner.run(profile_cli.profile, "profile", arguments, context)


def _is_brief(arguments: Sequence[str]) -> bool:
    """Tell whether this is `show [NAME] --brief` and nothing else."""
    if list(arguments[:1]) != ["show"] or "--brief" not in arguments:
        return False
    others = [word for word in arguments[1:] if word != "--brief"]
    return len(others) <= 1 and not any(word.startswith("-") for word in others)
