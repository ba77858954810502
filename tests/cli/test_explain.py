"""`--explain` says what would be done and why, unlocks nothing, and runs at most `--version`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.support import AMBIENT, ISSUER, alice, failed, locked, ready, write_profile
from tests.sandbox import assert_absent
from tests.terminal import session

if TYPE_CHECKING:
    from tests.sandbox import Canary, Sandbox

STRING, OPTIONAL = (str,), (str, type(None))
SHAPE: dict[str, Any] = {
    "profile": OPTIONAL,
    "origin": OPTIONAL,
    "tool": {"path": STRING, "kind": STRING, "version": OPTIONAL},
    "argv": [STRING],
    "env": {"set": dict, "unset": [STRING]},
    "identity": {"source": STRING, "encrypted": (bool,), "passphrase": OPTIONAL},
    "roots": {"base": STRING, "added": [STRING]},
    "handoff": STRING,
    "skipped": OPTIONAL,
    "notices": [STRING],
}


def assert_shape(value: object, shape: object, where: str = "the object") -> None:
    """Fail unless the value has exactly these keys, and values of these types."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), where
        assert set(value) == set(shape), where
        for key, inner in shape.items():
            assert_shape(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), where
        for item in value:
            assert_shape(item, shape[0], where)
    elif shape is dict:
        assert isinstance(value, dict), where
        assert all(isinstance(part, str) for pair in value.items() for part in pair), where
    else:
        assert isinstance(shape, tuple)
        assert isinstance(value, shape), (where, value)


