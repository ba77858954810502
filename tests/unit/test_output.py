"""mtls-run speaks on stderr, in whole lines without control characters, and never fails by it."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run.errors import ConfigurationError, MtlsRunError, ToolError
from mtls_run.output import Reporter
from mtls_run.output.text import printable

if TYPE_CHECKING:
    from pathlib import Path


@given(st.text())
def test_printable_leaves_no_control_character(text: str) -> None:
    """Whatever the text, what is left is printable, and what was printable is left."""
    shown = printable(text)
    assert shown.isprintable()
    shown.encode("utf-8")
    assert "".join(filter(str.isprintable, text)) == text or shown != text
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\rb\nc\td", "a\\rb\\nc\\td"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u200bb", "a\\u200bb"),
        ("\udcff", "\\udcff"),
        ("é ☃ 中", "é ☃ 中"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    """Control, format and surrogate characters are shown as escapes."""
    assert printable(text) == shown


def test_error(capsys: pytest.CaptureFixture[str]) -> None:
    """An error is one fact, then a hint, each a line on stderr."""
    Reporter().error(MtlsRunError("it is\nso", hint="do\x1b that"))
    Reporter().error(MtlsRunError("bare", hint="x"))
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err == (
        "mtls-run: error: it is\\nso\nmtls-run: hint: do\\x1b that\n"
        "mtls-run: error: bare\nmtls-run: hint: x\n"
    )


@pytest.mark.parametrize(
    ("quiet", "verbose", "expected"),
    [
        (False, False, "mtls-run: notice: n\n"),
        (True, False, ""),
        (False, True, "mtls-run: notice: n\nmtls-run: d\n"),
    ],
)
def test_loudness(
    capsys: pytest.CaptureFixture[str], quiet: bool, verbose: bool, expected: str
) -> None:
    """-q silences notices, -v adds decisions, and neither touches errors."""
    reporter = Reporter(quiet=quiet, verbose=verbose)
    reporter.notice("n")
    reporter.detail("d")
    reporter.error(MtlsRunError("e", hint="h"))
    assert capsys.readouterr().err == expected + "mtls-run: error: e\nmtls-run: hint: h\n"


class Terminal(io.StringIO):
    """A terminal, as far as a stream can tell."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Tell that it is one."""
        return True


def test_a_message_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are no longer than the terminal, `~` is home, and what may be pasted stays whole."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("HOME", "/home/alice")
    command = "mtls-run profile add NAME --client-cert /home/alice/pki/alice.pem --ca-cert ca.pem"
    fact = "no such file: /home/alice/pki/alice.pem, which profile corp names; \x1b it\nis gone"
    Reporter().error(MtlsRunError(fact, hint=f"put the file there, or make a profile: {command}"))
    assert isinstance(sys.stderr, Terminal)
    assert sys.stderr.getvalue().splitlines() == [
        "mtls-run: error: no such file: ~/pki/alice.pem, which",
        "          profile corp names; \\x1b it\\nis gone",
        "mtls-run: hint: put the file there, or make a profile:",
        f"          {command.replace('/home/alice', '~')}",
    ]


def test_error_carries_its_status() -> None:
    """The status is mtls-run's own, unless a tool's start gave it."""
    assert MtlsRunError("x", hint="h").status == ConfigurationError("x", hint="h").status == 125
    assert ToolError("x", hint="h", status=127).status == 127


SPEAK = "from mtls_run.output import Reporter; Reporter().notice('é ☃'); print('on')"


@pytest.mark.parametrize(
    ("shell", "err"),
    [
        ("exec 2>&-; exec {0} -c {1}", b""),
        ("exec 2>/dev/full; exec {0} -c {1}", b""),
        ("PYTHONIOENCODING=ascii exec {0} -c {1}", b"mtls-run: notice: \\xe9 \\u2603\n"),
        ("PYTHONIOENCODING=utf-8 exec {0} -c {1}", "mtls-run: notice: é ☃\n".encode()),
    ],
)
def test_nobody_listens(shell: str, err: bytes, tmp_path: Path) -> None:
    """A stderr that is closed, full or of another encoding is no reason to fail."""
    script = tmp_path / "script"
    command = shell.format(f"'{sys.executable}'", '"$0"')
    script.write_text(command)
    done = subprocess.run(["/bin/sh", "-c", command, SPEAK], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"on\n", err)
