"""`mtls-run demo`: it ends well, checks what it shows, and leaves nothing."""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import http.client
import io
import os
import re
import signal
import socket
import ssl
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtls_run import cli
from mtls_run.commands import Context, demo
from mtls_run.demo.environment import demo_environment
from mtls_run.demo.index import ADDRESSES, HOST, Index
from mtls_run.demo.pki import Authority
from mtls_run.demo.programs import Programs
from mtls_run.demo.transcript import Transcript
from mtls_run.demo.wheel import GREETING, demo_wheels
from mtls_run.errors import MtlsRunError, UsageError
from mtls_run.output import Reporter
from tests.e2e.toolbox import Tool, newest_uv
from tests.terminal import session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox import Sandbox

CONTEXT = Context(cli.parse([]).options, {}, Reporter())
REFUSED = 'refused; the index says why: "peer did not return a certificate"'
INSTALLED = "installed; the index saw O=mtls-run demo, CN=demo user"
LAST_WORD = "Everything that this demo made is removed again."
PIP_INSTALLS = r"\$ mtls-run pip install"


def everything_below(folder: Path) -> list[str]:
    """Return the path of all that lies below a directory."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def still_running(root: Path) -> list[str]:
    """Return the command lines of the processes that work in, or were started from, `root`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                command = words.decode("utf-8", "replace")
                if str(root) in command or str(root) in str((entry / "cwd").readlink()):
                    found.append(command)
    return found


# --- the whole demo


@pytest.fixture
def clean(sandbox: Sandbox) -> Iterator[Sandbox]:
    """Give the sandbox, and fail where a file, a directory or a process stays behind."""
    before = everything_below(sandbox.root)
    yield sandbox
    assert everything_below(sandbox.root) == before
    assert still_running(sandbox.root) == []


