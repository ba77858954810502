"""Directories of mtls-run: the user's configuration, cache and state, and places in memory.

On Linux platformdirs would cost most of a Python start, so the XDG base directory specification is
followed here; elsewhere platformdirs is asked. A test compares the two.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "mtls-run"
# The lock of a directory of private files.
GATE = ".gate"
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
        found = _from_platformdirs(f"user_{kind}_dir")
        # platformdirs has one directory there for the configuration, the data and the state, and
        # `uninstall` removes the state alone.
        return os.path.join(found, "State") if kind == "state" else found
    base = os.environ.get(f"XDG_{kind.upper()}_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), _DEFAULTS[kind])
    return os.path.join(base, NAME)


def site_config() -> str:
    """Return the directory of the configuration that all users of this machine share."""
    if not sys.platform.startswith("linux"):
        return _from_platformdirs("site_config_dir")
    return "/etc/mtls-run"


def _from_platformdirs(kind: str) -> str:
    import platformdirs  # noqa: PLC0415 - see above

    return str(getattr(platformdirs, kind)(NAME, appauthor=False))


def in_memory(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the directories to try for a private file, so that no disk sees the key."""
    if sys.platform.startswith("linux"):
        runtime = environ.get("XDG_RUNTIME_DIR", "")
        if runtime.startswith("/"):
            yield os.path.join(runtime, "mtls-run")
        yield f"/dev/shm/mtls-run-{os.geteuid()}"  # noqa: S108 - lstat'ed, 0700


def has_leftovers(environ: Mapping[str, str]) -> bool:
    """Tell whether a directory of private files has any: a run in progress has, or a killed one."""
    cached = os.path.join(user("cache"), "handoff")
    return any(_has_entries(place) for place in (*in_memory(environ), cached))


def _has_entries(directory: str) -> bool:
    try:
        return any(name != GATE for name in os.listdir(directory))
    except OSError:
        return False
