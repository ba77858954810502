"""A passphrase command, file, variable or keyring that fails, hangs or says too much."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e import secret_service

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.e2e.mishaps.scene import Scene
    from tests.e2e.secret_service import SecretService

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.mishap]

PATIENCE = "set:mtls_run.passphrase.fetch:PATIENCE=2"
AFTER = "before:mtls_run.unlock:unlock"


@pytest.fixture
def vault(scene: Scene) -> Path:
    """Return the file that the passphrase command prints."""
    path = scene.bench.sandbox.write("vault", scene.canary.text + "\n")
    scene.allowed.append(path)
    scene.bench.env["CORP_PASSPHRASE"] = None
    return path


def command(scene: Scene, script: str) -> None:
    """Have a shell script print the passphrase."""
    scene.profile(f"passphrase = {{ command = {json.dumps(['/bin/sh', '-c', script])} }}")


def mend(scene: Scene, vault: Path) -> None:
    """Have a command that works, and see that it does."""
    command(scene, f"cat '{vault}'")
    scene.assert_recovers()


FAILING = {
    "status": ("exit 3", "ended with status 3"),
    "status-after-it": ("cat {vault}; exit 1", "ended with status 1"),
    "killed": ("kill -9 $$", "ended by signal 9"),
    "killed-after-it": ("cat {vault}; kill -15 $$", "ended by signal 15"),
    "megabyte": ("head -c 1000000 /dev/zero | tr '\\0' x", "printed more than 4096 bytes"),
    "megabyte-after-it": ("cat {vault}; yes", "printed more than 4096 bytes"),
    "nothing": ("true", "is empty"),
    "empty-line": ("echo", "is empty"),
    "several-lines": ("cat {vault}; echo more", "several lines"),
    "several-of-it": ("cat {vault} {vault}", "several lines"),
    "another": ("echo another one", "does not open"),
    "binary": ("printf '\\377\\376\\001'", "does not open"),
    "half-of-it": ("head -c 9 {vault}", "does not open"),
    "closed-stdout": ("exec >&-; true", "is empty"),
    "no-such-program": ("exec /nowhere/vault", "ended with status"),
    "only-left-behind": ("(sleep 30; cat {vault}) 2>/dev/null & echo $! >{pid}", "is empty"),
}


@pytest.mark.parametrize("name", FAILING)
def test_command_fails(scene: Scene, vault: Path, name: str) -> None:
    """A command that fails is named with what it did, and nothing that it printed is shown."""
    script, fact = FAILING[name]
    pid = scene.root / "pid"
    command(scene, script.format(vault=vault, pid=pid))
    try:
        done = scene.run()
    finally:
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGKILL)
    if name == "no-such-program":  # what the shell says of it
        done.stderr = "".join(line for line in done.stderr.splitlines(True) if "mtls" in line)
    scene.assert_failed(done, fact, "command")
    mend(scene, vault)


def test_command_that_cannot_be_started(scene: Scene, vault: Path) -> None:
    """A command that is not there is named."""
    scene.profile('passphrase = { command = ["/nowhere/vault"] }')
    scene.assert_failed(scene.run(), "`/nowhere/vault`", "cannot be started")
    mend(scene, vault)


@pytest.mark.parametrize(
    "script",
    [
        "exec sleep 100",
        "cat {vault}; exec sleep 100",
        "cat {vault}; exec >&-; exec sleep 100",
        "trap '' TERM INT HUP; exec sleep 100",
        "while :; do printf x; sleep 0.05; done",
    ],
    ids=["silent", "after-it", "closed-stdout", "deaf", "drop-by-drop"],
)
def test_command_hangs(scene: Scene, vault: Path, script: str) -> None:
    """A command that does not end is given up at the limit, which is shorter here, and killed."""
    command(scene, script.format(vault=vault))
    done = scene.run_at(AFTER, PATIENCE)
    scene.assert_failed(done, "did not end within 2 s")
    mend(scene, vault)


def test_command_prints_to_stderr(scene: Scene, vault: Path) -> None:
    """What a command says on stderr is the user's to read, and no part of the passphrase."""
    command(scene, f"echo 'touch your key' >&2; cat '{vault}'")
    done = scene.run()
    scene.assert_worked(done)
    assert done.stderr.startswith("touch your key\n")
    mend(scene, vault)


def test_command_leaves_a_child(scene: Scene, vault: Path) -> None:
    """A command that has printed and ended is not waited for because of what it left running."""
    pid = scene.root / "pid"
    command(scene, f"sleep 100 2>/dev/null & echo $! >'{pid}'; cat '{vault}'")
    started = time.monotonic()
    try:
        done = scene.run(timeout=90)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGKILL)
    assert time.monotonic() - started < 60
    scene.assert_worked(done)
    mend(scene, vault)


