"""Another user of the machine gets at nothing: processes, private files, caches, arguments."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import stat
import sys
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import login_session
from tests.cli.support import alice
from tests.e2e.attacks.people import (
    FILE,
    INSTALL,
    MEMORY,
    THIEF,
    VARIABLE,
    Scene,
    become,
    scene_of,
    within_reach,
)
from tests.sandbox import assert_absent
from tests.strangers import STRANGER, new_user

if TYPE_CHECKING:
    import pwd
    from collections.abc import Iterator
    from subprocess import CompletedProcess

    from tests.sandbox import Canary

pytestmark = [pytest.mark.slow, pytest.mark.attack]

HANDOFFS = pytest.mark.parametrize("options", [MEMORY, FILE], ids=["memfd", "supervise"])
UMASKS = pytest.mark.parametrize("umask", [0o022, 0o000, 0o077, 0o777], ids="{:03o}".format)
PLACES = pytest.mark.parametrize("place", ["runtime", "shared-memory", "cache"])


@pytest.fixture
def scene(canary: Canary) -> Iterator[Scene]:
    """Return the two users."""
    with scene_of(canary) as found:
        yield found


# Processes.


@HANDOFFS
@pytest.mark.parametrize("name", ["environ", "mem", "fd", "auxv", "io", "stack", "cwd/pki"])
def test_proc(scene: Scene, options: tuple[str, ...], name: str) -> None:
    """What /proc shows of the tool, and of a supervisor, is closed to another user."""
    with scene.waiting(*options) as running:
        scene.assert_bob_cannot(*(f"read:/proc/{pid}/{name}" for pid in running.pids))


@HANDOFFS
def test_all_of_proc(scene: Scene, options: tuple[str, ...]) -> None:
    """Nothing that /proc shows to everybody, the arguments among it, has a secret in it."""
    with scene.waiting(*options) as running:
        for pid in running.pids:
            found = scene.assert_bob_learns_nothing(f"read:/proc/{pid}")
            shown = found.get(f"/proc/{pid}/cmdline")
            assert not scene.bob_is_real or (shown and b"download" in shown.data)


def test_anonymous_file(scene: Scene) -> None:
    """The identity's own path opens to nobody else, by whichever name of the process."""
    with scene.waiting(*MEMORY) as running:
        pid, number = running.seen.pid, running.identity.name
        assert str(running.identity) == f"/proc/{pid}/fd/{number}"
        scene.assert_bob_cannot(
            f"read:{running.identity}",
            f"read:/proc/{pid}/task/{pid}/fd/{number}",
            f"read:/proc/{pid}/fdinfo/{number}",
        )


@HANDOFFS
@pytest.mark.parametrize("way", ["ptrace", "getfd", "memory"])
def test_debugger(scene: Scene, options: tuple[str, ...], way: str) -> None:
    """Another user attaches to none of the processes, takes no descriptor, copies no memory."""
    with scene.waiting(*options) as running:
        for pid in running.pids:
            more = {"ptrace": "", "memory": f":{_some_address(pid)}"}.get(way)
            more = f":{_last_descriptor(pid)}" if more is None else more
            scene.assert_bob_cannot(f"{way}:{pid}{more}")


