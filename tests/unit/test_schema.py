"""Each key takes what the contract says, and a wrong value is answered with what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mtls_run.config import readers, schema
from mtls_run.errors import ConfigurationError
from mtls_run.passphrase.sources import (
    FromCommand,
    FromFile,
    FromKeyring,
    FromPrompt,
    FromVariable,
    describe,
)
from tests.unit.support import SAID

PLACE = readers.Place("the-key", SAID, Path("/etc/there"))


@pytest.mark.parametrize("name", ["corp", "a", "A-b_c.9", "..", "-", "0"])
def test_names_of_profiles(name: str) -> None:
    """Letters, digits, `.`, `_` and `-` make a name."""
    assert readers.read_name(name, PLACE) == name


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "a\n", "a:b", "٣", "~"])
def test_wrong_names_of_profiles(name: str) -> None:
    """Nothing else does."""
    with pytest.raises(ConfigurationError, match="cannot name a profile"):
        readers.read_name(name, PLACE)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/abs/x.pem", "/abs/x.pem"),
        ("x.pem", "/etc/there/x.pem"),
        ("../x.pem", "/etc/there/../x.pem"),
        ("a b/$HOME", "/etc/there/a b/$HOME"),
        ("./~", "/etc/there/~"),
    ],
)
def test_paths(value: str, expected: str) -> None:
    """A path is relative to the directory of the file that names it, and no shell reads it."""
    assert str(readers.read_path(value, PLACE)) == expected


def test_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the home directory."""
    monkeypatch.setenv("HOME", "/home/alice")
    assert readers.read_path("~/x.pem", PLACE) == Path("/home/alice/x.pem")
    assert readers.read_path("~", PLACE) == Path("/home/alice")


@pytest.mark.parametrize("value", ["", "a\0b", "~nobody-of-this-name/x"])
def test_wrong_paths(value: str) -> None:
    """An empty path, one with a NUL and one in an unknown home are errors with their origin."""
    with pytest.raises(ConfigurationError, match=r"^the test: "):
        readers.read_path(value, PLACE)


def test_lists_of_paths() -> None:
    """One path and a list of them are both taken, and the order stays."""
    assert readers.read_paths("a", PLACE) == (Path("/etc/there/a"),)
    assert readers.read_paths(["b", "/a"], PLACE) == (Path("/etc/there/b"), Path("/a"))
    assert readers.read_paths([], PLACE) == ()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("8h", 28800), ("90m", 5400), ("1h30m", 5400), ("2d", 172800), ("5s", 5), ("off", 0)],
)
def test_durations(value: str, seconds: int) -> None:
    """A time is numbers with their units; `off` is none."""
    assert readers.read_duration(value, PLACE) == seconds


@pytest.mark.parametrize("value", ["", "8", "h", "8 h", "-1h", "1.5h", "8H", "1w", "on", "8h "])
def test_wrong_durations(value: str) -> None:
    """Anything else is no time."""
    with pytest.raises(ConfigurationError, match="the test: `the-key` is not a time") as caught:
        readers.read_duration(value, PLACE)
    assert "8h" in (caught.value.hint or "")


WRONG: list[tuple[readers.Reader, Any, str]] = [
    (readers.read_name, 1, "is a number"),
    (readers.read_name, ["x"], "is a list"),
    (readers.read_path, 1, "is a number"),
    (readers.read_path, True, "is true or false"),
    (readers.read_path, ["x"], "is a list"),
    (readers.read_paths, 1, "is a number"),
    (readers.read_paths, [1], "is a list"),
    (readers.read_paths, ["a", ["b"]], "is a list"),
    (readers.read_paths, {}, "is a table"),
    (schema.PROFILE_KEYS["roots"], 1, "is a number"),
    (schema.PROFILE_KEYS["roots"], ["system"], "is a list"),
    (schema.PROFILE_KEYS["roots"], False, "is true or false"),
    (readers.read_days, "14", "is a string"),
    (readers.read_days, True, "is true or false"),
    (readers.read_days, 1.5, "is a number"),
    (readers.read_days, -1, "is a number"),
    (readers.read_duration, 8, "is a number"),
    (readers.read_duration, True, "is true or false"),
    (readers.read_passphrase, 1, "is a number"),
    (readers.read_passphrase, ["prompt"], "is a list"),
    (readers.read_passphrase, True, "is true or false"),
    (readers.read_table, "x", "is a string"),
    (readers.read_table, [{}], "is a list"),
]


