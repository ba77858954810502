"""The trail: who is called again by what it became, and how deep is too deep."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mtls_run.errors import ToolError
from mtls_run.tools import recursion_guard, registry

if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.tools.base import ToolCall
    from mtls_run.tools.recursion_guard import Trail

REAL = b"\x7fELF\x02 mtls-run uv"
PIP = b"#!/venv/bin/python3.12\n# -*- coding: utf-8 -*-\nfrom pip._internal.cli.main import main\n"
WRAPPER = b'#!/bin/sh\nexec mtls-run uv "$@"\n'


def call(*words: str) -> ToolCall:
    """Return the call that these words make."""
    return registry.recognise(words, any_program=True)


def program(path: Path, content: bytes = WRAPPER) -> str:
    """Write a program and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return str(path)


def value(environ: dict[str, str], **changes: str) -> dict[str, str]:
    """Return an environment whose trail has these fields changed."""
    names = ("form", "process", "depth", "count", "checksum")
    fields = environ[recursion_guard.VARIABLE].split(os.pathsep)
    for name, text in changes.items():
        fields[names.index(name)] = text
    return {**environ, recursion_guard.VARIABLE: os.pathsep.join(fields)}


def begun(path: str, *words: str) -> dict[str, str]:
    """Return the environment in which this process became the program at `path`."""
    return dict(recursion_guard.read(call(*words), {}, wrapped=True).followed(path, {}))


def fields(found: Trail) -> tuple[bool, int, tuple[str, ...]]:
    """Return what a trail says: whether it began, its depth, and who led back."""
    return found.begun, found.depth, found.led_back


def test_none_yet() -> None:
    """Without the variable nothing led here; a shim or a function begins a trail."""
    assert fields(recursion_guard.read(call("uv", "lock"), {})) == (False, 0, ())
    assert fields(recursion_guard.read(call("uv", "lock"), {}, wrapped=True)) == (True, 0, ())


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "1", "x", "1:2:3:4", "1:2:3:4:5", "2:1:1:1:1:/bin/uv", "1:1:-1:1:1:/bin/uv"),
        *("1:1:x:1:1:/bin/uv", "1:1:1:x:1:/bin/uv", "1:1::1:1:/bin/uv", "\udcff:1:1:1:1:/bin/uv"),
    ],
)
def test_nonsense(text: str) -> None:
    """A value that no mtls-run wrote is none at all."""
    assert fields(recursion_guard.read(call("uv"), {recursion_guard.VARIABLE: text})) == (
        False,
        0,
        (),
    )


def test_led_back(tmp_path: Path) -> None:
    """The same process, called for the same name and words, was led back by what it became."""
    path = program(tmp_path / "uv")
    environ = begun(path, "uv", "lock")
    assert fields(recursion_guard.read(call("uv", "lock"), environ)) == (True, 1, (path,))


def test_led_back_twice(tmp_path: Path) -> None:
    """Each program that led back is kept, in the order in which they were met."""
    one, two = program(tmp_path / "one/uv"), program(tmp_path / "two/uv")
    words = ("uv", "pip", "install", "", "a b", "\udcff")
    environ = begun(one, *words)
    again = dict(recursion_guard.read(call(*words), environ).followed(two, environ))
    assert fields(recursion_guard.read(call(*words), again)) == (True, 2, (one, two))


@pytest.mark.parametrize(
    ("before", "after", "led_back"),
    [
        (("uv", "lock"), ("uv", "lock"), True),
        (("uv", "lock"), ("uv", "--quiet", "lock"), True),
        (("uv", "lock"), ("uv", "--a", "--b", "lock"), True),
        (("uv",), ("uv",), True),
        (("uv",), ("uv", "--quiet"), True),
        (("uv", "lock"), ("uv", "lock", "--quiet"), False),
        (("uv", "lock"), ("uv",), False),
        (("uv", "lock"), ("uvx", "lock"), False),
        (("uv", "lock", "x"), ("uv", "x", "lock"), False),
        (("uv", "a b"), ("uv", "a", "b"), False),
        (("uv", ""), ("uv",), False),
        (("python", "-m", "pip", "list"), ("python", "-m", "pip", "list"), True),
        (("python", "build.py"), ("python", "-m", "pip", "list"), False),
        (("bash", "-c", "x"), ("bash", "-c", "y"), False),
    ],
    ids=lambda words: "_".join(words) if isinstance(words, tuple) else None,
)
def test_words(
    tmp_path: Path, before: tuple[str, ...], after: tuple[str, ...], *, led_back: bool
) -> None:
    """A wrapper may put words first; any other change is another command line."""
    path = program(tmp_path / before[0])
    found = recursion_guard.read(call(*after), begun(path, *before))
    assert fields(found) == (True, 1, (path,) if led_back else ())


