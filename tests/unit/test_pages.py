"""The pages hold together: each is in the site's menu, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml  # type: ignore[import-untyped]  # it has no types, nor stubs that we install

from tests.pages import picture

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), ROOT / "shims" / "README.md"])
# tests/pages/site.py makes these from SECURITY.md and CHANGELOG.md.
MADE = {"threat-model.md", "changes.md"}
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def _files(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [name for part in parts for name in _files(part)]


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def test_every_page_is_in_the_menu() -> None:
    """mkdocs.yml names each page once, and no page that is not there."""
    menu = _files(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    pages = [str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")]
    assert sorted(menu) == sorted([*pages, *MADE])


def _leads_somewhere(page: Path, link: str) -> bool:
    if link.startswith(("https://", "mailto:")):
        return True
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def test_links_lead_somewhere() -> None:
    """Every link to a file of the repository names a file, and a heading that is in it."""
    for page in PAGES:
        text = CODE.sub("", page.read_text(encoding="utf-8"))
        links = re.findall(r"\]\(([^)\s]+)\)", text)
        lost = [link for link in links if not _leads_somewhere(page, link)]
        assert lost == [], page.relative_to(ROOT)


def test_the_first_screen() -> None:
    """README begins with a sentence, the picture and three commands, and has both marked blocks."""
    title, sentence, drawn, commands, *_ = README.split("\n\n")
    assert title == "# mtls-run"
    assert sentence.endswith("client certificate.")
    assert drawn == f"![{picture.TITLE}](docs/demo.svg)"
    typed = [line.split("#")[0].strip() for line in commands.splitlines()[1:-1]]
    assert typed == ["uv tool install mtls-run", "mtls-run profile add corp", "mtls-run uv sync"]
    assert "<!-- run -->\n```sh\nsh install.sh && ~/.local/bin/mtls-run demo\n```\n" in README
    assert "<!-- test -->\n```sh\nsh tests/run\n```\n" in README


def test_the_picture_needs_no_network() -> None:
    """The picture is small, is readable in both schemes, and loads nothing."""
    text = picture.PICTURE.read_text(encoding="utf-8")
    assert len(text) < 6000
    assert "prefers-color-scheme: dark" in text
    elements = ET.fromstring(text).iter()  # noqa: S314 - it is ours
    used = {element.tag.rpartition("}")[2] for element in elements}
    assert used == {"svg", "title", "style", "rect", "text"}
    assert re.findall(r"(?:href|url|@import|src)", text.partition("</style>")[0]) == []


@pytest.mark.slow
def test_the_picture_is_of_today() -> None:
    """A run of the demo draws the picture that is in the repository, versions and counts apart."""
    drawn = picture.draw(picture.chosen(picture.run()))
    varying = r"\d+(?:\.\d+)*(?= requests| without|<)"
    was = picture.PICTURE.read_text(encoding="utf-8")
    assert re.sub(varying, "N", drawn) == re.sub(varying, "N", was)
