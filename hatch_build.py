"""How the program mtls-run gets into a wheel, and what an index shows of the README.

An entry point has no marker for a platform, and pip prefers it to a script of the same name. So a
wheel has either. See docs/decisions/0012-a-launcher-in-the-wheel.md.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

# A release has both wheels, and one machine builds them.
PLATFORM = os.environ.get("MTLS_RUN_WHEEL") or ("windows" if sys.platform == "win32" else "posix")
WINDOWS_TAG = "py3-none-win32.win_amd64.win_arm64"


def description(readme: str) -> str:
    """Return the README without its pictures, and without links to files of the repository.

    An index knows no file of the repository, and shows a picture by a path as broken.
    """
    readme = re.sub(r"^!\[[^]]*\]\([^)]*\)\n\n?", "", readme, flags=re.MULTILINE)
    return re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", readme)


class Computed(MetadataHookInterface):
    """Declares the description, and the entry point in a wheel for Windows."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `readme` and `scripts`."""
        text = description(Path(self.root, "README.md").read_text(encoding="utf-8"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        windows = PLATFORM == "windows"
        metadata["scripts"] = {"mtls-run": "mtls_run.__main__:main"} if windows else {}


class Launcher(BuildHookInterface[Any]):
    """Puts the launcher into any other wheel."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """Add the launcher, or the tag that makes pip prefer the wheel on Windows."""
        if PLATFORM == "windows":
            build_data["tag"] = WINDOWS_TAG
        else:
            build_data["shared_scripts"]["wrapper/launcher.sh"] = "mtls-run"
