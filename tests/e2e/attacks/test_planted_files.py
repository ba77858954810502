"""Files and links that another user planted: none is used or followed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from tests.cli.support import ISSUER, ROOT, alice
from tests.e2e.attacks.people import FILE, INSTALL, MEMORY, Scene, give, scene_of
from tests.pki import Authority
from tests.sandbox import files_below
from tests.strangers import STRANGER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox import Canary

pytestmark = [pytest.mark.slow, pytest.mark.attack]

HANDOFFS = pytest.mark.parametrize("options", [MEMORY, FILE], ids=["memfd", "supervise"])
Plant = Callable[[Scene, Path], object]


@pytest.fixture
def scene(canary: Canary) -> Iterator[Scene]:
    """Return the two users."""
    with scene_of(canary) as found:
        yield found


def state_of(*folders: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Return what is below directories: inodes, modes, owners, and what files and links hold."""
    found = {}
    for folder in folders:
        paths = [folder, *sorted(folder.rglob("*"))] if os.path.lexists(folder) else []
        for path in paths:
            at = path.lstat()
            data = b""
            if stat.S_ISREG(at.st_mode):
                data = path.read_bytes()
            elif stat.S_ISLNK(at.st_mode):
                data = os.fsencode(os.readlink(path))
            found[str(path)] = (at.st_ino, at.st_mode, at.st_uid, data)
    return found


def bobs(path: Path, mode: int) -> Path:
    """Make a directory of the other user's."""
    path.mkdir()
    path.chmod(mode)
    give(path, STRANGER)
    return path


def victim(scene: Scene) -> Path:
    """Make a private directory of the user's, with files and directories that are dear to them."""
    folder = scene.sandbox.home / "dear"
    for name in ("letters/1", "letters/2", "photo"):
        scene.sandbox.write(folder / name, f"this is {name}")
    (folder / "empty").mkdir()
    for path in (folder, folder / "letters", folder / "empty"):
        path.chmod(0o700)
    scene.own(folder)
    return folder


def link(path: Path, target: Path) -> None:
    """Make a link of the other user's."""
    path.symlink_to(target)
    if os.geteuid() == 0:
        os.lchown(path, STRANGER, STRANGER)


def file_of_bob(path: Path, content: bytes | str = b"", mode: int = 0o666) -> None:
    """Make a file of the other user's."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    give(path, STRANGER)


def open_to_all(*folders: Path) -> None:
    """Let everybody write into these."""
    for folder in folders:
        folder.chmod(0o777)


# Where the private file of a supervised tool is made.

BASES: dict[str, Plant] = {
    "directory-0777": lambda _, path: bobs(path, 0o777),
    "directory-0755": lambda _, path: bobs(path, 0o755),
    "directory-0700": lambda _, path: bobs(path, 0o700),
    "link-to-his-own": lambda scene, path: link(path, scene.bob_s),
    "link-to-the-user-s": lambda scene, path: link(path, victim(scene)),
    "dangling-link": lambda scene, path: link(path, scene.bob_s / "nothing"),
    "file": lambda _, path: file_of_bob(path),
    "fifo": lambda _, path: os.mkfifo(path, 0o666),
}


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("where", ["shared-memory", "runtime"])
def test_place_of_private_files(scene: Scene, where: str, kind: str) -> None:
    """Something planted in that place is passed by, untouched; another private place is found."""
    path, env = scene.root / "run/mtls-run", {}
    if where == "shared-memory" and scene.bob_is_real:
        path, env = scene.shared_memory, {"XDG_RUNTIME_DIR": None}
    dear = victim(scene)
    shutil.rmtree(dear)
    BASES[kind](scene, path)
    before = state_of(path, scene.bob_s, dear)
    with scene.waiting(*FILE, env=env) as running:
        at = running.identity.resolve()
        mine = kind == "directory-0700" and not scene.bob_is_real
        assert mine or not at.is_relative_to(path)
        assert not at.is_relative_to(scene.bob_s)
        assert not at.is_relative_to(dear)
        scene.assert_bob_cannot(f"read:{running.identity}", f"read:{running.identity.parent}")
    scene.assert_worked(scene.run(*FILE, *INSTALL, env=env))
    assert mine or state_of(path, scene.bob_s, dear) == before


def open_directory(_: Scene, path: Path) -> None:
    """Make a directory of the user's that everybody may write."""
    path.mkdir()
    open_to_all(path)


