"""doctor's answer: order, colour, JSON, and no control characters."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from mtls_run.doctor import report
from mtls_run.doctor.diagnosis import Diagnosis
from mtls_run.doctor.findings import Finding, finding, in_order, row
from mtls_run.doctor.indexes import Index
from mtls_run.doctor.transcript import Transcript
from mtls_run.net.errors import NetworkError

SECOND = finding("http-forbidden", "the second fact", "mend the second", origin="there")
FIRST = finding("identity-expired", "the first fact", "mend the first", origin="here")
EVIL = "\x1b[2Jevil\r\n"


class Screen(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def diagnosis(*found: Finding) -> Diagnosis:
    """Return a diagnosis that ended with these findings."""
    rows = [row("profile", f"corp {EVIL}", "config.toml:1"), row("private key", "EC P-256")]
    index = Index("https://index.example/", "the test", "index.example")
    seen = Transcript(index, error=NetworkError("name", "unknown", EVIL))
    return Diagnosis(None, rows, (seen,), in_order(found))


def test_the_most_important_is_last() -> None:
    """The last line is the action for the cause; before it come its fact and its origin."""
    lines = report.as_text(diagnosis(FIRST, SECOND), colour=False).splitlines()
    assert lines[-3:] == [
        "error identity-expired: the first fact",
        "    by: here",
        "    do: mend the first",
    ]
    assert "verdict: 2 errors" in lines


def test_nothing_wrong() -> None:
    """Without findings, the verdict says that nothing is wrong."""
    assert report.as_text(diagnosis(), colour=False).endswith("verdict: nothing is wrong")


def test_only_warnings() -> None:
    """With warnings alone, the verdict counts them and says that nothing stops the tools."""
    warning = finding("clock-skew", "fact", "do")
    text = report.as_text(diagnosis(warning), colour=False)
    assert "verdict: nothing stops pip and uv; 1 warning\n" in text


def test_nothing_moves_the_cursor() -> None:
    """Control characters from files and servers are escaped."""
    evil = finding("http-error", f"fact {EVIL}", f"do {EVIL}", origin=f"there {EVIL}")
    text = report.as_text(diagnosis(evil), colour=False)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\\x1b[2Jevil" in text


def test_colour_says_nothing_more() -> None:
    """Without its colours the text is the same."""
    plain = report.as_text(diagnosis(FIRST, SECOND), colour=False)
    painted = report.as_text(diagnosis(FIRST, SECOND), colour=True)
    assert "\x1b[1;31merror\x1b[0m" in painted
    for code in ("1;31", "0", "1", "2"):
        painted = painted.replace(f"\x1b[{code}m", "")
    assert painted == plain


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_when_colour(environ: dict[str, str], expected: bool) -> None:
    """Colour is used on a terminal that supports it, unless NO_COLOR is set."""
    assert report.coloured(Screen(), environ) is expected
    assert not report.coloured(io.StringIO(), environ)


def test_json() -> None:
    """The object has five keys, with the findings in the same order."""
    found = json.loads(report.as_json(diagnosis(FIRST, SECOND)))
    assert list(found) == ["profile", "machine", "urls", "findings", "status"]
    assert [one["code"] for one in found["findings"]] == ["http-forbidden", "identity-expired"]
    assert found["findings"][-1] == {
        "code": "identity-expired",
        "rank": "error",
        "fact": "the first fact",
        "origin": "here",
        "action": "mend the first",
        "stops": None,
    }
    assert found["status"] == 1
    assert found["urls"][0]["url"] == "https://index.example/"
    assert found["machine"][1] == {"what": "private key", "value": "EC P-256", "origin": None}


def test_progress_leaves_no_trace() -> None:
    """The progress line is removed at the end."""
    screen = Screen()
    progress = report.Progress(screen, wanted=True)
    progress.show(["https://a/", "https://b/"], 2.4)
    assert "connecting to https://a/ and 1 more… 2 s" in screen.getvalue()
    progress.end()
    assert screen.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize(("stream", "wanted"), [(io.StringIO(), True), (Screen(), False)])
def test_no_progress(stream: io.StringIO, wanted: bool) -> None:
    """There is no progress line without a terminal, or if it is not wanted."""
    progress = report.Progress(stream, wanted=wanted)
    progress.show(["https://a/"], 1.0)
    progress.end()
    assert stream.getvalue() == ""


def test_paths_are_shown_whole() -> None:
    """A value that is wider than its column moves the origin, and is not truncated."""
    path = Path("/", *["directory"] * 20)
    rows = [row("client-cert", path, "config.toml:3")]
    text = report.as_text(Diagnosis(None, rows, (), ()), colour=False)
    assert f"{path}  config.toml:3" in text