def _some_address(pid: int) -> str:
    """Return where something of the process may be read, as far as these tests may know."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except PermissionError:  # a supervisor does not show it to its own user
        return "400000"
    return next(line for line in lines if "[heap]" in line).partition("-")[0]


def _last_descriptor(pid: int) -> int:
    try:
        return max(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir())
    except PermissionError:
        return 2


@pytest.mark.parametrize("name", ["environ", "mem", "fd", "cwd/pki"])
def test_while_the_passphrase_is_fetched(scene: Scene, name: str) -> None:
    """While a passphrase command runs, mtls-run and the command are closed to another user."""
    with scene.waiting_for_passphrase() as (process, command):
        scene.assert_bob_cannot(*(f"read:/proc/{pid}/{name}" for pid in (process.pid, command)))
        scene.assert_bob_learns_nothing(f"read:/proc/{process.pid}", f"read:/proc/{command}")


SOURCES = {
    "variable": VARIABLE,
    "file": 'passphrase = { file = "~/passphrase" }',
    "command": 'passphrase = { command = ["cat", "@/passphrase"] }',
}


@HANDOFFS
@pytest.mark.parametrize("source", SOURCES)
def test_arguments(scene: Scene, options: tuple[str, ...], source: str) -> None:
    """Whatever the passphrase comes from, all processes of the user show none in an argument."""
    scene.sandbox.write("passphrase", scene.canary.text + "\n")
    scene.write_profile(SOURCES[source].replace("@", str(scene.sandbox.home)))
    env = {} if source == "variable" else {"CORP_PASSPHRASE": None}
    with scene.waiting(*options, env=env) as running:
        lines = list(_arguments_of(scene.uid))
        assert len(lines) > len(running.pids)
        scene.canary.assert_absent(*lines)
        scene.assert_bob_learns_nothing(*(f"read:/proc/{pid}/cmdline" for pid in running.pids))


def _arguments_of(uid: int) -> Iterator[bytes]:
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and process.stat().st_uid in (uid, 0):
                line = (process / "cmdline").read_bytes()
                # These tests' own processes know what they search for.
                if line and b"pytest" not in line:
                    yield line
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue


# Private files.


def _only(scene: Scene, place: str) -> dict[str, str | None]:
    """Leave the private file no place but this one; return what is different for the run."""
    if place == "runtime" or not scene.bob_is_real:
        return {}
    if place == "cache":
        scene.shared_memory.write_bytes(b"")
    return {"XDG_RUNTIME_DIR": None}


def _base(scene: Scene, place: str) -> Path:
    if not scene.bob_is_real:  # that place may be in use
        place = "runtime"
    return {
        "runtime": scene.root / "run/mtls-run",
        "shared-memory": scene.shared_memory,
        "cache": scene.cache / "handoff",
    }[place]


@UMASKS
@PLACES
def test_private_file(scene: Scene, place: str, umask: int) -> None:
    """The file of a supervised tool, wherever it is, is its user's alone, and then gone."""
    scene.umask = umask
    base = _base(scene, place)
    (scene.root / "run").chmod(0o755)  # not what keeps others out here
    with scene.waiting(*FILE, env=_only(scene, place)) as running:
        assert running.identity.parent.parent == base
        for path in (running.identity, running.identity.parent, base):
            found = path.lstat()
            assert stat.S_IMODE(found.st_mode) & 0o077 == 0
            assert found.st_uid == scene.uid
        lock = running.identity.parent / "lock"
        scene.assert_bob_cannot(*(f"read:{path}" for path in (running.identity, lock, base)))
    assert not running.identity.parent.exists()


@PLACES
def test_what_a_killed_supervisor_left(scene: Scene, place: str) -> None:
    """The file stays closed while it is left over, and the next run removes it."""
    env = _only(scene, place)
    with scene.started(*FILE, *INSTALL, env={"FAKE_WAIT": "1", **env}) as process:
        scene.await_for(lambda: scene.tool.runs, process)
        file = Path(scene.tool.seen().get("SSL_CLIENT_CERT") or "")
        process.kill()
        os.kill(scene.tool.seen().pid, signal.SIGKILL)
        process.wait()
        assert alice().pem() == file.read_bytes()
        scene.assert_bob_cannot(f"read:{file}", f"read:{file.parent}")
    scene.assert_worked(scene.run(*INSTALL, env=env))
    assert not file.parent.exists()


# What is stored from run to run.


def _stored(scene: Scene, what: str) -> Path:
    """Have mtls-run write something of this kind, and return its directory."""
    if what == "config.toml":
        scene.sandbox.config_file.unlink()
        scene.sandbox.config_file.parent.rmdir()
        added = scene.run("profile", "add", "corp", "--client-cert", "~/pki/alice.pem")
        assert added.returncode == 0, added
        return scene.sandbox.config_file.parent
    if what == "approvals":
        scene.sandbox.write(".mtls-run.toml", 'profile = "corp"\n', 0o644)
        scene.own()
        assert scene.run("allow").returncode == 0
        scene.sandbox.home.joinpath(".mtls-run.toml").unlink()
        return scene.root / "state/mtls-run/approvals"
    return scene.cache / what


@UMASKS
@pytest.mark.parametrize("what", ["results", "bundles", "approvals", "config.toml"])
def test_what_is_stored(scene: Scene, what: str, umask: int) -> None:
    """Another user can neither list nor read what mtls-run stores, whatever the umask."""
    scene.umask = umask
    folder = _stored(scene, what)
    if what != "config.toml":
        scene.assert_worked(scene.run(*INSTALL))
    files = list(folder.iterdir())
    assert files
    for path in (folder, *files):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert path.stat().st_uid == scene.uid
    scene.assert_bob_cannot(f"read:{folder}", *(f"read:{path}" for path in files))


