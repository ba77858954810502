"""The version is asked of the tool, and used again for as long as what answered is as it was."""

from __future__ import annotations

import os
import shutil
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Callable

import pytest

from mtls_run.cache import results
from mtls_run.cache.dependencies import Dependencies
from mtls_run.errors import ToolError
from mtls_run.tools import registry, version
from tests.e2e.toolbox import newest_uv

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import FakeTool, Sandbox


def asked(*words: str | Path) -> tuple[int, ...]:
    """Return the version of the tool that these words start, the first being its path."""
    return answer(*words)[0]


def answer(*words: str | Path) -> tuple[tuple[int, ...], Dependencies]:
    """Return the version of the tool that these words start, and what that rests on."""
    tool, call = registry.recognise([str(word) for word in words], any_program=False)
    rests_on = Dependencies()
    found = version.ask(tool, call, str(words[0]), os.environ, rests_on)
    return found, rests_on


def stored(tmp_path: Path) -> list[Path]:
    """Return the files that versions are stored in."""
    return list((tmp_path / "cache/mtls-run/results").glob("version-*"))


def claim(file: Path, number: str) -> None:
    """Store another version there, and leave what it rests on."""
    kind, _, key = file.name.partition("-")
    fields = results.find(kind, key)
    assert fields
    results.store(kind, key, [number, *fields[1:]])


def package(tool: FakeTool) -> Path:
    """Return the file of the pip package that a fake pip names."""
    return tool.records / "site-packages/pip/__init__.py"


