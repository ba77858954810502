"""What belongs to somebody else: made where root runs the tests, not to be had elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

STRANGER = 65534
"""A user id, and a group's, that is neither root's nor that of who runs the tests."""


def give_away(*paths: Path) -> bool:
    """Make the paths somebody else's and tell whether that could be: it takes root.

    A link is given away itself. What an ordinary user's test asserts then is the other half: that
    the same thing, being the user's own, is ordinary.
    """
    if os.geteuid() != 0:
        return False
    for path in paths:
        os.lchown(path, STRANGER, STRANGER)
    return True


def sees_everything() -> bool:
    """Tell whether modes do not keep the user who runs the tests out."""
    return os.geteuid() == 0