@HANDOFFS
@UMASKS
def test_whole_home(scene: Scene, options: tuple[str, ...], umask: int) -> None:
    """In a home that everybody may enter, no file that anybody may read has a secret in it."""
    scene.umask = umask
    with scene.waiting(*options):
        found = scene.assert_bob_learns_nothing(f"read:{scene.root}")
        assert found
    scene.assert_bob_learns_nothing(f"read:{scene.root}")


# What is shown or remembered, and by whom it can be used.


@HANDOFFS
def test_active_of_another(scene: Scene, options: tuple[str, ...]) -> None:
    """Another user who knows MTLS_RUN_ACTIVE, and has the same profile, still has no identity."""
    for name in ("alice.pem", "root.pem"):
        (scene.sandbox.home / "pki" / name).chmod(0o644)
    scene.sandbox.config_file.chmod(0o644)
    scene.tool.records.chmod(0o777)
    scene.sandbox.config_file.parent.chmod(0o755)
    with scene.waiting(*options) as running:
        active = running.seen.get("MTLS_RUN_ACTIVE") or ""
        assert active.endswith(f":{running.identity}")
        command = [scene.program, *INSTALL]
        if scene.bob_is_real:
            command = become(STRANGER, 0o022, scene.folder, *command)
        else:  # a file that is not the user's own is as good as one of another
            active = active.replace(str(running.identity), "/etc/passwd")
        env = {"MTLS_RUN_ACTIVE": active, "CORP_PASSPHRASE": None}
        before = scene.tool.runs
        done = scene.sandbox.execute(command, env=env)
        assert (done.returncode, done.stdout, scene.tool.runs) == (125, "", before), done
        assert "the variable CORP_PASSPHRASE" in done.stderr


@pytest.mark.parametrize("who", ["another", "the-same"])
def test_remembered(scene: Scene, who: str) -> None:
    """What one login remembers is read by no other user, and by no other login of the same."""
    scene.write_profile(f'{VARIABLE}\nremember = "5m"')
    keys = scene.root / "keys"
    script = (
        f"'{scene.program}' {' '.join(INSTALL)} && cat /proc/keys >'{keys}.new' && "
        f"mv '{keys}.new' '{keys}' && until test -e '{scene.go}'; do sleep 0.02; done"
    )
    command = scene.as_user(sys.executable, str(Path(login_session.__file__)), "sh", "-c", script)
    with scene.sandbox.start(command) as process:
        scene.await_for(keys.exists, process)
        lines = [line.split() for line in keys.read_text().splitlines()]
        (serial,) = [int(words[0], 16) for words in lines if words[8].startswith("mtls-run:")]
        if who == "another":
            scene.assert_bob_cannot(f"key:{serial}")
        else:
            for tried in scene.tries(f"key:{serial}", uid=scene.uid).values():
                assert tried.error == "EACCES"
        scene.go.touch()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    scene.assert_handed(scene.tool.seen())
    scene.assert_clean(out, err)


@pytest.fixture
def alice_and_bob(canary: Canary) -> Iterator[tuple[Scene, pwd.struct_passwd]]:
    """Return alice, a real user whose profile remembers, and bob, who is another."""
    with new_user() as one, new_user() as two, scene_of(canary, one.pw_uid) as scene:
        scene.write_profile(f'{VARIABLE}\nremember = "5m"')
        yield scene, two


def _switched(way: str, user: int, environ: dict[str, str], *words: str | Path) -> str:
    """Return the command line by which root, in whose session it may be, runs one as this user."""
    name = f"#{user}" if way == "sudo" else str(_name(user))
    command = shlex.join(
        ["env", "-i", *(f"{name}={value}" for name, value in environ.items()), *map(str, words)]
    )
    if way == "sudo":
        return f"sudo -n -u {shlex.quote(name)} {command}"
    return shlex.join(["su", "-s", "/bin/sh", "-c", command, name])


def _name(user: int) -> str:
    import pwd  # noqa: PLC0415

    return pwd.getpwuid(user).pw_name


def _in_session_of(scene: Scene, uid: int, *lines: str) -> CompletedProcess[str]:
    """Run shell lines as root, in a session whose keyring is this user's."""
    login = (sys.executable, Path(login_session.__file__), "--of", str(uid))
    command = within_reach(scene.folder, *login, "sh", "-c", "\n".join(lines))
    return scene.sandbox.execute(command, cwd="/")


def _assert_nothing_stolen(scene: Scene, answer: str) -> None:
    """Fail where a thief's answer has a secret in it, or tells that a key could be changed."""
    for name, (error, data) in json.loads(answer).items():
        assert_absent([scene.canary.text, *alice().traces], b64decode(data))
        assert error == "EACCES", name


SWITCHES = pytest.mark.parametrize("way", ["su", "sudo"])


