"""The harness that all tests stand on: it sees what it says it sees, and it can fail."""

from __future__ import annotations

import base64
import os
import signal
from typing import TYPE_CHECKING, Callable

import pytest

from tests.pki import Authority

if TYPE_CHECKING:
    from tests.sandbox import Canary, Sandbox


def test_fake_tool_records_every_byte(sandbox: Sandbox) -> None:
    """Arguments, variables, files and standard input come back byte for byte."""
    tool = sandbox.fake_tool("uv")
    identity = sandbox.write("identity.pem", b"\0\xff\r\n")
    words = ["a b", "", "--", os.fsdecode(b"\xff"), "*"]
    env = {"SSL_CLIENT_CERT": str(identity), "ODD": os.fsdecode(b"\xfe="), "FAKE_STDIN": "1"}
    done = sandbox.execute([str(tool.path), *words], env=env, input="one\n")
    assert done.returncode == 0, done
    seen = tool.seen()
    assert seen.args == [b"a b", b"", b"--", b"\xff", b"*"]
    assert seen.env[b"ODD"] == b"\xfe="
    assert seen.files == {"SSL_CLIENT_CERT": b"\0\xff\r\n"}
    assert seen.stdin == b"one\n"
    assert (tool.runs, tool.version_questions) == (1, 0)


@pytest.mark.parametrize(
    ("name", "version", "answer"),
    [("uv", None, "uv 0.13.9\n"), ("uv", "0.2.10", "uv 0.2.10\n"), ("pip3", "21.3", "pip 21.3 ")],
)
def test_fake_tool_answers_for_its_version(
    sandbox: Sandbox, name: str, version: str | None, answer: str
) -> None:
    """It answers as the real tool does, and counts the questions."""
    tool = sandbox.fake_tool(name, version)
    done = sandbox.execute([tool.path, "--version"])
    assert done.stdout.startswith(answer)
    assert (tool.runs, tool.version_questions) == (0, 1)


@pytest.mark.parametrize(
    ("variable", "value", "status"),
    [("FAKE_STATUS", "7", 7), ("FAKE_SIGNAL", "15", -signal.SIGTERM)],
)
def test_fake_tool_ends_as_told(sandbox: Sandbox, variable: str, value: str, status: int) -> None:
    """It ends with the status or by the signal that a variable names."""
    tool = sandbox.fake_tool("uv")
    assert sandbox.execute([tool.path], env={variable: value}).returncode == status


def test_environment_is_empty_of_this_machine(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that is set around the tests reaches what runs in the sandbox."""
    monkeypatch.setenv("PIP_CERT", "/nowhere")
    monkeypatch.setenv("MTLS_RUN_PROFILE", "nobody")
    tool = sandbox.fake_tool("uv")
    sandbox.execute([tool.path])
    names = {name.decode() for name in tool.seen().env}
    # The fake tool's own Python may add its idea of the locale.
    assert names - {"LC_CTYPE"} == set(sandbox.env)


@pytest.mark.parametrize("disguise", [str.encode, lambda text: base64.b64encode(text.encode())])
def test_canary_is_found(
    sandbox: Sandbox, canary: Canary, disguise: Callable[[str], bytes]
) -> None:
    """The search for the canary finds it in outputs, files and the names of files."""
    shown = disguise(canary.text)
    canary.assert_absent("nothing", below=[sandbox.root])
    with pytest.raises(AssertionError, match="output 1"):
        canary.assert_absent("nothing", b"x" + shown + b"x")
    file = sandbox.write("deep/down/file", b"x" + shown)
    with pytest.raises(AssertionError, match="deep/down/file"):
        canary.assert_absent(below=[sandbox.root])
    canary.assert_absent(below=[sandbox.root], but=[file])
    file.write_bytes(b"")
    file.rename(file.with_name(canary.text))
    with pytest.raises(AssertionError, match="deep/down"):
        canary.assert_absent(below=[sandbox.root])


def test_traces_of_a_key() -> None:
    """An unlocked key is recognised in its usual forms; certificates and locked keys are not it."""
    alice = Authority.create("Root").intermediate("Issuer").issue("alice")
    locked = alice.pem("passphrase") + alice.p12("passphrase")
    assert not [trace for trace in alice.traces if trace in locked]
    for form in (alice.pem(), alice.key_der()):
        assert [trace for trace in alice.traces if trace in form]