def below_bobs(scene: Scene, path: Path) -> None:
    """Make a private directory of the user's, in one of the other's, and lead there."""
    top = bobs(scene.bob_s / "top", 0o777)
    (top / "run").mkdir(mode=0o700)
    scene.own(top / "run")
    path.symlink_to(top / "run")


RUNTIMES: dict[str, Plant] = {
    "his-0777": lambda _, path: bobs(path, 0o777),
    "his-0755": lambda _, path: bobs(path, 0o755),
    "his-sticky": lambda _, path: bobs(path, 0o1777),
    "open": open_directory,
    "link-to-his": lambda scene, path: link(path, scene.bob_s),
    "below-his": below_bobs,
    "file": lambda _, path: file_of_bob(path),
    "missing": lambda *_: None,
}


@pytest.mark.parametrize("kind", RUNTIMES)
def test_runtime_directory(scene: Scene, kind: str) -> None:
    """A runtime directory in which somebody else can rename things holds no private file."""
    path = scene.root / "elsewhere"
    RUNTIMES[kind](scene, path)
    before = state_of(path, scene.bob_s)
    with scene.waiting(*FILE, env={"XDG_RUNTIME_DIR": str(path)}) as running:
        at = running.identity.resolve()
        ours = not scene.bob_is_real and kind in ("his-0755", "his-sticky", "below-his")
        assert ours or not at.is_relative_to(path)
        assert ours or not at.is_relative_to(scene.bob_s)
        scene.assert_bob_cannot(f"read:{running.identity}")
    assert ours or state_of(path, scene.bob_s) == before


