"""A passphrase from a file, a variable or a program: one line, from nowhere that others read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from mtls_run.errors import PassphraseError
from mtls_run.passphrase import fetch
from mtls_run.passphrase.sources import FromCommand, FromFile, FromVariable
from tests.unit.support import profile

if TYPE_CHECKING:
    from pathlib import Path

ONE_LINE: list[tuple[bytes, bytes]] = [
    (b"secret", b"secret"),
    (b"secret\n", b"secret"),
    (b"secret\r\n", b"secret"),
    (b" with blanks \n", b" with blanks "),
    (b"\xff\xfe\0odd", b"\xff\xfe\0odd"),
    (b"x" * 4096, b"x" * 4096),
]
NO_LINE: list[tuple[bytes, str]] = [
    (b"", "is empty"),
    (b"\n", "is empty"),
    (b"\r\n", "is empty"),
    (b"hunter2\nmore\n", "has several lines"),
    (b"one\n\n", "has several lines"),
]


def read(path: Path) -> bytes:
    """Return the passphrase that is read from the file."""
    return fetch.from_file(FromFile(path), "c.toml:3", profile().verify).reveal()


def from_file(path: Path, mode: int = 0o600) -> bytes:
    """Return what the file, with this mode, is read as."""
    path.chmod(mode)
    return read(path)


def from_shell(script: str) -> bytes:
    """Return what a shell script prints, as a passphrase."""
    source = FromCommand(("/bin/sh", "-c", script))
    return fetch.from_command(source, "c.toml:3", os.environ).reveal()


@pytest.mark.parametrize(("content", "expected"), ONE_LINE)
def test_file(tmp_path: Path, content: bytes, expected: bytes) -> None:
    """It is what the file holds, without the end of its line."""
    path = tmp_path / "secret"
    path.write_bytes(content)
    for mode in (0o600, 0o400, 0o700):
        assert from_file(path, mode) == expected


@pytest.mark.parametrize(
    ("content", "words"), [*NO_LINE, (b"x" * 4097, "is larger than 4096 bytes")]
)
def test_wrong_file(tmp_path: Path, content: bytes, words: str) -> None:
    """A file without a passphrase, or with more than one, is named, and nothing of it shown."""
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(PassphraseError) as caught:
        from_file(path)
    assert str(path) in caught.value.fact
    assert words in caught.value.fact
    said = f"{caught.value.fact}{caught.value.hint}".replace(str(path), "")
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("mode", "who"),
    [
        (0o644, "every user"),
        (0o604, "every user"),
        (0o640, "the file's group"),
        (0o440, "the file's group"),
    ],
)
def test_file_that_others_can_read(tmp_path: Path, mode: int, who: str) -> None:
    """A file that others can read is refused, with the command that mends it."""
    path = tmp_path / "secret"
    path.write_bytes(b"secret\n")
    with pytest.raises(PassphraseError) as caught:
        from_file(path, mode)
    assert caught.value.fact == f"{who} can read the passphrase file {path}, named at c.toml:3"
    assert caught.value.hint == f"chmod 600 {path}"


def test_link_to_a_file_that_others_can_read(tmp_path: Path) -> None:
    """A link does not hide the mode of the file that it leads to."""
    path = tmp_path / "secret"
    path.write_bytes(b"secret\n")
    path.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(PassphraseError, match="every user can read"):
        read(link)


def test_what_is_no_file(tmp_path: Path) -> None:
    """A missing file, a directory and a FIFO are errors at once."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name, words in (
        ("missing", "No such file or directory"),
        ("fifo", "it is not a regular file"),
        ("folder", "directory"),
    ):
        with pytest.raises(PassphraseError) as caught:
            read(tmp_path / name)
        assert (
            f"cannot read the passphrase file {tmp_path / name}, named at c.toml:3"
            in caught.value.fact
        )
        assert words in caught.value.fact


def test_variable() -> None:
    """It is the variable's value, byte for byte."""
    environ = {"PASS": " x\n" + os.fsdecode(b"\xff")}
    assert fetch.from_variable(FromVariable("PASS"), environ, "c.toml:3").reveal() == b" x\n\xff"


@pytest.mark.parametrize(("environ", "state"), [({}, "not set"), ({"PASS": ""}, "empty")])
def test_missing_variable(environ: dict[str, str], state: str) -> None:
    """A variable that is not set, or empty, is named with who names it."""
    with pytest.raises(PassphraseError) as caught:
        fetch.from_variable(FromVariable("PASS"), environ, "c.toml:3")
    assert (
        caught.value.fact == f"the variable PASS, named for the passphrase at c.toml:3, is {state}"
    )


@pytest.mark.parametrize(("content", "expected"), ONE_LINE)
def test_command(tmp_path: Path, content: bytes, expected: bytes) -> None:
    """It is what the program prints, without the end of its line."""
    path = tmp_path / "out"
    path.write_bytes(content)
    assert fetch.from_command(FromCommand(("/bin/cat", str(path))), "x", {}).reveal() == expected


def test_command_gets_its_words() -> None:
    """The words reach the program as they are: no shell reads them."""
    words = ("printf", "%s", "$HOME `id` * a  b")
    assert fetch.from_command(FromCommand(words), "x", os.environ).reveal() == b"$HOME `id` * a  b"


