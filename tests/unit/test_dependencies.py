"""What an answer rests on: any change of it is told, and what cannot be noted forbids reuse."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run.cache.dependencies import SMALL, Dependencies, VariablesRead, unchanged
from tests.unit.support import working_in

if TYPE_CHECKING:
    from pathlib import Path

LARGE = SMALL + 1


def is_unchanged(noted: Dependencies) -> bool:
    """Tell whether all that was noted is as it was."""
    return unchanged((kind, path, state) for (kind, path), state in noted.states.items())


def age(path: Path, seconds: float = 60) -> None:
    """Give the file an older time of change, as far as a program can."""
    before = time.time() - seconds
    os.utime(path, (before, before))


def rewrite(path: Path, data: bytes) -> None:
    """Write other bytes into the file, which keeps its time of change."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# --- files, by content


def instead(path: Path, make: Callable[[], object]) -> None:
    """Put something else in the file's place."""
    path.unlink()
    make()


def link_to_another(path: Path) -> None:
    """Put a link to another file in the file's place."""
    path.with_name("other").write_bytes(b"B")
    instead(path, lambda: path.symlink_to("other"))


CHANGES: dict[str, Callable[[Path], object]] = {
    "same size and times": lambda path: rewrite(path, b"B" * 10),
    "longer": lambda path: rewrite(path, b"A" * 11),
    "emptied": lambda path: rewrite(path, b""),
    "large": lambda path: rewrite(path, b"A" * LARGE),
    "gone": lambda path: path.unlink(),
    "directory": lambda path: instead(path, path.mkdir),
    "FIFO": lambda path: instead(path, lambda: os.mkfifo(path)),
    "link to another": link_to_another,
    "dangling link": lambda path: instead(path, lambda: path.symlink_to("nowhere")),
    "link to itself": lambda path: instead(path, lambda: path.symlink_to(path.name)),
    "parent gone": lambda path: path.parent.rename(path.parent.with_name("away")),
}