COMMANDS: dict[str, tuple[str, ...]] = {
    "memfd": (*MEMORY, *INSTALL),
    "supervise": (*FILE, *INSTALL),
    "explain": ("--explain", "--json", *INSTALL),
    "check": ("passphrase", "check", "corp"),
    "profile": ("profile", "show", "corp"),
    "doctor": ("doctor", "--json"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_temporary_directory(scene: Scene, name: str) -> None:
    """Nothing goes into a temporary directory of somebody else, not even for a moment."""
    before = state_of(scene.bob_s), scene.bob_s.stat().st_mtime_ns
    env = {"TMPDIR": str(scene.bob_s), "TEMP": str(scene.bob_s), "TMP": str(scene.bob_s)}
    done = scene.run(*COMMANDS[name], env=env)
    assert done.returncode in ((0, 1) if name == "doctor" else (0,)), done
    assert (state_of(scene.bob_s), scene.bob_s.stat().st_mtime_ns) == before


# A cache, and a state, that others could write for a while.


def forged_launch(scene: Scene, file: Path, evil: Path) -> bytes:
    """Return a cached launch that hands on other roots, with the checksum of mtls-run."""
    text = file.read_bytes().rpartition(b"\0")[0]
    form = text.split(b"\0", 2)[1]
    (bundle,) = (scene.cache / "bundles").iterdir()
    # In flags and variables alone: what the launch rests on stays as it is.
    text = text.replace(b"=" + os.fsencode(bundle), b"=" + os.fsencode(evil))
    assert os.fsencode(evil) in text
    return text + b"\0" + hashlib.sha256(form + text).hexdigest().encode()


@pytest.mark.parametrize("then", ["left-open", "closed-again", "a-directory-of-his"])
def test_forged_launch(scene: Scene, then: str) -> None:
    """A cached launch that somebody else wrote is not used, also once the directory is closed."""
    key = scene.sandbox.write("pki/alice.pem", alice().pem())
    scene.allowed.append(key)
    scene.own()
    evil = scene.bob_s / "evil.pem"
    file_of_bob(evil, Authority.create("evil").pem)
    scene.assert_worked(scene.run(*INSTALL))
    folder = scene.cache / "launches"
    (file,) = folder.iterdir()
    forged = forged_launch(scene, file, evil)
    file.write_bytes(forged)
    assert scene.run(*INSTALL).returncode == 0
    assert scene.tool.seen().files["SSL_CERT_FILE"] == evil.read_bytes()  # were it the user's own
    file.unlink()
    if then == "a-directory-of-his":
        folder.rmdir()
        bobs(folder, 0o777)
    file_of_bob(file, forged, 0o600 if not scene.bob_is_real else 0o644)
    if then == "left-open":
        open_to_all(folder, scene.cache)
    if not scene.bob_is_real:
        file.chmod(0o644)
    for _ in range(2):
        scene.assert_worked(scene.run(*INSTALL))


@pytest.mark.parametrize("kind", ["other-content", "link-to-another", "fifo", "link-to-the-user-s"])
def test_planted_bundle(scene: Scene, kind: str) -> None:
    """A file that somebody put in a bundle's place is replaced; where a link led nothing is."""
    scene.assert_worked(scene.run(*INSTALL))
    (bundle,) = (scene.cache / "bundles").iterdir()
    bundle.unlink()
    evil = Authority.create("evil").pem
    dear = victim(scene)
    if kind == "other-content":
        file_of_bob(bundle, evil)
    elif kind == "fifo":
        os.mkfifo(bundle, 0o666)
    elif kind == "link-to-another":
        file_of_bob(scene.bob_s / "evil.pem", evil)
        link(bundle, scene.bob_s / "evil.pem")
    else:
        link(bundle, dear / "photo")
    open_to_all(bundle.parent, scene.cache)
    before = state_of(dear, scene.bob_s)
    scene.assert_worked(scene.run(*INSTALL))
    assert state_of(dear, scene.bob_s) == before
    assert stat.S_ISREG(bundle.lstat().st_mode)
    assert bundle.stat().st_uid == scene.uid
    assert bundle.parent.stat().st_mode & 0o077 == 0


APPROVALS = ["of-his", "open", "link-to-his", "a-directory-of-his"]


@pytest.mark.parametrize("kind", APPROVALS)
def test_forged_approval(scene: Scene, kind: str) -> None:
    """An approval that somebody else could have written allows nothing, and says why."""
    config = scene.sandbox.config_file.read_text().replace('default-profile = "corp"', "")
    scene.sandbox.config_file.write_text(config)
    scene.sandbox.write(".mtls-run.toml", 'profile = "corp"\n', 0o644)
    scene.own()
    assert scene.run("allow").returncode == 0
    folder = scene.root / "state/mtls-run/approvals"
    (entry,) = folder.iterdir()
    content = entry.read_bytes()
    entry.unlink()
    if kind == "a-directory-of-his":
        folder.rmdir()
        bobs(folder, 0o777)
    open_to_all(folder, folder.parent)
    if kind == "open":
        scene.own(scene.sandbox.write(entry, content, 0o666))
    elif kind == "link-to-his":
        file_of_bob(scene.bob_s / "entry", content)
        link(entry, scene.bob_s / "entry")
    else:
        file_of_bob(entry, content)
    scene.assert_stopped(scene.run(*INSTALL), "others could have written it", str(entry))


@pytest.mark.parametrize("kind", ["link", "hard-link", "dangling"])
def test_approval_is_written_nowhere_else(scene: Scene, kind: str) -> None:
    """`allow` writes its own file, not what a link in its place leads to."""
    scene.sandbox.write(".mtls-run.toml", 'profile = "corp"\n', 0o644)
    scene.own()
    assert scene.run("allow").returncode == 0
    (entry,) = (scene.root / "state/mtls-run/approvals").iterdir()
    entry.unlink()
    dear = victim(scene)
    if kind == "hard-link":
        os.link(dear / "photo", entry)
    else:
        link(entry, dear / ("photo" if kind == "link" else "new"))
    open_to_all(entry.parent)
    before = state_of(dear)
    assert scene.run("allow").returncode == 0
    assert state_of(dear) == before
    assert stat.S_ISREG(entry.lstat().st_mode)
    assert entry.stat().st_uid == scene.uid
    assert entry.stat().st_nlink == 1
    scene.assert_worked(scene.run(*INSTALL))


# Sweeping.


def leftover(base: Path) -> Path:
    """Make a directory as a killed run leaves it."""
    folder = base / "0123456789abcdef"
    folder.mkdir(mode=0o700)
    (folder / "lock").touch(0o600)
    return folder


def lock_is_a_link(scene: Scene, base: Path) -> None:
    """Leave a directory with a link in the lock's place."""
    lock = leftover(base) / "lock"
    lock.unlink()
    link(lock, victim(scene) / "photo")


SWEPT: dict[str, Plant] = {
    "entry-is-a-link": lambda scene, base: link(base / "0123456789abcdef", victim(scene)),
    "lock-is-a-link": lock_is_a_link,
    "identity-is-a-link": lambda scene, base: link(
        leftover(base) / "identity.pem", victim(scene) / "photo"
    ),
    "identity-is-a-hard-link": lambda scene, base: os.link(
        victim(scene) / "photo", leftover(base) / "identity.pem"
    ),
    "identity-is-a-link-to-a-directory": lambda scene, base: link(
        leftover(base) / "identity.pem", victim(scene)
    ),
    "more-in-it": lambda scene, base: shutil.copytree(victim(scene), leftover(base) / "dear"),
}


@pytest.mark.parametrize("kind", SWEPT)
def test_sweep(scene: Scene, kind: str) -> None:
    """A sweep removes what mtls-run made, and follows no link to anything else."""
    base = scene.root / "run/mtls-run"
    base.mkdir(mode=0o700)
    SWEPT[kind](scene, base)
    for path in base.rglob("*"):
        if not path.is_symlink() and path.stat().st_nlink == 1:
            scene.own(path)
    scene.own(base)
    dear = scene.sandbox.home / "dear"
    before = state_of(dear)
    scene.assert_worked(scene.run(*INSTALL))
    assert state_of(dear) == before
    if kind == "more-in-it":
        assert (base / "0123456789abcdef/dear/letters/2").read_text() == "this is letters/2"


@pytest.mark.parametrize("where", ["run/mtls-run", "cache/mtls-run/handoff"])
@HANDOFFS
def test_sweep_behind_a_link(scene: Scene, where: str, options: tuple[str, ...]) -> None:
    """With a link in the place of the private files nothing is removed where it leads."""
    dear, place = victim(scene), scene.root / where
    place.parent.mkdir(exist_ok=True)
    scene.own()
    link(place, dear)
    open_to_all(place.parent)
    before = state_of(dear)
    scene.assert_worked(scene.run(*options, *INSTALL))
    assert state_of(dear) == before


# Locks.


def test_gate_that_somebody_holds(scene: Scene) -> None:
    """A gate of somebody else's, who holds it, keeps no run waiting."""
    if scene.bob_is_real:
        file_of_bob(scene.shared_memory)
    gate = scene.cache / "handoff/.gate"
    gate.parent.mkdir(parents=True)
    (gate.parent / "0123456789abcdef").mkdir()
    scene.own()
    open_to_all(gate.parent, scene.cache)
    if scene.bob_is_real:
        file_of_bob(gate)
    else:
        gate.symlink_to(scene.bob_s)
    descriptor = os.open(gate, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        scene.assert_worked(scene.run(*INSTALL))
        if scene.bob_is_real:
            done = scene.run(*FILE, *INSTALL, env={"XDG_RUNTIME_DIR": None})
            assert done.returncode == 125, done
            assert "there is no private place" in done.stderr
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("kind", ["link", "dangling", "directory", "fifo", "left-over", "of-his"])
def test_lock_of_the_configuration(scene: Scene, kind: str) -> None:
    """A planted lock is written through by nobody: the change is made, or refused by one error."""
    lock = scene.sandbox.config_file.with_name(".config.toml.lock")
    dear = victim(scene)
    if kind == "directory":
        bobs(lock, 0o777)
    elif kind == "fifo":
        os.mkfifo(lock, 0o666)
    elif kind == "left-over":
        scene.own(scene.sandbox.write(lock, b""))
    elif kind == "of-his":
        file_of_bob(lock, b"his", 0o644)
    else:
        link(lock, dear / ("photo" if kind == "link" else "new"))
    before, config = state_of(dear), scene.sandbox.config_file.read_bytes()
    done = scene.run("profile", "add", "more", "--ca-cert", "~/pki/root.pem")
    assert state_of(dear) == before
    if done.returncode:
        scene.assert_stopped(done, str(scene.sandbox.config_file))
        assert scene.sandbox.config_file.read_bytes() == config
    else:
        assert kind in ("left-over", "fifo", "of-his")
        assert b"[profiles.more]" in scene.sandbox.config_file.read_bytes()
    scene.assert_worked(scene.run(*INSTALL))


# Files that the user named, and somebody else owns or can write.

PROJECTS = ["file-of-his", "file-open", "directory-of-his", "directory-open", "link-to-his"]


@pytest.mark.parametrize("trusted", [False, True], ids=["", "trusted"])
@pytest.mark.parametrize("kind", PROJECTS)
def test_project_file(scene: Scene, kind: str, trusted: bool) -> None:
    """A project file of somebody else is an error, one in a directory of theirs is passed over."""
    project = scene.sandbox.home / "project"
    config = scene.sandbox.config_file.read_text()
    if trusted:
        config = f'trusted-directories = ["{project}"]\n{config}'
    scene.sandbox.write_config(config)
    file = scene.sandbox.write(project / ".mtls-run.toml", 'roots = "public"\n', 0o644)
    scene.own()
    if kind == "file-of-his":
        file_of_bob(file, file.read_bytes(), 0o644 if scene.bob_is_real else 0o666)
    elif kind == "file-open":
        file.chmod(0o666)
    elif kind == "link-to-his":
        file_of_bob(scene.bob_s / "project.toml", file.read_bytes())
        file.unlink()
        link(file, scene.bob_s / "project.toml")
    else:
        project.chmod(0o755 if kind == "directory-of-his" and scene.bob_is_real else 0o777)
        give(project, STRANGER if kind == "directory-of-his" else scene.uid)
    done = scene.run(*INSTALL, cwd=project)
    if kind.startswith("directory"):
        scene.assert_worked(done)
    else:
        scene.assert_stopped(done, str(file))


def passphrase_is_a_link(scene: Scene, path: Path) -> None:
    """Put the passphrase into a file of the other user's."""
    file_of_bob(scene.bob_s / "pass", path.read_bytes())
    path.unlink()
    link(path, scene.bob_s / "pass")


def given(path: Path, mode: int) -> None:
    """Make a file the other user's."""
    path.chmod(mode)
    give(path, STRANGER)


def instead(scene: Scene, path: Path, make: Callable[[Path], object]) -> None:
    """Put something of the user's own in a file's place."""
    path.unlink()
    make(path)
    scene.own(path)


PASSPHRASES: dict[str, tuple[Plant, str]] = {
    "of-his": (lambda _, path: given(path, 0o600), ""),
    "of-his-0644": (lambda _, path: given(path, 0o644), "can read"),
    "0644": (lambda _, path: path.chmod(0o644), "can read"),
    "0640": (lambda _, path: path.chmod(0o640), "can read"),
    "0666": (lambda _, path: path.chmod(0o666), "can read"),
    "link-to-his": (passphrase_is_a_link, "can read"),
    "fifo": (lambda scene, path: instead(scene, path, os.mkfifo), "not a regular file"),
    "directory": (lambda scene, path: instead(scene, path, Path.mkdir), "directory"),
}


@pytest.mark.parametrize("kind", PASSPHRASES)
def test_passphrase_file(scene: Scene, kind: str) -> None:
    """A passphrase file that somebody else can read, or has made, is one clear error."""
    path = scene.sandbox.write("passphrase", scene.canary.text + "\n")
    scene.write_profile('passphrase = { file = "~/passphrase" }')
    plant, reason = PASSPHRASES[kind]
    plant(scene, path)
    scene.allowed.append(scene.bob_s / "pass")
    done = scene.run(*INSTALL, env={"CORP_PASSPHRASE": None})
    if kind == "of-his" and not scene.bob_is_real:
        scene.assert_worked(done)
    else:
        scene.assert_stopped(done, str(path), reason)


KEYS = ["of-his-0600", "his-certificate", "fifo", "link-to-a-device", "directory"]


@pytest.mark.parametrize("kind", KEYS)
def test_key_file(scene: Scene, kind: str) -> None:
    """A key that somebody else put there stops the run, with an error that names the file."""
    path = scene.sandbox.home / "pki/alice.pem"
    if kind == "of-his-0600":
        give(path, STRANGER)
    elif kind == "his-certificate":
        mixed = ISSUER.issue("bob").cert_pem + alice().key_pem(scene.canary.text)
        file_of_bob(path, mixed, 0o644)
    else:
        path.unlink()
        if kind == "fifo":
            os.mkfifo(path, 0o600)
        elif kind == "directory":
            path.mkdir()
        else:
            link(path, Path("/dev/zero"))
    done = scene.run(*INSTALL)
    if kind == "of-his-0600" and not scene.bob_is_real:
        scene.assert_worked(done)
    else:
        scene.assert_stopped(done, str(path))


def test_open_configuration_is_told(scene: Scene) -> None:
    """Of a configuration that everybody can write doctor says that it may name programs."""
    scene.sandbox.config_file.chmod(0o666)
    done = scene.run("doctor", "--json")
    assert done.returncode in (0, 1), done
    assert "config-unsafe" in done.stdout
    assert str(scene.sandbox.config_file) in done.stdout


# What a variable names.


@pytest.mark.parametrize("kind", ["of-his", "link-to-his", "fifo", "device"])
def test_active_names_a_planted_file(scene: Scene, kind: str) -> None:
    """MTLS_RUN_ACTIVE that leads to a file of somebody else, even with the key in it, is void."""
    path = scene.sandbox.home / "active.pem"
    with scene.waiting(*FILE) as running:
        active = running.seen.get("MTLS_RUN_ACTIVE") or ""
        at = str(running.identity)
    his = scene.bob_s / "alice.pem"
    scene.allowed.append(his)
    if kind == "fifo":
        os.mkfifo(path)
        scene.own(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        file_of_bob(his, alice().pem() if scene.bob_is_real else ROOT.pem, 0o644)
        path.symlink_to(his)
        path = his if kind == "of-his" else path
    env = {"MTLS_RUN_ACTIVE": active.replace(at, str(path))}
    seen = scene.assert_worked(scene.run(*INSTALL, env=env))
    assert seen.get("SSL_CLIENT_CERT") == f"/proc/{seen.pid}/fd/200"
    done = scene.run(*INSTALL, env={**env, "CORP_PASSPHRASE": None})
    assert (done.returncode, done.stdout) == (125, ""), done
    assert "the variable CORP_PASSPHRASE" in done.stderr


def test_nothing_is_left_below_any_of_his(scene: Scene) -> None:
    """With every place's variable naming a directory of somebody else, no key is there."""
    names = ("XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "TMPDIR")
    env = {name: str(scene.bob_s) for name in names}
    with scene.waiting(*FILE, env=env) as running:
        scene.assert_bob_cannot(f"read:{running.identity}")
        scene.assert_bob_learns_nothing(f"read:{scene.bob_s}", f"read:{scene.root}")
    assert not [path for path in files_below(scene.bob_s) if path.name == "identity.pem"]


# What of the cache somebody else wrote while it was open to all.


@pytest.mark.parametrize("then", ["left-open", "closed-again"])
@pytest.mark.parametrize("kind", ["forged", "renamed"])
def test_forged_result(scene: Scene, kind: str, then: str) -> None:
    """Which bundle belongs to roots counts only from the user, and under its name."""
    scene.assert_worked(scene.run(*INSTALL))
    folder = scene.cache / "results"
    (result,) = folder.glob("bundle-*")
    (bundle,) = (scene.cache / "bundles").iterdir()
    evil = Authority.create("evil").pem
    name = hashlib.sha256(evil).hexdigest()[:32] + ".pem"
    fields = result.read_bytes().split(b"\0")
    assert fields[1] == bundle.name.encode()
    if kind == "renamed":  # one of the user's own, of other roots
        scene.sandbox.write("pki/root.pem", evil)
        scene.own()
        assert scene.run(*INSTALL).returncode == 0
        (other,) = set(folder.glob("bundle-*")) - {result}
        other.rename(result)
        scene.sandbox.write("pki/root.pem", ROOT.pem)
        scene.own()
    else:
        text = b"\0".join((fields[0], name.encode()))
        checksum = hashlib.sha256(os.fsencode(result.name) + b"\0" + text).hexdigest()
        forged = text + b"\0" + checksum.encode()
        scene.own(scene.sandbox.write(bundle.with_name(name), evil, 0o600))
        result.write_bytes(forged)
        assert scene.run(*INSTALL).returncode == 0
        assert scene.tool.seen().files["SSL_CERT_FILE"] == evil  # were it the user's own
        result.unlink()
        bundle.with_name(name).unlink()
        file_of_bob(result, forged, 0o644)
        file_of_bob(bundle.with_name(name), evil, 0o644)
    if then == "left-open":
        open_to_all(folder, bundle.parent, scene.cache)
    for _ in range(2):
        scene.assert_worked(scene.run(*INSTALL))


@pytest.mark.parametrize("then", ["left-open", "closed-again"])
def test_bundle_of_his(scene: Scene, then: str) -> None:
    """A bundle that is right today, and somebody else's to change, is replaced."""
    scene.assert_worked(scene.run(*INSTALL))
    (bundle,) = (scene.cache / "bundles").iterdir()
    content = bundle.read_bytes()
    bundle.unlink()
    if scene.bob_is_real:
        file_of_bob(bundle, content, 0o644)
    else:
        scene.own(scene.sandbox.write(bundle, content, 0o666))
    if then == "left-open":
        open_to_all(bundle.parent, scene.cache)
    scene.assert_worked(scene.run(*INSTALL))
    found = bundle.stat()
    assert (found.st_uid, found.st_mode & 0o022) == (scene.uid, 0)


@pytest.mark.parametrize("name", ["bundles", "results", "launches"])
def test_cache_that_leads_elsewhere(scene: Scene, name: str) -> None:
    """Where a link stands in a cache's place nothing old is cleared away, nor new put, there."""
    scene.allowed.append(scene.sandbox.write("pki/alice.pem", alice().pem()))
    dear = victim(scene)
    for number in range(600):
        path = scene.sandbox.write(dear / f"{number:03}.pem", f"this is {number}")
        os.utime(path, (number, number))
    place = scene.cache / name
    place.parent.mkdir(mode=0o700, exist_ok=True)
    scene.own()
    link(place, dear)
    open_to_all(scene.cache)
    before = state_of(dear)
    for _ in range(3):
        scene.assert_worked(scene.run(*INSTALL))
    assert state_of(dear) == before


def test_directories_on_the_way(scene: Scene) -> None:
    """Directories that mtls-run makes above its own are the user's alone, whatever the umask."""
    scene.umask = 0
    names = ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")
    env = dict.fromkeys(names)
    scene.sandbox.write(".mtls-run.toml", "", 0o644)
    scene.own()
    for words in (("profile", "add", "x", "--ca-cert", "~/pki/root.pem"), ("allow",)):
        assert scene.run(*words, env=env).returncode == 0
    scene.run("--profile", "x", *INSTALL, env=env)
    for name in (".cache", ".local", ".local/state", ".config"):
        assert (scene.sandbox.home / name).stat().st_mode & 0o077 == 0, name
