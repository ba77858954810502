"""Run the command of an identity, or of its renewal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtls_run.errors import IdentityError
from mtls_run.identity.source import LARGEST
from mtls_run.identity.validity import utc_now
from mtls_run.system import programs, progress, recursion_guard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.config.profile import Profile
    from mtls_run.system.command import Command

PATIENCE = 30.0
IDENTITY, RENEWAL = "identity-command-failed", "renewal-failed"


def output(
    command: Command,
    said: str,
    profile: Profile,
    environ: Mapping[str, str],
    *,
    quiet: bool,
    code: str = IDENTITY,
    by_hand: bool = False,
) -> bytes:
    """Return what the command prints; its stderr is passed on as it comes.

    `said` is where the configuration names it; `by_hand` tells that a person runs it. Without
    `quiet`, a terminal is told of a slow one. It gets no stdin, and none of the variables that hold
    a passphrase of the profile. Raises IdentityError where it fails or takes longer than 30 s.
    """
    kind = "identity" if code == IDENTITY else "renewal"
    named = f"the {kind} command `{command.program}`, {said},"
    if is_inside(code, profile, environ):
        raise IdentityError(
            f"{named} starts mtls-run, which needs what the command is to give",
            hint="name the command's program by its path, or turn mtls-run off for it: "
            f'command = ["env", "MTLS_RUN_DISABLE=1", "{command.program}", …]',
            code=code,
        )
    hidden = profile.passphrase_variables
    environ = {name: value for name, value in environ.items() if name not in hidden}
    within = recursion_guard.enter_command(_mark(code, profile), command.program, environ)
    waiting = f"waiting for the {kind} command `{command.program}`"
    try:
        with progress.announced(waiting, quiet=quiet):
            return programs.run(
                command.argv, within, seconds=PATIENCE, largest=LARGEST, reads_stderr=True
            )
    except programs.ProgramError as error:
        last = f": {error.last_line}" if error.last_line else ""
        raise IdentityError(
            f"{named} {error.reason}{last}", hint=_hint(error, profile, by_hand=by_hand), code=code
        ) from None


def is_inside(code: str, profile: Profile, environ: Mapping[str, str]) -> bool:
    """Tell whether this run was started by that command of the profile."""
    return recursion_guard.is_inside(_mark(code, profile), environ)


def clock_hint() -> str:
    """Return the hint where what a command has just given is expired."""
    return f"check this machine's clock, which says {utc_now():%Y-%m-%d %H:%M} UTC, and the command"


def _mark(code: str, profile: Profile) -> str:
    return f"{code} {profile.label}"


def _hint(error: programs.ProgramError, profile: Profile, *, by_hand: bool) -> str:
    if error.kind == programs.START:
        return "name an existing program; no shell reads the command"
    command = f"mtls-run profile renew {profile.name or ''}".rstrip()
    if error.kind == programs.SIZE:
        return "print the certificate, its chain and the key, and nothing else"
    if error.kind == programs.TIME:
        return f"see what it waits for (it has no stdin): {command}"
    if by_hand:
        return "see what it printed above, or run it without mtls-run"
    return f"run it by hand to see why: {command}"
