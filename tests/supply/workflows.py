"""The workflows of docs/recipes.md as files: `python -m tests.supply.workflows DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.e2e.recipes import blocks


def workflows() -> dict[str, str]:
    """Return the text of each workflow of GitHub Actions on the page, by the recipe's name."""
    return {
        name: text
        for name, text in blocks().items()
        if name.startswith("GitHub") and "jobs:" in text
    }


def main() -> None:
    """Write each below DIR where a checker looks for it; there has to be one."""
    folder = Path(sys.argv[1], ".github", "workflows")
    folder.mkdir(parents=True)
    found = workflows()
    if not found:
        sys.exit("docs/recipes.md has no workflow")
    for name, text in found.items():
        folder.joinpath(f"{name.replace(' ', '-')}.yml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
