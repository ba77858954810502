""".ci/advisories: it fails where it should, and says so where it could not look."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.supply.lock import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

# Stands for `.venv/bin/python -m pip_audit`: $KNOWN is what it says of the release that is known to
# be weak, $STATUS how it ends for the lock.
STAND_IN = """#!/bin/sh
case "$*" in
*weak.txt) printf '%s\\n' "$KNOWN"; echo 'what went wrong' >&2; [ -z "$KNOWN" ] ;;
*--strict*requirements/dev.lock) echo audited; exit "$STATUS" ;;
*) exit 99 ;;
esac
"""


@pytest.mark.parametrize(
    ("known", "env", "status", "said"),
    [
        ("CVE-2023-37920", {}, 0, "pypi answers"),
        ("CVE-2023-37920", {"STATUS": "1"}, 1, "pypi answers"),
        ("", {}, 0, "NOT CHECKED"),
        ("", {"MTLS_RUN_ADVISORIES": "required"}, 1, "NOT CHECKED"),
    ],
)
def test_it_never_passes_without_a_word(
    tmp_path: Path, known: str, env: dict[str, str], status: int, said: str
) -> None:
    """A weakness fails; a service that knows of none, not even a famous one, was no check."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(REPOSITORY / ".ci/advisories", tmp_path / ".ci/advisories")
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN)
    python.chmod(0o755)
    given = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "KNOWN": known, "STATUS": "0"}
    done = subprocess.run(
        ["bash", tmp_path / ".ci/advisories"],
        env={**given, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done
    assert said in done.stderr
    assert ("audited" in done.stdout) == bool(known)
    assert ("what went wrong" in done.stderr) == (not known)
