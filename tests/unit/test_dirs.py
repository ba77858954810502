"""The user's directories are where platformdirs has them, without its import."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from mtls_run.system import dirs

KINDS = ("config", "cache", "state", "data")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [None, "", "/somewhere", "/some where/"])
def test_as_platformdirs(monkeypatch: pytest.MonkeyPatch, kind: str, value: str | None) -> None:
    """With the variable set, empty or not at all."""
    name = f"XDG_{kind.upper()}_HOME"
    monkeypatch.setenv("HOME", "/home/alice")
    if value is None:
        monkeypatch.delenv(name, raising=False)
    else:
        monkeypatch.setenv(name, value)
    expected = getattr(platformdirs, f"user_{kind}_path")("mtls-run", appauthor=False)
    assert Path(dirs.user(kind)) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", ["relative", "~/tilde", "."])
def test_a_relative_one_is_none(monkeypatch: pytest.MonkeyPatch, kind: str, value: str) -> None:
    """The specification has it ignored; platformdirs does so in its newer versions alone."""
    monkeypatch.delenv(f"XDG_{kind.upper()}_HOME", raising=False)
    unset = dirs.user(kind)
    monkeypatch.setenv(f"XDG_{kind.upper()}_HOME", value)
    assert dirs.user(kind) == unset


@pytest.mark.parametrize("kind", KINDS)
def test_other_systems_ask_platformdirs(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Where there is no such specification, its answer is taken, and the state is below it."""
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr(platformdirs, f"user_{kind}_dir", lambda *_, **__: r"C:\Users\alice\it")
    below = "/State" if kind == "state" else ""
    assert dirs.user(kind) == r"C:\Users\alice\it" + below
