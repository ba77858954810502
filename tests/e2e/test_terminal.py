"""Ask a person at a real terminal once, without an echo, and offer to store the answer."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.bench import WHEELS
from tests.e2e.toolbox import newest_pip, newest_uv
from tests.sandbox import assert_absent
from tests.terminal import OFFER, PROMPT, session

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService
    from tests.e2e.toolbox import Tool
    from tests.sandbox import Canary, Sandbox
    from tests.terminal import Terminal

pytestmark = pytest.mark.e2e

PLAIN = "keyrings.alt.file.PlaintextKeyring"


def at_terminal(
    bench: Bench, tool: Tool, env: dict[str, str] | None = None
) -> AbstractContextManager[Terminal]:
    """Start installing `alpha-pkg` through mtls-run at a terminal."""
    sandbox = bench.sandbox
    command = bench.install(tool, "alpha-pkg")
    return session(sandbox, sandbox.program, *command, env=bench.tool_env(tool, env), timeout=60)


def locked(bench: Bench, canary: Canary, more: str = "") -> None:
    """Write a profile whose key the canary opens."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem(canary.text))
    bench.profile(f'client-cert = "~/pki/alice.pem"\n{more}')


@pytest.mark.parametrize("tool", [newest_pip(), newest_uv()], ids=str)
def test_asked_once(bench: Bench, canary: Canary, tool: Tool) -> None:
    """With `prompt`, mtls-run asks once, without an echo, and does not offer to store."""
    locked(bench, canary, 'passphrase = "prompt"')
    with at_terminal(bench, tool) as terminal:
        assert "corp" in terminal.expect(PROMPT) or "alice.pem" in terminal.shown
        terminal.type(canary.text)
        status = terminal.end()
    assert status == 0, terminal.shown
    assert terminal.shown.lower().count("passphrase") == 1, terminal.shown
    assert bench.installed() == WHEELS
    assert {request.subject for request in bench.server.requests()} == {bench.subject}
    canary.assert_absent(terminal.shown, below=[bench.sandbox.root])


def test_standard_input_is_left_alone(bench: Bench, canary: Canary) -> None:
    """mtls-run asks at the terminal though stdin is a pipe, and the tool gets all of stdin."""
    locked(bench, canary, 'passphrase = "prompt"')
    sandbox, tool = bench.sandbox, bench.sandbox.fake_tool("uv")
    script = f"printf 'one\\ntwo' | {sandbox.program} uv pip install x"
    with session(sandbox, "/bin/sh", "-c", script, env={"FAKE_STDIN": "1"}) as terminal:
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        assert terminal.end() == 0, terminal.shown
    assert tool.seen().stdin == b"one\ntwo"
    canary.assert_absent(terminal.shown, *tool.seen().argv, *tool.seen().env.values())


def test_standard_output_is_left_alone(bench: Bench, canary: Canary) -> None:
    """mtls-run asks at the terminal though all standard streams are redirected."""
    locked(bench, canary, 'passphrase = "prompt"')
    sandbox, tool = bench.sandbox, bench.sandbox.fake_tool("uv")
    script = f"{sandbox.program} uv pip install x < /dev/null > out 2> err; exit $?"
    with session(sandbox, "/bin/sh", "-c", script, env={"FAKE_STDOUT": "result"}) as terminal:
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        assert terminal.end() == 0, terminal.shown
    assert tool.runs == 1
    assert (sandbox.home / "out").read_text() == "result"
    canary.assert_absent(terminal.shown, below=[sandbox.root])


def test_three_tries(bench: Bench, canary: Canary) -> None:
    """After three wrong passphrases it exits 125, shows none, and connects to nothing."""
    locked(bench, canary, 'passphrase = "prompt"')
    with at_terminal(bench, newest_uv()) as terminal:
        for number in range(3):
            terminal.expect(PROMPT)
            terminal.type(f"wrong guess {number}")
        status = terminal.end()
    assert status == 125
    assert "mtls-run: error: " in terminal.shown
    assert "wrong guess" not in terminal.shown
    assert bench.server.requests() == []