def test_another_process(tmp_path: Path) -> None:
    """What was started as a child is a run of its own, one deeper."""
    environ = begun(program(tmp_path / "uv"), "uv", "lock")
    found = recursion_guard.read(call("uv", "lock"), value(environ, process=str(os.getppid())))
    assert fields(found) == (True, 1, ())


def test_too_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From some depth on it is an error that names the program, and what to name instead."""
    monkeypatch.setattr(recursion_guard, "DEEPEST", 3)
    path = program(tmp_path / "uv")
    environ = value(begun(path, "uv", "lock"), depth="2")
    assert recursion_guard.read(call("uv", "lock"), environ).depth == 2
    with pytest.raises(ToolError) as caught:
        recursion_guard.read(call("uv", "lock"), value(environ, depth="3"))
    assert caught.value.status == 125
    assert caught.value.fact.startswith("mtls-run was started 3 times inside itself, by ")
    assert path in caught.value.fact
    assert str(caught.value.hint).endswith("mtls-run PATH-OF-uv")


def test_forged_depth(tmp_path: Path) -> None:
    """A depth beyond all bounds is none that we wrote: no trail, and no arithmetic of it."""
    environ = value(begun(program(tmp_path / "uv"), "uv"), depth="9" * 5000)
    assert recursion_guard.read(call("uv"), environ).depth == 0


def test_followed_only_where_needed(tmp_path: Path) -> None:
    """What cannot lead back gets the environment as it is, unless a trail has begun."""
    real, wrapper = program(tmp_path / "real/uv", REAL), program(tmp_path / "uv")
    typed = recursion_guard.read(call("uv", "lock"), {})
    environ = {"A": "b"}
    assert typed.followed(real, environ) is environ
    assert typed.followed(wrapper, environ) != environ
    wrapped = recursion_guard.read(call("uv", "lock"), {}, wrapped=True)
    after = wrapped.followed(real, environ)
    assert {**environ, recursion_guard.VARIABLE: after[recursion_guard.VARIABLE]} == after
    assert after[recursion_guard.VARIABLE].split(":")[:3] == ["1", str(os.getpid()), "1"]
    assert after[recursion_guard.VARIABLE].endswith(f":{real}")


@pytest.mark.parametrize(
    ("content", "may"),
    [
        (REAL, False),
        (PIP, False),
        (b"", False),
        (WRAPPER, True),
        (b"#! /usr/bin/env bash\n", True),
        (b"#!/usr/bin/env python3\nimport os\nos.execvp('mtls-run', ['mtls-run'])\n", True),
        (b"#!/usr/bin/python3\nfrom mtls_run.__main__ import main\n", True),
        (b"#!/usr/bin/python3\nimport runpy\n", False),
        (b"#!/usr/bin/ruby", True),
    ],
    ids=["elf", "pip", "empty", "sh", "env", "python-caller", "own", "python", "one-line"],
)
def test_what_may_lead_back(tmp_path: Path, content: bytes, *, may: bool) -> None:
    """A script may; pip's own launcher, and what is no script, cannot."""
    assert recursion_guard.may_lead_back(program(tmp_path / "uv", content)) == may


def test_what_cannot_be_read_may_lead_back(tmp_path: Path) -> None:
    """Nothing is known of it."""
    assert recursion_guard.may_lead_back(str(tmp_path / "gone"))
    assert recursion_guard.may_lead_back(str(tmp_path))
