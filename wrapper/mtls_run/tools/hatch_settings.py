"""What hatch's own configuration says of publishing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import platformdirs

from mtls_run.config import document

if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.cache.dependencies import Dependencies


def publishing_roots(named: str | None, directory: Path, rests_on: Dependencies) -> str | None:
    """Return where hatch's configuration names roots for publishing, or None.

    `named` is the configuration file that the user names, or None. Raises ConfigurationError where
    it cannot be read.
    """
    path = directory / (named or platformdirs.user_config_path("hatch", appauthor=False))
    found = document.read(
        path if named else path / "config.toml", what="configuration of hatch", rests_on=rests_on
    )
    if found is None:
        return None
    index = document.table(found.tables, "publish", "index")
    keys: list[tuple[str, ...]] = [("publish", "index")]
    keys += [("publish", "index", "repos", name) for name in document.table(index, "repos")]
    for table in keys:
        if document.table(found.tables, *table).get("ca-cert"):
            return f"ca-cert at {found.origin(*table, 'ca-cert')}"
    return None
