"""The cache, approvals and configuration: damaged, misplaced, or another user's."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from typing import TYPE_CHECKING, Callable

import pytest

from tests.e2e.mishaps.scene import FILE, MEMORY
from tests.strangers import give_away
from tests.tiers import rotated

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.mishaps.scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.mishap]


def _replaced(path: Path, make: Callable[[Path], object]) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)


CACHES: dict[str, Callable[[Path], object]] = {
    "a-file": lambda path: path.write_bytes(b"not a directory"),
    "a-dangling-link": lambda path: path.symlink_to("/nowhere/else"),
    "a-link-to-itself": lambda path: path.symlink_to(path.name),
    "a-link-to-a-file": lambda path: path.symlink_to("/etc/passwd"),
    "a-fifo": os.mkfifo,
}


@pytest.mark.parametrize(("name", "where"), rotated(CACHES, ("", "bundles", "results", "launches")))
def test_cache_that_is_no_directory(scene: Scene, name: str, where: str) -> None:
    """Where something else stands in the cache's place, the run works without it."""
    if where in ("results", "launches"):
        scene.open()
    scene.assert_recovers()
    shutil.rmtree(scene.bench.target)
    scene.bench.server.forget()
    place = scene.cache / where if where else scene.cache
    _replaced(place, CACHES[name])
    found = os.lstat(place)
    done = scene.run()
    scene.assert_worked(done)
    assert (os.lstat(place).st_ino, os.lstat(place).st_mode) == (found.st_ino, found.st_mode)
    place.unlink()
    scene.assert_recovers()


@pytest.mark.parametrize("where", ["", "bundles", "results", "launches"])
@pytest.mark.parametrize("mode", [0o777, 0o755], ids=["777", "755"])
def test_cache_that_is_open_to_all(scene: Scene, where: str, mode: int) -> None:
    """A cache that others may write counts as empty, and is closed again."""
    scene.open()
    scene.assert_recovers()
    shutil.rmtree(scene.bench.target)
    scene.bench.server.forget()
    place = scene.cache / where if where else scene.cache
    place.chmod(mode)
    if where in ("bundles", "results"):  # a cached launch would use neither
        shutil.rmtree(scene.cache / "launches")
    scene.assert_worked(scene.run())
    assert place.stat().st_mode & 0o077 == 0
    scene.assert_recovers()


@pytest.mark.parametrize("where", ["", "bundles", "results", "launches"])
def test_cache_of_another(scene: Scene, where: str) -> None:
    """A cache directory of somebody else is not used."""
    scene.open()
    scene.assert_recovers()
    shutil.rmtree(scene.bench.target)
    scene.bench.server.forget()
    place = scene.cache / where if where else scene.cache
    given = give_away(place)
    before = sorted(place.iterdir())
    scene.assert_worked(scene.run())
    assert not given or sorted(place.iterdir()) == before
    shutil.rmtree(place)
    scene.assert_recovers()


def test_cache_that_is_a_link_elsewhere(scene: Scene) -> None:
    """A cache that the user has put on another disk by a link is used there."""
    elsewhere = scene.root / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    scene.cache.symlink_to(elsewhere)
    scene.assert_worked(scene.run())
    assert (elsewhere / "bundles").is_dir()
    scene.assert_recovers()


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "without-its-end": lambda whole: whole[:-1],
    "random": lambda whole: secrets.token_bytes(len(whole)),
    "zeros": lambda whole: bytes(len(whole)),
    "turned-round": lambda whole: whole[::-1],
    "one-byte": lambda whole: whole[: len(whole) // 3] + b"\x01" + whole[len(whole) // 3 + 1 :],
    "another-version": lambda whole: whole.replace(b"0.", b"9.", 1),
    "huge": lambda whole: whole + b"\0" * 2_000_000,
}


@pytest.mark.parametrize(
    ("name", "folder"), rotated(DAMAGE, ("launches", "results", "launches", "bundles"))
)
def test_damaged(scene: Scene, folder: str, name: str) -> None:
    """A damaged entry is not used, and the run works without it."""
    scene.open()
    scene.assert_recovers()
    shutil.rmtree(scene.bench.target)
    scene.bench.server.forget()
    files = sorted((scene.cache / folder).iterdir())
    assert files
    for file in files:
        file.write_bytes(DAMAGE[name](file.read_bytes()))
    if folder == "results":
        shutil.rmtree(scene.cache / "launches")
    scene.assert_worked(scene.run())
    scene.assert_recovers()


def test_entries_that_are_no_files(scene: Scene) -> None:
    """Directories and FIFOs in the place of cache files are passed over, and nothing waits."""
    scene.open()
    scene.assert_recovers()
    shutil.rmtree(scene.bench.target)
    scene.bench.server.forget()
    for number, file in enumerate(sorted(scene.cache.rglob("*"))):
        if file.is_file():
            file.unlink()
            os.mkfifo(file) if number % 2 else file.mkdir()
    done = scene.run()
    scene.assert_worked(done)
    shutil.rmtree(scene.cache)
    scene.assert_recovers()