@pytest.mark.parametrize(("reader", "value", "words"), WRONG)
def test_wrong_types(reader: readers.Reader, value: object, words: str) -> None:
    """A wrong type says what stands there, and in the hint what the key takes."""
    with pytest.raises(ConfigurationError) as caught:
        reader(value, PLACE)
    assert caught.value.fact == f"the test: `the-key` {words}"
    assert (caught.value.hint or "").startswith("`the-key` takes ")


@pytest.mark.parametrize("value", ["system", "public", "environment", "none"])
def test_roots(value: str) -> None:
    """The four bases are taken."""
    assert schema.PROFILE_KEYS["roots"](value, PLACE) == value


@pytest.mark.parametrize(("value", "near"), [("sytem", "system"), ("None", "none")])
def test_wrong_roots(value: str, near: str) -> None:
    """Another base is answered with the nearest."""
    with pytest.raises(ConfigurationError, match=f"unknown value of `the-key` `{value}`") as caught:
        schema.PROFILE_KEYS["roots"](value, PLACE)
    assert caught.value.hint == f"did you mean `{near}`?"


@pytest.mark.parametrize("value", [0, 14, 10_000])
def test_days(value: int) -> None:
    """A whole number of days is taken, and zero is one."""
    assert readers.read_days(value, PLACE) == value


@pytest.mark.parametrize(
    ("value", "source", "words"),
    [
        ("keyring", FromKeyring(), "keyring (service mtls-run, user corp)"),
        ("prompt", FromPrompt(), "prompt at the terminal"),
        ({"command": ["op", "read", ""]}, FromCommand(("op", "read", "")), "command op"),
        ({"command": ["bin/x"]}, FromCommand(("/etc/there/bin/x",)), "command /etc/there/bin/x"),
        ({"file": "secret"}, FromFile(Path("/etc/there/secret")), "file /etc/there/secret"),
        ({"env": "CORP_PASS"}, FromVariable("CORP_PASS"), "variable CORP_PASS"),
    ],
)
def test_passphrase(value: object, source: Any, words: str) -> None:
    """Each source of a passphrase is taken, and has its words."""
    assert readers.read_passphrase(value, PLACE) == source
    assert describe(source, "corp") == words


@pytest.mark.parametrize("value", ["hunter2 in the open", "Keyring", "", "env", "op read x"])
def test_literal_passphrase(value: str) -> None:
    """A passphrase that stands there itself is refused, and not repeated."""
    with pytest.raises(ConfigurationError, match="write no passphrase here") as caught:
        readers.read_passphrase(value, PLACE)
    if value:
        assert value not in caught.value.fact.replace("a passphrase itself", "")
    assert "hunter2" not in f"{caught.value.fact}{caught.value.hint}{caught.value!r}"


@pytest.mark.parametrize(
    ("value", "fact"),
    [
        ({}, "the test: `passphrase` names 0 sources, it takes one"),
        ({"env": "A", "file": "b"}, "the test: `passphrase` names 2 sources, it takes one"),
        ({"comand": ["x"]}, "the test: unknown source in `passphrase`: `comand`"),
        ({"command": []}, "the test: `passphrase.command` is a list"),
        ({"command": [""]}, "the test: `passphrase.command` is a list"),
        ({"command": [1]}, "the test: `passphrase.command` is a list"),
        ({"command": ["a\0b"]}, "the test: `passphrase.command` is a list"),
        ({"command": "op read"}, "the test: `passphrase.command` is a string"),
        ({"file": 1}, "the test: `passphrase.file` is a number"),
        ({"file": ""}, "the test: `passphrase.file` is not a path: ''"),
        ({"env": ""}, "the test: `passphrase.env` is a string"),
        ({"env": "A=B"}, "the test: `passphrase.env` is a string"),
        ({"env": ["A"]}, "the test: `passphrase.env` is a list"),
    ],
)
def test_wrong_passphrase_sources(value: object, fact: str) -> None:
    """A source that cannot be is named; how it reads says what it takes."""
    with pytest.raises(ConfigurationError) as caught:
        readers.read_passphrase(value, PLACE)
    assert caught.value.fact == fact


def test_nearest_spelling() -> None:
    """The nearest word is offered where one is near, else all, else that there are none."""
    near = readers.unknown("key", "client-crt", schema.PROFILE_KEYS, SAID)
    assert (near.fact, near.hint) == (
        "the test: unknown key `client-crt`",
        "did you mean `client-cert`?",
    )
    far = readers.unknown("key", "zzz", ["b", "a"], SAID)
    assert far.hint == "known: a, b"
    assert readers.unknown("key", "zzz", [], SAID).hint == "there are none"