def test_second_try(bench: Bench, canary: Canary) -> None:
    """After a wrong passphrase mtls-run asks again."""
    locked(bench, canary, 'passphrase = "prompt"')
    with at_terminal(bench, newest_uv()) as terminal:
        terminal.expect(PROMPT)
        terminal.type("a slip")
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        status = terminal.end()
    assert status == 0, terminal.shown
    assert bench.installed() == WHEELS


def test_stored_and_used(bench: Bench, keyring: SecretService, canary: Canary) -> None:
    """A passphrase that the user agrees to store is used without asking the next time."""
    locked(bench, canary)
    with at_terminal(bench, newest_uv(), keyring.env) as terminal:
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        terminal.expect(OFFER)
        terminal.type("y")
        status = terminal.end()
    assert status == 0, terminal.shown
    assert keyring.lookup("corp") == canary.text
    with at_terminal(bench, newest_uv(), keyring.env) as again:
        status = again.end()
    assert status == 0, again.shown
    assert "passphrase" not in again.shown.lower()
    below = [bench.sandbox.root, keyring.root]
    canary.assert_absent(terminal.shown, again.shown, below=below)


@pytest.mark.parametrize("answer", ["n", ""])
def test_not_stored(bench: Bench, keyring: SecretService, canary: Canary, answer: str) -> None:
    """A passphrase that the user does not agree to store is used and not stored."""
    locked(bench, canary)
    with at_terminal(bench, newest_uv(), keyring.env) as terminal:
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        terminal.expect(OFFER)
        terminal.type(answer)
        status = terminal.end()
    assert status == 0, terminal.shown
    assert bench.installed() == WHEELS
    if answer == "n":
        assert keyring.lookup("corp") is None


def test_stored_one_is_replaced(bench: Bench, keyring: SecretService, canary: Canary) -> None:
    """mtls-run asks again for a stored passphrase that no longer fits, and replaces it."""
    locked(bench, canary)
    keyring.store("corp", "that of last year")
    with at_terminal(bench, newest_uv(), keyring.env) as terminal:
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        terminal.expect(OFFER)
        terminal.type("y")
        status = terminal.end()
    assert status == 0, terminal.shown
    assert "that of last year" not in terminal.shown
    assert keyring.lookup("corp") == canary.text
    done = bench.run(newest_uv(), "alpha-pkg", env=keyring.env)
    assert done.returncode == 0, done


def test_interrupt(bench: Bench, canary: Canary) -> None:
    """Ctrl-C at the question exits 130 and restores the terminal's echo."""
    locked(bench, canary, 'passphrase = "prompt"')
    sandbox, tool = bench.sandbox, bench.sandbox.fake_tool("uv")
    script = f"trap : INT; {sandbox.program} uv pip install x; echo status=$?; stty -a; echo done."
    with session(sandbox, "/bin/sh", "-c", script) as terminal:
        terminal.expect(PROMPT)
        terminal.interrupt()
        terminal.expect(r"status=\d+")
        terminal.expect(r"done\.")
        terminal.end()
    assert "status=130" in terminal.shown
    settings = terminal.shown.split("status=130")[1].split()
    assert "echo" in settings
    assert "-echo" not in settings
    assert "Traceback" not in terminal.shown
    assert tool.runs == 0


@pytest.mark.parametrize("handoff", ["memfd", "supervise"])
def test_interrupted_tool(bench: Bench, canary: Canary, handoff: str) -> None:
    """Ctrl-C while the tool runs reaches the tool and leaves no unlocked key behind."""
    locked(bench, canary, 'passphrase = { env = "CORP_PASSPHRASE" }')
    sandbox, tool = bench.sandbox, bench.sandbox.fake_tool("uv")
    env = {"CORP_PASSPHRASE": canary.text, "FAKE_STDOUT": "it runs\n", "FAKE_WAIT": "1"}
    command = [str(sandbox.program), "--handoff", handoff, "uv", "pip", "install", "x"]
    with session(sandbox, *command, env=env) as terminal:
        terminal.expect("it runs")
        terminal.interrupt()
        assert terminal.end() == -signal.SIGINT
    assert tool.runs == 1
    assert "Traceback" not in terminal.shown
    assert_absent(bench.alice.traces, below=[sandbox.root])


