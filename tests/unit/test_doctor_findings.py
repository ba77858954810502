"""The catalogue of findings: documented, used, ordered by rank and by cause."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mtls_run import errors
from mtls_run.doctor import findings
from mtls_run.doctor.findings import CATALOGUE, RANKS, Finding, finding, in_order

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "wrapper" / "mtls_run"


def sources() -> str:
    """Return the text of the whole package."""
    return "\n".join(path.read_text() for path in sorted(PACKAGE.rglob("*.py")))


def test_documented() -> None:
    """docs/findings.md has the codes of the catalogue, in its order and with its ranks."""
    text = (ROOT / "docs" / "findings.md").read_text()
    entries = re.findall(r"^### `([a-z-]+)` · ([a-z]+)$", text, re.MULTILINE)
    assert entries == list(CATALOGUE.items())


def test_entries_are_whole() -> None:
    """Each entry says what it means, how pip and uv show it, and what to do."""
    text = (ROOT / "docs" / "findings.md").read_text()
    for entry in text.split("\n### ")[1:]:
        code, meaning = entry.split("\n")[0], entry.split("\n")[2]
        assert len(meaning) > 20, code
        assert "\n- pip and uv: " in entry, code
        assert "\n- do: " in entry, code


def test_every_code_that_is_raised_is_known() -> None:
    """Every `code="…"` of the package is in the catalogue."""
    given = set(re.findall(r'\bcode\s*=\s*"([a-z-]+)"', sources()))
    assert given
    assert given <= set(CATALOGUE)


def test_every_code_is_used() -> None:
    """Each code of the catalogue is used somewhere else in the package."""
    text = sources()
    assert [code for code in CATALOGUE if text.count(f'"{code}"') < 2] == []


def test_classes_of_errors_are_findings() -> None:
    """The code of each error class is in the catalogue, or None."""
    classes = [one for one in vars(errors).values() if isinstance(one, type)]
    codes = {one.code for one in classes if issubclass(one, errors.MtlsRunError)}
    assert codes <= {None, *CATALOGUE}


def test_code_of_an_error() -> None:
    """An error's own code overrides that of its class."""
    error = errors.IdentityError("fact", hint="hint", code="identity-expired")
    assert error.code == "identity-expired"
    assert errors.IdentityError("fact", hint="hint").code == "identity-unrecognised"
    assert findings.from_error(error) == Finding("identity-expired", "error", "fact", "hint")


def test_order_by_rank() -> None:
    """Notes come first and errors last, in whatever order they were found."""
    found = [finding(code, code, "do") for code in reversed(CATALOGUE)]
    ranks = [RANKS.index(one.rank) for one in in_order(found)]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("cause", "consequence"),
    [
        ("identity-expired", "identity-refused"),
        ("config-invalid", "no-profile"),
        ("passphrase-wrong", "identity-required"),
        ("keyring-absent", "http-error"),
        ("name-unknown", "http-timeout"),
        ("proxy-unreachable", "connection-refused"),
        ("server-expired", "identity-refused"),
        ("identity-wrong-ca", "http-forbidden"),
        ("ca-missing", "server-unknown-ca"),
    ],
)
def test_order_by_cause(cause: str, consequence: str) -> None:
    """Of two errors, the one that may cause the other comes last."""
    pair = [finding(cause, "a", "do"), finding(consequence, "b", "do")]
    for found in (pair, pair[::-1]):
        assert [one.code for one in in_order(found)] == [consequence, cause]


def test_each_once() -> None:
    """A finding that occurs twice is reported once."""
    one = finding("http-error", "fact", "do", origin="here")
    assert in_order([one, one]) == (one,)


@pytest.mark.parametrize("rank", RANKS)
def test_status(rank: findings.Rank) -> None:
    """Only an error makes the status 1."""
    assert findings.status([finding("http-error", "f", "a", rank=rank)]) == int(rank == "error")


def test_status_of_nothing() -> None:
    """Without findings the status is 0."""
    assert findings.status([]) == 0
