"""The user's file is written as a whole or not at all, and no change is lost."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from mtls_run.config import edit, project_trust, store
from mtls_run.config.store import ChangedError, ConfigFile
from mtls_run.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Callable

START = b'# mine\n[profiles.a]\nroots = "public"\n'


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    """Return a configuration in mtls-run's own directory; there is no system file."""
    return ConfigFile(tmp_path / "own/mtls-run/config.toml", tmp_path / "etc/config.toml", True)


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file, and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def adding(name: str) -> Callable[[bytes], bytes]:
    """Return the edit that adds this profile."""
    return lambda content: edit.put_profile(content, name, {"roots": "public"})


def names(folder: Path) -> list[str]:
    """Return the names in a directory."""
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    """Return the permissions of a file or directory."""
    return stat.S_IMODE(path.stat().st_mode)


def test_new_file_is_private(file: ConfigFile) -> None:
    """A new file is 0600 and new directories are 0700, with any umask."""
    before = os.umask(0)
    try:
        file.change(adding("a"))
    finally:
        os.umask(before)
    assert file.read() == b'[profiles.a]\nroots = "public"\n'
    assert mode(file.path) == 0o600
    assert [mode(path) for path in list(file.path.parents)[:2]] == [0o700, 0o700]
    assert names(file.path.parent) == ["config.toml"]


@pytest.mark.parametrize("was", [0o600, 0o400, 0o640, 0o644])
def test_mode_is_kept(file: ConfigFile, was: int) -> None:
    """A file keeps its mode, tight or loose."""
    write(file.path, START, was)
    file.change(adding("b"))
    assert mode(file.path) == was


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_owner_is_kept(file: ConfigFile) -> None:
    """A file keeps its owner and its group, also if root edits it."""
    write(file.path, START, 0o640)
    for owner in ((1234, 2345), (0, 2345)):
        os.chown(file.path, *owner)
        file.change(lambda content: content + b"# more\n")
        found = file.path.stat()
        assert (found.st_uid, found.st_gid, mode(file.path)) == (*owner, 0o640)


def record_flushes(monkeypatch: pytest.MonkeyPatch, path: Path) -> list[tuple[object, object]]:
    """Return a list that each fsync appends to: the flushed bytes, and those at `path` then."""
    seen: list[tuple[object, object]] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        fsync(descriptor)
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        flushed = "directory" if is_directory else os.pread(descriptor, 1 << 20, 0)
        seen.append((flushed, path.read_bytes() if path.exists() else None))

    monkeypatch.setattr(os, "fsync", record)
    return seen