def explained(sandbox: Sandbox, *words: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the object that `--explain --json` prints."""
    done = sandbox.run("--explain", "--json", *words, env=env)
    assert (done.returncode, done.stderr) == (0, ""), done
    found: dict[str, Any] = json.loads(done.stdout)
    shape = dict(SHAPE)
    for part in ("identity", "roots"):
        if found[part] is None:
            shape[part] = (type(None),)
    assert_shape(found, shape)
    return found


@pytest.mark.everyday
def test_json(sandbox: Sandbox) -> None:
    """The object has the contract's keys, and says what the run then does."""
    identity = ready(sandbox)
    tool = sandbox.fake_tool("pip", "26.3")
    found = explained(sandbox, "pip", "install", "a b", "", env=AMBIENT)
    assert tool.runs == 0
    assert found["profile"] == "corp"
    assert found["origin"] == f"{sandbox.config_file}:1"
    assert found["tool"] == {"path": str(tool.path), "kind": "pip", "version": "26.3"}
    assert found["identity"] == {"source": str(identity), "encrypted": False, "passphrase": None}
    assert found["roots"] == {"base": "none", "added": [f"{sandbox.home}/pki/root.pem"]}
    assert (found["handoff"], found["skipped"]) == ("path", None)
    assert "SSL_CERT_DIR" in found["env"]["unset"]
    for name in AMBIENT:
        assert any(notice.startswith(f"{name} is ") for notice in found["notices"]), name
    assert sandbox.run("pip", "install", "a b", "", env=AMBIENT).returncode == 0
    seen = tool.seen()
    assert [os.fsencode(word) for word in found["argv"]] == seen.argv
    del found["env"]["set"]["MTLS_RUN_ACTIVE"]
    assert {name: seen.get(name) for name in found["env"]["set"]} == found["env"]["set"]
    assert all(seen.get(name) is None for name in found["env"]["unset"])


def test_text(sandbox: Sandbox) -> None:
    """The text names the tool, the profile with its origin, the files, and each change."""
    identity = ready(sandbox)
    tool = sandbox.fake_tool("uv")
    done = sandbox.run("--explain", "uv", "sync", "a b", env=AMBIENT)
    assert (done.returncode, done.stderr, tool.runs) == (0, "", 0)
    for words in (
        str(tool.path),
        "0.13.9",
        f"profile   corp, by {sandbox.config_file}:1",
        f"client-cert: {sandbox.config_file}:3",
        f"{identity} (not encrypted)",
        f"none + {sandbox.home}/pki/root.pem",
        "sync 'a b'",
        f"{identity} as PIP_CLIENT_CERT, SSL_CLIENT_CERT, git's http.sslCert, git's http.sslKey\n",
        "TOX_OVERRIDE=(tox passes these on)\n",
        "CURL_CA_BUNDLE are replaced for the tool\n",
        "SSL_CERT_DIR",
    ):
        assert words in done.stdout, words


@pytest.mark.everyday
@pytest.mark.parametrize("kind", ["command", "env", "file", "keyring", "prompt"])
def test_unlocks_nothing(sandbox: Sandbox, canary: Canary, kind: str) -> None:
    """The key stays locked: no command runs, no keyring is asked, no file or variable is read."""
    marker = sandbox.home / "ran"
    sources = {
        "command": (f'{{ command = ["touch", "{marker}"] }}', "command touch"),
        "env": ('{ env = "NOT_SET" }', "variable NOT_SET"),
        "file": ('{ file = "/nowhere/at/all" }', "file /nowhere/at/all"),
        "keyring": ('"keyring"', "keyring (service mtls-run, user corp)"),
        "prompt": ('"prompt"', "prompt at the terminal"),
    }
    source, words = sources[kind]
    locked(sandbox, canary.text)
    write_profile(sandbox, f"passphrase = {source}")
    tool = sandbox.fake_tool("uv")
    found = explained(sandbox, "uv", "sync", env={"PYTHON_KEYRING_BACKEND": "no.such.backend"})
    assert found["identity"]["encrypted"] is True
    assert found["identity"]["passphrase"] == words
    assert found["handoff"] == "memfd"
    assert (tool.runs, tool.version_questions) == (0, 1)
    assert not marker.exists()
    assert_absent(alice().traces, below=[sandbox.root])
    assert not (sandbox.root / "cache/mtls-run/bundles").exists()
    assert found["env"]["set"]["SSL_CLIENT_CERT"]


@pytest.mark.parametrize(
    ("options", "words", "reason"),
    [
        ([], ["uv", "cache", "dir"], "uv cache uses no network"),
        ([], ["pip", "list"], "pip list uses no network"),
        (["--no-profile"], ["uv", "sync"], "--no-profile"),
        ([], ["uv", "sync"], "no profile applies here"),
    ],
)
def test_skipped(sandbox: Sandbox, options: list[str], words: list[str], reason: str) -> None:
    """Where nothing is injected it says why, and that the call stays as it was typed."""
    sandbox.write_config("")
    sandbox.env["PIP_CONFIG_FILE"] = os.devnull  # this machine's own would be a profile
    tool = sandbox.fake_tool(words[0])
    found = explained(sandbox, *options, *words)
    assert found["skipped"] == reason
    assert found["argv"] == [str(tool.path), *words[1:]]
    assert found["env"] == {"set": {}, "unset": []}
    assert (found["profile"], found["identity"], found["roots"]) == (None, None, None)
    assert (tool.runs, tool.version_questions) == (0, 0)
    text = sandbox.run("--explain", *options, *words).stdout
    assert reason in text
    assert explained(sandbox, *words, env={"MTLS_RUN_DISABLE": "1"})["skipped"]


def test_errors_are_those_of_the_run(sandbox: Sandbox) -> None:
    """What shows without a passphrase stops the explanation as it would stop the run."""
    ready(sandbox).unlink()
    sandbox.fake_tool("uv")
    for words in (
        ["uv", "sync"],
        ["--explain", "uv", "sync"],
        ["--explain", "--json", "uv", "sync"],
    ):
        failed(sandbox.run(*words), f"cannot read {sandbox.home}/pki/alice.pem")


@pytest.mark.everyday
def test_version_gate(sandbox: Sandbox) -> None:
    """So does a uv that cannot present the certificate, or not with such a key."""
    ready(sandbox)
    sandbox.fake_tool("uv", "0.2.10")
    failed(sandbox.run("--explain", "uv", "sync"), "uv 0.2.10 cannot present a client certificate")
    sandbox.write("pki/alice.pem", ISSUER.issue("x", key="p521").pem())
    sandbox.fake_tool("uv", "0.8.24")
    failed(sandbox.run("uv", "sync"), "uv 0.8.24 cannot use a client certificate with a P-521 key")
    failed(sandbox.run("--explain", "uv", "sync"), "with a P-521 key")


@pytest.mark.everyday
def test_notices(sandbox: Sandbox) -> None:
    """A notice that the run would give stands among the notices."""
    ready(sandbox)
    sandbox.write("pki/alice.pem", ISSUER.issue("x", starts=-30, days=3.5).pem())
    sandbox.fake_tool("uv")
    assert "expires in 3 days" in sandbox.run("uv", "sync").stderr
    assert any(
        "expires in 3 days" in notice for notice in explained(sandbox, "uv", "sync")["notices"]
    )


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "utf-8"])
@pytest.mark.parametrize("words", [["sync"], ["cache", "dir"]])
def test_odd_paths(sandbox: Sandbox, encoding: str, words: list[str]) -> None:
    """Whatever the paths and the terminal are, it is shown, and no control character is."""
    ready(sandbox)
    folder = sandbox.root / "é\x1b[31m"
    tool = sandbox.fake_tool("uv", folder=folder)
    odd = os.fsdecode(b"\xff\n")
    for form in ([], ["--json"]):
        env = {"PYTHONIOENCODING": encoding}
        done = sandbox.run("--explain", *form, str(tool.path), *words, odd, env=env)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert "\x1b" not in done.stdout
        assert "31m" in done.stdout


def test_it_runs_the_version_question_alone(sandbox: Sandbox) -> None:
    """`--explain` starts the tool with `--version`, and no other program."""
    ready(sandbox)
    log = sandbox.root / "started"
    script = f'#!/bin/sh\necho "$0 $*" >>{log}\necho "pip 26.3 from /x/pip (python 3.11)"\n'
    for name in ("pip", "python3", "python"):
        sandbox.write(sandbox.bin / name, script, 0o755)
    assert sandbox.run("--explain", "pip", "install", "x").returncode == 0
    assert log.read_text().splitlines() == [f"{sandbox.bin}/pip --version"]


@pytest.mark.parametrize(("option", "is_shown"), [("", True), ("-q", False)])
def test_progress_at_a_terminal(sandbox: Sandbox, option: str, is_shown: bool) -> None:
    """While a tool takes long to tell its version, a line says so, and is removed."""
    ready(sandbox)
    script = "#!/bin/sh\nsleep 1.5\necho uv 0.13.9\n"
    tool = sandbox.write(sandbox.home / "bin/uv", script, 0o755)
    command = f"TERM=xterm exec {sandbox.program} {option} --explain {tool} sync"
    with session(sandbox, "/bin/sh", "-c", command) as terminal:
        assert terminal.end() == 0, terminal.shown
    assert ("… 1 s\r\x1b[K" in terminal.shown) is is_shown
    assert ("asking " in terminal.shown) is is_shown
