"""While there is a secret in it, nobody reads mtls-run's memory; the tool is as it was before."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import login_session
from tests.cli.support import alice, write_profile
from tests.e2e.attacks.people import FILE, INSTALL, MEMORY, VARIABLE, Scene, scene_of
from tests.sandbox import assert_absent
from tests.tiers import rotated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.secret_service import SecretService
    from tests.sandbox import Canary, Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.attack]

HANDOFFS = pytest.mark.parametrize("options", [MEMORY, FILE], ids=["memfd", "supervise"])
LOGIN = (sys.executable, str(Path(login_session.__file__)))
# All that holds a secret while a passphrase command runs, and a supervisor.
HOLDERS: dict[str, tuple[str, ...]] = {
    "run": (*MEMORY, *INSTALL),
    "supervised-run": (*FILE, *INSTALL),
    "check": ("passphrase", "check", "corp"),
    "doctor": ("doctor", "--json"),
}
UNLIMITED = ("prlimit", "--core=unlimited:unlimited")


@pytest.fixture
def scene(canary: Canary) -> Iterator[Scene]:
    """Return the user; nobody else takes part."""
    with scene_of(canary) as found:
        yield found


@contextlib.contextmanager
def holding(scene: Scene, holder: str) -> Iterator[int]:
    """Have a process that holds a secret, or is about to, and yield its pid."""
    if holder == "supervisor":
        with scene.waiting(*FILE) as running:
            assert running.process.pid != running.seen.pid
            yield running.process.pid
    else:
        with scene.waiting_for_passphrase(*HOLDERS[holder]) as (process, _):
            yield process.pid


def core_limits(pid: int | str) -> tuple[str, str]:
    """Return the soft and the hard limit of a process's core file."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return limits_in(next(line for line in lines if line.startswith("Max core file size")))


def limits_in(line: str) -> tuple[str, str]:
    """Return the two limits in a line of /proc/<pid>/limits."""
    words = line.replace("Max core file size", "").split()
    return words[0], words[1]


# The process that holds the secret.


@pytest.mark.parametrize(
    ("name", "holder"),
    rotated(("mem", "environ", "maps", "fd", "auxv", "ptrace"), (*HOLDERS, "supervisor")),
)
def test_closed_to_the_same_user(scene: Scene, holder: str, name: str) -> None:
    """Another process of the same user reads nothing of the one that holds a secret."""
    with holding(scene, holder) as pid:
        what = f"ptrace:{pid}" if name == "ptrace" else f"read:/proc/{pid}/{name}"
        for tried in scene.tries(what, uid=scene.uid).values():
            assert tried.error in ("EACCES", "EPERM"), tried


@pytest.mark.parametrize(
    ("limits", "holder"),
    rotated(("unlimited:unlimited", "4096:8192", "0:unlimited"), (*HOLDERS, "supervisor")),
)
def test_limit(scene: Scene, holder: str, limits: str) -> None:
    """While there is a secret the soft limit for a core is 0, and the hard one what it was."""
    scene.before = ("prlimit", f"--core={limits}")
    with holding(scene, holder) as pid:
        assert core_limits(pid) == ("0", limits.partition(":")[2])


@pytest.mark.parametrize(
    ("number", "holder"), rotated((signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT), HOLDERS)
)
def test_killed_without_a_core(scene: Scene, holder: str, number: signal.Signals) -> None:
    """A signal that dumps core, with no limit set, leaves none: no file, and none in a pipe."""
    scene.before = UNLIMITED
    scene.sandbox.write("passphrase", scene.canary.text + "\n")
    ready = scene.root / "ready"
    script = scene.sandbox.write("command", f"#!/bin/sh\ntouch '{ready}'; exec sleep 60\n", 0o755)
    scene.write_profile(f'passphrase = {{ command = ["{script}"] }}')
    with scene.started(*HOLDERS[holder], env={"CORP_PASSPHRASE": None}) as process:
        scene.await_for(ready.exists, process)
        assert_killed_without_a_core(process.pid, number)
        process.returncode = -number
    assert not list(scene.sandbox.home.glob("*core*"))
    assert scene.tool.runs == 0
    scene.write_profile()
    scene.assert_worked(scene.run(*INSTALL))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_killed_supervisor(scene: Scene, number: signal.Signals) -> None:
    """A signal that dumps core ends the tool, then its supervisor, which leaves no core or file.

    The tool is an ordinary process: it leaves its own core, which has no passphrase in it.
    """
    scene.before = UNLIMITED
    with scene.started(*FILE, *INSTALL, env={"FAKE_WAIT": "1"}) as process:
        scene.await_for(lambda: scene.tool.runs, process)
        file = Path(scene.tool.seen().get("SSL_CLIENT_CERT") or "")
        assert file.exists()
        assert_killed_without_a_core(process.pid, number)
        process.returncode = -number
    assert not file.exists()
    for core in scene.sandbox.home.glob("*core*"):
        scene.canary.assert_absent(core.read_bytes().decode("latin-1"))
        core.unlink()
    scene.assert_worked(scene.run(*INSTALL))


