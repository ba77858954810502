"""docs/troubleshooting.md has the texts that the real pip and uv print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e import what_the_tools_say

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"


@pytest.mark.slow
@pytest.mark.e2e
def test_texts_are_real() -> None:
    """Each fault of the table makes pip and uv print a text that is on the page."""
    page = PAGE.read_text(encoding="utf-8")
    texts = [line.strip() for line in re.split(r"[\n`|]", page) if len(line.strip()) > 10]
    found = [said for row in what_the_tools_say.rows() for said in (row.pip, row.uv)]
    assert [said for said in found if not any(text in said for text in texts)] == []
