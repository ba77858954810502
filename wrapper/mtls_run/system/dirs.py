"""Where the user's configuration, cache and state are: platformdirs' places.

On Linux that is a line of the XDG base directory specification, and importing platformdirs would
cost most of a Python start; elsewhere it is asked. A test compares the two.
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
    """Return the directory for `config`, `cache`, `state` or `data`, there or not.

    Without a home, `~` is left as it stands.
    """
    if not sys.platform.startswith("linux"):
        import platformdirs  # noqa: PLC0415 - see above

        found: str = getattr(platformdirs, f"user_{kind}_dir")(NAME, appauthor=False)
        return found
    base = os.environ.get(f"XDG_{kind.upper()}_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117 - and pathlib costs as much
        base = os.path.join(os.path.expanduser("~"), _DEFAULTS[kind])  # noqa: PTH111, PTH118
    return os.path.join(base, NAME)  # noqa: PTH118
