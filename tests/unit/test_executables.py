"""Programs are found by PATH's order, and refused with the status that a shell would give."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from mtls_run import executables, launch
from mtls_run.errors import ToolError
from tests.unit.support import working_in

if TYPE_CHECKING:
    from pathlib import Path


def program(path: Path, mode: int = 0o755) -> Path:
    """Put a program at this path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def found(word: str, *folders: Path | str) -> str:
    """Return the program that `word` names on this PATH."""
    return executables.find(word, {"PATH": os.pathsep.join(map(str, folders))})


def status(word: str, *folders: Path | str) -> tuple[int, str]:
    """Return the status and the words for a program that cannot be had."""
    with pytest.raises(ToolError) as caught:
        found(word, *folders)
    return caught.value.status, caught.value.fact


def test_order_of_path(tmp_path: Path) -> None:
    """The first directory that has it as a program wins; what is none is passed over."""
    one, two = program(tmp_path / "one/uv", 0o644), program(tmp_path / "two/uv")
    program(tmp_path / "three/uv")
    (tmp_path / "zero/uv").mkdir(parents=True)
    folders = [tmp_path / name for name in ("none", "zero", "one", "two", "three")]
    assert found("uv", *folders) == str(two)
    one.chmod(0o755)
    assert found("uv", *folders) == str(one)


def test_path_is_made_absolute(tmp_path: Path) -> None:
    """A path, and a relative entry of PATH, are told from the current directory; links stay."""
    real = program(tmp_path / "real/uv")
    (tmp_path / "uv").symlink_to(real)
    with working_in(tmp_path):
        assert found("./uv") == str(tmp_path / "uv")
        assert found("real/uv") == str(real)
        assert found("uv", "real") == str(real)
        assert found("uv", "") == str(tmp_path / "uv")
        assert found(str(real)) == str(real)


def test_not_found(tmp_path: Path) -> None:
    """127 for what is not there, with what to do."""
    assert status("uv", tmp_path) == (127, "there is no `uv` on PATH")
    assert status(f"{tmp_path}/uv") == (127, f"{tmp_path}/uv does not exist")
    assert status("") == (127, "the name of the tool is empty")


def test_not_executable(tmp_path: Path) -> None:
    """126 for what is there and may not be executed."""
    plain = program(tmp_path / "uv", 0o644)
    assert status("uv", tmp_path) == (126, f"{plain} is not executable")
    assert status(str(plain)) == (126, f"{plain} is not executable")
    assert status(f"{tmp_path}/") == (126, f"{tmp_path}/ is a directory")


def test_errors_of_starting(tmp_path: Path) -> None:
    """What exec refuses is told apart as a shell does."""
    script = program(tmp_path / "uv")
    for path, number, expected in (
        (script, errno.ENOENT, 126),
        (tmp_path / "gone", errno.ENOENT, 127),
        (script, errno.ENOEXEC, 126),
        (script, errno.EACCES, 126),
        (script, errno.E2BIG, 126),
    ):
        error = launch.cannot_start(str(path), OSError(number, os.strerror(number)))
        assert error.status == expected
        assert str(path) in error.fact