def test_slow_command(scene: Scene, vault: Path) -> None:
    """A command that takes a while is waited for."""
    command(scene, f"sleep 3; cat '{vault}'")
    scene.assert_worked(scene.run())
    mend(scene, vault)


def test_interrupted_command(scene: Scene, vault: Path) -> None:
    """Ctrl-C while a command runs ends with 130, and ends the command."""
    pid = scene.root / "pid"
    command(scene, f"echo $$ >'{pid}'; cat '{vault}'; exec sleep 100")
    words = [scene.program, *scene.command()]
    with scene.bench.sandbox.start(words, env=scene.bench.tool_env(scene.tool)) as process:
        try:
            deadline = time.monotonic() + 30
            while not (pid.exists() and pid.read_text().endswith("\n")):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, out, err) == (130, "", "")
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
    mend(scene, vault)


@pytest.mark.parametrize(
    ("content", "mode", "fact"),
    [
        (None, 0o600, "No such file"),
        ("", 0o600, "is empty"),
        ("one\ntwo\n", 0o600, "several lines"),
        ("x" * 5000, 0o600, "larger than 4096 bytes"),
        ("{passphrase}", 0o644, "can read the passphrase file"),
        ("another one", 0o600, "does not open"),
    ],
    ids=["missing", "empty", "lines", "long", "open-to-all", "another"],
)
def test_file_fails(scene: Scene, vault: Path, content: str | None, mode: int, fact: str) -> None:
    """A passphrase file that cannot serve is named, and nothing of it shown."""
    scene.profile(f'passphrase = {{ file = "{vault}" }}')
    vault.unlink()
    if content is not None:
        text = content.format(passphrase=scene.canary.text)
        scene.bench.sandbox.write("vault", text, mode)
    scene.assert_failed(scene.run(), fact, str(vault))
    scene.bench.sandbox.write("vault", scene.canary.text)
    scene.assert_recovers()


@pytest.mark.parametrize("value", [None, "", "another one"])
def test_variable_fails(scene: Scene, value: str | None) -> None:
    """A variable that is not set, empty or wrong is named."""
    done = scene.run(env={"CORP_PASSPHRASE": value})
    scene.assert_failed(done, "CORP_PASSPHRASE")
    scene.assert_recovers()


# Keyrings.


@pytest.fixture
def locked(scene: Scene) -> Scene:
    """Return the scene with the passphrase to be had from the keyring alone."""
    scene.profile('passphrase = "keyring"')
    scene.bench.env["CORP_PASSPHRASE"] = None
    return scene


def use(scene: Scene, keyring: SecretService) -> None:
    """Lead to this keyring."""
    scene.bench.env.update(keyring.env)


def failed_at(scene: Scene, done: subprocess.CompletedProcess[str], *facts: str) -> None:
    """Fail unless the keyring is the cause, and the hint says what else there is."""
    scene.assert_failed(done, *facts, "mtls-run passphrase set corp", notices=True)


NO_BUS: dict[str, dict[str, str | None]] = {
    "none": {"DBUS_SESSION_BUS_ADDRESS": None, "XDG_RUNTIME_DIR": None},
    "nowhere": {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus"},
    "empty": {"DBUS_SESSION_BUS_ADDRESS": ""},
    "nonsense": {"DBUS_SESSION_BUS_ADDRESS": "what is this"},
    "a-file": {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/etc/passwd"},
    "refused": {"DBUS_SESSION_BUS_ADDRESS": "tcp:host=127.0.0.1,port=1"},
}


@pytest.mark.parametrize("env", NO_BUS.values(), ids=NO_BUS)
def test_no_bus(locked: Scene, keyring: SecretService, env: dict[str, str | None]) -> None:
    """With no D-Bus, or an address that leads nowhere, the error says that there is no keyring."""
    done = locked.run(env=env)
    failed_at(locked, done, "keyring")
    keyring.store("corp", locked.canary.text)
    use(locked, keyring)
    locked.assert_recovers()


@contextlib.contextmanager
def silent_socket(path: Path) -> Iterator[str]:
    """Have a bus that accepts and says nothing; yield its address."""
    with socket.socket(socket.AF_UNIX) as collector:
        collector.bind(str(path))
        collector.listen(8)
        yield f"unix:path={path}"


def test_silent_bus(locked: Scene, keyring: SecretService) -> None:
    """A bus that takes the connection and says nothing is given up soon."""
    folder = Path("/tmp") / f"mr-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir()
    try:
        with silent_socket(folder / "bus") as address:
            done = locked.run(env={"DBUS_SESSION_BUS_ADDRESS": address})
    finally:
        (folder / "bus").unlink()
        folder.rmdir()
    failed_at(locked, done, "there is no usable keyring here")
    keyring.store("corp", locked.canary.text)
    use(locked, keyring)
    locked.assert_recovers()


def test_keyring_that_hangs(locked: Scene, keyring: SecretService) -> None:
    """A keyring that owns its name and never answers is given up after the real 30 seconds."""
    with secret_service.mute() as mute:
        started = time.monotonic()
        done = locked.run(env=dict(mute.env), timeout=90)
        taken = time.monotonic() - started
    assert 29 < taken < 50
    failed_at(locked, done, "did not answer within 30 s")
    assert "waiting for" in done.stderr
    keyring.store("corp", locked.canary.text)
    use(locked, keyring)
    locked.assert_recovers()


def test_interrupted_keyring(locked: Scene, keyring: SecretService) -> None:
    """Ctrl-C while a keyring does not answer ends at once, with 130."""
    words = [locked.program, *locked.command()]
    with secret_service.mute() as mute:
        env = locked.bench.tool_env(locked.tool, dict(mute.env))
        with locked.bench.sandbox.start(words, env=env) as process:
            assert process.stderr is not None
            try:
                assert "waiting for" in process.stderr.readline()
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=20)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, out, err) == (130, "", "")
    locked.assert_clean()
    keyring.store("corp", locked.canary.text)
    use(locked, keyring)
    locked.assert_recovers()


