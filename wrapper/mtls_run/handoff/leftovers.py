"""Private files that killed runs left: where they may be, and whether there are any.

Every run asks, so that this module imports little; `private_file` removes them.
"""

from __future__ import annotations

import os

from mtls_run.system import dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def sweep(environ: Mapping[str, str]) -> None:
    """Remove what killed runs left, if there is anything."""
    cached = os.path.join(dirs.user("cache"), "handoff")
    if any(_has_entries(place) for place in (*dirs.in_memory(environ), cached)):
        from mtls_run.handoff import private_file  # noqa: PLC0415 - hardly ever

        private_file.sweep(environ)


def _has_entries(place: str) -> bool:
    try:
        return any(name != dirs.GATE for name in os.listdir(place))
    except OSError:
        return False
