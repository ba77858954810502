"""What was allowed, and for how long it stays so."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from mtls_run.cache.dependencies import Dependencies
from mtls_run.config import project, project_trust
from mtls_run.config.profile import Profile
from mtls_run.errors import ConfigurationError, MtlsRunError
from tests.strangers import give_away, sees_everything
from tests.unit.support import SAID, Heard, configured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mtls_run.config.layers import Configuration
    from mtls_run.config.project import ProjectFile

OWN, SHARED = project.OWN, project.SHARED
SAYS = 'client-cert = "me.pem"\nca-cert = ["ca.pem", "later.pem"]\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the home directory."""
    return tmp_path / "home"


@pytest.fixture
def nothing(tmp_path: Path) -> Configuration:
    """Return the configuration of somebody who has said nothing."""
    return configured(tmp_path, None)


def put(folder: Path, text: str = SAYS, name: str = OWN) -> ProjectFile:
    """Write a project file beside the files that it names, and return what is found there."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("me.pem", "ca.pem"):
        if not (folder / file).exists():
            (folder / file).write_text(f"bytes of {file}")
    (folder / name).write_text(text)
    return again(folder)


def again(folder: Path) -> ProjectFile:
    """Return the project file as it is now."""
    found = project.find(folder, os.environ, Heard())
    assert found is not None
    return found


def refusal(found: ProjectFile, configuration: Configuration, anyway: str | None = None) -> str:
    """Return why a project file does not count."""
    with pytest.raises(ConfigurationError) as caught:
        required(found, configuration, anyway)
    assert str(found.directory) in str(caught.value.hint)
    assert "mtls-run allow" in str(caught.value.hint)
    assert "--profile" in str(caught.value.hint)
    return caught.value.fact


def required(
    found: ProjectFile, configuration: Configuration, anyway: str | None = None
) -> Mapping[str, str]:
    """Return the digests that the named files have to have, where the project file counts."""
    return project_trust.require(found, configuration, anyway, Dependencies())


def entry_of(path: Path) -> Path:
    """Return the file that holds what was said of a project file; there is one for each."""
    (found,) = [
        entry
        for entry in project_trust.store().iterdir()
        if json.loads(entry.read_text())["path"] == str(path)
    ]
    return found


def check(pinned: Mapping[str, str], path: Path) -> None:
    """Do what a run does when it has read a file that a project file names."""
    Profile(None, SAID, pinned=pinned).verify(path, path.read_bytes())


# --- allow


@pytest.mark.parametrize("name", [OWN, SHARED])
def test_allow(home: Path, nothing: Configuration, name: str) -> None:
    """Nothing counts before `allow`; with it the file counts, its named files as they were."""
    text = f"[tool.mtls-run]\n{SAYS}" if name == SHARED else SAYS
    found = put(home / "p", text, name)
    assert refusal(found, nothing) == (
        f"the project file {found.path} has a profile of its own (client-cert, ca-cert), "
        "and is not allowed"
    )
    kept = project_trust.allow(found)
    pinned = required(again(home / "p"), nothing)
    assert pinned == kept.files
    assert pinned == {
        str(home / "p/me.pem"): hashlib.sha256(b"bytes of me.pem").hexdigest(),
        str(home / "p/ca.pem"): hashlib.sha256(b"bytes of ca.pem").hexdigest(),
        str(home / "p/later.pem"): project_trust.MISSING,
    }


def test_allow_a_name(home: Path, nothing: Configuration) -> None:
    """A name of another of the user's profiles counts from `allow` on."""
    found = put(home / "p", 'profile = "corp"\n')
    fact = f"the project file {found.path} names profile corp, and is not allowed"
    assert refusal(found, nothing) == fact
    assert refusal(found, nothing, "other") == fact
    project_trust.allow(found)
    assert required(found, nothing, "other") == {}


def test_the_name_that_applies_anyway(home: Path, nothing: Configuration) -> None:
    """To name what applies anyway needs nothing, and leaves nothing behind."""
    found = put(home / "p", 'profile = "corp"\n')
    assert required(found, nothing, "corp") == {}
    assert not project_trust.store().exists()
    refusal(found, nothing, "Corp")


