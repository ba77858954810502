"""What a clone may bring besides what `tests/cli/test_hostile_repository.py` tries.

Odd files in the project file's place, files swapped while they are read, worktrees and submodules,
the settings of other programs, modules of our libraries' names, and directories whose names are
shell code. The identity is locked, so that an unlocked key on the disk would be one of ours.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ROOT, alice, bundle, failed, locked, ready
from tests.e2e.toolbox import Tool, newest_pip, newest_uv
from tests.pki import Authority
from tests.sandbox import assert_absent
from tests.tiers import rotated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.e2e.bench import Bench
    from tests.sandbox import Canary, Sandbox, Seen

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.attack]

INSTALL = ("uv", "pip", "install", "x")
EVIL = Authority.create("evil")
INNOCENT = 'ca-cert = "ca.pem"\nroots = "none"\n'


class Clone:
    """A clone of a hostile repository, and a user with a locked key who works in it."""

    def __init__(self, sandbox: Sandbox, canary: Canary) -> None:
        self.sandbox = sandbox
        self.canary = canary
        locked(sandbox, canary.text)
        self.tool = sandbox.fake_tool("uv")
        self.folder = sandbox.home / "work/clone"
        self.folder.mkdir(parents=True)
        self.marker = sandbox.root / "it-ran"

    def says(self, name: str, content: str | bytes) -> Path:
        """Write a file into the clone."""
        return self.sandbox.write(self.folder / name, content, 0o644)

    def run(
        self,
        *words: str | Path,
        cwd: Path | None = None,
        env: Mapping[str, str | None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run mtls-run in the clone, and see to it that nothing is lost."""
        done = self.sandbox.run(*words, cwd=cwd or self.folder, env=env)
        self.assert_nothing_lost(done)
        return done

    def assert_nothing_lost(self, *done: subprocess.CompletedProcess[str]) -> None:
        """Fail where foreign code ran, or a secret or an unlocked key is anywhere."""
        assert not self.marker.exists(), self.marker.read_text()
        outputs = [text for one in done for text in (one.stdout, one.stderr)]
        for text in outputs:
            assert "Traceback" not in text
            assert "internal error" not in text
        secrets: list[str | bytes] = [self.canary.text, *alice().traces]
        assert_absent(secrets, *outputs, below=[self.sandbox.root])

    def assert_ordinary(self, done: subprocess.CompletedProcess[str]) -> Seen:
        """Fail unless the tool had the user's own identity and roots, and no passphrase."""
        assert done.returncode == 0, done
        seen = self.tool.seen()
        assert seen.files["SSL_CLIENT_CERT"] == alice().pem()
        assert seen.files["SSL_CERT_FILE"] == bundle()
        assert seen.files["PIP_CERT"] == bundle()
        self.canary.assert_absent(*seen.argv, *seen.env.values())
        return seen

    def assert_stopped(self, done: subprocess.CompletedProcess[str], fact: str = "") -> None:
        """Fail unless it ended before the tool, with one error."""
        failed(done, fact)
        assert self.tool.runs == 0


@pytest.fixture
def clone(sandbox: Sandbox, canary: Canary) -> Clone:
    """Return the clone, and who works in it."""
    return Clone(sandbox, canary)


# --- odd files in the project file's place

CONTENTS = {
    "random": bytes(range(256)) * 64,
    "NUL": b'ca-cert = "ca.pem"\n\0',
    "UTF-16": 'ca-cert = "ca.pem"\n'.encode("utf-16"),
    "UTF-8 cut short": b'ca-cert = "\xc3',
    "overlong UTF-8": b'ca-cert = "\xc0\xae\xc0\xae/ca.pem"\n',
    "two MiB": b"#" * (2 << 20),
    "a megabyte of arrays": b"x = " + b"[" * 1_000_000,
    "a megabyte of tables": b"x = " + b"{a=" * 330_000,
    "a megabyte of dots": b"a." * 500_000 + b"a = 1\n",
    "a megabyte of one word": b'extends = "' + b"a" * 1_000_000 + b'"\n',
    "a megabyte of quotes": b'ca-cert = """' + b'"' * 1_000_000,
    "twice": b'ca-cert = "ca.pem"\nca-cert = "ca.pem"\n',
    "CR alone": b'ca-cert = "ca.pem"\rroots = "none"\r',
    "a surrogate": b'ca-cert = "\\ud800"\n',
    "beyond Unicode": b'ca-cert = "\\U00110000"\n',
    "include": b'include = "../../pki/alice.pem"\n',
    "a key of another file": b'client-cert = "../../../../../../etc/passwd"\n',
    "a file of /proc": b'client-cert = "/proc/self/environ"\n',
    "a file of the environment": b'ca-cert = "${HOME}/pki/alice.pem"\n',
}