def assert_killed_without_a_core(pid: int, number: signal.Signals) -> None:
    """Send the signal; fail where the process does not die of it, or where the kernel dumped it.

    The wait status says so whatever /proc/sys/kernel/core_pattern names: a file or a program.
    """
    os.kill(pid, number)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == number
    assert not os.WCOREDUMP(status)


def test_set_from_stdin(sandbox: Sandbox, keyring: SecretService, canary: Canary) -> None:
    """`passphrase set --stdin` has the limit before it reads, and stores what it read."""
    sandbox.write("pki/alice.pem", alice().pem(canary.text))
    sandbox.write("pki/root.pem", b"")
    write_profile(sandbox)
    command: list[str | Path] = [
        *UNLIMITED,
        sandbox.program,
        "passphrase",
        "set",
        "--stdin",
        "corp",
    ]
    with sandbox.start(command, env=keyring.env, stdin=True) as process:
        deadline = time.monotonic() + 60
        while core_limits(process.pid)[0] != "0":
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        out, err = process.communicate(canary.text + "\n", timeout=60)
    assert process.returncode == 0, err
    assert "is stored in" in out
    canary.assert_absent(out, err, below=[sandbox.root, keyring.root])


# The tool.

HOW = ["memfd", "supervise", "remembered", "path"]


@pytest.mark.parametrize(
    ("limits", "how"),
    rotated(("0:0", "0:unlimited", "4096:8192", "8192:8192", "unlimited:unlimited"), HOW),
)
def test_limits_of_the_tool(scene: Scene, how: str, limits: str) -> None:
    """The tool has the soft and the hard limit as they were before mtls-run."""
    scene.before = ("prlimit", f"--core={limits}")
    env = {"FAKE_SHELL": "grep 'Max core file size' /proc/$PPID/limits"}
    done = run_as(scene, how, env)
    expected = tuple(limits.split(":"))
    shown = [limits_in(line) for line in done.splitlines()]
    assert shown == [expected] * len(shown)
    assert shown


def run_as(scene: Scene, how: str, env: dict[str, str]) -> str:
    """Run the tool with the identity handed on this way, and return its output."""
    if how == "path":
        scene.allowed.append(scene.sandbox.write("pki/alice.pem", alice().pem()))
        scene.own()
    if how != "remembered":
        options = {"memfd": MEMORY, "supervise": FILE, "path": ()}[how]
        done = scene.run(*options, *INSTALL, env=env)
        scene.assert_worked(done)
        return done.stdout
    scene.write_profile(f'{VARIABLE}\nremember = "5m"')
    run = f"'{scene.program}' {' '.join(INSTALL)}"
    script = f"{run} && unset CORP_PASSPHRASE && {run} && {run}"
    done = scene.sandbox.execute(scene.as_user(*LOGIN, "sh", "-c", script), env=env)
    assert done.returncode == 0, done
    assert scene.tool.runs == 3
    for number in range(3):
        scene.assert_handed(scene.tool.seen(number))
    scene.assert_clean(done.stdout, done.stderr)
    assert list((scene.cache / "launches").iterdir())
    return done.stdout


@pytest.mark.parametrize("how", HOW)
def test_children_of_the_tool(scene: Scene, how: str) -> None:
    """A process that the tool starts opens the identity by its path, though it inherits nothing."""
    # Python's subprocess, by which the fake tool starts it, closes all descriptors but three.
    env = {"FAKE_SHELL": 'grep -c CERTIFICATE "$SSL_CLIENT_CERT" "$PIP_CLIENT_CERT"'}
    counted = run_as(scene, how, env).splitlines()
    parts = alice().pem().count(b"CERTIFICATE")
    assert counted
    assert {line.rpartition(":")[2] for line in counted} == {str(parts)}


@HANDOFFS
@pytest.mark.parametrize("name", ["fd", "environ", "maps", "mem", "ptrace"])
def test_tool_is_an_ordinary_process(scene: Scene, options: tuple[str, ...], name: str) -> None:
    """What the user may do with a tool without mtls-run can be done: see its files, debug it."""
    with scene.waiting(*options) as running:
        pid = running.seen.pid
        what = f"ptrace:{pid}" if name == "ptrace" else f"read:/proc/{pid}/{name}"
        found = scene.tries(what, f"read:{running.identity}", uid=scene.uid)
        assert found[what.replace("read:", "")].error is None, found
        assert found[str(running.identity)].data == alice().pem()


@HANDOFFS
def test_tool_that_cannot_be_started(scene: Scene, options: tuple[str, ...]) -> None:
    """After an exec that failed there is one error, and no identity anywhere."""
    package = scene.tool.records / "site-packages/pip"
    scene.tool.path.write_text(
        '#!/bin/sh\ntest "$1" = --version || exit 3\n'
        f"echo 'pip 26.3 from {package} (python 3.11)'\nprintf '#!/nowhere/sh\\n' >\"$0\"\n"
    )
    scene.own()
    done = scene.run(*options, *INSTALL)
    assert (done.returncode, done.stdout) == (126, ""), done
    assert done.stderr.count("mtls-run: error: ") == 1
    assert "/pip cannot be started" in done.stderr
    assert not list((scene.root / "run").glob("mtls-run/*/*"))
    assert_absent(alice().traces, below=[scene.root, scene.shared_memory])
