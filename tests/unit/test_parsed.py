"""What configuration files said when they were parsed: used again as it was, or not at all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from mtls_run import cache, configuration, document, parsed, verdicts
from mtls_run.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = b"""
default-profile = "corp"
[profiles.corp]
client-cert = "alice.pem"
ca-cert = ["a.pem", "b.pem"]
[[directories]]
path = "/srv"
profile = "corp"
"""


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give a list that gets each text that is parsed."""
    texts: list[str] = []
    real = document._loads  # noqa: SLF001 - what is not to happen twice

    def counted(text: str) -> dict[str, object]:
        texts.append(text)
        return real(text)

    monkeypatch.setattr(document, "_loads", counted)
    return texts


def load(path: Path, content: bytes, *, again: bool = True) -> configuration.Configuration:
    """Return what a user file with these bytes says."""
    path.write_bytes(content)
    environ = {"MTLS_RUN_CONFIG": str(path)}
    return configuration.load(environ, path.with_name("system.toml"), again=again)


def test_the_same_bytes_are_parsed_once(tmp_path: Path, parses: list[str]) -> None:
    """And mean the same, with the line of each value."""
    path = tmp_path / "config.toml"
    first, second = load(path, GOOD), load(path, GOOD)
    assert len(parses) == 1
    assert second.profiles.keys() == first.profiles.keys()
    assert second.directories[0].path == first.directories[0].path
    said = second.profiles["corp"]["client-cert"]
    assert (str(said.origin), said.value) == (f"{path}:4", tmp_path / "alice.pem")


def test_other_bytes_are_parsed(tmp_path: Path, parses: list[str]) -> None:
    """One letter is enough, and so is the wish to have it anew."""
    path = tmp_path / "config.toml"
    load(path, GOOD)
    load(path, GOOD + b"\n")
    load(path, GOOD, again=False)
    assert len(parses) == 3


def test_what_is_wrong_is_told_again(tmp_path: Path, parses: list[str]) -> None:
    """A file with a mistake is not kept: it may have a passphrase where none belongs."""
    wrong = GOOD.replace(b"[[", b'passphrase = "hunter2"\n[[', 1)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="a passphrase itself never stands here"):
            load(tmp_path / "config.toml", wrong)
    assert parses.count(wrong.decode()) >= 2  # and in parts, to say the line
    assert not _kept("hunter2")


def test_a_command_is_not_kept(tmp_path: Path, parses: list[str]) -> None:
    """A word of it may be a secret, though it should not be."""
    said = b'passphrase = { command = ["vault", "--token=hunter2"] }\n[['
    for _ in range(2):
        load(tmp_path / "config.toml", GOOD.replace(b"[[", said, 1))
    assert len(parses) == 2
    assert not _kept("hunter2")


def _kept(secret: str) -> bool:
    """Tell whether the cache has these letters, as they are or as `parsed` writes them."""
    forms = (secret.encode(), secret.encode().hex().encode())
    files = [path for path in cache.directory("verdicts").iterdir() if path.is_file()]
    return any(form in path.read_bytes() for path in files for form in forms)


def test_the_words_that_are_looked_for_would_be_found(tmp_path: Path) -> None:
    """As they stand where they may."""
    load(tmp_path / "config.toml", GOOD.replace(b"alice.pem", b"hunter2"))
    assert _kept("hunter2")


@pytest.mark.parametrize("damage", ["", "00", "zz", "4e", "e9ffffffff"])
def test_what_is_no_table_is_not_believed(tmp_path: Path, damage: str, parses: list[str]) -> None:
    """Whatever it is: it is parsed again."""
    path = tmp_path / "config.toml"
    load(path, GOOD)
    verdicts.keep("toml", parsed._name(GOOD), [damage])  # noqa: SLF001 - where it is kept
    assert load(path, GOOD).default_profile is not None
    assert len(parses) == 2


def test_another_python_parses_for_itself(
    tmp_path: Path, parses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form that it is kept in is Python's own."""
    load(tmp_path / "config.toml", GOOD)
    monkeypatch.setattr(sys, "version", "another")
    load(tmp_path / "config.toml", GOOD)
    assert len(parses) == 2


def test_times_are_not_kept(tmp_path: Path) -> None:
    """TOML has them, and no key of ours takes one; where one stood, it would be parsed again."""
    source = document.parse(tmp_path / "x", b"when = 1979-05-27T07:32:00Z")
    parsed.keep(source)
    assert parsed.recall(source.content) is None
