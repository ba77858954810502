"""A launch is stored and found whole, under its whole call, and never where anything differs."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run import cli
from mtls_run.cache import launches
from mtls_run.cache.dependencies import Dependencies, VariablesRead
from mtls_run.cache.launches import ALWAYS, CachedLaunch, Launch, Locked, Remembered, WithIdentity
from mtls_run.tools import registry
from tests.unit.support import working_in

READ = VariablesRead(names=("HOME",), prefixes=("PIP_",))
ENVIRON = {"HOME": "/home/me", "PIP_CERT": "/ca.pem"}
SAMPLE = CachedLaunch(
    Launch(
        flags=("--cert", "/ca.pem", "--client-cert", WithIdentity()),
        variables={"SSL_CERT_DIR": None, "SSL_CERT_FILE": "/ca.pem", "SET_EMPTY": ""},
    ),
    has_profile=True,
    identity=Remembered("digest", "sha256"),
)
# What argv, a path and a variable can be: bytes that are no UTF-8 come as surrogates.
TEXT = st.binary(max_size=12).map(lambda data: os.fsdecode(data.replace(b"\0", b"=@")))
WORDS = st.one_of(TEXT, TEXT.map(WithIdentity))
NAMES = st.text(st.characters(exclude_characters="=\0", exclude_categories=["Cs"]), min_size=1)
LAUNCHES = st.builds(
    CachedLaunch,
    st.builds(
        Launch,
        st.lists(WORDS, max_size=4).map(tuple),
        st.dictionaries(NAMES, st.one_of(st.none(), WORDS), max_size=4),
    ),
    st.booleans(),
    st.one_of(
        st.none(),
        st.just(Remembered("d", "s")),
        st.builds(Locked, st.just("d"), TEXT, st.lists(TEXT, max_size=2).map(tuple)),
    ),
)


def store(
    key: str = "key",
    cached: CachedLaunch = SAMPLE,
    noted: Dependencies | None = None,
    valid: tuple[float, float] = ALWAYS,
) -> None:
    """Store a launch."""
    launches.store(key, cached, noted or Dependencies(), (READ, READ.values(ENVIRON)), valid)


def find(key: str = "key", environ: dict[str, str] | None = None) -> CachedLaunch | None:
    """Return the launch that is found under a key."""
    return launches.find(key, ENVIRON if environ is None else environ)


def folder(tmp_path: Path) -> Path:
    """Return where launches are stored."""
    return tmp_path / "cache/mtls-run" / launches.FOLDER


# --- a launch


def test_words() -> None:
    """The identity's path follows the text that waits for it; other words stay."""
    assert SAMPLE.launch.words("/id") == ("--cert", "/ca.pem", "--client-cert", "/id")
    launch = Launch((WithIdentity("--client-cert="), "x"), {"ACTIVE": WithIdentity("1:2:")})
    assert launch.words("/id") == ("--client-cert=/id", "x")
    assert launch.environ({}, "/id") == {"ACTIVE": "1:2:/id"}


def test_environ() -> None:
    """What contradicts is unset or replaced, the rest is left as it was."""
    before = {"SSL_CERT_DIR": "/x", "SSL_CERT_FILE": "/x", "A": "1"}
    after = {"SSL_CERT_FILE": "/ca.pem", "SET_EMPTY": "", "A": "1"}
    assert SAMPLE.launch.environ(before, None) == after
    assert before["SSL_CERT_DIR"] == "/x"


# --- stored and found


@given(LAUNCHES, st.text(max_size=5).map(repr))
def test_round_trip(cached: CachedLaunch, key: str) -> None:
    """What is found is what was stored, whatever the words are."""
    store(key, cached)
    assert find(key) == cached
    assert find(f"{key}x") is None