def write_plainly(sandbox: Sandbox, passphrase: str) -> bytes:
    """Store a passphrase in a keyring of plain text, and return the keyring file's bytes."""
    code = "import keyring, sys; keyring.set_password('mtls-run', 'corp', sys.argv[1])"
    env = {"PYTHON_KEYRING_BACKEND": PLAIN}
    done = sandbox.execute([sys.executable, "-c", code, passphrase], env=env)
    assert done.returncode == 0, done
    return plain_file(sandbox)


def plain_file(sandbox: Sandbox) -> bytes:
    """Return what the keyring of plain text holds; nothing where there is none."""
    files = list(sandbox.root.rglob("keyring_pass.cfg"))
    return b"".join(file.read_bytes() for file in files)


UNUSABLE = {
    "plain": PLAIN,
    "null": "keyring.backends.null.Keyring",
    "fail": "keyring.backends.fail.Keyring",
    # Without a Secret Service, there is none in the chain but that of plain text.
    "chainer": "keyring.backends.chainer.ChainerBackend",
}
NAMED = {"plain": "PlaintextKeyring", "null": "null", "fail": "fail", "chainer": "keyrings.alt"}


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_keyring(bench: Bench, canary: Canary, name: str) -> None:
    """An unsafe keyring is refused by its name, and not read."""
    locked(bench, canary)
    before = write_plainly(bench.sandbox, canary.text)
    assert before != b""
    done = bench.run(newest_uv(), env={"PYTHON_KEYRING_BACKEND": UNUSABLE[name]})
    bench.assert_refused(done)
    assert NAMED[name] in done.stderr
    assert plain_file(bench.sandbox) == before


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_keyring_at_a_terminal(bench: Bench, canary: Canary, name: str) -> None:
    """With an unsafe keyring mtls-run asks at the terminal, and does not offer to store."""
    locked(bench, canary)
    env = {"PYTHON_KEYRING_BACKEND": UNUSABLE[name]}
    with at_terminal(bench, newest_uv(), env) as terminal:
        terminal.expect(PROMPT)
        assert NAMED[name] in terminal.shown
        terminal.type(canary.text)
        status = terminal.end()
    assert status == 0, terminal.shown
    assert bench.installed() == WHEELS
    canary.assert_absent(terminal.shown, below=[bench.sandbox.root])


def test_unknown_keyring(bench: Bench, canary: Canary) -> None:
    """A backend from keyring's own configuration never gets a passphrase."""
    locked(bench, canary)
    sandbox = bench.sandbox
    sandbox.write(
        "evil/evil_backend.py",
        "import pathlib\nfrom keyring.backend import KeyringBackend\n"
        "class Keyring(KeyringBackend):\n    priority = 99\n"
        f"    def get_password(self, *a): return {canary.text!r}\n"
        "    def set_password(self, *a):\n"
        f"        pathlib.Path({str(sandbox.home / 'stolen')!r}).write_text(repr(a))\n"
        "    def delete_password(self, *a): pass\n",
    )
    sandbox.write(
        sandbox.root / "config" / "python_keyring" / "keyringrc.cfg",
        f"[backend]\ndefault-keyring=evil_backend.Keyring\nkeyring-path={sandbox.home}/evil\n",
    )
    done = bench.run(newest_uv())
    bench.assert_refused(done)
    assert "evil_backend" in done.stderr
    done = sandbox.run("passphrase", "set", "--stdin", "corp", input=canary.text)
    assert done.returncode == 125
    assert not (sandbox.home / "stolen").exists()
