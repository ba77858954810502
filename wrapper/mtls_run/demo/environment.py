"""Make the environment of the programs that the demo starts: homes of their own, no settings."""

from __future__ import annotations

import os
import site
from collections.abc import Mapping
from pathlib import Path

# Other settings of pip, uv and TLS, and of proxies, which would get requests for localhost.
_DROPPED_PREFIXES = ("MTLS_RUN_", "PIP_", "SSL_", "UV_", "XDG_")
_DROPPED_SUFFIXES = ("_CA_BUNDLE", "_PROXY")
_DROPPED = frozenset(
    {
        "CLICOLOR_FORCE",
        "CONDA_PREFIX",
        "FORCE_COLOR",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "__PYVENV_LAUNCHER__",
    }
)


def demo_environment(outside: Mapping[str, str], *, root: Path, config: Path) -> dict[str, str]:
    """Return `outside` without settings that would change the demo, and with homes below `root`.

    This makes the directories that it names. `PYTHONPATH` stays, and the user site of Python stays
    where it is, because mtls-run may be installed there.
    """
    homes = {
        name: root / ".home" / folder
        for name, folder in (
            ("HOME", ""),
            ("USERPROFILE", ""),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_RUNTIME_DIR", "run"),
            ("PIP_CACHE_DIR", "cache/pip"),
            ("UV_CACHE_DIR", "cache/uv"),
            ("TMPDIR", "tmp"),
            ("TEMP", "tmp"),
            ("TMP", "tmp"),
        )
    }
    for folder in homes.values():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    env = {name: value for name, value in outside.items() if not _is_dropped(name.upper())}
    env.update({name: str(folder) for name, folder in homes.items()})
    env.update(
        MTLS_RUN_CONFIG=str(config),
        PATH=outside.get("PATH", os.defpath),
        NO_COLOR="1",
        NO_PROXY="localhost",
        PYTHONIOENCODING="utf-8",
        PIP_CONFIG_FILE=os.devnull,
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        # Without these, pip tries for eight seconds more after a refusal.
        PIP_RETRIES="0",
        UV_HTTP_RETRIES="0",
        UV_NO_CONFIG="1",
        UV_PYTHON_DOWNLOADS="never",
    )
    if site.ENABLE_USER_SITE:
        env["PYTHONUSERBASE"] = site.getuserbase()
    return env


def _is_dropped(name: str) -> bool:
    return (
        name in _DROPPED or name.startswith(_DROPPED_PREFIXES) or name.endswith(_DROPPED_SUFFIXES)
    )