@pytest.mark.slow
def test_without_uv(clean: Sandbox) -> None:
    """Alone pip is refused, then it installs; the package greets; of uv there is one line."""
    done = clean.run("demo", timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.count(REFUSED) == 1
    assert done.stdout.count(INSTALLED) == 1
    assert done.stdout.index(REFUSED) < done.stdout.index(INSTALLED)
    assert done.stdout.count(f"| {GREETING}") == 1
    assert done.stdout.count("There is no uv on PATH.") == 1
    assert done.stdout.endswith(f"\n{LAST_WORD} Your own profiles go into {clean.config_file}\n")
    assert "\033" not in done.stdout
    assert "PRIVATE KEY" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("uv", [newest_uv(), Tool("uv", "0.2.11")], ids=str)
def test_with_uv(clean: Sandbox, uv: Tool) -> None:
    """The newest uv, and the oldest that can, are refused and then install by the same profile."""
    path = f"{uv.ready().bin}:{clean.env['PATH']}"
    done = clean.run("demo", env={"PATH": path}, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"uv {uv.version} without mtls-run" in done.stdout
    assert done.stdout.count(REFUSED) == 2
    assert done.stdout.count(INSTALLED) == 2
    assert re.search(rf"{INSTALLED} in \d+ requests by uv/{re.escape(uv.version)}\n", done.stdout)
    assert done.stdout.count(f"| {GREETING}") == 2


def test_the_gateway(clean: Sandbox) -> None:
    """A build backend finds the key that was handed over, and none behind the gateway."""
    done = clean.run("demo", "--gateway", timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done
    found = [line for line in done.stdout.splitlines() if line.startswith("   => ")]
    assert found == [
        "   => its build backend says: it found a private key, by SSL_CLIENT_CERT",
        "   => its build backend says: it found no private key",
        "   => the other index asked in 4 requests, and saw no certificate",
    ]


@pytest.mark.slow
def test_a_uv_that_is_too_old(sandbox: Sandbox) -> None:
    """One before 0.2.11 cannot present a certificate: said in a line, and never started."""
    uv = sandbox.fake_tool("uv", "0.2.10")
    done = sandbox.run("demo", timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    said = " ".join(done.stdout.split())
    assert f"{uv.path} is uv 0.2.10; client certificates need uv 0.2.11 or newer." in said
    assert uv.runs == 0


@pytest.mark.slow
def test_settings_from_outside_change_nothing(clean: Sandbox) -> None:
    """Wrong settings for pip, TLS, proxies and mtls-run itself have no part in the demo."""
    wrong = str(clean.write("wrong", "nothing of use"))
    names = """
        PIP_CERT PIP_CLIENT_CERT PIP_INDEX_URL PIP_PROXY PIP_TARGET SSL_CERT_FILE SSL_CERT_DIR
        SSL_CLIENT_CERT REQUESTS_CA_BUNDLE CURL_CA_BUNDLE HTTPS_PROXY https_proxy ALL_PROXY
        MTLS_RUN_PROFILE MTLS_RUN_CONFIG VIRTUAL_ENV
    """
    env = dict.fromkeys(names.split(), wrong)
    env |= {"MTLS_RUN_DISABLE": "1", "PIP_NO_INDEX": "1", "PIP_REQUIRE_HASHES": "1"}
    clean.write_config("[profiles.demo]\nno-such-key = 1\n").with_name("note").touch()
    pip_conf = clean.write(clean.root / "config/pip/pip.conf", "[global]\nno-index = true\n")
    try:
        done = clean.run("demo", env=env, timeout=120)
    finally:
        for path in (Path(wrong), clean.config_file, clean.config_file.with_name("note"), pip_conf):
            path.unlink()
        pip_conf.parent.rmdir()
        clean.config_file.parent.rmdir()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert INSTALLED in done.stdout


@pytest.mark.slow
def test_a_tool_that_fails_ends_it(clean: Sandbox, tmp_path: Path) -> None:
    """A uv that never reaches the index is an error that says so, not a good end."""
    clean.fake_tool("uv", "0.13.9", folder=tmp_path / "fake")
    path = f"{tmp_path / 'fake'}:{clean.env['PATH']}"
    done = clean.run("demo", env={"PATH": path, "FAKE_STATUS": "3"}, timeout=120)
    assert done.returncode == 125
    error, hint = done.stderr.splitlines()
    assert error == "mtls-run: error: uv failed before it reached the index"
    assert hint.startswith("mtls-run: hint: ")
    assert LAST_WORD not in done.stdout


# --- its end before the end


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["What is made for it", PIP_INSTALLS])
def test_ctrl_c(clean: Sandbox, moment: str) -> None:
    """Ctrl-C at any moment ends 130, with no traceback, no file and no process left."""
    with session(clean, clean.program, "demo") as terminal:
        terminal.expect(moment)
        terminal.interrupt()
        assert terminal.end() == 130
        assert "Traceback" not in terminal.shown


@pytest.mark.slow
def test_an_impatient_ctrl_c(clean: Sandbox) -> None:
    """More Ctrl-C do not interrupt the removal of what was made.

    One that falls between two statements at the very end may still end it by the signal, which
    a shell shows as the same 130.
    """
    with session(clean, clean.program, "demo") as terminal:
        terminal.expect(PIP_INSTALLS)
        for _ in range(5):
            terminal.interrupt()
            time.sleep(0.02)
        assert terminal.end() in (130, -signal.SIGINT)
        assert "Traceback" not in terminal.shown


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)]
)
def test_a_signal(clean: Sandbox, number: signal.Signals) -> None:
    """SIGTERM and SIGHUP end the demo as they end any program, after it has cleaned up."""
    with clean.start([clean.program, "demo"]) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "$ PIP_CERT" in line:
                break
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == -number
    assert err == ""


@pytest.mark.slow
def test_a_reader_that_goes_away(clean: Sandbox) -> None:
    """`mtls-run demo | head -1` cleans up, and no traceback is shown."""
    done = clean.execute(["sh", "-c", f"'{clean.program}' demo | head -1"], timeout=120)
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_colour_at_a_terminal(clean: Sandbox) -> None:
    """A terminal gets colour, and none where NO_COLOR holds anything; the words are the same."""
    seen = []
    for no_color in ("", "1"):
        command = ("env", "TERM=xterm", f"NO_COLOR={no_color}", clean.program, "demo")
        with session(clean, *command) as terminal:
            terminal.expect("2. pip without mtls-run")
            seen.append(terminal.shown)
            terminal.interrupt()
            terminal.end()
    coloured, plain = seen
    assert "\033[1m" in coloured
    assert "\033" not in plain
    varying = r"mtls-run-demo-\w+|localhost:\d+|\033\[\d*m|\s+"
    words = [re.sub(varying, "", text).partition("2.pip")[0] for text in seen]
    assert words[0] == words[1]
    assert "default-profile" in words[0]


# --- its command line


