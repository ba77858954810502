"""Private files that killed runs left: where they may be, and whether there are any.

Every run asks, so that this module imports little; `private_file` removes them.
"""

from __future__ import annotations

import os
import sys

from mtls_run.system import dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GATE = ".gate"


def places_in_memory(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the directories to try for a private file, so that no disk sees the key."""
    if sys.platform.startswith("linux"):
        runtime = environ.get("XDG_RUNTIME_DIR", "")
        if runtime.startswith("/"):
            yield os.path.join(runtime, "mtls-run")
        yield f"/dev/shm/mtls-run-{os.geteuid()}"  # noqa: S108 - lstat'ed, 0700


def sweep(environ: Mapping[str, str]) -> None:
    """Remove what killed runs left, if there is anything."""
    cached = os.path.join(dirs.user("cache"), "handoff")
    if any(_has_entries(place) for place in (*places_in_memory(environ), cached)):
        from mtls_run.handoff import private_file  # noqa: PLC0415 - hardly ever

        private_file.sweep(environ)


def _has_entries(place: str) -> bool:
    try:
        return any(name != GATE for name in os.listdir(place))
    except OSError:
        return False