FILES = (".mtls-run.toml", "pyproject.toml")


@pytest.mark.parametrize(("kind", "name"), rotated(CONTENTS, FILES))
def test_content(clone: Clone, name: str, kind: str) -> None:
    """Whatever bytes a project file is of, the run stops at them, soon, or they say nothing."""
    table = b"[tool.mtls-run]\n" if name == "pyproject.toml" else b""
    clone.says(name, table + CONTENTS[kind])
    clone.says("ca.pem", EVIL.pem)
    for words in (INSTALL, ("--explain", *INSTALL)):
        done = clone.run(*words)
        if "\nstops     the project file " in done.stdout:  # --explain says so
            assert clone.tool.runs == 0
        elif name == ".mtls-run.toml" or done.returncode:
            clone.assert_stopped(done, name)
        elif clone.tool.runs:  # too large to be anybody's pyproject.toml, or another encoding
            assert kind in ("two MiB", "UTF-16"), kind
            clone.assert_ordinary(done)
    assert clone.run("allow").returncode in (0, 125)


LINKS = {
    "itself": ".mtls-run.toml",
    "nothing": "gone",
    "environment": "/proc/self/environ",
    "memory": "/proc/self/mem",
    "standard input": "/dev/stdin",
    "terminal": "/dev/tty",
    "zeros": "/dev/zero",
    "random": "/dev/urandom",
    "directory": "/",
    "passwd": "/etc/passwd",
}


@pytest.mark.parametrize(("target", "name"), rotated(LINKS, FILES))
def test_link(clone: Clone, name: str, target: str) -> None:
    """A link in its place is read as what it leads to, no project file, and shown never."""
    to = name if target == "itself" else LINKS[target]
    (clone.folder / name).symlink_to(to)
    done = clone.run(*INSTALL)
    if name == ".mtls-run.toml":
        clone.assert_stopped(done, name)
    else:
        clone.assert_ordinary(done)
    assert "root:" not in done.stderr


