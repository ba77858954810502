"""SECURITY.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
PROMISED = PAGE.partition("## What is not protected")[0]
ROWS = [line for line in PROMISED.splitlines() if line.startswith("| ") and "tests |" not in line]
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", PAGE)))


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_line_names_a_test(row: str) -> None:
    """Each line of the threat model names its tests."""
    assert re.search(r"`tests/[^`]+` *\|$|`tests/[^|]+\|$", row), row


@pytest.mark.parametrize("named", NAMED)
def test_named_test_is_there(named: str) -> None:
    """The page names files that have tests, and functions that are in them."""
    name, _, function = named.partition("::")
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.search(rf"^def {function or 'test_'}", text, re.MULTILINE), named


def test_every_attack_is_named() -> None:
    """The page names every file of attacks."""
    files = {f"tests/e2e/attacks/{path.name}" for path in ROOT.glob("tests/e2e/attacks/test_*.py")}
    assert files <= {named.partition("::")[0] for named in NAMED}
