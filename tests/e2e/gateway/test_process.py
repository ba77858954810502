"""The gateway's process: it ends with the tool, holds nothing of it, and shows nothing."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtls_run.handoff.gateway import process
from tests.e2e.gateway.scene import always, scripted
from tests.e2e.own_proxy import HELLO
from tests.e2e.toolbox import newest_pip, newest_uv
from tests.strangers import STRANGER

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from tests.e2e.gateway.scene import Scripted, World
    from tests.e2e.toolbox import Tool

LAUNCHER = Path(__file__).with_name("launcher.py")
REPOSITORY = Path(__file__).parents[3]
SHELL = "/bin/sh"


class Runs:
    """Runs of commands beside a gateway."""

    def __init__(self, folder: Path, world: World, host: str) -> None:
        self.folder = folder
        (folder / "alice.pem").write_bytes(world.client("alice").pem())
        (folder / "roots.pem").write_bytes(world.server_ca.pem)
        self.told = {
            "identity": str(folder / "alice.pem"),
            "roots": str(folder / "roots.pem"),
            "host": host,
        }

    def command(self, *command: str, **more: object) -> list[str]:
        """Return the command line."""
        return [sys.executable, str(LAUNCHER), json.dumps({**self.told, **more}), *command]

    def start(self, *command: str, **more: object) -> subprocess.Popen[str]:
        """Start the command, with pipes."""
        return subprocess.Popen(
            self.command(*command, **more),
            env={
                "PYTHONPATH": str(REPOSITORY),
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.folder),
                "UV_HTTP_RETRIES": "0",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, **more: object) -> tuple[int, str, str]:
        """Run the command, and return its status and output once its pipes are closed."""
        with self.start(*command, **more) as running:
            out, err = running.communicate(timeout=60)
        return running.returncode, out, err

    @contextlib.contextmanager
    def beside(self, **more: object) -> Iterator[tuple[int, int]]:
        """Run a tool that waits, and yield its gateway's process and its own."""
        with self.start(SHELL, "-c", "echo ready; exec sleep 60", **more) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            try:
                yield gateway_of(str(self.folder)), running.pid
            finally:
                running.kill()


def gateway_of(mark: str) -> int:
    """Return the process of a gateway whose command line has this mark."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes()
                if str(LAUNCHER).encode() in line and mark.encode() in line:
                    return int(entry.name)
    raise AssertionError("there is no gateway")


def has_ended(pid: int, within: float = 10) -> bool:
    """Tell whether the process ends soon; where nobody reaps it, it stays as a zombie."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def server(world: World) -> Iterator[Scripted]:
    """Run a server that says hello."""
    with scripted(world, always(HELLO)) as found:
        yield found


@pytest.fixture
def runs(tmp_path: Path, world: World, server: Scripted) -> Runs:
    """Return runs whose identity is for the server."""
    return Runs(tmp_path, world, f"localhost:{server.port}")


@pytest.mark.parametrize("status", [0, 7])
def test_the_status_is_the_tools(runs: Runs, status: int) -> None:
    """The status is exact, and no process holds the tool's output open after it."""
    began = time.monotonic()
    assert runs.run(SHELL, "-c", f"echo out; exit {status}") == (status, "out\n", "")
    assert time.monotonic() - began < 30


def test_a_killed_tool_takes_the_gateway_along(runs: Runs) -> None:
    """The gateway ends, also when the tool is killed."""
    with runs.beside() as (pid, _):
        assert not has_ended(pid, within=0.1)
    assert has_ended(pid)


def test_the_gateway_is_no_child_of_the_tool(runs: Runs) -> None:
    """A tool that waits for its children has none; the gateway is in a session of its own."""
    with runs.beside() as (pid, _):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        assert int(fields[3]) != os.getsid(0)
        assert fields[4] == "0"  # no terminal
        status, out, _ = runs.run(SHELL, "-c", "trap 'echo interrupted' INT; kill -INT $$; wait")
        assert (status, out) == (0, "interrupted\n")


@pytest.mark.everyday
def test_the_gateway_holds_nothing_of_the_tool(runs: Runs) -> None:
    """It has no file of the tool's open: sockets, its pipe, and nothing for the streams."""
    if os.geteuid() != 0:
        pytest.skip("nobody but root sees another process's descriptors, and this one's")
    with runs.beside() as (pid, _):
        found = {one.name: os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()}
        assert {found[name] for name in ("0", "1", "2")} == {"/dev/null"}
        others = [it for name, it in found.items() if name not in ("0", "1", "2")]
        assert all(it.startswith(("socket:", "anon_inode:", "pipe:")) for it in others), found
        assert len(others) <= 3
        assert os.readlink(f"/proc/{pid}/cwd") == "/"


LOOK = """
import os, sys
if os.geteuid() == 0:
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
for name in ("mem", "environ", "maps", "fd", "cwd"):
    path = f"/proc/{sys.argv[1]}/{name}"
    try:
        if name == "fd":
            os.listdir(path)
        elif name == "cwd":
            os.readlink(path)
        else:
            open(path, "rb").close()
    except OSError as error:
        print("refused")
    else:
        print("open")
"""


