"""Fixtures that all tests share."""

from __future__ import annotations

import secrets
import signal
from typing import TYPE_CHECKING

import pytest

from tests.sandbox import Canary, FakeTool, Sandbox, Seen

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Canary", "FakeTool", "Sandbox", "Seen"]


def pytest_configure() -> None:
    """Undo an ignored signal, as `nohup` leaves SIGHUP, and a shell the others for a job with `&`.

    Every program under test would inherit it.
    """
    for name in ("SIGHUP", "SIGINT", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) is signal.SIG_IGN:
            is_interrupt = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_interrupt else signal.SIG_DFL)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """Return an empty home with an environment that holds nothing of this machine's settings."""
    return Sandbox.create(tmp_path / "sandbox")


@pytest.fixture
def canary() -> Canary:
    """Return a random passphrase, and the way to search for it."""
    return Canary(f"canary {secrets.token_hex(12)}")