def test_locked_keyring(locked: Scene, own_keyring: SecretService, keyring: SecretService) -> None:
    """A keyring that is locked, with nobody to answer its dialog, is an error that says so."""
    own_keyring.store("corp", locked.canary.text)
    own_keyring.lock()
    failed_at(locked, locked.run(env=dict(own_keyring.env)), "locked")
    keyring.store("corp", locked.canary.text)
    use(locked, keyring)
    locked.assert_recovers()


def test_keyring_that_went_away(locked: Scene, keyring: SecretService) -> None:
    """A keyring daemon that has ended is an error; where it is started again, the run works."""
    with secret_service.running() as gone:
        gone.store("corp", locked.canary.text)
        use(locked, gone)
        locked.assert_recovers()
    locked.bench.server.forget()
    shutil.rmtree(locked.bench.target)
    failed_at(locked, locked.run(), "keyring")
    keyring.store("corp", locked.canary.text)
    use(locked, keyring)
    locked.assert_recovers()


@pytest.mark.parametrize("stored", [None, "that of last year"])
def test_keyring_without_the_right_one(
    locked: Scene, keyring: SecretService, stored: str | None
) -> None:
    """A keyring without the passphrase, or with one that does not fit, is told apart."""
    if stored:
        keyring.store("corp", stored)
    use(locked, keyring)
    failed_at(locked, locked.run(), "does not open" if stored else "no passphrase")
    keyring.store("corp", locked.canary.text)
    locked.assert_recovers()


@pytest.mark.parametrize(
    "backend",
    ["keyring.backends.null.Keyring", "keyrings.alt.file.PlaintextKeyring", "no.such.Backend"],
)
def test_weak_keyring(locked: Scene, keyring: SecretService, backend: str) -> None:
    """A keyring that keeps nothing, or keeps it in plain text, is refused by its name."""
    keyring.store("corp", locked.canary.text)
    use(locked, keyring)
    failed_at(locked, locked.run(env={"PYTHON_KEYRING_BACKEND": backend}), backend)
    locked.assert_recovers()


def test_keyring_settings_that_cannot_be_read(locked: Scene, keyring: SecretService) -> None:
    """Settings of keyring itself, where they are damaged, are named."""
    keyring.store("corp", locked.canary.text)
    use(locked, keyring)
    path = locked.bench.sandbox.write(
        locked.root / "config/python_keyring/keyringrc.cfg", b"\xff[backend\n"
    )
    failed_at(locked, locked.run(), str(path))
    path.unlink()
    locked.assert_recovers()


@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_signalled_with_a_keyring(locked: Scene, keyring: SecretService, number: str) -> None:
    """A signal just after the keyring has answered ends the run, and the keyring is as it was."""
    keyring.store("corp", locked.canary.text)
    use(locked, keyring)
    point = "after:mtls_run.passphrase.keyring:_patiently"
    done = locked.run_at(point, f"signal:{number}")
    ends = {"SIGKILL": -9, "SIGTERM": -15, "SIGINT": 130}
    assert (done.returncode, done.stdout, done.stderr) == (ends[number], "", "")
    locked.assert_not_called(done)
    assert keyring.lookup("corp") == locked.canary.text
    locked.assert_recovers()
