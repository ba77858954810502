"""MTLS_RUN_TRAIL: what keeps mtls-run, shims and wrappers from starting each other for ever.

A program that PATH names as `uv` may be a script that calls mtls-run again, or a version manager's
shim that comes upon ours (asdf #2166). exec keeps the process's number: who is this very process,
called again for the same words, was led back by what it had become, and takes the next one on
PATH. What was started as a child is a run of its own; of these the depth is counted.
"""

from __future__ import annotations

import os

from mtls_run.errors import ToolError
from mtls_run.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.tools.base import ToolCall

VARIABLE = "MTLS_RUN_TRAIL"
DEEPEST = 25
_FORM = "1"
# The form, the process, the depth, how many words followed the program, and their checksum.
_FIELDS = 5
_HEAD = 4096


class Trail(Record):
    """`led_back` has the programs that led back here; `depth` counts the runs around this one.

    `begun` tells that there is a trail already, or that it starts here, at a shim or a wrapper.
    """

    begun: bool
    depth: int
    led_back: tuple[str, ...]
    words: tuple[str, ...]

    def followed(self, path: str, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Return the environment for the program at `path`, which is the next on the trail.

        It stays as it is for a program that nobody has to look after.
        """
        if not (self.begun or may_lead_back(path)):
            return environ
        fields = (_FORM, str(os.getpid()), str(self.depth + 1), *_sum(self.words))
        return {**environ, VARIABLE: os.pathsep.join((*fields, *self.led_back, path))}


def may_lead_back(path: str) -> bool:
    """Tell whether the program could call mtls-run again with nothing of ours in between.

    A script may. pip's own launcher and uv, which is no script, cannot: what they start goes
    through a shim at most, and there the trail begins.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(_HEAD)
    except OSError:
        return True
    first, _, rest = head.partition(b"\n")
    if not first.startswith(b"#!"):
        return False
    return b"python" not in first or b"mtls-run" in rest or b"mtls_run" in rest


def read(call: ToolCall, environ: Mapping[str, str], *, wrapped: bool = False) -> Trail:
    """Return the trail that leads to this call, which was `wrapped` by a shim or by a shell.

    Raises ToolError where mtls-run stands inside itself more often than anybody can mean.
    """
    words = (*call.prefix[1:], *call.arguments)
    fields = environ.get(VARIABLE, "").split(os.pathsep)
    form, process, depth, count, checksum, *passed = fields if len(fields) > _FIELDS else [""] * 6
    if form != _FORM or not (_is_number(depth) and _is_number(count)):
        return Trail(begun=wrapped, depth=0, led_back=(), words=words)
    if int(depth) >= DEEPEST:
        raise ToolError(
            f"mtls-run was started {depth} times inside itself, by {passed[-1]} the last time",
            hint=f"see what it calls, or name the program itself: mtls-run PATH-OF-{_name(call)}",
        )
    # A wrapper may put words before those that it was given.
    same_words = _sum(words[max(0, len(words) - int(count)) :]) == (count, checksum)
    same_name = os.path.basename(passed[-1]) == _name(call)  # noqa: PTH119 - as in `executables`
    led_back = process == str(os.getpid()) and same_name and same_words
    return Trail(
        begun=True, depth=int(depth), led_back=tuple(passed) if led_back else (), words=words
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10  # noqa: PLR2004 - as we write it


def _name(call: ToolCall) -> str:
    return os.path.basename(call.prefix[0])  # noqa: PTH119


def _sum(words: tuple[str, ...]) -> tuple[str, str]:
    from binascii import crc32  # noqa: PLC0415 - few runs have a trail

    joined = "\0".join(words).encode("utf-8", "surrogateescape")
    return str(len(words)), str(crc32(joined))
