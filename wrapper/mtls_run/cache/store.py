"""The user's cache: public matter, in a directory of its own that nobody else may enter.

Nothing kept here is ever needed: where it cannot be written, the run costs more and is the same.
(The one secret that may have to pass through is handoff.private_file's, where there is no memory
to put it in.)
"""

from __future__ import annotations

import os
from pathlib import Path

from mtls_run.system import dirs
from mtls_run.system.files import private_directory


def expected(name: str) -> Path:
    """Return where the directory `name` is, whether it is there or not."""
    return Path(dirs.user("cache")) / name


def directory(name: str) -> Path:
    """Return the directory `name` in mtls-run's own cache, made where it is missing.

    Raises OSError where it cannot be had, or is not the user's alone.
    """
    path = expected(name)
    if not path.is_absolute():  # without a home, `~` is left as it stands
        raise FileNotFoundError(2, os.strerror(2), str(path))
    private_directory(path.parent)
    if path.is_symlink():  # what is old here is removed, and that is nowhere else
        raise NotADirectoryError(20, "it is a link", str(path))
    return private_directory(path)
