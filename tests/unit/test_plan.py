"""The plan is exact: the tool, the flags before the subcommand, the user's words untouched."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run import plan
from mtls_run.passphrase.sources import FromVariable
from mtls_run.tools import registry
from mtls_run.tools.tls_files import TlsFiles
from tests.unit.support import prepared, profile

BOTH = TlsFiles(identity="/id", bundle="/ca", native=False)
ODD = ("a b", "", "--", "--cert=after the dashes", "*", "$HOME", "\n", os.fsdecode(b"\xff\xfe"))


def target(words: tuple[str, ...], version: tuple[int, ...] | None, path: str) -> plan.Target:
    """Return the target of these words, found at `path`."""
    call = registry.recognise(words, any_program=True)
    return plan.Target(call, path, registry.ADAPTERS[call.kind], version)


LEGACY = "--use-deprecated=legacy-certs"


@pytest.mark.parametrize(
    ("words", "version", "expected"),
    [
        (("pip", "install", *ODD), (24, 0), ("--cert", "/ca", "--client-cert", "/id")),
        (("pip", "install", *ODD), (26, 3), ("--cert", "/ca", LEGACY, "--client-cert", "/id")),
        (
            ("pip", "-q", "--proxy", "x", "install"),
            (24, 0),
            ("--cert", "/ca", "--client-cert", "/id"),
        ),
        (("pip", "install", "--client-cert", "x"), (24, 0), ("--cert", "/ca")),
        (("pip", "install", "--cert", "x"), (24, 0), ("--client-cert", "/id")),
        (("uv", "pip", "install", *ODD), (0, 13, 9), ()),
        (("uvx", *ODD), (0, 13, 9), ()),
        (("make", *ODD), None, ()),
    ],
)
def test_argv(
    words: tuple[str, ...], version: tuple[int, ...] | None, expected: tuple[str, ...]
) -> None:
    """What is added stands between the program and the user's own words, and nowhere else."""
    found = prepared(target(words, version, "/bin/tool"), BOTH)
    assert found.path == "/bin/tool"
    assert found.argv == ("/bin/tool", *expected, *words[1:])


def test_argv_of_a_module() -> None:
    """For `python -m pip` the interpreter's own words come first, then the flags, then pip's."""
    words = ("python", "-W", "ignore", "-Im", "pip", "install", *ODD)
    found = prepared(target(words, (24, 0), "/bin/python"), BOTH)
    flags = ("--cert", "/ca", "--client-cert", "/id")
    assert found.argv == ("/bin/python", "-W", "ignore", "-Im", "pip", *flags, "install", *ODD)


def test_unchanged() -> None:
    """The plan without a profile is the call as it was typed, and changes no variable."""
    found = plan.unchanged(target(("python", "-m", "pip", "install", *ODD), None, "/bin/python"))
    assert found.argv == ("/bin/python", "-m", "pip", "install", *ODD)
    assert found.environ({"A": "1", "PIP_CERT": "x"}) == {"A": "1", "PIP_CERT": "x"}


@given(
    st.lists(st.text(st.characters(exclude_characters="\0"), max_size=6), max_size=5),
    st.sampled_from(["pip", "uv", "make"]),
)
def test_arguments_are_never_touched(arguments: list[str], tool: str) -> None:
    """Whatever the user types is the end of argv, the same words in the same order."""
    found = prepared(target((tool, *arguments), (26, 3), "/t"), BOTH)
    assert found.argv[0] == "/t"
    assert found.argv[len(found.argv) - len(arguments) :] == tuple(arguments)


def test_passphrase_variable_is_removed() -> None:
    """The variable that has the passphrase is not for the tool, whatever the tool is."""
    source = FromVariable("CORP_PASSPHRASE")
    before = {"CORP_PASSPHRASE": "secret", "OTHER": "1"}
    for words in (("pip", "install"), ("pip", "install", "--client-cert", "x"), ("uv",), ("make",)):
        found = prepared(
            target(words, (26, 3), "/t"), BOTH, before, using=profile(passphrase=source)
        )
        after = found.environ(before)
        assert "CORP_PASSPHRASE" not in after
        assert after["OTHER"] == "1"


def test_active() -> None:
    """MTLS_RUN_ACTIVE is this run's own, and what an outer run left is taken away."""
    before = {"MTLS_RUN_ACTIVE": "outer"}
    for value in ("1:mine", None):
        added = {"MTLS_RUN_ACTIVE": value}
        found = prepared(target(("uv",), None, "/t"), BOTH, before, added=added)
        assert found.environ(before).get("MTLS_RUN_ACTIVE") == value


def test_own_identity_goes_to_children() -> None:
    """The --client-cert that the user gives pip is the one of what pip starts, by absolute path."""
    words = ("pip", "install", "--client-cert", "mine.pem", "x")
    trust = TlsFiles(identity=None, bundle="/ca", native=False)
    found = prepared(target(words, (24, 0), "/t"), trust)
    own = os.path.abspath("mine.pem")  # what the code is to do
    assert found.changes["PIP_CLIENT_CERT"] == found.changes["SSL_CLIENT_CERT"] == own


def test_own_cert_is_not_beaten() -> None:
    """The --cert that the user gives pip is not beaten by a variable (pip #10147)."""
    before = {"REQUESTS_CA_BUNDLE": "/x", "CURL_CA_BUNDLE": "/x"}
    for option in (["--cert", "F"], ["--cert=F"], ["--cer", "F"], ["--ce", "F"]):
        words = ("pip", "install", *option, "x")
        found = prepared(target(words, (26, 3), "/t"), BOTH, before)
        after = found.environ(before)
        assert "REQUESTS_CA_BUNDLE" not in after
        assert "CURL_CA_BUNDLE" not in after
        assert "--cert" not in found.argv[: found.argv.index("install")]