def test_pip_is_asked_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """A pip script is asked once, and its version stored in a private file."""
    tool = sandbox.fake_tool("pip", "24.0")
    assert [asked(tool.path, "install", "x") for _ in range(3)] == [(24, 0)] * 3
    assert tool.version_questions == 1
    (file,) = stored(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("changed", ["script", "package", "package gone"])
def test_upgraded_pip_is_noticed(sandbox: Sandbox, changed: str) -> None:
    """Whatever changes of what answered, it is asked anew on the very next run."""
    tool = sandbox.fake_tool("pip", "24.0")
    asked(tool.path, "install")
    if changed == "script":
        tool.path.write_text(f"{tool.path.read_text()}\n")
    elif changed == "package":
        package(tool).write_text('__version__ = "26.3"\n# longer\n')
    else:
        package(tool).unlink()
    asked(tool.path, "install")
    assert tool.version_questions == 2


def test_pip_of_another_interpreter_is_asked(sandbox: Sandbox) -> None:
    """A script that was rewritten for another version answers with that one."""
    tool = sandbox.fake_tool("pip", "24.0")
    assert asked(tool.path, "install") == (24, 0)
    tool.path.write_text(tool.path.read_text().replace("pip 24.0", "pip 26.30"))
    assert asked(tool.path, "install") == (26, 30)


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONUSERBASE", "HOME", "PYTHONNOUSERSITE"])
def test_variables_that_choose_another_pip(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A variable that may make the interpreter import another pip is part of what is remembered."""
    tool = sandbox.fake_tool("pip", "24.0")
    asked(tool.path, "install")
    monkeypatch.setenv(name, "/elsewhere")
    asked(tool.path, "install")
    asked(tool.path, "install")
    assert tool.version_questions == 2


@pytest.mark.parametrize(
    "first",
    ['#!/bin/sh\nexec {python} {path} "$@"\n', '#!/usr/bin/env sh\nexec {python} {path} "$@"\n'],
)
@pytest.mark.parametrize("name", ["pip", "uv"])
def test_shims_are_asked_each_time(sandbox: Sandbox, tmp_path: Path, name: str, first: str) -> None:
    """A script that is no tool's own may choose by directory: it is asked each time."""
    tool = sandbox.fake_tool(name, folder=tmp_path / "real")
    shim = tmp_path / name
    shim.write_text(first.format(python=sys.executable, path=tool.path))
    shim.chmod(0o755)
    for _ in range(3):
        asked(shim, "install" if name == "pip" else "sync")
    assert tool.version_questions == 3
    assert stored(tmp_path) == []


def test_link_to_another_program_is_asked_each_time(sandbox: Sandbox, tmp_path: Path) -> None:
    """Mise's `uv` is a link to mise, which chooses by directory."""
    tool = sandbox.fake_tool("uv")
    (tmp_path / "mise").write_bytes(tool.path.read_bytes())
    (tmp_path / "mise").chmod(0o755)
    (tmp_path / "uv").symlink_to("mise")
    asked(tmp_path / "uv", "sync")
    asked(tmp_path / "uv", "sync")
    assert tool.version_questions == 2


@pytest.mark.slow
def test_uv_is_remembered(tmp_path: Path) -> None:
    """The version of uv is stored for its binary, through links, and a new binary is noticed."""
    real = newest_uv().ready().program
    expected = tuple(map(int, newest_uv().version.split(".")))
    link = tmp_path / "bin/uv"
    link.parent.mkdir()
    link.symlink_to(real)
    assert asked(link, "sync") == expected
    (file,) = stored(tmp_path)
    # A stored version is used as it stands, which shows that uv was not asked.
    claim(file, "9.9.9")
    assert asked(link, "sync") == (9, 9, 9)
    copy = tmp_path / "copy/uv"
    copy.parent.mkdir()
    shutil.copy(real, copy)
    link.unlink()
    link.symlink_to(copy)
    found, rests_on = answer(link, "sync")
    assert found == expected
    assert not rests_on.reusable  # the copy is too young to be told by its status
    time.sleep(2.05)
    found, rests_on = answer(link, "sync")
    assert rests_on.reusable
    claim(file, "9.9.9")
    assert asked(link, "sync") == (9, 9, 9)
    shutil.copy(real, copy)
    assert asked(link, "sync") == expected


DAMAGED: list[list[str]] = [
    [],
    [""],
    ["9.9"],
    ["9.9", "/nowhere"],
    ["9.9", "/nowhere", "stamp"],
    ["9.9", "", ""],
    ["9.9", *["/nowhere", "error 2"] * 3, "/nowhere"],
]


BYTES = [b"", b"\0", b"end", b"\xff\xfe", b"/\xff\0" * 30000]
VERSIONS = ["", ".", "x", "9.x", "9..9", "9" * 5000]


def test_damaged_memory(sandbox: Sandbox, tmp_path: Path) -> None:
    """What is remembered in another form is not believed, and is replaced."""
    tool = sandbox.fake_tool("pip", "24.0")
    asked(tool.path, "install")
    (file,) = stored(tmp_path)
    kind, _, key = file.name.partition("-")
    damages: list[tuple[object, Callable[[], object]]] = [
        *((fields, partial(results.store, kind, key, fields)) for fields in DAMAGED),
        *((content, partial(file.write_bytes, content)) for content in BYTES),
        *((version, partial(claim, file, version)) for version in VERSIONS),
    ]
    for count, (what, damage) in enumerate(damages, 2):
        damage()
        for _ in range(2):
            assert asked(tool.path, "install") == (24, 0), what
            assert tool.version_questions == count, what


def test_cache_that_cannot_be_written(sandbox: Sandbox, tmp_path: Path) -> None:
    """Without a cache it is asked each time, and that is all."""
    tool = sandbox.fake_tool("pip", "24.0")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/mtls-run").write_text("in its place")
    assert [asked(tool.path, "install") for _ in range(2)] == [(24, 0)] * 2
    assert tool.version_questions == 2


def scripted(tmp_path: Path, script: str) -> Path:
    """Return a uv that is a shell script."""
    path = tmp_path / "uv"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo something else", "--version does not answer as uv does: 'something else'"),
        ("true", "--version does not answer as uv does: ''"),
        ("echo broken >&2; exit 3", "--version` ended with status 3: broken"),
        ("exit 1", "--version` ended with status 1"),
        ("kill -9 $$", "--version` ended with status -9"),
    ],
)
def test_wrong_answers(tmp_path: Path, script: str, words: str) -> None:
    """What does not answer as the tool does is an error that shows what it said."""
    with pytest.raises(ToolError) as caught:
        asked(scripted(tmp_path, script), "sync")
    assert words in caught.value.fact
    assert caught.value.status == 125


def test_question_does_not_take_stdin(tmp_path: Path) -> None:
    """The tool that is asked for its version finds its standard input empty."""
    start = time.monotonic()
    path = scripted(tmp_path, "cat; echo uv 0.13.9")
    assert asked(path, "sync") == (0, 13, 9)
    assert time.monotonic() - start < 20


def test_tool_that_cannot_start(tmp_path: Path) -> None:
    """A tool whose interpreter is not there is an error as the shell would give it."""
    path = tmp_path / "uv"
    path.write_text("#!/nowhere/at/all\n")
    path.chmod(0o755)
    with pytest.raises(ToolError, match="first line names does not exist") as caught:
        asked(path, "sync")
    assert caught.value.status == 126
