"""The directories of the user's configuration, cache and state, as platformdirs has them.

On Linux these are a line of the XDG base directory specification, and importing platformdirs costs
most of a Python start. Elsewhere platformdirs is asked. A test compares the two.
"""

from __future__ import annotations

import os
import sys

NAME = "mtls-run"
_DEFAULTS = {
    "config": ".config",
    "cache": ".cache",
    "state": ".local/state",
    "data": ".local/share",
}


def user(kind: str) -> str:
    """Return the directory for `config`, `cache`, `state` or `data`, which may be missing.

    Without a home directory the path begins with `~`.
    """
    if not sys.platform.startswith("linux"):
        import platformdirs  # noqa: PLC0415 - not on Linux

        found: str = getattr(platformdirs, f"user_{kind}_dir")(NAME, appauthor=False)
        return found
    base = os.environ.get(f"XDG_{kind.upper()}_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), _DEFAULTS[kind])
    return os.path.join(base, NAME)
