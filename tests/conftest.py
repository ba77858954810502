"""Fixtures that all tests share."""

from __future__ import annotations

import secrets
import signal
from pathlib import Path

import pytest

from tests.sandbox import Canary, FakeTool, Sandbox, Seen

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


# What starts programs there takes ten minutes; `tests/run` is to take two.
STARTS_PROGRAMS = {"cli", "e2e", "windows"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as everyday whatever starts few programs; elsewhere, a test says so itself."""
    root = Path(__file__).parent
    for item in items:
        if item.path.relative_to(root).parts[0] not in STARTS_PROGRAMS:
            item.add_marker(pytest.mark.everyday)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """Return an empty home with an environment that holds nothing of this machine's settings."""
    return Sandbox.create(tmp_path / "sandbox")


@pytest.fixture
def canary() -> Canary:
    """Return a random passphrase, and the way to search for it."""
    return Canary(f"canary {secrets.token_hex(12)}")