def test_socket(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket in the project file's place stops the run, and nobody connects to it."""
    monkeypatch.chdir(clone.folder)  # its path may be too long for the address of a socket
    with socket.socket(socket.AF_UNIX) as collector:
        collector.bind(".mtls-run.toml")
        collector.listen()
        collector.setblocking(False)
        clone.assert_stopped(clone.run(*INSTALL), ".mtls-run.toml")
        with pytest.raises(BlockingIOError):
            collector.accept()


def test_directory_that_has_no_path(clone: Clone) -> None:
    """Below a path that is longer than the system takes there is a run or an error, no more."""
    steps = ["d" * 200] * 25
    script = "import os, sys\nfor step in sys.argv[1].split('/'):\n"
    script += "    os.mkdir(step)\n    os.chdir(step)\nos.execv(sys.argv[2], sys.argv[2:])\n"
    program = str(clone.sandbox.program)
    command = [sys.executable, "-I", "-c", script, "/".join(steps), program, *INSTALL]
    clone.says(".mtls-run.toml", INNOCENT)
    done = clone.sandbox.execute(command, cwd=clone.folder)
    subprocess.run(["rm", "-r", clone.folder], check=True)
    clone.assert_nothing_lost(done)
    if done.returncode:
        clone.assert_stopped(done)
    else:
        clone.assert_ordinary(done)


# --- between the look and the use


@contextlib.contextmanager
def swapping(path: Path, *contents: bytes) -> Iterator[list[int]]:
    """Let files take turns in one place, as fast as it goes; the first is there in the end.

    Yields a list that grows with each swap.
    """
    ended = threading.Event()
    swaps: list[int] = []

    def swap() -> None:
        spare = path.with_name("spare")
        while not ended.wait(0.0005):
            spare.write_bytes(contents[len(swaps) % len(contents)])
            spare.chmod(0o644)
            spare.replace(path)
            swaps.append(1)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield swaps
    finally:
        ended.set()
        thread.join()
        path.write_bytes(contents[0])


RACES = {
    "project file": (
        ".mtls-run.toml",
        INNOCENT.encode(),
        b'ca-cert = "evil.pem"\nroots = "none"\n',
    ),
    "named CA": ("ca.pem", ROOT.pem, EVIL.pem),
    "named CA added to": ("ca.pem", ROOT.pem, ROOT.pem + EVIL.pem),
}


@pytest.mark.parametrize("name", RACES)
def test_swapped_while_it_is_read(clone: Clone, name: str) -> None:
    """What is used is what was allowed, however the files change between a look and the next."""
    file, good, evil = RACES[name]
    clone.says("ca.pem", ROOT.pem)
    clone.says("evil.pem", EVIL.pem)
    clone.says(".mtls-run.toml", INNOCENT)
    assert clone.run("allow").returncode == 0
    statuses = []
    with swapping(clone.folder / file, good, evil) as swaps:
        for _ in range(12):
            done = clone.run(*INSTALL)
            statuses.append(done.returncode)
            if done.returncode:
                failed(done, "project file")
    assert len(swaps) > len(statuses)
    assert clone.tool.runs == statuses.count(0)
    for run in range(clone.tool.runs):
        seen = clone.tool.seen(run)
        assert seen.files["SSL_CERT_FILE"] == bundle()
    assert clone.run(*INSTALL).returncode == 0


# --- git


def git(folder: Path, *words: str) -> None:
    """Run git in a directory, as somebody with no settings."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    settings = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    settings += ["-c", "protocol.file.allow=always"]
    command = ["git", *settings, *words]
    subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)


def commit(folder: Path) -> None:
    """Make a repository of a directory."""
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")


def test_worktree(clone: Clone) -> None:
    """What was allowed in a clone is asked for anew in its other worktrees."""
    clone.says("ca.pem", ROOT.pem)
    clone.says(".mtls-run.toml", INNOCENT)
    commit(clone.folder)
    assert clone.run("allow").returncode == 0
    git(clone.folder, "worktree", "add", "-q", "../other")
    git(clone.folder, "worktree", "add", "-q", "inner")
    for other in (clone.folder.parent / "other", clone.folder / "inner"):
        clone.assert_stopped(clone.run(*INSTALL, cwd=other), str(other))


@pytest.mark.parametrize("allowed", [False, True])
def test_submodule(clone: Clone, allowed: bool) -> None:
    """A submodule speaks for itself, and is not allowed because what it lies in is."""
    inner = clone.sandbox.home / "inner"
    clone.sandbox.write(inner / ".mtls-run.toml", INNOCENT, 0o644)
    clone.sandbox.write(inner / "ca.pem", EVIL.pem, 0o644)
    commit(inner)
    if allowed:
        clone.says("ca.pem", ROOT.pem)
        clone.says(".mtls-run.toml", INNOCENT)
    commit(clone.folder) if allowed else git(clone.folder, "init", "-q")
    git(clone.folder, "submodule", "--quiet", "add", str(inner), "inner")
    if allowed:
        assert clone.run("allow").returncode == 0
    below = clone.folder / "inner/src"
    below.mkdir()
    clone.assert_stopped(clone.run(*INSTALL, cwd=below), str(below.parent / ".mtls-run.toml"))


def test_program_of_git(clone: Clone) -> None:
    """mtls-run asks no git, so that what a clone's git settings name is not started."""
    hook = clone.says("hook", f"#!/bin/sh\n: >'{clone.marker}'\n")
    hook.chmod(0o755)
    clone.says(".mtls-run.toml", INNOCENT)
    git(clone.folder, "init", "-q")
    for name in ("core.fsmonitor", "core.pager", "core.sshCommand", "alias.rev-parse"):
        git(clone.folder, "config", name, str(hook))
    for words in (INSTALL, ("allow",), ("deny",), ("profile", "list"), ("doctor", "--json")):
        clone.run(*words)


# --- settings of other programs

HERE = "@CLONE@"
UV_SETTINGS = (
    'native-tls = true\nallow-insecure-host = ["evil.example"]\n'
    '[[index]]\nname = "e"\nurl = "https://evil.example/simple"\ndefault = true\n'
)
KEYRING_SETTINGS = (
    f"[backend]\ndefault-keyring=keyrings.alt.file.PlaintextKeyring\nkeyring-path={HERE}\n"
)
CONFIG = f"""default-profile = "evil"
[profiles.evil]
client-cert = "~/pki/alice.pem"
ca-cert = "{HERE}/ca.pem"
roots = "none"
"""
VARIABLES = (
    f"MTLS_RUN_CONFIG={HERE}/config.toml\nSSL_CERT_FILE={HERE}/ca.pem\nPIP_CERT={HERE}/ca.pem\n"
)
SETTINGS = {
    "uv.toml": UV_SETTINGS,
    "pyproject.toml": "[tool.uv]\n" + UV_SETTINGS.replace("[[", "[[tool.uv."),
    "pip.conf": f"[global]\ncert = {HERE}/ca.pem\nindex-url = https://evil.example/simple\n",
    "setup.cfg": f"[global]\ncert = {HERE}/ca.pem\n",
    ".env": VARIABLES,
    ".envrc": f"export {VARIABLES}",
    ".netrc": "machine evil.example login a password b\n",
    ".pypirc": "[pypi]\nrepository = https://evil.example/\n",
    ".curlrc": f"cacert = {HERE}/ca.pem\n",
    ".python-version": f"{HERE}/python\n",
    "keyringrc.cfg": KEYRING_SETTINGS,
    "python_keyring/keyringrc.cfg": KEYRING_SETTINGS,
    "openssl.cnf": "openssl_conf = x\n[x]\nproviders = y\n",
    "pyvenv.cfg": f"home = {HERE}\ninclude-system-site-packages = true\n",
    "config.toml": CONFIG,
    "mtls-run/config.toml": CONFIG,
    ".mtls-run/config.toml": CONFIG,
    ".config/mtls-run/config.toml": CONFIG,
    "config/mtls-run/config.toml": CONFIG,
    "etc/mtls-run/config.toml": CONFIG,
    ".mtls-run.toml~": INNOCENT,
    ".mtls-run.toml.bak": INNOCENT,
    "mtls-run.toml": INNOCENT,
    ".mtls-run": INNOCENT,
    ".Mtls-Run.toml": INNOCENT,
}


def handed(seen: Seen) -> dict[bytes, bytes]:
    """Return the tool's environment without the numbers of the processes and what they cause."""
    own = (b"PWD", b"MTLS_RUN_ACTIVE")
    kept = {name: value for name, value in seen.env.items() if name not in own}
    return {name: re.sub(rb"^/proc/\d+/", b"/proc/N/", value) for name, value in kept.items()}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_others(clone: Clone, name: str) -> None:
    """A file that others read, or that is nearly ours, changes nothing that the tool is handed."""
    empty = clone.assert_ordinary(clone.run(*INSTALL))
    clone.says("ca.pem", EVIL.pem)
    clone.says(name, SETTINGS[name].replace(HERE, str(clone.folder)))
    seen = clone.assert_ordinary(clone.run(*INSTALL))
    assert seen.args == empty.args
    assert handed(seen) == handed(empty)


@pytest.mark.parametrize(
    ("value", "name"),
    rotated(
        (".", "", "./", "config", "../clone"),
        ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_STATE_HOME", "XDG_CACHE_HOME"),
    ),
)
def test_relative_place(clone: Clone, name: str, value: str) -> None:
    """A relative directory of the user's is none: what a clone has there is not read or written."""
    for folder in (".", "config"):
        text = CONFIG.replace(HERE, str(clone.folder))
        clone.says(f"{folder}/mtls-run/config.toml", text)
    clone.says("ca.pem", EVIL.pem)
    clone.says(".mtls-run.toml", 'profile = "corp"\n')
    there = sorted(clone.folder.rglob("*"))
    own = clone.sandbox.home / ".config/mtls-run/config.toml"
    clone.sandbox.write(own, clone.sandbox.config_file.read_text())
    clone.assert_ordinary(clone.run(*INSTALL, env={name: value}))
    assert sorted(clone.folder.rglob("*")) == there


# --- code

LIBRARIES = [
    "secrets",
    "ssl",
    "ctypes",
    "resource",
    "hashlib",
    "tomllib",
    "tomli",
    "shlex",
    "json",
    "subprocess",
    "platform",
    "jeepney",
    "secretstorage",
    "keyring",
    "keyrings",
    "cryptography",
    "certifi",
    "platformdirs",
    "click",
    "typing_extensions",
    "importlib_metadata",
    "_cffi_backend",
    "sitecustomize",
    "usercustomize",
    "mtls_run",
]
COMMANDS = {
    "install": INSTALL,
    "another program": ("--", "uv", "sync"),
    "explain": ("--explain", "--json", *INSTALL),
    "check": ("passphrase", "check"),
    "forget": ("forget",),
    "profiles": ("profile", "list"),
    "allow": ("allow",),
    "shell": ("init", "bash"),
    "doctor": ("doctor", "--json"),
}


@pytest.mark.parametrize(("command", "keyring"), rotated(COMMANDS, (False, True)))
def test_modules(clone: Clone, command: str, keyring: bool) -> None:
    """No module of a clone's is imported by any command, also where a keyring is looked for."""
    for module in LIBRARIES:
        code = f"open({str(clone.marker)!r}, 'a').write({module!r} + ' ')\n"
        for place in ("", "src/", "lib/python3/site-packages/"):
            clone.says(f"{place}{module}.py", code)
            clone.says(f"{place}{module}.pth", f"import os; {code}")
    clone.says(".mtls-run.toml", 'profile = "corp"\n')
    env = {"CORP_PASSPHRASE": None} if keyring else {}
    if keyring:
        text = clone.sandbox.config_file.read_text()
        clone.sandbox.write_config(text.replace("passphrase", "#"))
    done = clone.run(*COMMANDS[command], env=env)
    if command in ("install", "another program"):
        if keyring:
            clone.assert_stopped(done, "there is no usable keyring here")
        else:
            clone.assert_ordinary(done)
    else:
        assert done.returncode in (0, 1, 125), done
        assert clone.tool.runs == 0


@pytest.mark.parametrize("name", ["uv", "pip", "python3", "sh", "env", "mtls-run", "getent", "git"])
def test_program_of_that_name(clone: Clone, name: str) -> None:
    """A program of the clone's is not started in place of one on PATH."""
    for place in (name, f"bin/{name}", f".venv/bin/{name}"):
        clone.says(place, f"#!/bin/sh\n: >'{clone.marker}'\n").chmod(0o755)
    clone.assert_ordinary(clone.run(*INSTALL))
    for words in (("allow",), ("doctor", "--json"), ("--explain", *INSTALL), ("--", "uv", "sync")):
        clone.run(*words)


# --- words to paste

NAMES = {
    "substitution": "$(touch marker)",
    "backticks": "`touch marker`",
    "quote": "x'; touch marker; '",
    "double quote": 'x"; touch marker; "',
    "semicolon": "x; touch marker",
    "ampersand": "x& touch marker",
    "option": "--help",
    "short option": "-p",
    "glob": "*",
    "home": "~",
    "history": "!!",
    "blank": " ",
    "comment": "#x",
    "backslash": "x\\",
}


@pytest.mark.parametrize("name", NAMES)
def test_hint_that_is_pasted(clone: Clone, name: str) -> None:
    """The hint for such a directory, pasted into a shell, allows that one and does no more."""
    folder = clone.folder / NAMES[name]
    clone.sandbox.write(folder / ".mtls-run.toml", INNOCENT, 0o644)
    clone.sandbox.write(folder / "ca.pem", ROOT.pem, 0o644)
    done = clone.run(*INSTALL, cwd=folder)
    clone.assert_stopped(done, "is not allowed")
    (hint,) = [line for line in done.stderr.splitlines() if "mtls-run allow" in line]
    pasted = hint.partition("then: ")[2].partition("; or choose")[0]
    assert shlex.split(pasted) == ["mtls-run", "allow", str(folder)]
    (clone.sandbox.bin / "mtls-run").symlink_to(clone.sandbox.program)
    shell = clone.sandbox.execute(["sh", "-c", pasted], cwd=clone.folder)
    assert shell.returncode == 0, shell
    assert not list(clone.sandbox.home.rglob("marker"))
    assert clone.run(*INSTALL, cwd=folder).returncode == 0
    assert clone.tool.seen().files == dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT"), bundle())


# --- the real tools


@pytest.mark.parametrize("tool", [newest_pip(), newest_uv()], ids=str)
@pytest.mark.parametrize("brought", ["CA", "identity", "another profile"])
def test_real_tool_is_not_started(bench: Bench, canary: Canary, tool: Tool, brought: str) -> None:
    """With a real pip and uv before a real index: no request is made for what a clone says."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem(canary.text))
    bench.profile('client-cert = "~/pki/alice.pem"\npassphrase = { env = "CORP_PASSPHRASE" }')
    clone = bench.sandbox.home / "work/clone"
    said = {
        "CA": INNOCENT,
        "identity": 'client-cert = "id.pem"\n',
        "another profile": 'profile = "admin"\n',
    }[brought]
    bench.sandbox.write(clone / ".mtls-run.toml", said, 0o644)
    bench.sandbox.write(clone / "ca.pem", EVIL.pem, 0o644)
    bench.sandbox.write(clone / "id.pem", EVIL.issue("mallory").pem(), 0o600)
    env = bench.tool_env(tool, {"CORP_PASSPHRASE": canary.text})
    done = bench.sandbox.run(*bench.install(tool, "alpha-pkg"), env=env, cwd=clone)
    bench.assert_refused(done)
    assert_absent([canary.text, *bench.alice.traces], done.stdout, done.stderr)
    assert_absent([canary.text, *bench.alice.traces], below=[bench.sandbox.root])


@pytest.mark.parametrize("file", ["uv.toml", "pyproject.toml"])
def test_real_uv_with_settings_of_the_clone(bench: Bench, canary: Canary, file: str) -> None:
    """A clone's settings for uv's trust do not widen the profile's roots."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem(canary.text))
    ca = bench.sandbox.write("pki/other.pem", ROOT.pem)
    bench.profile(
        f'ca-cert = "{ca}"\nclient-cert = "~/pki/alice.pem"\n'
        'passphrase = { env = "CORP_PASSPHRASE" }'
    )
    clone = bench.sandbox.home / "work/clone"
    settings = f'native-tls = true\n[[index]]\nurl = "{bench.server.url}"\ndefault = true\n'
    if file == "pyproject.toml":
        settings = "[tool.uv]\n" + settings.replace("[[", "[[tool.uv.")
    bench.sandbox.write(clone / file, settings, 0o644)
    # What native-tls would read: the server's CA, as if the machine trusted it.
    env = bench.tool_env(newest_uv(), {"CORP_PASSPHRASE": canary.text, "UV_HTTP_RETRIES": "0"})
    env["SSL_CERT_FILE"] = str(bench.ca)
    words = ["uv", "pip", "install", "--python", sys.executable, "--target", str(bench.target)]
    done = bench.sandbox.run(*words, "alpha-pkg", env=env, cwd=clone, timeout=120)
    assert done.returncode not in (0, 125), done
    assert bench.server.failed_handshakes() != []
    assert bench.server.requests() == []
    assert bench.installed() == {}
    assert_absent([canary.text, *bench.alice.traces], done.stdout, done.stderr)


def test_unlocked_identity_in_the_clone_is_still_named(sandbox: Sandbox) -> None:
    """An allowed project with an identity of its own hands on that one, never the user's."""
    ready(sandbox)
    tool = sandbox.fake_tool("uv")
    folder = sandbox.home / "work/clone"
    mallory = EVIL.issue("mallory")
    sandbox.write(folder / "id.pem", mallory.pem())
    sandbox.write(folder / "ca.pem", EVIL.pem)
    sandbox.write(folder / ".mtls-run.toml", f'{INNOCENT}client-cert = "id.pem"\n')
    assert sandbox.run("allow", cwd=folder).returncode == 0
    assert sandbox.run(*INSTALL, cwd=folder).returncode == 0
    seen = tool.seen()
    assert seen.files["SSL_CLIENT_CERT"] == mallory.pem()
    own = base64.b64encode(alice().cert_der)[-60:]
    assert own not in b"".join(seen.files.values()).replace(b"\n", b"")
    explained = json.loads(sandbox.run("--explain", "--json", *INSTALL, cwd=folder).stdout)
    assert str(folder) in explained["origin"]
