"""SECURITY.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
PROMISED = PAGE.partition("## What is not protected")[0]
ROWS = [line for line in PROMISED.splitlines() if line.startswith("| ") and "tests |" not in line]
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", PAGE)))


def test_each_line_names_a_test() -> None:
    """Each line of the threat model names its tests."""
    assert ROWS
    assert [row for row in ROWS if not re.search(r"`tests/[^`]+` *\|$|`tests/[^|]+\|$", row)] == []


def test_named_tests_are_there() -> None:
    """The page names files that have tests, and functions that are in them."""
    for named in NAMED:
        name, _, function = named.partition("::")
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.search(rf"^def {function or 'test_'}", text, re.MULTILINE), named


def test_every_attack_is_named() -> None:
    """The page names every file of attacks."""
    files = {f"tests/e2e/attacks/{path.name}" for path in ROOT.glob("tests/e2e/attacks/test_*.py")}
    assert files <= {named.partition("::")[0] for named in NAMED}
