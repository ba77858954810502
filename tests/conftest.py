"""Fixtures that all tests share."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests import tally
from tests.sandbox import Canary, FakeTool, Sandbox, Seen

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Canary", "FakeTool", "Sandbox", "Seen"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Admit `--tally FILE`: what the campaigns ran is counted there."""
    tally.addoption(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Count, where that was asked for."""
    tally.configure(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every report say which campaigns its item is of."""
    tally.marked(items)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """Return an empty home with an environment that holds nothing of this machine's settings."""
    return Sandbox.create(tmp_path / "sandbox")


@pytest.fixture
def canary() -> Canary:
    """Return a random passphrase, and the way to search for it."""
    return Canary(f"canary {secrets.token_hex(12)}")
