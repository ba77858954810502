"""Nested runs: a program that calls mtls-run back, the depth, and passphrase commands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mtls_run.errors import PassphraseError, ToolError
from mtls_run.system import recursion_guard
from mtls_run.tools import registry

if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.system.recursion_guard import Nesting
    from mtls_run.tools.base import ToolCall

REAL = b"\x7fELF\x02 mtls-run uv"
PIP = b"#!/venv/bin/python3.12\n# -*- coding: utf-8 -*-\nfrom pip._internal.cli.main import main\n"
WRAPPER = b'#!/bin/sh\nexec mtls-run uv "$@"\n'


def call(*words: str) -> ToolCall:
    """Return the call that these words make."""
    return registry.recognise(words, any_program=True)[1]


def program(path: Path, content: bytes = WRAPPER) -> str:
    """Write a program and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return str(path)


def value(environ: dict[str, str], **changes: str) -> dict[str, str]:
    """Return an environment whose value has these fields changed."""
    names = ("form", "process", "depth", "count", "checksum")
    fields = environ[recursion_guard.VARIABLE].split(os.pathsep)
    for name, text in changes.items():
        fields[names.index(name)] = text
    return {**environ, recursion_guard.VARIABLE: os.pathsep.join(fields)}


def begun(path: str, *words: str) -> dict[str, str]:
    """Return the environment in which this process became the program at `path`."""
    return dict(recursion_guard.read(call(*words), {}, wrapped=True).enter(path, {}))


def fields(found: Nesting) -> tuple[bool, int, tuple[str, ...]]:
    """Return whether counting has begun, the depth, and the programs that called back."""
    return found.begun, found.depth, found.called_back_by


def test_none_yet() -> None:
    """Without the variable there is no outer run; a shim or a function begins the count."""
    assert fields(recursion_guard.read(call("uv", "lock"), {})) == (False, 0, ())
    assert fields(recursion_guard.read(call("uv", "lock"), {}, wrapped=True)) == (True, 0, ())


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "2", "x", "2:1:1:1", "2:1:1:1:1", "2:1:1:1:1:", "1:1:1:1:1::/bin/uv"),
        *("2:1:-1:1:1::/bin/uv", "2:1:x:1:1::/bin/uv", "2:1:1:x:1::/bin/uv", "2:1::1:1::/bin/uv"),
        *("\udcff:1:1:1:1::/bin/uv", "2:1:" + "9" * 5000 + ":1:1::/bin/uv"),
    ],
)
def test_nonsense(text: str) -> None:
    """A value that no mtls-run wrote is none at all."""
    assert fields(recursion_guard.read(call("uv"), {recursion_guard.VARIABLE: text})) == (
        False,
        0,
        (),
    )


def test_called_back(tmp_path: Path) -> None:
    """A run in the same process, for the same name and words, was called back by its program."""
    path = program(tmp_path / "uv")
    environ = begun(path, "uv", "lock")
    assert fields(recursion_guard.read(call("uv", "lock"), environ)) == (True, 1, (path,))


def test_called_back_twice(tmp_path: Path) -> None:
    """Each program that called back is known, in order."""
    one, two = program(tmp_path / "one/uv"), program(tmp_path / "two/uv")
    words = ("uv", "pip", "install", "", "a b", "\udcff")
    environ = begun(one, *words)
    again = dict(recursion_guard.read(call(*words), environ).enter(two, environ))
    assert fields(recursion_guard.read(call(*words), again)) == (True, 2, (one, two))


@pytest.mark.parametrize(
    ("before", "after", "called_back"),
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
    tmp_path: Path, before: tuple[str, ...], after: tuple[str, ...], *, called_back: bool
) -> None:
    """A wrapper may put words first; any other change is another command line."""
    path = program(tmp_path / before[0])
    found = recursion_guard.read(call(*after), begun(path, *before))
    assert fields(found) == (True, 1, (path,) if called_back else ())


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


def test_counted_only_where_needed(tmp_path: Path) -> None:
    """A program that cannot call back gets the environment as it is, unless counting has begun."""
    real, wrapper = program(tmp_path / "real/uv", REAL), program(tmp_path / "uv")
    typed = recursion_guard.read(call("uv", "lock"), {})
    environ = {"A": "b"}
    assert typed.enter(real, environ) is environ
    assert typed.enter(wrapper, environ) != environ
    wrapped = recursion_guard.read(call("uv", "lock"), {}, wrapped=True)
    after = wrapped.enter(real, environ)
    assert {**environ, recursion_guard.VARIABLE: after[recursion_guard.VARIABLE]} == after
    assert after[recursion_guard.VARIABLE].split(":")[:3] == ["2", str(os.getpid()), "1"]
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
def test_what_may_call_back(tmp_path: Path, content: bytes, *, may: bool) -> None:
    """A script may; pip's own launcher, and what is no script, cannot."""
    assert recursion_guard.may_call_back(program(tmp_path / "uv", content)) == may


def test_what_cannot_be_read_may_call_back(tmp_path: Path) -> None:
    """Nothing is known of it."""
    assert recursion_guard.may_call_back(str(tmp_path / "gone"))
    assert recursion_guard.may_call_back(str(tmp_path))


def inside(*profiles: str) -> dict[str, str]:
    """Return the environment of the passphrase commands of these profiles, one in the other."""
    environ = {"A": "b"}
    for profile in profiles:
        environ = recursion_guard.enter_passphrase_command(profile, "/bin/op", environ)
    return environ


def test_passphrase_command() -> None:
    """A run inside of it is one deeper, and nothing called it back."""
    environ = inside("profile corp", "the profile of this directory")
    assert environ["A"] == "b"
    assert fields(recursion_guard.read(call("uv", "lock"), environ)) == (True, 2, ())


@pytest.mark.parametrize("between", [(), ("profile lab",), ("profile lab", "profile other")])
def test_circle_of_passphrase_commands(tmp_path: Path, between: tuple[str, ...]) -> None:
    """A profile's command that leads to that profile again is named, through tools as well."""
    environ = inside("profile corp", *between)
    nesting = recursion_guard.read(call("uv", "lock"), environ)
    environ = dict(nesting.enter(program(tmp_path / "uv"), environ))
    with pytest.raises(PassphraseError) as caught:
        recursion_guard.enter_passphrase_command("profile corp", "uvx", environ)
    assert caught.value.fact == (
        "the passphrase command of profile corp starts mtls-run, "
        "which needs the passphrase of profile corp"
    )
    assert '["env", "MTLS_RUN_DISABLE=1", "uvx", …]' in str(caught.value.hint)


def test_passphrase_commands_of_ever_other_profiles() -> None:
    """Without a circle the depth ends it."""
    environ = inside(*(f"profile p{number}" for number in range(recursion_guard.DEEPEST)))
    with pytest.raises(ToolError, match="started 25 times inside itself, by /bin/op the last"):
        recursion_guard.read(call("uv", "lock"), environ)
