"""`--handoff supervise`: a private file for as long as the tool lives, and not a moment longer."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import shlex
import signal
import stat
import struct
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.toolbox import Tool, newest_pip, newest_uv
from tests.sandbox import FakeTool, assert_absent

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.e2e.bench import Bench
    from tests.sandbox import Canary

pytestmark = pytest.mark.e2e

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
ALL = sorted(map(int, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}))
IGNORED = {signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT}
STOPS = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
# Of each way in which a signal is met: asked to end, ignored by default, a core, real time, a stop.
TELLING = {signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD, signal.SIGQUIT, signal.SIGTSTP, max(ALL)}
SUPERVISE = ("--handoff", "supervise")


@pytest.fixture(autouse=True)
def profile(bench: Bench, canary: Canary) -> None:
    """Write a profile whose key has to be unlocked, so that something must be handed on."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem(canary.text))
    bench.profile('client-cert = "~/pki/alice.pem"\npassphrase = { env = "CORP_PASSPHRASE" }')
    bench.env["CORP_PASSPHRASE"] = canary.text


def await_file(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the file is there; fails where the process ends first."""
    deadline = time.monotonic() + 60
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"no {path}: {process.poll()} {process.communicate()}")
        time.sleep(0.01)


@contextlib.contextmanager
def waiting_tool(bench: Bench) -> Iterator[tuple[subprocess.Popen[str], FakeTool, Path]]:
    """Yield a supervisor, the tool that waits below it, and the file that was handed on."""
    tool = bench.sandbox.fake_tool("uv")
    env = {**bench.tool_env(None), "FAKE_WAIT": "1"}
    command = [str(bench.sandbox.program), *SUPERVISE, "uv", "pip", "install", "x"]
    with bench.sandbox.start(command, env=env) as process:
        try:
            await_file(tool.records / "run-0001", process)
            yield process, tool, Path(tool.seen().get("SSL_CLIENT_CERT") or "")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def assert_nothing_left(bench: Bench) -> None:
    """Fail where an unlocked copy of the key is anywhere in the sandbox."""
    assert_absent(bench.alice.traces, below=[bench.sandbox.root])


@pytest.mark.parametrize("tool", [newest_pip(), newest_uv()], ids=str)
def test_installs(bench: Bench, tool: Tool) -> None:
    """The real tools install everything, and no unlocked key is left."""
    done = bench.run(tool, options=SUPERVISE)
    bench.assert_installed(done)
    assert_nothing_left(bench)


def test_file_is_private(bench: Bench) -> None:
    """The file is the user's alone, in a directory that is the user's alone, with no other."""
    with waiting_tool(bench) as (process, tool, file):
        assert tool.seen().ppid == process.pid
        assert str(file).startswith(str(bench.sandbox.root))
        assert stat.S_IMODE(file.stat().st_mode) & 0o177 == 0
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert file.stat().st_uid == os.geteuid()
        assert not file.is_symlink()
        with pytest.raises(AssertionError, match="the secret stands in"):
            assert_nothing_left(bench)


@pytest.mark.parametrize("number", SIGNALS)
def test_file_goes_with_a_signal(bench: Bench, number: signal.Signals) -> None:
    """A signal to the supervisor reaches the tool, becomes its own end, and the file goes."""
    with waiting_tool(bench) as (process, _, file):
        assert file.exists()
        process.send_signal(number)
        status = process.wait(20)
        assert not file.exists()
    assert status == -number
    assert_nothing_left(bench)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("tool", [newest_pip(), newest_uv()], ids=str)
def test_real_tool_and_signal(bench: Bench, tool: Tool, number: signal.Signals) -> None:
    """A signal in the midst of a build ends the real tool as it ends without mtls-run."""
    path = str(bench.sandbox.write("plain.pem", bench.alice.pem()))
    plain = {
        "PIP_CERT": str(bench.ca),
        "SSL_CERT_FILE": str(bench.ca),
        "PIP_CLIENT_CERT": path,
        "SSL_CLIENT_CERT": path,
    }
    command = bench.install(tool, "gamma-src")
    expected = signalled(bench, tool, [str(tool.ready().program), *command[1:]], number, plain)
    Path(path).unlink()
    wrapped = [str(bench.sandbox.program), *SUPERVISE, *command]
    assert signalled(bench, tool, wrapped, number, {}) == expected
    assert_nothing_left(bench)


def signalled(
    bench: Bench, tool: Tool, command: list[str], number: signal.Signals, env: dict[str, str]
) -> int:
    """Send a signal to a command when its build has begun, and return its status."""
    record = bench.sandbox.root.with_name("record.json")
    record.unlink(missing_ok=True)
    changes = bench.tool_env(tool, {**env, "GAMMA_RECORD": str(record), "GAMMA_WAIT": "1"})
    with bench.sandbox.start(command, env=changes) as process:
        try:
            await_file(record, process)
            process.send_signal(number)
            return process.wait(30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("status", [0, 1, 2, 3, 125, 127, 255])
def test_exact_status(bench: Bench, status: int) -> None:
    """The tool's status is the supervisor's."""
    bench.sandbox.fake_tool("uv")
    env = bench.tool_env(None, {"FAKE_STATUS": str(status)})
    done = bench.sandbox.run(*SUPERVISE, "uv", "pip", "install", "x", env=env)
    assert done.returncode == status
    assert_nothing_left(bench)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGPIPE]
)
def test_exact_signal(bench: Bench, number: signal.Signals) -> None:
    """The signal that killed the tool is the supervisor's end as well."""
    bench.sandbox.fake_tool("uv")
    env = bench.tool_env(None, {"FAKE_SIGNAL": str(int(number))})
    done = bench.sandbox.run(*SUPERVISE, "uv", "pip", "install", "x", env=env)
    assert done.returncode == -number
    assert_nothing_left(bench)


def test_leftovers_are_swept(bench: Bench) -> None:
    """What a killed supervisor left is removed by the next run."""
    with waiting_tool(bench) as (process, tool, file):
        process.kill()
        process.wait(20)
        os.kill(tool.seen().pid, signal.SIGKILL)
        assert file.exists()
        env = bench.tool_env(None)
        done = bench.sandbox.run(*SUPERVISE, "uv", "pip", "install", "x", env=env)
        assert done.returncode == 0, done
        assert not file.exists()
    assert_nothing_left(bench)


def test_the_living_are_not_swept(bench: Bench) -> None:
    """What a living supervisor holds stays where it is."""
    with waiting_tool(bench) as (process, _, file):
        env = bench.tool_env(None)
        done = bench.sandbox.run(*SUPERVISE, "uv", "pip", "install", "x", env=env)
        assert done.returncode == 0, done
        assert bench.alice.key_pem() in file.read_bytes()
        assert process.poll() is None


def plain_tool(bench: Bench, script: str, before: str = ":") -> Path:
    """Put a shell script in uv's place, and return the file to which it writes what it was given.

    Python, in which the fake tool is written, ignores two of the signals.
    """
    record = bench.sandbox.root / "given"
    tool = bench.sandbox.bin / "uv"
    tool.write_text(
        '#!/bin/sh\ncase $1 in --version) echo "uv 0.9.0"; exit;; esac\n'
        f'{before}\necho "$$ $SSL_CLIENT_CERT" >{record}.new\nmv {record}.new {record}\n{script}\n'
    )
    tool.chmod(0o755)
    return record


def is_running(pid: int) -> bool:
    """Tell whether the process is there, and more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    "number",
    [pytest.param(one, marks=() if one in TELLING else pytest.mark.slow) for one in ALL],
)
def test_every_signal(bench: Bench, number: int) -> None:
    """Whichever signal comes: file and tool are gone, and the supervisor ends by it as well."""
    record = plain_tool(bench, "exec sleep 100")
    command = [str(bench.sandbox.program), *SUPERVISE, "uv", "pip", "install", "x"]
    with bench.sandbox.start(command, env=bench.tool_env(None)) as process:
        try:
            await_file(record, process)
            pid, file = record.read_text().split()
            assert Path(file).exists()
            process.send_signal(number)
            expected = number
            if number in IGNORED | STOPS:
                process.send_signal(signal.SIGCONT)
                time.sleep(0.2)
                assert process.poll() is None
                process.terminate()
                expected = signal.SIGTERM
            assert process.wait(20) == -expected
            assert not Path(file).parent.exists()
            assert not is_running(int(pid))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert_nothing_left(bench)


def test_alarm_of_the_caller(bench: Bench) -> None:
    """An alarm that was set before mtls-run, as a time limit, ends the tool."""
    record = plain_tool(bench, "exec sleep 100")
    words = [str(bench.sandbox.program), *SUPERVISE, "uv", "pip", "install", "x"]
    limit = f"import os, signal; signal.alarm(3); os.execv({words[0]!r}, {words!r})"
    done = bench.sandbox.execute([sys.executable, "-c", limit], env=bench.tool_env(None))
    assert done.returncode == -signal.SIGALRM
    assert record.exists()
    assert_nothing_left(bench)


def test_terminal(bench: Bench) -> None:
    """The tool gets once what the terminal sends to the whole group: Ctrl-C, a new size."""
    log = bench.sandbox.root / "log"
    traps = f"trap 'echo INT >>{log}' INT\ntrap 'echo WINCH >>{log}' WINCH\ntrap 'exit 7' TERM"
    record = plain_tool(bench, "while :; do sleep 0.1; done", traps)
    words = [str(bench.sandbox.program), *SUPERVISE, "uv", "pip", "install", "x"]
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - another process
        os.execve(words[0], words, bench.sandbox.environment(bench.tool_env(None)))
    try:
        deadline = time.monotonic() + 60
        while not record.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.write(terminal, b"\x03")
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
        time.sleep(0.5)
        os.kill(pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    finally:
        os.close(terminal)
    assert sorted(log.read_text().split()) == ["INT", "WINCH"]
    assert_nothing_left(bench)


UMASKS = pytest.mark.parametrize("umask", ["777", "077", "000"])


@UMASKS
def test_umask(bench: Bench, umask: str) -> None:
    """Whatever the umask: the tool reads the identity, twice in a row, and nothing is left."""
    record = plain_tool(bench, "grep -c 'PRIVATE KEY' \"$SSL_CLIENT_CERT\"\numask")
    record.write_text("")
    record.with_name("given.new").write_text("")  # under umask 777 nobody could write a new one
    words = [str(bench.sandbox.program), *SUPERVISE, "uv", "pip", "install", "x"]
    line = f"umask {umask}; {shlex.join(words)} && {shlex.join(words)}"
    done = bench.sandbox.execute(["sh", "-c", line], env=bench.tool_env(None))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"2\n0{umask}\n" * 2
    record.unlink()  # the tool's own, which its umask has closed
    assert_nothing_left(bench)
