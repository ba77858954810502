"""MTLS_RUN_NESTING: keep mtls-run, shims and wrappers from starting each other without end.

A program that PATH names as `uv` may be a script that calls mtls-run again, or a version manager's
shim that finds ours (asdf #2166). exec keeps the process id. A run in the process that an earlier
run became, with the same words, was therefore called back by that program, and takes the next one
on PATH. A child process is a run of its own: the variable has its depth, and the profiles whose
passphrase commands it is inside of.
"""

from __future__ import annotations

import os

from mtls_run.errors import PassphraseError, ToolError
from mtls_run.system.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.tools.base import ToolCall

VARIABLE = "MTLS_RUN_NESTING"
DEEPEST = 25
_FORM = "2"
_HEAD = 4096
_PRIME = 2**64 - 59  # the largest below 2**64


class _Value(Record):
    """The variable's value: which process became which program, how deep, and for which words.

    `count` and `checksum` are of the words, `profiles` those whose passphrase commands it is
    inside of, and `programs` those that the process became, one after the other.
    """

    process: str
    depth: int
    count: int
    checksum: str
    profiles: tuple[str, ...]
    programs: tuple[str, ...]

    def in_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment with this value."""
        numbers = (self.process, str(self.depth), str(self.count), self.checksum)
        fields = (_FORM, *numbers, ",".join(self.profiles), *self.programs)
        return {**environ, VARIABLE: os.pathsep.join(fields)}


class Nesting(Record):
    """The place of one run among others: `depth` counts the runs around it.

    `begun` tells whether anything is counted yet: a shim, a shell wrapper or a script begins it.
    `called_back_by` has the programs that called this process back.
    """

    begun: bool
    depth: int
    called_back_by: tuple[str, ...]
    profiles: tuple[str, ...]
    words: tuple[str, ...]

    def enter(self, path: str, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Return the environment for the program at `path`, which this process becomes or starts.

        It stays as it is for a program that cannot call mtls-run back.
        """
        if not (self.begun or may_call_back(path)):
            return environ
        return _Value(
            str(os.getpid()),
            self.depth + 1,
            len(self.words),
            _checksum(self.words),
            self.profiles,
            (*self.called_back_by, path),
        ).in_environment(environ)


def read(call: ToolCall, environ: Mapping[str, str], *, wrapped: bool = False) -> Nesting:
    """Return the place of the run for this call, which a shim or a shell may have `wrapped`.

    Raises ToolError at a depth that nobody can intend.
    """
    words = (*call.prefix[1:], *call.arguments)
    found = _parse(environ)
    if found is None:
        return Nesting(begun=wrapped, depth=0, called_back_by=(), profiles=(), words=words)
    last = found.programs[-1]
    if found.depth >= DEEPEST:
        raise ToolError(
            f"mtls-run was started {found.depth} times inside itself, by {last} the last time",
            hint=f"see what it calls, or name the program itself: mtls-run PATH-OF-{_name(call)}",
        )
    # A wrapper may put words before those that it was given.
    same_words = _checksum(words[max(0, len(words) - found.count) :]) == found.checksum
    same_words = same_words and len(words) >= found.count
    same_name = os.path.basename(last) == _name(call)
    called_back = found.process == str(os.getpid()) and same_name and same_words
    return Nesting(
        begun=True,
        depth=found.depth,
        called_back_by=found.programs if called_back else (),
        profiles=found.profiles,
        words=words,
    )


def enter_passphrase_command(
    profile: str, program: str, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment for the passphrase command of a profile, which starts `program`.

    `profile` is the profile's label. Raises PassphraseError inside of that very command.
    """
    if is_inside(profile, environ):
        raise PassphraseError(
            f"the passphrase command of {profile} starts mtls-run, "
            f"which needs the passphrase of {profile}",
            hint="name the command's program by its path, or turn mtls-run off for it: "
            f'command = ["env", "MTLS_RUN_DISABLE=1", "{program}", …]',
            code="passphrase-command-failed",
        )
    return enter_command(profile, program, environ)


def is_inside(command: str, environ: Mapping[str, str]) -> bool:
    """Tell whether this run was started by a command, named as for `enter_command`."""
    outer = _parse(environ)
    return outer is not None and _mark(command) in outer.profiles


def enter_command(command: str, program: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a command of the configuration, which starts `program`."""
    outer = _parse(environ) or _Value("", 0, 0, "", (), ())
    marks = (*outer.profiles, _mark(command))
    # No process has the number 0: what the command calls is always a run of its own.
    return _Value("0", outer.depth + 1, 0, "", marks, (program,)).in_environment(environ)


def _mark(command: str) -> str:
    """Return the command's name without the characters that separate fields."""
    return command.replace(os.pathsep, " ").replace(",", " ")


def may_call_back(path: str) -> bool:
    """Tell whether the program could call mtls-run again with no shim in between.

    A script may. pip's own launcher and uv, which is no script, cannot: what they start goes
    through a shim at most, where counting begins.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return True
    first, _, rest = head.partition(b"\n")
    if not first.startswith(b"#!"):
        return False
    return b"python" not in first or b"mtls-run" in rest or b"mtls_run" in rest


def _parse(environ: Mapping[str, str]) -> _Value | None:
    """Return what the variable says, or None where mtls-run did not write it."""
    form, *fields = environ.get(VARIABLE, "").split(os.pathsep)
    if form != _FORM or len(fields) < 6:  # noqa: PLR2004 - at least one program
        return None
    process, depth, count, checksum, profiles, *programs = fields
    if not (_is_number(depth) and _is_number(count)):
        return None
    inside = tuple(profiles.split(",")) if profiles else ()
    return _Value(process, int(depth), int(count), checksum, inside, tuple(programs))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10  # noqa: PLR2004 - as we write it


def _name(call: ToolCall) -> str:
    return os.path.basename(call.prefix[0])


def _checksum(words: tuple[str, ...]) -> str:
    # A remainder: importing a hash costs as much as the rest of this module.
    number = int.from_bytes("\0".join(words).encode("utf-8", "surrogateescape"), "big")
    return str(number % _PRIME)