def test_command_gets_the_environment() -> None:
    """It runs with the environment that it is given, and no other variable."""
    source = FromCommand(("/usr/bin/env",))
    assert fetch.from_command(source, "x", {"NAME": " value "}).reveal() == b"NAME= value "


def test_command_has_no_stdin() -> None:
    """Standard input is the tool's: the program finds its own empty."""
    assert from_shell("cat; echo secret") == b"secret"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 3", "named at c.toml:3, ended with status 3"),
        ("echo secret; exit 1", "ended with status 1"),
        ("kill -9 $$", "ended by signal 9"),
        ("true", "printed is empty"),
        ("echo; ", "printed is empty"),
        ("echo one; echo two", "printed has several lines"),
        ("head -c 1000000 /dev/zero | tr '\\0' x", "printed more than 4096 bytes"),
        ("yes secret", "printed more than 4096 bytes"),
    ],
)
def test_wrong_command(script: str, words: str) -> None:
    """A program that fails, or prints none or too much, is named, and nothing of it shown."""
    start = time.monotonic()
    with pytest.raises(PassphraseError) as caught:
        from_shell(script)
    assert "`/bin/sh`" in caught.value.fact
    assert words in caught.value.fact
    assert "secret" not in f"{caught.value.fact}{caught.value.hint}"
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("program", ["/nowhere/program", "no-such-program-on-path", "/etc"])
def test_command_that_cannot_be_started(program: str) -> None:
    """A program that is not there, or is none, is named."""
    with pytest.raises(PassphraseError, match=f"`{program}`, named at x, cannot be started"):
        fetch.from_command(FromCommand((program,)), "x", os.environ)


HANGING = """
import os, sys
from mtls_run.errors import PassphraseError
from mtls_run.passphrase import fetch
from mtls_run.passphrase.sources import FromCommand

fetch.PATIENCE = 1.0
try:
    fetch.from_command(FromCommand(("/bin/sh", "-c", sys.argv[1])), "c.toml:3", os.environ)
except PassphraseError as error:
    print(error.fact)
"""


@pytest.mark.parametrize(
    "script",
    [
        "echo secret; exec >&-; exec sleep 100",
        "trap '' TERM INT; exec sleep 100",
        "while :; do printf x; sleep 0.05; done",
    ],
)
def test_command_that_hangs(script: str) -> None:
    """A program that does not end is killed after the limit, whatever it did before."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", HANGING, script],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "within 1 s" in done.stdout
    assert "secret" not in done.stdout
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("script", ["printf secret", "echo secret; sleep 0.2", "kill -9 $$"])
def test_command_that_leaves_something_running(tmp_path: Path, script: str) -> None:
    """What it leaves running, and holds the pipe, is not waited for: its own end is the end."""
    left = tmp_path / "left"
    start = time.monotonic()
    try:
        if "kill" in script:
            with pytest.raises(PassphraseError, match="ended by signal 9"):
                from_shell(f"sleep 100 & echo $! >{left}; {script}")
        else:
            assert from_shell(f"sleep 100 & echo $! >{left}; {script}") == b"secret"
    finally:
        os.kill(int(left.read_text()), signal.SIGKILL)
    assert time.monotonic() - start < 30


def test_late_words_of_what_was_left_running() -> None:
    """What it leaves running has a moment to print the passphrase."""
    assert from_shell("(sleep 0.2; echo secret) &") == b"secret"


INTERRUPTED = """\
import os, sys
from mtls_run.passphrase import fetch
from mtls_run.passphrase.sources import FromCommand
source = FromCommand(("/bin/sh", "-c", "kill -INT $PPID; exec sleep 60"))
for _ in range(20):
    try:
        fetch.from_command(source, "c.toml:3", os.environ)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_an_early_ctrl_c_ends_the_program() -> None:
    """Ctrl-C ends the program too, even one that has just begun."""
    # What the programs leave running would hold the pipe open.
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout.split() == ["interrupted"] * 20


# A Ctrl-C at the n-th line that the module runs, for each n. A child that nobody waited for was
# left running.
INTERRUPTED_AT = """\
import os, signal, sys
from mtls_run.system import programs

def interrupted_at(wanted):
    lines = 0
    def trace(frame, event, _argument):
        nonlocal lines
        if frame.f_code.co_filename != programs.__file__:
            return None
        if event == "line":
            lines += 1
            if lines == wanted:
                signal.raise_signal(signal.SIGINT)
        return trace
    sys.settrace(trace)
    try:
        programs.run(("/bin/sleep", "0.05"), os.environ, seconds=20, largest=9, reads_stderr=True)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False

wanted = 1
while interrupted_at(wanted):
    try:
        os.waitpid(-1, os.WNOHANG)
        print("left running after line", wanted)
    except ChildProcessError:
        print("ended")
    wanted += 1
"""


def test_a_ctrl_c_at_any_line_ends_the_program() -> None:
    """Nothing is left running, wherever Ctrl-C meets mtls-run."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT],
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    words = set(done.stdout.splitlines())
    assert words == {"ended"}, words
    assert done.stdout.count("ended") > 15
