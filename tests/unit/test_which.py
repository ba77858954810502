"""Programs are found by PATH's order, and refused with the status that a shell would give."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from mtls_run.errors import ToolError
from mtls_run.tools import which
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
    return which.find(word, {"PATH": os.pathsep.join(map(str, folders))})


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


SHIM = "#!/bin/sh\n# mtls-run shim: runs the tool of its own name through mtls-run.\n"


def test_shims_are_passed(tmp_path: Path) -> None:
    """A shim is none of the programs on PATH, as a link, a copy or a hard link, in any place."""
    shim = program(tmp_path / "shims/uv")
    shim.write_text(SHIM)
    copy, link, hard = (tmp_path / name / "uv" for name in ("copy", "link", "hard"))
    program(copy).write_text(SHIM)
    for path in (link, hard):
        path.parent.mkdir()
    link.symlink_to(shim)
    os.link(shim, hard)
    folders = [path.parent for path in (shim, copy, link, hard)]
    assert [which.is_shim(str(path)) for path in (shim, copy, link, hard)] == [True] * 4
    fact = f"there is no `uv` on PATH beside {shim}, which leads back to mtls-run"
    assert status("uv", *folders) == (127, fact)
    real = program(tmp_path / "real/uv")
    assert not which.is_shim(str(real))
    for count in range(len(folders) + 1):
        assert found("uv", *folders[:count], real.parent, *folders[count:]) == str(real)


def test_what_led_back_is_passed(tmp_path: Path) -> None:
    """By the file's identity: under a link's name too, and never a path that was named."""
    one, two = program(tmp_path / "one/uv"), program(tmp_path / "two/uv")
    (tmp_path / "link").mkdir()
    (tmp_path / "link/uv").symlink_to(one)
    path = {"PATH": os.pathsep.join(str(tmp_path / name) for name in ("link", "one", "two"))}
    assert which.find("uv", path) == str(tmp_path / "link/uv")
    assert which.find("uv", path, [str(one)]) == str(two)
    assert which.find("uv", path, [str(tmp_path / "gone/uv")]) == str(tmp_path / "link/uv")
    assert which.find(str(one), path, [str(one)]) == str(one)
    with pytest.raises(ToolError) as caught:
        which.find("uv", path, [str(one), str(two)])
    assert caught.value.status == 127
    assert f"beside {tmp_path}/link/uv, which leads back" in caught.value.fact


def test_mtls_run_itself_is_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the name of a tool it is not that tool."""
    own, real = program(tmp_path / "own/mtls-run"), program(tmp_path / "real/uv")
    (tmp_path / "own/uv").symlink_to(own)
    assert found("uv", own.parent, real.parent) == str(own.with_name("uv"))
    monkeypatch.setattr("sys.argv", [str(own)])
    assert found("uv", own.parent, real.parent) == str(real)


def test_every_path(tmp_path: Path) -> None:
    """All that PATH could mean by a name, in its order, there or not; the default without PATH."""
    assert list(which.on_path("uv", {"PATH": f"{tmp_path}:/nowhere:"})) == [
        f"{tmp_path}/uv",
        "/nowhere/uv",
        "uv",
    ]
    standard = [f"{folder}/uv" for folder in os.defpath.split(os.pathsep)]
    assert [path.lstrip("/") for path in which.on_path("uv", {})] == [
        path.lstrip("/") for path in standard
    ]


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
        error = which.cannot_start(str(path), OSError(number, os.strerror(number)))
        assert error.status == expected
        assert str(path) in error.fact
