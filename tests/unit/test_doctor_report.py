"""doctor's answer: order, colour, JSON, and no control characters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtls_run.doctor import report
from mtls_run.doctor.diagnosis import Diagnosis
from mtls_run.doctor.findings import Finding, finding, in_order, row
from mtls_run.doctor.indexes import Index
from mtls_run.doctor.transcript import Transcript
from mtls_run.net.errors import NetworkError
from mtls_run.output.screen import Screen

SECOND = finding("http-forbidden", "the second fact", "mend the second", origin="there")
FIRST = finding("identity-expired", "the first fact", "mend the first", origin="here")
EVIL = "\x1b[2Jevil\r\n"


def diagnosis(*found: Finding) -> Diagnosis:
    """Return a diagnosis that ended with these findings."""
    rows = [
        replace(row("profile", f"corp {EVIL}", "config.toml:1"), part="profile"),
        replace(row("private key", "EC P-256"), part="identity"),
    ]
    index = Index("https://index.example/", "the test", "index.example")
    seen = Transcript(index, error=NetworkError("name", "unknown", EVIL))
    parts = {"profile": "corp", "identity": "CN=alice, 3 days left", "tools": "uv 0.13.9"}
    return Diagnosis(None, rows, (seen,), in_order(found), parts)


def text(*found: Finding, verbose: bool = False, **screen: Any) -> str:
    """Return the diagnosis as a person sees it."""
    return report.as_text(diagnosis(*found), Screen(**screen), verbose=verbose)


def test_the_most_important_is_last() -> None:
    """The cause is the last finding, with its origin and what to do; then comes the verdict."""
    lines = text(FIRST, SECOND).splitlines()
    assert lines[-5:] == [
        "error identity-expired: the first fact",
        "    by: here",
        "    do: mend the first",
        "",
        "✗ verdict: 2 errors",
    ]


def test_nothing_wrong() -> None:
    """Without findings, there is a line for each part, and the verdict."""
    assert text().splitlines() == [
        "✓ identity  CN=alice, 3 days left",
        "✓ tools     uv 0.13.9",
        "✓ index     https://index.example/: name: could not resolve host",
        "✓ verdict: nothing is wrong",
    ]


def test_marks() -> None:
    """A part has the mark of its worst finding, and what is wrong in a word."""
    first, second = replace(FIRST, about=("identity",)), replace(SECOND, about=("tools",))
    soon = finding("identity-expires-soon", "fact", "do")
    lines = text(first, replace(soon, about=("profile", "identity")), second).splitlines()
    assert lines[:3] == [
        "! profile   corp, expires soon",
        "✗ identity  CN=alice, 3 days left, expired, expires soon",
        "✗ tools     uv 0.13.9, http forbidden",
    ]
    assert text(second, ascii=True).splitlines()[1].startswith("x tools ")


def test_one_finding_of_two_parts() -> None:
    """What two parts have in common is said once, and marks both."""
    found = [replace(FIRST, about=(part,)) for part in ("identity", "tools")]
    shown = text(*found)
    assert shown.count("the first fact") == 1
    assert shown.splitlines()[:2] == [
        "✗ identity  CN=alice, 3 days left, expired",
        "✗ tools     uv 0.13.9, expired",
    ]


def test_only_warnings() -> None:
    """With warnings alone, the verdict counts them and says that nothing stops the tools."""
    warning = finding("clock-skew", "fact", "do")
    assert text(warning).endswith("\n! verdict: nothing stops pip and uv; 1 warning")


def test_nothing_moves_the_cursor() -> None:
    """Control characters from files and servers are escaped."""
    evil = finding("http-error", f"fact {EVIL}", f"do {EVIL}", origin=f"there {EVIL}")
    shown = text(evil, verbose=True)
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert shown.count("\\x1b[2Jevil") == 4


def test_colour_says_nothing_more() -> None:
    """Without its colours the text is the same, also with the findings' parts marked."""
    first = replace(FIRST, about=("identity",))
    painted = text(first, SECOND, colour=True, verbose=True)
    assert "\x1b[1;31merror\x1b[0m identity-expired" in painted
    assert "\x1b[1;31m✗ identity  CN=alice" in painted
    for code in ("1;31", "0", "2"):
        painted = painted.replace(f"\x1b[{code}m", "")
    assert painted == text(first, SECOND, verbose=True)


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
        "about": [],
    }
    assert found["status"] == 1
    assert found["urls"][0]["url"] == "https://index.example/"
    assert found["machine"][1] == {
        "what": "private key",
        "value": "EC P-256",
        "origin": None,
        "part": "identity",
    }


def test_paths_are_shown_whole() -> None:
    """A value that is wider than its column moves the origin, and is not truncated."""
    path = Path("/", *["directory"] * 20)
    rows = [replace(row("client-cert", path, "config.toml:3"), part="identity")]
    found = Diagnosis(None, rows, (), (), {"identity": ""})
    assert f"{path}  config.toml:3" in report.as_text(found, Screen(), verbose=True)