def test_help_with_stdout_closed(sandbox: Sandbox) -> None:
    """`mtls-run demo --help >&-` says nothing and ends 0; it is no internal error."""
    done = sandbox.execute(["sh", "-c", f"'{sandbox.program}' demo --help >&-"])
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(sandbox: Sandbox, option: str) -> None:
    """--help is on stdout and ends 0."""
    done = sandbox.run("demo", option)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: mtls-run demo [OPTIONS]\n")


def test_arguments(sandbox: Sandbox) -> None:
    """An argument is an error that names it, with nothing made."""
    done = sandbox.run("demo", "--frob")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == (
        "mtls-run: error: mtls-run demo has no option --frob\n"
        "mtls-run: hint: mtls-run demo --help\n"
    )
    with pytest.raises(UsageError) as caught:
        demo.run(["x"], CONTEXT)
    assert caught.value.hint == "mtls-run demo --help"


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian without python3-venv: the error names the module, the hint the package."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MtlsRunError, match=f"has no module {module}") as caught:
        demo.run([], CONTEXT)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"apt install python{version}-venv" in (caught.value.hint or "")


# --- the index


class Served:
    """An index that serves, and files with which to knock at it."""

    def __init__(self, index: Index, folder: Path) -> None:
        self.index = index
        self.folder = folder

    def connect(self, identity: str | None, address: str = HOST) -> http.client.HTTPSConnection:
        """Return a connection that trusts the index and presents an identity, or none."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        if identity is not None:
            context.load_cert_chain(self.folder / identity)
        port = int(self.index.url.split(":")[2].split("/")[0])
        return http.client.HTTPSConnection(address, port, context=context, timeout=10)

    def get(self, path: str, connection: http.client.HTTPSConnection) -> int:
        """Return the status for a path, and close the connection."""
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Serve the demo's wheels."""
    authority, stranger = Authority(), Authority()
    for name, issued in (
        ("server.pem", authority.issue_server([HOST, *ADDRESSES])),
        ("client.pem", authority.issue_client("somebody")),
        ("stranger.pem", stranger.issue_client("somebody")),
    ):
        (tmp_path / name).write_bytes(issued.certificate_pem() + issued.key_pem())
    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem())
    index = Index(demo_wheels())
    with index.serving(identity=tmp_path / "server.pem", client_ca=tmp_path / "ca.pem"):
        yield Served(index, tmp_path)


def test_the_index_serves_over_one_connection(served: Served) -> None:
    """GET, HEAD and a miss on one kept-alive connection; each visit is noted with its subject."""
    connection = served.connect("client.pem")
    with contextlib.closing(connection):
        connection.connect()
        wire = connection.sock
        seen = []
        for method, path in (
            ("GET", "/simple/hello-mtls/"),
            ("HEAD", "/files/hello_mtls-1.0-py3-none-any.whl"),
            ("GET", "/simple/other/"),
        ):
            connection.request(method, path, headers={"User-Agent": "test/1 (more)"})
            answer = connection.getresponse()
            seen.append((answer.status, len(answer.read()), answer.version))
        assert [status for status, _, _ in seen] == [200, 200, 404]
        assert [bool(length) for _, length, _ in seen] == [True, False, True]
        assert {version for _, _, version in seen} == {11}
        assert connection.sock is wire
    visits = served.index.take_visits()
    assert {visit.subject for visit in visits} == {"O=mtls-run demo, CN=somebody"}
    assert {visit.program for visit in visits} == {"test/1"}
    assert len(visits) == 3
    assert served.index.take_visits() == []


@pytest.mark.parametrize(
    ("identity", "alert", "reason"),
    [
        (None, "CERTIFICATE_REQUIRED", "peer did not return a certificate"),
        ("stranger.pem", "UNKNOWN_CA", "certificate verify failed"),
    ],
)
def test_the_index_refuses(served: Served, identity: str | None, alert: str, reason: str) -> None:
    """No certificate, or one of another authority: the client is told by an alert, every time."""
    for _ in range(20):
        with pytest.raises(ssl.SSLError) as caught:
            served.get("/simple/hello-mtls/", served.connect(identity))
        assert alert in str(caught.value)
        assert served.index.take_refusal(within=2) == reason
    assert served.index.take_visits() == []
    assert served.index.take_refusal(within=0) is None


