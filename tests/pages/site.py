"""A hook of mkdocs: show SECURITY.md and CHANGELOG.md, which stand beside README.md, as pages.

https://www.mkdocs.org/user-guide/configuration/#hooks
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File  # type: ignore[import-not-found] # only mkdocs runs this

ROOT = Path(__file__).parents[2]
PAGES = {"SECURITY.md": "threat-model.md", "CHANGELOG.md": "changes.md", "README.md": "index.md"}


def on_files(files: Any, config: Any) -> Any:
    """Add the two pages; their links to docs/ lead to the site."""
    for name in ("SECURITY.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, PAGES[name], content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files beside README.md lead to their pages."""
    up = "../" * page.file.src_uri.count("/")
    for name, target in PAGES.items():
        markdown = markdown.replace(f"](../{up}{name}", f"]({up}{target}")
    return markdown
