"""Fixtures that all tests share."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.sandbox import Canary, FakeTool, Sandbox, Seen

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Canary", "FakeTool", "Sandbox", "Seen"]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """Return an empty home with an environment that holds nothing of this machine's settings."""
    return Sandbox.create(tmp_path / "sandbox")


@pytest.fixture
def canary() -> Canary:
    """Return a random passphrase, and the way to search for it."""
    return Canary(f"canary {secrets.token_hex(12)}")
