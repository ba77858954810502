"""Real pips and uvs go the way that `Tool.proxies` says; a proxy on loopback notes who asks it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mtls_run.net.errors import NetworkError
from mtls_run.tools.base import Target, ToolCall
from mtls_run.tools.pip import TOOL as PIP
from mtls_run.tools.uv import TOOL as UV
from tests.e2e.toolbox import Tool, pips, uvs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# No resolver has it: a tool that goes directly ends without a connection.
URL = "https://index.invalid:8443/simple/"
HOST, PORT = "index.invalid", 8443
LIMIT = 30.0
FIRST_BYTE = {"http": b"C", "https": b"\x16", "socks5": b"\x05", "socks5h": b"\x05"}

CASES: dict[str, dict[str, str]] = {
    "HTTPS_PROXY": {"HTTPS_PROXY": "http://A"},
    "by TLS": {"HTTPS_PROXY": "https://A"},
    "by SOCKS": {"HTTPS_PROXY": "socks5h://A"},
    "without a scheme": {"HTTPS_PROXY": "A"},
    "with a path and no scheme": {"HTTPS_PROXY": "A/"},
    "of no kind": {"HTTPS_PROXY": "ftp://A", "ALL_PROXY": "http://B"},
    "both spellings": {"HTTPS_PROXY": "http://A", "https_proxy": "http://B"},
    "empty and lower-case": {"HTTPS_PROXY": "http://A", "https_proxy": ""},
    "ALL_PROXY too": {"HTTPS_PROXY": "http://A", "ALL_PROXY": "http://B"},
    "a setting of pip's": {"HTTPS_PROXY": "http://A", "PIP_PROXY": "http://B"},
    "a domain": {"HTTPS_PROXY": "http://A", "NO_PROXY": ".invalid"},
    "a star and a domain": {"HTTPS_PROXY": "http://A", "NO_PROXY": "*.invalid"},
    "a port": {"HTTPS_PROXY": "http://A", "NO_PROXY": "index.invalid:8443"},
    "a star in a list": {"HTTPS_PROXY": "http://A", "NO_PROXY": "x.test, *"},
    "upper case": {"HTTPS_PROXY": "http://A", "NO_PROXY": "INDEX.INVALID"},
    "half a label": {"HTTPS_PROXY": "http://A", "NO_PROXY": "dex.invalid"},
    "a list that is empty": {"HTTPS_PROXY": "http://A", "NO_PROXY": "", "no_proxy": HOST},
}


class Recorder:
    """Two listeners, A and B. Each closes a connection once it has its first byte."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.seen: list[tuple[int, bytes]] = []
        self.ports: dict[str, int] = {}
        self._listeners: list[socket.socket] = []
        for name in ("A", "B"):
            listener = socket.create_server(("127.0.0.1", 0))
            self.ports[name] = listener.getsockname()[1]
            self._listeners.append(listener)
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(LIMIT)
                    first = connection.recv(1)
                self.seen.append((listener.getsockname()[1], first))
                self.asked.set()

    def close(self) -> None:
        """Stop listening."""
        for listener in self._listeners:
            listener.close()


@contextmanager
def recording() -> Iterator[Recorder]:
    """Yield a recorder."""
    recorder = Recorder()
    try:
        yield recorder
    finally:
        recorder.close()


def go(tool: Tool, environ: dict[str, str], folder: Path, recorder: Recorder) -> str:
    """Run the tool until it asks a proxy, or ends; return what it writes to stderr."""
    if tool.kind == "pip":
        words = ["download", "--retries", "0", "--no-cache-dir", "--no-deps", "-i", URL, "x"]
    else:
        words = ["pip", "install", "--index-url", URL, "--target", "x", "--python", sys.executable]
        words += ["x"]
    with subprocess.Popen(
        [tool.program, *words],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        deadline = time.monotonic() + LIMIT
        while running.poll() is None and time.monotonic() < deadline:
            if recorder.asked.wait(0.05):
                break
        running.kill()
        return running.communicate()[1]


def expected(tool: Tool, environ: dict[str, str], folder: Path) -> tuple[int, bytes] | None:
    """Return which port is asked with which first byte, or None where no proxy is."""
    known = PIP if tool.kind == "pip" else UV
    arguments = ("download",) if tool.kind == "pip" else ("pip", "install")
    call = ToolCall(tool.kind, (tool.kind,), arguments)
    target = Target(known, call, str(tool.program), tool.release)
    try:
        found = known.proxies(target, environ, folder).find(HOST, PORT)
    except NetworkError:
        return None
    if found is None or (tool.kind == "pip" and found.is_socks):  # PySocks is not there
        return None
    return found.port, FIRST_BYTE[found.scheme]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("tool", [*pips(), *uvs()], ids=str)
def test_way(tool: Tool, case: str, tmp_path: Path) -> None:
    """The tool asks the proxy that is expected, or none."""
    tool.ready()
    with recording() as recorder:
        environ = {
            "HOME": str(tmp_path),
            "PATH": "/usr/bin:/bin",
            "PIP_CONFIG_FILE": "/dev/null",
            "UV_NO_CONFIG": "1",
            "UV_HTTP_RETRIES": "0",
            "UV_NO_CACHE": "1",
        }
        for name, value in CASES[case].items():
            for role, port in recorder.ports.items():
                value = value.replace(role, f"127.0.0.1:{port}")  # noqa: PLW2901 - one by one
            environ[name] = value if name != "NO_PROXY" else CASES[case][name]
        said = go(tool, environ, tmp_path, recorder)
        seen = recorder.seen[0] if recorder.seen else None
        assert seen == expected(tool, environ, tmp_path), said


@pytest.mark.parametrize("tool", uvs(), ids=str)
def test_key_of_uv(tool: Tool, tmp_path: Path) -> None:
    """`https-proxy` in uv.toml beats the variables in a uv that knows it."""
    tool.ready()
    with recording() as recorder:
        (tmp_path / "uv.toml").write_text(f'https-proxy = "127.0.0.1:{recorder.ports["B"]}"\n')
        environ = {
            "HOME": str(tmp_path),
            "PATH": "/usr/bin:/bin",
            "UV_NO_SYSTEM_CONFIG": "1",
            "UV_NO_CACHE": "1",
            "UV_HTTP_RETRIES": "0",
            "HTTPS_PROXY": f"http://127.0.0.1:{recorder.ports['A']}",
        }
        said = go(tool, environ, tmp_path, recorder)
        if "Failed to parse" in said:
            assert tool.release < (0, 9, 23)  # an unknown key
            return
        assert recorder.seen[0] == expected(tool, environ, tmp_path), said
