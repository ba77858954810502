"""Where a path leads: noted by a run, and told from what is there later."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mtls_run.cache import dependencies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FEW, MANY = 3, 40


@pytest.fixture
def seen() -> Iterator[dependencies.Witness]:
    """Return a witness that listens to this test."""
    yield dependencies.listen({})
    dependencies.stop()


@pytest.fixture(params=[FEW, MANY], ids=["few", "many"])
def names(request: pytest.FixtureRequest) -> list[str]:
    """Return names of directories: few, looked at one by one, or many, listed."""
    return [f"d{number}" for number in range(request.param)]


def test_a_plain_way_is_noted_part_by_part(seen: dependencies.Witness, tmp_path: Path) -> None:
    """Each part of it, in the directory that it stands in."""
    (tmp_path / "a/b").mkdir(parents=True)
    assert dependencies.real(tmp_path / "a/b") == str(tmp_path / "a/b")
    assert set(seen.ways[str(tmp_path)]) == {"a"}
    assert set(seen.ways[str(tmp_path / "a")]) == {"b"}
    assert list(seen.ways["/"]) == [tmp_path.parts[1]]
    assert not seen.stamps


def test_siblings_share_their_way(seen: dependencies.Witness, tmp_path: Path) -> None:
    """What is above two names is noted once."""
    dependencies.real(tmp_path / "a")
    dependencies.real(tmp_path / "b")
    assert set(seen.ways[str(tmp_path)]) == {"a", "b"}


def test_through_a_link_both_ends_are_noted(seen: dependencies.Witness, tmp_path: Path) -> None:
    """The link with what it leads to, and the way to that."""
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    assert dependencies.real(tmp_path / "link") == str(tmp_path / "target")
    assert set(seen.ways[str(tmp_path)]) == {"target"}
    assert seen.stamps == {(dependencies.END, str(tmp_path / "link")): str(tmp_path / "target")}


def test_a_way_up_behind_a_link_is_not_taken_for_plain(
    seen: dependencies.Witness, tmp_path: Path
) -> None:
    """`link/..` is above what the link leads to."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/b")
    assert dependencies.real(f"{tmp_path}/link/../c") == str(tmp_path / "a/c")
    assert seen.stamps == {(dependencies.END, f"{tmp_path}/link/../c"): str(tmp_path / "a/c")}


@pytest.mark.parametrize("there", [True, False])
def test_directories_and_what_is_not_there_are_no_links(
    tmp_path: Path, names: list[str], there: bool
) -> None:
    """Neither leads anywhere else."""
    if there:
        for name in names:
            (tmp_path / name).mkdir()
    assert not dependencies.has_links(str(tmp_path), names)


@pytest.mark.parametrize("others", [0, 1000])
@pytest.mark.parametrize("target", [".", "nowhere"])
def test_one_link_is_found_whatever_stands_beside_it(
    tmp_path: Path, names: list[str], others: int, target: str
) -> None:
    """Also in a directory of which the listing is given up, and one that dangles."""
    for number in range(others):
        (tmp_path / f"other{number}").touch()
    for name in names[1:]:
        (tmp_path / name).mkdir()
    assert not dependencies.has_links(str(tmp_path), names)
    (tmp_path / names[0]).symlink_to(target)
    assert dependencies.has_links(str(tmp_path), names)


def test_links_of_other_names_do_not_matter(tmp_path: Path, names: list[str]) -> None:
    """Only the names that were noted count."""
    (tmp_path / "other").symlink_to(".")
    assert not dependencies.has_links(str(tmp_path), names)


def test_without_the_directory_there_are_no_links(tmp_path: Path, names: list[str]) -> None:
    """Nor in a file in its place."""
    assert not dependencies.has_links(str(tmp_path / "gone"), names)
    (tmp_path / "file").touch()
    assert not dependencies.has_links(str(tmp_path / "file"), names)


def test_a_directory_that_cannot_be_listed_is_looked_into(
    tmp_path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names may be looked at where listing is refused."""

    def refuse(_: str) -> None:
        raise PermissionError

    (tmp_path / names[-1]).symlink_to(".")
    monkeypatch.setattr(os, "scandir", refuse)
    assert dependencies.has_links(str(tmp_path), names)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_that_leads_elsewhere_is_seen(tmp_path: Path, there: bool) -> None:
    """Also where its end is the same directory by another name, or none at all."""
    (tmp_path / "p").mkdir()
    name = "b" if there else "nowhere"
    (tmp_path / "p/b").mkdir()
    (tmp_path / "link").symlink_to("p")
    path = str(tmp_path / "link" / name)
    before = dependencies.stamp(dependencies.END, path)
    assert before == str(tmp_path / "p" / name)
    (tmp_path / "p").rename(tmp_path / "q")
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("q")
    assert dependencies.stamp(dependencies.END, path) != before
