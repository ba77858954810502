"""`mtls-run profile …`: show and change the profiles of the user's configuration."""

from __future__ import annotations

from collections.abc import Sequence

from mtls_run import commands
from mtls_run.commands import Context, profile_show

_BRIEF = ("--brief", "-v", "--verbose")


def run(arguments: Sequence[str], context: Context) -> int:
    """Return the status of the subcommand."""
    # A shell's prompt and its completion wait for these two, and need none of the modules below.
    if _is_brief(arguments):
        named = [word for word in arguments[1:] if word not in _BRIEF]
        verbose = context.options.verbose or not {"-v", "--verbose"}.isdisjoint(arguments)
        return profile_show.brief(context, *named, with_state=verbose)
    if list(arguments) == ["list", "--names"]:
        return profile_show.names(context)
    return commands.runner.run(commands.profile_cli.profile, arguments, context)


def _is_brief(arguments: Sequence[str]) -> bool:
    """Tell whether this is `show [NAME] --brief [-v]` and nothing else."""
    if list(arguments[:1]) != ["show"] or "--brief" not in arguments:
        return False
    others = [word for word in arguments[1:] if word not in _BRIEF]
    return len(others) <= 1 and not any(word.startswith("-") for word in others)