@pytest.mark.parametrize("note", ["content", "file"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_small_file(tmp_path: Path, change: str, note: str) -> None:
    """It is compared by its bytes at once, however young it is and whatever its status says."""
    path = tmp_path / "folder/file"
    path.parent.mkdir()
    path.write_bytes(b"A" * 10)
    noted = Dependencies()
    if note == "content":
        noted.content(path, path.read_bytes())
    else:
        noted.file(path)
    assert noted.reusable
    assert is_unchanged(noted)
    CHANGES[change](path)
    assert not is_unchanged(noted)


def test_only_the_bytes_count(tmp_path: Path) -> None:
    """The same bytes in another file, with other times and mode, are no change."""
    path = tmp_path / "file"
    path.write_bytes(b"A")
    noted = Dependencies()
    noted.file(path)
    path.rename(tmp_path / "real")
    age(tmp_path / "real")
    (tmp_path / "real").chmod(0o600)
    path.symlink_to("real")
    assert is_unchanged(noted)


@pytest.mark.parametrize("name", ["file", "folder/file", "file/below"])
def test_absent_then_there(tmp_path: Path, name: str) -> None:
    """That nothing was there is noted too."""
    path = tmp_path / name
    noted = Dependencies()
    noted.file(path)
    noted.status(path)
    noted.owner(path)
    assert noted.reusable
    assert is_unchanged(noted)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    assert not is_unchanged(noted)


@pytest.mark.parametrize("size", [0, SMALL, LARGE])
def test_what_was_read_counts(tmp_path: Path, size: int) -> None:
    """A file that changed between being read and being noted is another one."""
    path = tmp_path / "file"
    path.write_bytes(b"A" * size)
    noted = Dependencies()
    noted.content(path, b"before")
    assert not is_unchanged(noted)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """Two readers of one file that saw two contents: the answer is not used again."""
    path = tmp_path / "file"
    path.write_bytes(b"A")
    noted = Dependencies()
    noted.file(path)
    reusable = [noted.reusable]
    path.write_bytes(b"B")
    noted.content(path, b"B")
    path.write_bytes(b"A")
    reusable.append(noted.reusable)
    assert reusable == [True, False]


# --- files, by status


def test_a_large_file(tmp_path: Path) -> None:
    """It is told by its status, and forbids reuse while the coarsest clock may not have moved."""
    path = tmp_path / "file"
    path.write_bytes(b"A" * LARGE)
    age(path)  # its inode has just changed all the same

    def noted() -> list[Dependencies]:
        by_content, by_file, by_status = Dependencies(), Dependencies(), Dependencies()
        by_content.content(path, path.read_bytes())
        by_file.file(path)
        by_status.status(path)
        return [by_content, by_file, by_status]

    assert [found.reusable for found in noted()] == [False, False, False]
    time.sleep(2.05)
    every = noted()
    assert [found.reusable for found in every] == [True, True, True]
    assert list(map(is_unchanged, every)) == [True, True, True]
    with path.open("r+b") as file:
        file.write(b"B")
    assert list(map(is_unchanged, every)) == [False, False, False]


def test_a_file_of_our_own(tmp_path: Path) -> None:
    """What this process wrote itself may be young."""
    path = tmp_path / "file"
    path.write_bytes(b"A" * LARGE)
    noted = Dependencies()
    noted.status(path, written_here=True)
    assert noted.reusable
    path.unlink()
    assert not is_unchanged(noted)


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    """A file from the future is not old enough either."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    age(path, -3600)
    noted = Dependencies()
    noted.status(path)
    assert not noted.reusable


# --- owners, links and names


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o4644])
def test_owner(tmp_path: Path, mode: int) -> None:
    """Who may write a file is noted apart from what it holds."""
    path = tmp_path / "file"
    path.write_bytes(b"A")
    path.chmod(0o640)
    noted = Dependencies()
    noted.owner(path)
    path.write_bytes(b"B")
    assert is_unchanged(noted)
    path.chmod(mode)
    assert not is_unchanged(noted)


def test_owner_of_another_file(tmp_path: Path) -> None:
    """A file that was moved there is another file, whoever has it."""
    path = tmp_path / "file"
    path.write_bytes(b"A")
    noted = Dependencies()
    noted.owner(path)
    (tmp_path / "other").write_bytes(b"A")
    (tmp_path / "other").rename(path)
    assert not is_unchanged(noted)


def test_target(tmp_path: Path) -> None:
    """A link that leads elsewhere is noticed, and a directory that becomes one."""
    for name in ("one", "two", "plain"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("one")
    for path, target in (("link/x", "one/x"), ("plain", "plain")):
        noted = Dependencies()
        assert noted.target(tmp_path / path) == str(tmp_path / target)
        assert is_unchanged(noted)
        first = tmp_path / path.partition("/")[0]
        if first.is_symlink():
            first.unlink()
        else:
            first.rmdir()
        first.symlink_to("two")
        assert not is_unchanged(noted)


STEMS = ("pip", "sitecustomize")


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("pip", True),
        ("pip.py", True),
        ("pip.cpython-313-x86_64-linux-gnu.so", True),
        ("sitecustomize.py", True),
        ("new.pth", True),
        ("pipx", False),
        ("pip-26.3.dist-info", False),
        ("README", False),
        (".pth2", False),
    ],
)
def test_names(tmp_path: Path, name: str, counts: bool) -> None:
    """What appears in a directory counts where it has one of the names, or the suffix."""
    (tmp_path / "old.pth").touch()
    (tmp_path / "other").touch()
    noted = Dependencies()
    assert noted.names(tmp_path, STEMS, ".pth") == ["old.pth"]
    assert is_unchanged(noted)
    (tmp_path / name).touch()
    assert is_unchanged(noted) is not counts
    (tmp_path / name).unlink()
    assert is_unchanged(noted)


def test_names_of_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """It has none; that it appears is noticed, also empty."""
    noted = Dependencies()
    assert noted.names(tmp_path / "later", STEMS, ".pth") == []
    assert is_unchanged(noted)
    (tmp_path / "later").mkdir()
    assert not is_unchanged(noted)


def test_relative_paths(tmp_path: Path) -> None:
    """A path is noted from the root with its `..`, which after a link means another place."""
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/away")
    (tmp_path / "far/file").write_bytes(b"A")
    noted = Dependencies()
    with working_in(tmp_path):
        noted.file("link/../file")
    assert is_unchanged(noted)
    (tmp_path / "far/file").write_bytes(b"B")
    assert not is_unchanged(noted)


def test_what_another_answer_rests_on(tmp_path: Path) -> None:
    """States of an earlier answer count too; one that contradicts what was seen forbids reuse."""
    path = tmp_path / "file"
    path.write_bytes(b"A")
    earlier = Dependencies()
    earlier.file(path)
    noted = Dependencies()
    noted.also(earlier.states)
    assert noted.reusable
    assert noted.states == earlier.states
    path.write_bytes(b"B")
    noted.file(path)
    assert not noted.reusable


def test_forbidden() -> None:
    """What holds a secret, or cannot be noted, is never used again."""
    noted = Dependencies()
    noted.forbid_reuse()
    assert not noted.reusable


@pytest.mark.parametrize("kind", ["content", "status", "owner", "target", "names:.pth:pip"])
@pytest.mark.parametrize("path", ["/nowhere/at/all", "", "with\0NUL", "/dev/null/x"])
def test_any_path_has_a_state(kind: str, path: str) -> None:
    """A path that cannot be looked at has a state of its own, and raises nothing."""
    assert not unchanged([(kind, path, "something else")])


# --- variables

READ = VariablesRead(names=("HOME", "SSL_CERT_FILE"), prefixes=("PIP_", "UV_"))
ENVIRONS = st.dictionaries(
    st.sampled_from(["HOME", "SSL_CERT_FILE", "PIP_CERT", "UV_INDEX", "UV_", "OTHER", "PIP"]),
    st.sampled_from(["", "-", "=", "a", "HOME=a", "HOME-", "PIP_CERT=a", "a\nb", "\udcff"]),
)


@given(ENVIRONS, ENVIRONS)
def test_variables_read(one: dict[str, str], two: dict[str, str]) -> None:
    """Two environments give one text exactly where the variables that count are the same."""

    def counts(environ: dict[str, str]) -> dict[str, str]:
        return {
            name: value
            for name, value in environ.items()
            if name in READ.names or name.startswith(READ.prefixes)
        }

    assert (READ.values(one) == READ.values(two)) is (counts(one) == counts(two))