@SWITCHES
def test_remember_in_the_session_of_another(
    alice_and_bob: tuple[Scene, pwd.struct_passwd], way: str
) -> None:
    """After `su alice` or `sudo -u alice` in bob's session nothing is remembered, with a notice."""
    scene, bob = alice_and_bob
    assert shutil.which(way), "tests/run installs it"
    run = _switched(way, scene.uid, scene.sandbox.env, scene.program, *INSTALL)
    done = _in_session_of(
        scene,
        bob.pw_uid,
        f"{run} || exit",
        f"{run} || exit",
        _switched(way, bob.pw_uid, {}, sys.executable, "-I", THIEF, "session:"),
    )
    assert done.returncode == 0, done.stderr
    notice = "cannot remember the identity: the session keyring belongs to another user"
    assert done.stderr.count(notice) == 2
    _assert_nothing_stolen(scene, done.stdout)
    assert scene.tool.runs == 2
    scene.assert_handed(scene.tool.seen())


@SWITCHES
def test_remembered_and_another_in_the_session(
    alice_and_bob: tuple[Scene, pwd.struct_passwd], way: str
) -> None:
    """bob, to whom alice switches in her own session, reads nothing that it remembers for her."""
    scene, bob = alice_and_bob
    assert shutil.which(way), "tests/run installs it"
    once = {**scene.sandbox.env, "CORP_PASSPHRASE": ""}
    thief = (sys.executable, "-I", str(THIEF))
    answers = [scene.folder / "bob-answer", scene.folder / "keys"]
    done = _in_session_of(
        scene,
        scene.uid,
        _switched("su", scene.uid, scene.sandbox.env, scene.program, *INSTALL) + " || exit",
        f"{_switched(way, bob.pw_uid, {}, *thief, 'session:')} >'{answers[0]}' || exit",
        f"{_switched(way, scene.uid, {}, 'cat', '/proc/keys')} >'{answers[1]}' || exit",
        # The session still has it for alice, who switched to herself.
        _switched(way, scene.uid, once, scene.program, *INSTALL) + " || exit",
        _switched(way, scene.uid, once, scene.program, "forget"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "forgot 1 unlocked identity\n"
    tried = answers[0].read_text()
    assert len(json.loads(tried)) == 3
    _assert_nothing_stolen(scene, tried)
    assert "mtls-run:" in answers[1].read_text()
    assert scene.tool.runs == 2
    scene.assert_handed(scene.tool.seen())


def test_remembered_does_not_show_in_another_session(scene: Scene) -> None:
    """Another login of the same user does not see in /proc/keys that anything is remembered."""
    scene.write_profile(f'{VARIABLE}\nremember = "5m"')
    script = (
        f"'{scene.program}' {' '.join(INSTALL)} && until test -e '{scene.go}'; do sleep 0.02; done"
    )
    command = scene.as_user(sys.executable, str(Path(login_session.__file__)), "sh", "-c", script)
    with scene.sandbox.start(command) as process:
        scene.await_for(lambda: scene.tool.runs, process)
        shown = scene.tries("read:/proc/keys", uid=scene.uid)["/proc/keys"]
        scene.go.touch()
        _, err = process.communicate(timeout=60)
    assert (process.returncode, shown.error) == (0, None), err
    assert b"mtls-run:" not in shown.data


def test_project_file_that_a_member_of_the_group_can_write(canary: Canary) -> None:
    """Below a trusted directory: what carl, whose primary group is alice's, wrote is refused."""
    with new_user() as alice, scene_of(canary, alice.pw_uid) as scene:
        work = scene.sandbox.home / "src"
        file = scene.sandbox.write(work / ".mtls-run.toml", 'roots = "none"\n', 0o664)
        text = scene.sandbox.config_file.read_text()
        scene.sandbox.config_file.write_text('trusted-directories = ["~/src"]\n' + text)
        scene.own()
        for path in (work, file):
            os.chown(path, alice.pw_uid, alice.pw_gid)
        said = 'client-cert = "~/pki/alice.pem"\nroots = "public"\n'
        with new_user(group=alice.pw_name) as carl:
            words = ["setpriv", "--reuid", str(carl.pw_uid), "--regid", str(alice.pw_gid)]
            script = f"printf %s '{said}' >'{file}'"
            words += ["--clear-groups", "sh", "-c", script]
            written = scene.sandbox.execute(words, cwd="/")
            assert (written.returncode, file.read_text()) == (0, said), written
            done = scene.run(*INSTALL, cwd=work)
            scene.assert_stopped(done, f"{file}", "its group")
