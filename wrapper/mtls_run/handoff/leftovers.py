"""The places of private files, and whether a killed run has left any.

This module is separate from `private_file` since every run asks, and hardly any finds one.
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
            yield os.path.join(runtime, "mtls-run")
        yield f"/dev/shm/mtls-run-{os.geteuid()}"  # noqa: S108 - lstat'ed, 0700


def has_leftovers(environ: Mapping[str, str], cached: str) -> bool:
    """Tell whether there are private files, there or below the cache's directory `cached`."""
    for place in (*places_in_memory(environ), os.path.join(cached, "handoff")):
        try:
            if any(name != GATE for name in os.listdir(place)):
                return True
        except OSError:
            continue
    return False