def test_the_index_is_reached_by_each_meaning_of_localhost(served: Served) -> None:
    """All the loopback addresses that this machine has answer, and nothing else listens."""
    written = {"127.0.0.1": "0100007F", "::1": "00000000000000000000000001000000"}
    here = [address for address in ADDRESSES if has_address(address)]
    for address in here:
        connection = served.connect("client.pem", address)
        assert served.get("/simple/hello-mtls/", connection) == 200
    port = f"{served.connect(None).port:04X}"
    collector = []
    for table in Path("/proc/net").glob("tcp*"):
        for line in table.read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state == "0A" and local.endswith(f":{port}"):
                collector.append(local.rpartition(":")[0])
    assert sorted(collector) == sorted(written[address] for address in here)


def has_address(address: str) -> bool:
    """Tell whether this machine has the address; containers often lack ::1."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family) as found:
        found.bind((address, 0))
        return True
    return False


def test_a_silent_client_holds_up_nobody(served: Served) -> None:
    """A connection that says nothing does not keep the next one from being served."""
    silent = served.connect(None)
    with contextlib.closing(http.client.HTTPConnection(HOST, silent.port)) as idle:
        idle.connect()
        test_the_index_serves_over_one_connection(served)


def test_the_wheels_are_what_their_record_says() -> None:
    """Every file but RECORD itself stands in it with its digest and size."""
    for wheel in demo_wheels():
        with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
            names = archive.namelist()
            record = next(name for name in names if name.endswith("/RECORD"))
            rows = list(csv.reader(io.StringIO(archive.read(record).decode())))
            assert [row[0] for row in rows] == names
            for name, digest, size in rows:
                if name == record:
                    assert (digest, size) == ("", "")
                    continue
                content = archive.read(name)
                raw = hashlib.sha256(content).digest()
                assert digest == f"sha256={base64.urlsafe_b64encode(raw).decode().rstrip('=')}"
                assert int(size) == len(content)


# --- its other parts


def test_a_child_that_takes_too_long(tmp_path: Path) -> None:
    """It is ended at the limit with all that it started, and the error says how long that was."""
    pid_file = tmp_path / "pid"
    command = ["sh", "-c", f"sleep 60 & echo $! >'{pid_file}'; wait"]
    began = time.monotonic()
    with pytest.raises(MtlsRunError, match="sh has not ended after 1 s"):
        Programs().run(command, env={"PATH": os.defpath}, cwd=tmp_path, seconds=1)
    assert time.monotonic() - began < 20
    pid = int(pid_file.read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _lives(pid):
        time.sleep(0.02)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    """Tell whether a process is there and is more than a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_child_that_is_not_there(tmp_path: Path) -> None:
    """A program that cannot be started is an error that names it."""
    with pytest.raises(MtlsRunError, match="cannot start /nowhere/pip: No such file"):
        Programs().run(["/nowhere/pip"], env={}, cwd=tmp_path, seconds=1)


def test_the_environment_is_the_demos_own(tmp_path: Path) -> None:
    """Homes, caches and temporary files lie below the demo's directory; settings are gone."""
    outside = {
        "PATH": "/usr/bin",
        "LANG": "de_DE.UTF-8",
        "HOME": "/home/somebody",
        "XDG_CONFIG_DIRS": "/etc/xdg",
        "pip_index_url": "https://elsewhere",
        "UV_INDEX_URL": "https://elsewhere",
        "http_proxy": "http://proxy",
        "AWS_CA_BUNDLE": "/etc/ca.pem",
        "MTLS_RUN_PROFILE": "corp",
    }
    config = tmp_path / "config.toml"
    env = demo_environment(outside, root=tmp_path, config=config)
    kept = {name for name in outside if env.get(name) == outside[name]}
    assert kept == {"PATH", "LANG"}
    assert env["MTLS_RUN_CONFIG"] == str(config)
    homes = [name for name in env if name.endswith(("HOME", "_DIR", "TMP", "TEMP"))]
    assert {"HOME", "XDG_CACHE_HOME", "PIP_CACHE_DIR", "UV_CACHE_DIR", "TMP"} <= set(homes)
    for name in homes:
        assert Path(env[name]).is_dir()
        assert tmp_path in Path(env[name]).parents


def test_a_terminal_without_the_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """No control character of a command's output gets through."""
    Transcript().output("caf\u00e9 \033[2J\t.")
    assert capsys.readouterr().out == "   | caf\u00e9 \\x1b[2J       .\n"