@pytest.mark.parametrize("lock", ["a-directory", "a-link", "a-fifo", "of-another"])
def test_gate_that_is_none(scene: Scene, lock: str) -> None:
    """Where the gate of the private files is no file, another place is used."""
    gate = scene.root / "run/mtls-run/.gate"
    gate.parent.mkdir(mode=0o700)
    if lock == "a-directory":
        gate.mkdir()
    elif lock == "a-link":
        gate.symlink_to("/nowhere/gate")
    elif lock == "a-fifo":
        os.mkfifo(gate)
    else:
        gate.write_bytes(b"")
        gate.chmod(0)
        give_away(gate)
    scene.assert_worked(scene.run(*FILE))
    gate.rmdir() if lock == "a-directory" else gate.unlink()
    scene.assert_recovers(*FILE)


def test_odd_leftovers(scene: Scene) -> None:
    """What does not look as mtls-run leaves it is left alone, and is no obstacle."""
    place = scene.root / "run/mtls-run"
    (place / "folder").mkdir(parents=True, mode=0o700)
    place.chmod(0o700)
    (place / "link").symlink_to("/etc")
    (place / "file").write_bytes(b"")
    (place / "dangling").symlink_to("/nowhere")
    scene.assert_worked(scene.run())
    assert not (place / "folder").exists()
    assert {path.name for path in place.iterdir()} >= {"link", "file", "dangling"}
    scene.assert_recovers(*FILE)


# What was allowed.


def project(scene: Scene) -> Path:
    """Have a project file that has to be allowed, with no other profile."""
    text = scene.bench.sandbox.config_file.read_text()
    scene.bench.sandbox.config_file.write_text(text.replace('default-profile = "corp"', ""))
    return scene.bench.sandbox.write(".mtls-run.toml", 'profile = "corp"\n')


@pytest.mark.parametrize("state", ["a-file", "full", "a-dangling-link", "of-another"])
def test_state_that_cannot_be_written(scene: Scene, state: str) -> None:
    """Where nothing can be stored, `allow` is an error, and nothing is allowed."""
    project(scene)
    folder = scene.root / "state/mtls-run"
    sandbox, env = scene.bench.sandbox, scene.bench.tool_env(scene.tool)
    command = [scene.program, "allow"]
    if state == "a-file":
        folder.write_bytes(b"")
    elif state == "a-dangling-link":
        folder.symlink_to("/nowhere/state")
    elif state == "of-another" and os.geteuid() == 0:
        folder.mkdir(mode=0o700)
        give_away(folder)
    else:
        folder.mkdir()
        apart = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        mount = f"mount -t tmpfs -o ro tmpfs '{folder}'; exec \"$@\""
        command = [*apart, "sh", "-ec", mount, "sh", *command]
    done = sandbox.execute(command, env=env)
    scene.assert_failed(done, "cannot write to", str(folder))
    scene.assert_failed(scene.run(), "is not allowed")
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink()
    assert sandbox.run("allow", env=env).returncode == 0
    scene.assert_recovers()


@pytest.mark.parametrize("name", ["empty", "half", "random", "zeros", "null", "others-may-write"])
def test_damaged_approval(scene: Scene, name: str) -> None:
    """An approval that cannot be read allows nothing, for it may have been a denial."""
    project(scene)
    sandbox, env = scene.bench.sandbox, scene.bench.tool_env(scene.tool)
    assert sandbox.run("allow", env=env).returncode == 0
    scene.assert_recovers()
    shutil.rmtree(scene.bench.target)
    scene.bench.server.forget()
    (entry,) = (scene.root / "state/mtls-run/approvals").iterdir()
    if name == "others-may-write":
        entry.chmod(0o666)
    elif name == "null":
        entry.write_text(json.dumps(None))
    else:
        entry.write_bytes(DAMAGE[name](entry.read_bytes()))
    scene.assert_failed(scene.run(*MEMORY), "cannot read the approval", str(entry))
    entry.unlink()
    assert sandbox.run("allow", env=env).returncode == 0
    scene.assert_recovers()


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[profiles", b"profiles = 3\n", b"\0" * 100, b'default-profile = "none"\n'],
    ids=["empty", "bytes", "torn", "wrong-type", "zeros", "unknown-profile"],
)
def test_damaged_configuration(scene: Scene, content: bytes) -> None:
    """A configuration that is damaged is named; an empty one is none, and nothing is unlocked."""
    file = scene.bench.sandbox.config_file
    whole = file.read_bytes()
    file.write_bytes(content)
    done = scene.run()
    if content:
        scene.assert_failed(done, str(file))
    else:
        assert "no profile applies here" in done.stderr
        assert {request.subject for request in scene.bench.server.requests()} <= {""}
        scene.assert_clean(done)
    file.write_bytes(whole)
    scene.assert_recovers()