def test_configuration_is_flushed(file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file is on disk before it replaces the old one, and its name afterwards."""
    write(file.path, START)
    seen = record_flushes(monkeypatch, file.path)
    file.change(adding("b"))
    after = file.path.read_bytes()
    assert seen == [(after, START), ("directory", after)]


def test_approval_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An approval or a denial is flushed to disk as well."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    project_trust.deny(tmp_path / ".mtls-run.toml")
    (entry,) = project_trust.store().iterdir()
    before = entry.read_bytes()
    seen = record_flushes(monkeypatch, entry)
    project_trust.deny(tmp_path / ".mtls-run.toml")
    assert seen == [(before, before), ("directory", before)]


@pytest.mark.parametrize(("own", "now"), [(True, 0o700), (False, 0o755)])
def test_directory(file: ConfigFile, own: bool, now: int) -> None:
    """mtls-run's own directory becomes private; that of MTLS_RUN_CONFIG keeps its mode."""
    write(file.path, START)
    file.path.parent.chmod(0o755)
    ConfigFile(file.path, file.system, own).change(adding("b"))
    assert mode(file.path.parent) == now


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("link", ["../../dotfiles/c.toml", "{root}/dotfiles/c.toml"])
def test_symlink(file: ConfigFile, tmp_path: Path, link: str, there: bool) -> None:
    """A link stays a link, and its target is replaced; the target's directory keeps its mode."""
    target = tmp_path / "dotfiles/c.toml"
    target.parent.mkdir(mode=0o755)
    target.parent.chmod(0o755)
    if there:
        write(target, START)
    file.path.parent.mkdir(parents=True)
    file.path.symlink_to(link.format(root=tmp_path))
    file.change(adding("b"))
    assert file.path.is_symlink()
    assert target.read_bytes().startswith(START if there else b"[profiles.b]")
    assert b"[profiles.b]" in target.read_bytes()
    assert mode(target) == 0o600
    assert mode(target.parent) == 0o755
    assert names(target.parent) == ["c.toml"]


def test_someone_without_a_lock(file: ConfigFile) -> None:
    """A file that an editor saves meanwhile is not lost: the change is made again, to that file."""
    write(file.path, START)
    seen: list[bytes] = []

    def change(content: bytes) -> bytes:
        if not seen:
            file.path.write_bytes(content + b'[profiles.theirs]\nroots = "public"\n')
        seen.append(content)
        return adding("ours")(content)

    file.change(change)
    assert len(seen) == 2
    content = file.path.read_bytes()
    assert content.startswith(START)
    assert b"[profiles.theirs]" in content
    assert b"[profiles.ours]" in content


def test_changed_all_the_time(file: ConfigFile) -> None:
    """A file that keeps changing is an error, and keeps the changes of others."""
    write(file.path, START)

    def change(content: bytes) -> bytes:
        file.path.write_bytes(content + b"# more\n")
        return adding("ours")(content)

    with pytest.raises(ChangedError, match="keeps changing it"):
        file.change(change)
    assert file.path.read_bytes().replace(b"# more\n", b"") == START


def test_replace_compares(file: ConfigFile) -> None:
    """An edit that was made without the lock replaces only the bytes that it was made from."""
    write(file.path, START)
    with pytest.raises(ChangedError, match="has changed meanwhile"):
        file.replace(START + b"# other\n", b"")
    assert file.path.read_bytes() == START
    file.replace(START, b"# new\n")
    assert file.path.read_bytes() == b"# new\n"


def test_lock_has_a_limit(file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """To wait for the lock too long is an error that names it, and nothing is changed."""
    write(file.path, START)
    monkeypatch.setattr(store, "PATIENCE", 0.2)
    with file._locked(), pytest.raises(ConfigurationError) as caught:  # noqa: SLF001
        file.change(adding("b"))
    assert caught.value.fact.startswith(f"cannot change {file.path}: another mtls-run")
    assert ".config.toml.lock" in (caught.value.hint or "")
    assert file.path.read_bytes() == START
    file.change(adding("b"))


def test_lock_of_the_dead(file: ConfigFile) -> None:
    """The lock file of a killed run locks nothing, and is removed."""
    write(file.path, START)
    write(file.path.with_name(".config.toml.lock"), b"")
    file.change(adding("b"))
    assert names(file.path.parent) == ["config.toml"]


BROKEN = [
    (b"[profiles.a", "not valid TOML"),
    (b"\xff\n", "not UTF-8"),
    (b'[profiles.a]\nrootz = "none"\n', "unknown key"),
    (b'default-profile = "b"\n[profiles.a]\n', "unknown profile"),
    (b'[profiles.a]\nextends = "a"\n', "cycle"),
    (b'[profiles.a]\nclient-key = "k"\n', "needs `client-cert`"),
    (b'[profiles."a/b"]\n', "cannot name a profile"),
]


@pytest.mark.parametrize(("content", "fact"), BROKEN)
def test_error_is_not_written(file: ConfigFile, content: bytes, fact: str) -> None:
    """New content with an error is refused with its line, and nothing is written."""
    write(file.path, START)
    with pytest.raises(ConfigurationError, match=fact) as caught:
        file.change(lambda _: content)
    assert str(file.path) in caught.value.fact
    assert file.path.read_bytes() == START
    assert names(file.path.parent) == ["config.toml"]


def test_faults_of_others_are_not_ours(file: ConfigFile) -> None:
    """A profile that already has an error does not stop a change of another profile."""
    before = START + b'[profiles.bad]\nclient-key = "k"\n'
    write(file.path, before)
    file.change(adding("b"))
    assert file.path.read_bytes().startswith(before)
    with pytest.raises(ConfigurationError, match="cycle"):
        file.change(lambda text: edit.put_profile(text, "a", {"extends": "a"}))


def test_system_file_counts(file: ConfigFile) -> None:
    """A profile of the system's file can be the default, and that file is never written."""
    system = b'[profiles.fleet]\nroots = "public"\n'
    write(file.system, system)
    file.change(lambda text: edit.set_default(text, "fleet"))
    assert file.path.read_bytes() == b'default-profile = "fleet"\n'
    assert list(file.system_profiles()) == ["fleet"]
    assert file.own_profiles(file.read()) == {}
    assert file.system.read_bytes() == system


def test_nothing_to_change(file: ConfigFile) -> None:
    """An edit that changes nothing does not write the file."""
    write(file.path, START)
    before = file.path.stat()
    file.change(lambda content: content)
    assert file.path.stat().st_ino == before.st_ino


def test_what_is_no_file(file: ConfigFile) -> None:
    """A FIFO or a directory in place of the file is an error, and nothing hangs."""
    file.path.parent.mkdir(parents=True)
    os.mkfifo(file.path)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        file.change(adding("a"))
    file.path.unlink()
    file.path.mkdir()
    with pytest.raises(ConfigurationError, match=str(file.path)):
        file.change(adding("a"))


@pytest.mark.parametrize("place", ["home/.config", "."])
def test_home_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A home directory that does not exist is not made."""
    home = tmp_path / "nobody"
    monkeypatch.setenv("HOME", str(home))
    file = ConfigFile(home / place / "config.toml", tmp_path / "none", True)
    with pytest.raises(ConfigurationError, match="there is no home directory") as caught:
        file.change(adding("a"))
    assert str(home) in caught.value.fact
    assert not home.exists()
