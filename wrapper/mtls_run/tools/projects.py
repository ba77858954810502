"""The project that a tool works on: its pyproject.toml, and the sources that it names there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.config import document
from mtls_run.config.document import table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mtls_run.cache.dependencies import Dependencies
    from mtls_run.config.document import Document


def nearest(directory: Path, rests_on: Dependencies | None = None) -> Document | None:
    """Return the nearest pyproject.toml upward from `directory`, as poetry and pdm look for it.

    Raises ConfigurationError where it cannot be read.
    """
    start = Path(os.path.abspath(directory))
    for folder in (start, *start.parents):
        found = document.read(folder / "pyproject.toml", what="project file", rests_on=rests_on)
        if found is not None:
            return found
    return None


def tables(found: Document, tool: str, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each table of the array [[tool.TOOL.KEY]], with its index."""
    settings = table(found.tables, "tool", tool).get(key)
    for index, one in enumerate(settings if isinstance(settings, list) else ()):
        if isinstance(one, dict):
            yield index, one
