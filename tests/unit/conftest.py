"""Every unit test starts in an environment that has nothing of this machine's settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from pathlib import Path

_OURS = (
    "MTLS_RUN_",
    "PIP_",
    "UV_",
    "SSL_",
    "PYTHON_KEYRING",
    "REQUESTS_",
    "CURL_",
    "XDG_",
    "KEYRING_",
)

# No time limit and no example database: both make a test depend on the runs before it.
settings.register_profile("mtls-run", deadline=None, database=None, max_examples=60)
settings.load_profile("mtls-run")


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test an empty home, no settings of pip, uv or TLS, and no session bus."""
    for name in list(os.environ):
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    for name, folder in (
        ("HOME", "home"),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_RUNTIME_DIR", "run"),
    ):
        monkeypatch.setenv(name, str(tmp_path / folder))
    for folder in ("home", "run"):  # nobody but a login makes these
        (tmp_path / folder).mkdir(mode=0o700)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'no-bus'}")
