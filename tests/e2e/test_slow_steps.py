"""What a person sees while a step takes longer than a second, at a real terminal."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.terminal import session

if TYPE_CHECKING:
    from tests.e2e.bench import Bench
    from tests.sandbox import Canary

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PASSPHRASE = "import time; time.sleep({seconds}); print({text!r})"
# It reads a secret at the terminal: a line of mtls-run's would stand in its prompt.
ASKING = "import getpass; getpass.getpass('Unlock: '); print({text!r})"


def profile(bench: Bench, program: str) -> str:
    """Write a profile whose passphrase a Python program prints; return the command to run."""
    bench.sandbox.write("print.py", program)
    bench.profile(
        'client-cert = "~/pki/alice.pem"\nclient-key = "~/pki/alice.key"\n'
        'passphrase = { command = ["python3", "print.py"] }'
    )
    return f"TERM=xterm exec {bench.sandbox.program} passphrase check corp"


def write_key(bench: Bench, passphrase: str, rounds: int) -> None:
    """Write the certificate, and its key with this number of rounds."""
    bench.sandbox.write("pki/alice.pem", bench.alice.cert_pem)
    new = bench.sandbox.home / "pki/alice.key"
    words = ["openssl", "pkcs8", "-topk8", "-iter", str(rounds), "-out", str(new)]
    secret = ["-passout", "stdin"]
    plain = bench.sandbox.write("pki/plain.key", bench.alice.key_pem())
    subprocess.run([*words, "-in", plain, *secret], input=passphrase.encode(), check=True)
    plain.unlink()


def test_a_command_that_is_slow(bench: Bench, canary: Canary) -> None:
    """mtls-run says which command it waits for."""
    write_key(bench, canary.text, 2048)
    command = profile(bench, PASSPHRASE.format(seconds=1.5, text=canary.text))
    with session(bench.sandbox, "/bin/sh", "-c", command) as terminal:
        assert terminal.end() == 0, terminal.shown
    assert "mtls-run: waiting for the passphrase command `python3`\r\n" in terminal.shown


def test_a_command_that_asks(bench: Bench, canary: Canary) -> None:
    """Nothing is written into the prompt of a command that reads a secret."""
    write_key(bench, canary.text, 2048)
    command = profile(bench, ASKING.format(text=canary.text))
    with session(bench.sandbox, "/bin/sh", "-c", command) as terminal:
        terminal.expect("Unlock: $")
        time.sleep(1.5)
        terminal.type("x")
        assert terminal.end() == 0, terminal.shown
    assert "waiting" not in terminal.shown


def test_a_key_with_many_rounds(bench: Bench, canary: Canary) -> None:
    """The line stands there before the key is opened, and is removed."""
    write_key(bench, canary.text, 1_200_000)
    command = profile(bench, PASSPHRASE.format(seconds=0, text=canary.text))
    with session(bench.sandbox, "/bin/sh", "-c", command) as terminal:
        assert terminal.end() == 0, terminal.shown
    assert "\r\x1b[Kopening ~/pki/alice.pem and ~/pki/alice.key…\r\x1b[K" in terminal.shown