def test_anyway_is_no_word_for_a_profile_of_its_own(home: Path, nothing: Configuration) -> None:
    """A profile in the project file is never the one that applies anyway."""
    refusal(put(home / "p", 'extends = "corp"\n'), nothing, "corp")


@pytest.mark.parametrize("ci", ["true", "1"])
def test_ci_grants_nothing(
    home: Path, nothing: Configuration, ci: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that builds is not trusted any more than one that does not."""
    for name in ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "MTLS_RUN_ACTIVE", "MTLS_RUN_TRUST"):
        monkeypatch.setenv(name, ci)
    refusal(put(home / "p"), nothing)


def test_allow_twice(home: Path, nothing: Configuration) -> None:
    """`allow` said again replaces what was said."""
    project_trust.allow(put(home / "p"))
    other = put(home / "p", 'profile = "corp"\n')
    project_trust.allow(other)
    assert required(other, nothing) == {}
    assert "has changed since it was allowed" in refusal(put(home / "p"), nothing)
    assert len(list(project_trust.store().iterdir())) == 1


# --- replay


def test_the_same_content_elsewhere(home: Path, nothing: Configuration) -> None:
    """What was allowed in one place is not allowed in another (direnv #83)."""
    project_trust.allow(put(home / "p"))
    for other in (home / "q", home / "p/sub", home / "p2"):
        assert "is not allowed" in refusal(put(other), nothing)


def test_moved(home: Path, nothing: Configuration) -> None:
    """A project that was moved is asked for anew, and allowed again where it comes back to."""
    project_trust.allow(put(home / "p"))
    (home / "p").rename(home / "q")
    assert "is not allowed" in refusal(again(home / "q"), nothing)
    (home / "q").rename(home / "p")
    assert len(required(again(home / "p"), nothing)) == 3


@pytest.mark.parametrize("link", ["symlink", "hard link"])
def test_a_link_to_an_allowed_one(home: Path, nothing: Configuration, link: str) -> None:
    """A link to a project file that is allowed is another project file."""
    found = put(home / "p")
    project_trust.allow(found)
    (home / "q").mkdir()
    if link == "symlink":
        (home / "q" / OWN).symlink_to(found.path)
    else:
        os.link(found.path, home / "q" / OWN)
    other = again(home / "q")
    assert other.says == found.says
    assert "is not allowed" in refusal(other, nothing)


def test_the_other_file_of_the_directory(home: Path, nothing: Configuration) -> None:
    """To allow the table in pyproject.toml is not to allow a `.mtls-run.toml` beside it."""
    project_trust.allow(put(home / "p", f"[tool.mtls-run]\n{SAYS}", SHARED))
    assert "is not allowed" in refusal(put(home / "p"), nothing)


def test_a_copied_entry(home: Path, nothing: Configuration) -> None:
    """An entry under the name of another project file says nothing of that one."""
    project_trust.allow(put(home / "p"))
    project_trust.deny(put(home / "q").path)
    content = entry_of(home / "p" / OWN).read_bytes()
    entry_of(home / "q" / OWN).write_bytes(content)
    assert project_trust.recall(home / "q" / OWN) is None
    assert "is not allowed" in refusal(again(home / "q"), nothing)


# --- changes


@pytest.mark.parametrize(
    "text",
    [SAYS + "\n", SAYS + "# hello\n", SAYS.replace("me.pem", "you.pem"), 'profile = "corp"\n'],
)
def test_changed(home: Path, nothing: Configuration, text: str) -> None:
    """Any change of `.mtls-run.toml` asks again, and to take it back needs no asking."""
    project_trust.allow(put(home / "p"))
    assert "has changed since it was allowed" in refusal(put(home / "p", text), nothing)
    assert required(put(home / "p"), nothing)


def test_pyproject_around_the_table(home: Path, nothing: Configuration) -> None:
    """In pyproject.toml a new dependency asks nothing, and a change of the table does."""
    table = f"[tool.mtls-run]\n{SAYS}"
    project_trust.allow(put(home / "p", f"[project]\nname = 'x'\n{table}", SHARED))
    for text in (
        f"[project]\nname = 'x'\ndependencies = ['y']\n{table}",
        f"{table}\n[tool.uv]\nindex-url = 'https://x'\n",
        f"# a comment\n{table}",
        table.replace("\n", "\r\n"),
    ):
        assert required(put(home / "p", text, SHARED), nothing)
    for text in (
        f"{table}roots = 'none'\n",
        table.replace("ca.pem", "cb.pem"),
        "[tool.mtls-run]\n",
    ):
        changed = put(home / "p", text, SHARED)
        assert "has changed since it was allowed" in refusal(changed, nothing)


@pytest.mark.parametrize("file", ["me.pem", "ca.pem"])
@pytest.mark.parametrize("how", ["written", "replaced", "linked", "emptied"])
def test_a_named_file_that_changes(home: Path, nothing: Configuration, file: str, how: str) -> None:
    """The bytes of a named file are those that were allowed, or the file is not believed."""
    project_trust.allow(put(home / "p"))
    path = home / "p" / file
    pinned = required(again(home / "p"), nothing)
    check(pinned, path)
    if how == "written":
        path.write_text("other")
    elif how == "emptied":
        path.write_text("")
    else:
        path.unlink()
        (home / "other").write_text("other")
        if how == "linked":
            path.symlink_to(home / "other")
        else:
            (home / "other").rename(path)
    pinned = required(again(home / "p"), nothing)
    with pytest.raises(ConfigurationError, match="has changed since the project file") as caught:
        check(pinned, path)
    assert str(path) in caught.value.fact
    assert "mtls-run allow" in str(caught.value.hint)
    project_trust.allow(again(home / "p"))
    check(required(again(home / "p"), nothing), path)


def test_a_named_file_that_appears(home: Path, nothing: Configuration) -> None:
    """A file that was not there when the project was allowed is not believed later."""
    project_trust.allow(put(home / "p"))
    path = home / "p/later.pem"
    path.write_text("")
    with pytest.raises(ConfigurationError, match=r"later\.pem has changed"):
        check(required(again(home / "p"), nothing), path)


@pytest.mark.parametrize("link", ["file", "folder", "from outside"])
def test_behind_a_link(home: Path, nothing: Configuration, link: str) -> None:
    """A file reached by a link is pinned by its bytes; the link may not lead elsewhere later."""
    folder = home / "p"
    put(folder)
    for side in ("a", "b"):
        (folder / side).mkdir()
        (folder / side / "ca.pem").write_text(side)
    named = {"file": folder / "link", "folder": folder / "link/ca.pem", "from outside": home / "in"}
    place = home / "in" if link == "from outside" else folder / "link"
    target = "a" if link == "folder" else "a/ca.pem"
    place.symlink_to(folder / target)
    project_trust.allow(put(folder, f'ca-cert = "{named[link]}"\n'))
    pinned = required(again(folder), nothing)
    check(pinned, named[link])
    place.unlink()
    place.symlink_to(folder / target.replace("a", "b", 1))
    with pytest.raises(ConfigurationError, match="has changed"):
        check(required(again(folder), nothing), named[link])


def test_dotdot_behind_a_link(home: Path, nothing: Configuration) -> None:
    """A path that leads out of the project cannot be bent back into it after `allow`."""
    folder = home / "p"
    put(folder)
    (folder / "a").mkdir()
    (folder / "d/e").mkdir(parents=True)
    (home / "ca.pem").write_text("the user's own")
    named = folder / "a/../../ca.pem"
    project_trust.allow(put(folder, 'ca-cert = "a/../../ca.pem"\n'))
    check(required(again(folder), nothing), named)
    (folder / "a").rmdir()
    (folder / "a").symlink_to("d/e")
    assert named.read_text() == "bytes of ca.pem"
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        check(required(again(folder), nothing), named)


def test_files_elsewhere_are_the_users(home: Path, nothing: Configuration) -> None:
    """A file outside the project may be renewed: it is not the repository's to change."""
    (home / "mine.pem").write_text("old")
    project_trust.allow(put(home / "p", 'ca-cert = "~/mine.pem"\n'))
    (home / "mine.pem").write_text("new")
    check(required(again(home / "p"), nothing), home / "mine.pem")


@pytest.mark.parametrize("kind", ["fifo", "directory", "huge"])
def test_allow_of_what_cannot_be_pinned(home: Path, nothing: Configuration, kind: str) -> None:
    """A named file that is none, or is huge, is an error of `allow`, at once; nothing is kept."""
    found = put(home / "p")
    path = home / "p/me.pem"
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    with pytest.raises(ConfigurationError, match=r"me\.pem"):
        project_trust.allow(found)
    assert project_trust.recall(found.path) is None
    assert "is not allowed" in refusal(found, nothing)


# --- deny


def test_deny_outlasts(tmp_path: Path, home: Path) -> None:
    """`deny` holds against an earlier `allow`, a changed file, and trusted directories."""
    trusting = configured(tmp_path, 'trusted-directories = ["~"]\n')
    found = put(home / "p")
    project_trust.allow(found)
    assert required(found, trusting) == {}
    project_trust.deny(found.path)
    for text in (SAYS, 'profile = "corp"\n', SAYS):
        assert "is denied" in refusal(put(home / "p", text), trusting)
        assert "is denied" in refusal(again(home / "p"), configured(tmp_path, None))
    project_trust.allow(again(home / "p"))
    assert len(required(again(home / "p"), configured(tmp_path, None))) == 3
    assert required(put(home / "p", 'profile = "corp"\n'), trusting) == {}


def test_deny_without_allow(home: Path, nothing: Configuration) -> None:
    """`deny` needs no `allow` before it, and concerns that one file."""
    found = put(home / "p")
    project_trust.deny(found.path)
    assert "is denied" in refusal(found, nothing)
    assert "is not allowed" in refusal(put(home / "p/sub"), nothing)


# --- trusted directories


@pytest.mark.parametrize(
    ("trusted", "expected"),
    [
        ('["~"]', True),
        ('"~/src"', True),
        ('["~/src/"]', True),
        ('["~/src/infra"]', True),
        ('["~/src/infra/p"]', True),
        ('["/"]', True),
        ('["~/other", "~/src/./infra"]', True),
        ('["~/link"]', True),
        ('["../home/src"]', True),
        ('["~/src/inf"]', False),
        ('["~/src/infra/p/sub"]', False),
        ('["~/src/infra-evil"]', False),
        ('["~/other"]', False),
        ('["~/gone"]', False),
        ("[]", False),
    ],
)
@pytest.mark.parametrize("layer", ["user", "system"])
def test_trusted_directories(
    tmp_path: Path, home: Path, trusted: str, expected: bool, layer: str
) -> None:
    """Below a trusted directory of either file nothing needs `allow`, whatever changes."""
    found = put(home / "src/infra/p")
    (home / "link").symlink_to("src/infra")
    text = f"trusted-directories = {trusted}\n"
    configuration = configured(
        tmp_path, text if layer == "user" else "", text if layer == "system" else None
    )
    if expected:
        assert required(found, configuration) == {}
        assert not project_trust.store().exists()
    else:
        assert "is not allowed" in refusal(found, configuration)


def test_trusted_is_where_it_really_is(tmp_path: Path, home: Path) -> None:
    """A link inside a trusted directory does not make trusted what it leads to."""
    configuration = configured(tmp_path, 'trusted-directories = ["~/trusted"]\n')
    put(home / "evil")
    (home / "trusted").mkdir()
    (home / "trusted/link").symlink_to(home / "evil")
    found = again(home / "trusted/link")
    assert found.directory == home / "evil"
    assert "is not allowed" in refusal(found, configuration)


# --- the store


def test_private(home: Path) -> None:
    """The store and all in it are the user's alone, under any umask, also where they were not."""
    store = project_trust.store()
    found = put(home / "p")
    before = os.umask(0)
    try:
        project_trust.allow(found)
        for folder in (store, store.parent):
            folder.chmod(0o777)
        project_trust.deny(found.path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    assert stat.S_IMODE(store.parent.stat().st_mode) == 0o700
    (entry,) = store.iterdir()
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600
    assert store.is_relative_to(home)


@pytest.mark.parametrize("mode", [0o666, 0o622, 0o660, 0o602])
@pytest.mark.parametrize("said", ["allowed", "denied"])
def test_an_entry_that_others_may_write(
    home: Path, nothing: Configuration, mode: int, said: str
) -> None:
    """What others could have written is no word of the user's: an error, and not an answer."""
    found = put(home / "p")
    project_trust.allow(found)
    if said == "denied":
        project_trust.deny(found.path)
    entry_of(found.path).chmod(mode)
    with pytest.raises(ConfigurationError, match="others could have written it") as caught:
        required(found, nothing)
    assert "remove that file" in str(caught.value.hint)


def test_an_entry_of_another(home: Path, nothing: Configuration) -> None:
    """An entry that is another user's is an error; one's own is an answer."""
    found = put(home / "p")
    project_trust.allow(found)
    if give_away(entry_of(found.path)):
        with pytest.raises(ConfigurationError, match="others could have written it"):
            required(found, nothing)
    else:
        assert len(required(found, nothing)) == 3


DAMAGE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"allowed"',
    b"{}",
    b"\xff\xfe",
    b"[" * 100_000,
    b"x" * (2 * 1024 * 1024),
    b'{"path": "@", "denied": false}',
    b'{"path": "@", "denied": false, "says": "", "files": []}',
    b'{"path": "@", "denied": false, "says": "", "files": null}',
]


@pytest.mark.parametrize("content", DAMAGE, ids=lambda content: repr(content[:20]))
def test_a_damaged_entry(tmp_path: Path, home: Path, content: bytes) -> None:
    """A damaged entry is an error, below trusted directories too: it may have been a denial."""
    found = put(home / "p")
    project_trust.deny(found.path)
    entry = entry_of(found.path)
    entry.write_bytes(content.replace(b"@", os.fsencode(found.path)))
    for text in (None, 'trusted-directories = ["~"]\n'):
        with pytest.raises(ConfigurationError, match="cannot read the approval") as caught:
            required(found, configured(tmp_path, text))
        assert str(entry) in caught.value.fact
        assert "remove that file" in str(caught.value.hint)
    project_trust.allow(found)
    assert len(required(found, configured(tmp_path, None))) == 3


@pytest.mark.parametrize("kind", ["fifo", "directory", "loop"])
def test_an_entry_that_is_no_file(home: Path, nothing: Configuration, kind: str) -> None:
    """Something else in an entry's place is an error, at once."""
    found = put(home / "p")
    project_trust.deny(found.path)
    entry = entry_of(found.path)
    entry.unlink()
    if kind == "fifo":
        os.mkfifo(entry, 0o600)
    elif kind == "directory":
        entry.mkdir()
    else:
        entry.symlink_to(entry.name)
    with pytest.raises(ConfigurationError, match="cannot read the approval"):
        required(found, nothing)


def test_an_unreadable_entry(home: Path, nothing: Configuration) -> None:
    """A denial that may not be read is not lost."""
    found = put(home / "p")
    project_trust.deny(found.path)
    entry_of(found.path).chmod(0o000)
    words = "is denied" if sees_everything() else "cannot read the approval"
    with pytest.raises(ConfigurationError, match=words):
        required(found, nothing)


@pytest.mark.parametrize("kind", ["missing", "a file", "read-only"])
@pytest.mark.parametrize("action", ["allow", "deny"])
def test_a_home_that_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, action: str
) -> None:
    """A home that is missing or cannot be written: an error with a hint, and no home is made."""
    found = put(tmp_path / "p")
    home = tmp_path / "nobody/home"
    if kind == "a file":
        home = tmp_path / "file"
        home.write_text("")
    elif kind == "read-only":
        home.mkdir(parents=True)
        home.chmod(0o555)
    monkeypatch.setenv("HOME", str(home))
    if kind == "read-only" and sees_everything():
        # No mode keeps root out; a file in the way of the first directory does.
        (home / ".local").write_text("")
    act: dict[str, Callable[[], object]] = {
        "allow": lambda: project_trust.allow(found),
        "deny": lambda: project_trust.deny(found.path),
    }
    with pytest.raises(MtlsRunError) as caught:
        act[action]()
    assert caught.value.status == 125
    assert str(home) in caught.value.fact
    assert caught.value.hint
    assert home.exists() is (kind != "missing")
    assert project_trust.recall(found.path) is None


def test_a_name_that_is_no_text(home: Path, nothing: Configuration) -> None:
    """A directory whose name is not UTF-8, or has a newline, is allowed like any other."""
    for name in (b"caf\xe9", b"two\nlines", b'"quoted"'):
        folder = home / os.fsdecode(name)
        project_trust.allow(put(folder))
        assert len(required(again(folder), nothing)) == 3
