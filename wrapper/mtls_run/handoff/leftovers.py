"""How an unlocked identity reaches the tool: `memfd` and exec, or `supervise` with a file.

Nothing is imported at this level: an identity that is handed on by its own path needs neither.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GATE = ".gate"


def places_in_memory(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the directories to try for a private file, so that no disk sees the key."""
    if sys.platform.startswith("linux"):
        runtime = environ.get("XDG_RUNTIME_DIR", "")
        if runtime.startswith("/"):
            yield os.path.join(runtime, "mtls-run")  # noqa: PTH118 - pathlib is slow to import
        yield f"/dev/shm/mtls-run-{os.geteuid()}"  # noqa: S108 - lstat'ed, 0700


def has_leftovers(environ: Mapping[str, str], cached: str) -> bool:
    """Tell whether there are private files, there or below the cache's directory `cached`."""
    for place in (*places_in_memory(environ), os.path.join(cached, "handoff")):  # noqa: PTH118
        try:
            if any(name != GATE for name in os.listdir(place)):  # noqa: PTH208
                return True
        except OSError:
            continue
    return False