@given(st.lists(st.tuples(TEXT, TEXT), max_size=3))
def test_round_trip_of_what_it_rests_on(pairs: list[tuple[str, str]]) -> None:
    """Paths of any name are compared again, and one that differs makes the launch unusable."""
    noted = Dependencies()
    for first, second in pairs:
        noted.file(f"/nowhere/{first}/{second}")
    store("key", SAMPLE, noted)
    assert find("key") == SAMPLE
    noted.also({("content", "/nowhere/else"): "was there"})
    store("key", SAMPLE, noted)
    assert find("key") is None


def test_private(tmp_path: Path) -> None:
    """Modes are 0700 and 0600, under any umask, and no variable's value is in it."""
    before = os.umask(0)
    try:
        store()
    finally:
        os.umask(before)
    (entry,) = folder(tmp_path).iterdir()
    assert entry.stat().st_mode & 0o777 == 0o600
    assert entry.parent.stat().st_mode & 0o777 == 0o700
    assert b"/home/me" not in entry.read_bytes()


def test_what_it_rests_on(tmp_path: Path) -> None:
    """It is not found where a file is another, and found again where it is the same again."""
    path = tmp_path / "file"
    path.write_bytes(b"A")
    noted = Dependencies()
    noted.file(path)
    store(noted=noted)
    assert find() == SAMPLE
    path.write_bytes(b"B")
    assert find() is None
    path.write_bytes(b"A")
    assert find() == SAMPLE


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({**ENVIRON, "OTHER": "1"}, True),
        ({**ENVIRON, "HOME": "/home/you"}, False),
        ({**ENVIRON, "PIP_CERT": ""}, False),
        ({**ENVIRON, "PIP_PROXY": "x"}, False),
        ({"HOME": "/home/me"}, False),
        ({"PIP_CERT": "/ca.pem"}, False),
    ],
)
def test_variables(environ: dict[str, str], found: bool) -> None:
    """It is found where the variables that count are as they were."""
    store()
    assert (find(environ=environ) == SAMPLE) is found


def test_what_may_not_be_stored(tmp_path: Path) -> None:
    """What forbids reuse is not stored at all."""
    noted = Dependencies()
    noted.forbid_reuse()
    store(noted=noted)
    assert not folder(tmp_path).exists()


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [(-10, 10, True), (10, 20, False), (-20, -10, False), (-10, float("inf"), True)],
)
def test_validity(since: float, until: float, found: bool) -> None:
    """It is found from the first of its two times on, and until the second."""
    now = time.time()
    store(valid=(now + since, now + until))
    assert (find() == SAMPLE) is found


def test_a_day_at_most(tmp_path: Path) -> None:
    """It is resolved anew once a day, whatever its validity."""
    store()
    (entry,) = folder(tmp_path).iterdir()
    until = float(entry.read_bytes().split(b"\0")[4])
    assert time.time() + launches.DAY - 60 < until <= time.time() + launches.DAY


def test_a_large_launch_is_not_stored(tmp_path: Path) -> None:
    """Nothing is stored of a launch that would take long to read."""
    store(cached=CachedLaunch(Launch(("x" * (1 << 20),), {}), has_profile=True))
    assert not folder(tmp_path).exists()


def test_the_older_half_goes(tmp_path: Path) -> None:
    """The directory does not grow for ever, and the newest launch stays."""
    store("first")
    for number in range(launches.MOST + 10):
        entry = folder(tmp_path) / f"{number:032x}"
        entry.write_bytes(b"")
        os.utime(entry, (0, 0))
    store("last")
    assert len(list(folder(tmp_path).iterdir())) <= launches.MOST
    assert find("last") == SAMPLE


# --- damaged and foreign entries


def instead(entry: Path, make: Callable[[], object]) -> None:
    """Move the entry aside, and put something else in its place."""
    entry.rename(entry.with_name("moved"))
    make()