@pytest.mark.everyday
def test_its_memory_is_closed_to_its_user(runs: Runs) -> None:
    """A build backend of the same user cannot read memory, environment or descriptors.

    The tool beside it can be read: that is the control.
    """
    user = {"uid": STRANGER} if os.geteuid() == 0 else {}
    with runs.beside(**user) as (pid, tool):
        assert "Max core file size        0 " in Path(f"/proc/{pid}/limits").read_text()
        found = []
        for one in (pid, tool):
            words = [sys.executable, "-c", LOOK, str(one)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            found.append(done.stdout.split())
    assert found == [["refused"] * 5, ["open"] * 5]


def test_an_error_before_it_is_ready_stops_the_run(runs: Runs) -> None:
    """What opens first fails: the tool does not start, and the error has its code and hint."""
    status, out, err = runs.run("/bin/echo", "started", fails="the PIN is wrong")
    assert (status, out) == (125, "125 pin-wrong\n")
    assert err == "mtls-run: error: the PIN is wrong\nmtls-run: hint: another PIN\n"


@pytest.mark.parametrize("tool", [newest_uv(), newest_pip()], ids=str)
def test_a_killed_gateway_fails_the_tool(runs: Runs, server: Scripted, tool: Tool) -> None:
    """The gateway is killed: the tool fails, and no request reaches the server."""
    tool.ready()
    index = f"https://localhost:{server.port}/simple/"
    words = f"install --target {runs.folder}/target --index-url {index} alpha-pkg"
    words = (
        f"pip {words} --no-cache" if tool.kind == "uv" else f"{words} --no-cache-dir --retries 0"
    )
    script = f"echo ready; read line; exec {tool.program} {words}"
    with runs.start(SHELL, "-c", script) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        gateway = gateway_of(str(runs.folder))
        os.kill(gateway, signal.SIGKILL)
        assert has_ended(gateway)
        running.communicate("\n", timeout=60)
    assert running.returncode != 0
    assert server.seen == []


@pytest.mark.parametrize("tool", [newest_uv(), newest_pip()], ids=str)
def test_a_gateway_killed_in_the_body_fails_the_tool(
    tmp_path: Path, world: World, tool: Tool
) -> None:
    """Half of a wheel has come: the tool fails, installs nothing and asks nobody without it."""
    tool.ready()
    name = "alpha_pkg-1-py3-none-any.whl"
    page = f'<html><body><a href="/{name}">{name}</a></body></html>'.encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:  # uv stops at the first bytes of anything else
        archive.writestr("alpha_pkg/data", bytes(10_000_000))
    killed: list[int] = []

    def answer(connection: ssl.SSLSocket, asked: bytes) -> bool:
        if b"/simple/" in asked.split(b"\r\n", 1)[0]:
            connection.sendall(head % len(page) + page)
            return True
        connection.sendall(head % len(wheel.getvalue()))
        if asked.startswith(b"HEAD "):  # uv's, before it asks for the file: no body follows
            return True
        connection.sendall(wheel.getvalue()[:1_000_000])
        if not killed:
            killed.append(gateway_of(str(tmp_path)))
            os.kill(killed[0], signal.SIGKILL)
        return False

    with scripted(world, answer) as server:
        runs = Runs(tmp_path, world, f"localhost:{server.port}")
        index = f"https://localhost:{server.port}/simple/"
        words = ["install", "--target", f"{tmp_path}/target", "--index-url", index, "alpha-pkg"]
        if tool.kind == "uv":
            command = ["pip", *words, "--no-cache"]
        else:
            command = [*words, "--no-cache-dir", "--retries", "0"]
        status, out, err = runs.run(str(tool.program), *command)
    assert status not in (0, 125), (out, err)
    assert killed
    assert {seen.subject for seen in server.seen} == {"alice"}
    assert not list(tmp_path.glob("target/alpha*"))


def test_refusals_are_told_with_verbose(runs: Runs, server: Scripted) -> None:
    """With -v, the gateway says on standard error what it refused, and never the secret."""
    look = (
        "import os,ssl,urllib.request as r\n"
        "try: r.urlopen(r.Request('https://localhost:%d/', b'x'))\n"
        "except Exception as error: print(error)\n"
        "print(os.environ['HTTPS_PROXY'].split(':')[2].split('@')[0])\n"
    )
    _, out, err = runs.run(sys.executable, "-c", look % server.port, verbose=True)
    answer, secret = out.splitlines()
    assert answer.startswith("HTTP Error 403: mtls-run: POST is not sent on")
    assert "mtls-run: gateway: 403 method: POST is not sent on" in err
    assert secret not in err


def test_without_pidfds(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a kernel without them, the process is known by its number and start time."""
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    with subprocess.Popen(["sleep", "60"]) as running:
        found = process._open_process(running.pid)  # noqa: SLF001
        assert found.descriptor is None
        assert not found.has_ended()
        running.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while not found.has_ended():
            assert time.monotonic() < deadline
    with pytest.raises(OSError, match="has ended"):
        process._open_process(running.pid)  # noqa: SLF001