@given(
    place=st.integers(0, 1 << 16),
    byte=st.binary(min_size=1, max_size=1),
    how=st.sampled_from(["another byte", "cut", "longer", "end alone", "one byte"]),
)
def test_damage(place: int, byte: bytes, how: str) -> None:
    """An entry of which a byte is another, or which is cut or longer, is not used."""
    store()
    (entry,) = (Path(os.environ["XDG_CACHE_HOME"]) / "mtls-run" / launches.FOLDER).iterdir()
    whole = entry.read_bytes()
    at = place % len(whole)
    damaged = {
        "another byte": whole[:at] + byte + whole[at + 1 :],
        "cut": whole[:at],
        "longer": whole + byte,
        "end alone": whole[at + 1 :],
        "one byte": byte,
    }[how]
    entry.write_bytes(damaged)
    assert find() == (SAMPLE if damaged == whole else None)


def test_an_entry_under_another_name(tmp_path: Path) -> None:
    """An entry that was copied to another call's place says nothing of that call."""
    store("one")
    store("two", CachedLaunch(Launch((), {}), has_profile=False))
    one, two = sorted(folder(tmp_path).iterdir(), key=lambda path: path.stat().st_size)[::-1]
    two.write_bytes(one.read_bytes())
    assert find("one") == SAMPLE
    assert find("two") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry.chmod(0o620),
        lambda entry: entry.chmod(0o602),
        lambda entry: entry.parent.chmod(0o770),
        lambda entry: entry.parent.parent.chmod(0o707),
        lambda entry: instead(entry, entry.mkdir),
        lambda entry: instead(entry, lambda: os.mkfifo(entry, 0o600)),
        lambda entry: instead(entry, lambda: entry.symlink_to("moved")),
        lambda entry: shutil.rmtree(entry.parent),
    ],
    ids=range(8),
)
def test_what_another_may_have_written(tmp_path: Path, change: object) -> None:
    """An entry is used only where the user alone can have written it."""
    assert callable(change)
    store()
    (entry,) = folder(tmp_path).iterdir()
    change(entry)
    assert find() is None


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    """Without a cache nothing is stored, and nothing fails."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/mtls-run").write_text("in its place")
    store()
    assert find() is None


# --- the key


def key(*words: str, path: str = "/bin/tool") -> str | None:
    """Return the key of a whole command line."""
    called = cli.parse(words)
    _, call = registry.recognise(called.words, any_program=called.after_dashes)
    return launches.key(call.words, path, called.options)


@given(st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=4))
def test_every_word_counts(one: list[str], two: list[str]) -> None:
    """Two calls have one key exactly where they have the same words, and each is a text."""
    found = [key("pip", *words) for words in (one, two)]
    assert (found[0] == found[1]) is (one == two)
    for text in found:
        assert text is not None
        text.encode()


def test_what_else_counts(tmp_path: Path) -> None:
    """The directory, program, profile and handoff count too; how loud a run is does not."""
    base = key("pip", "install", "x")
    assert base is not None
    assert key("-q", "pip", "install", "x") == base
    assert key("--wrapped", "pip", "install", "x") == base
    assert key("-v", "pip", "install", "x") is None
    others = [
        key("-p", "a", "pip", "install", "x"),
        key("-p", "", "pip", "install", "x"),
        key("--handoff", "memfd", "pip", "install", "x"),
        key("--handoff", "supervise", "pip", "install", "x"),
        key("pip", "install", "x", path="/bin/other"),
        key("pip3", "install", "x"),
        key("python", "-m", "pip", "install", "x"),
        key("pip", "installx"),
        key("pip", "install x"),
        key("uv", "install", "x"),
        key("--", "make", "install", "x"),
    ]
    with working_in(tmp_path):
        others.append(key("pip", "install", "x"))
    assert len({base, *others}) == len(others) + 1


def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    """Where the current directory was removed there is no key."""
    gone = tmp_path / "gone"
    gone.mkdir()
    with working_in(gone):
        gone.rmdir()
        assert key("pip", "install", "x") is None
