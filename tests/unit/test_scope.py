"""Which hosts and paths an identity is for."""

from __future__ import annotations

import pytest

from mtls_run.config.scope import HostPattern, Scope, is_prefix, normalized_host


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Pypi.Corp.Example", "pypi.corp.example"),
        ("pypi.corp.example.", "pypi.corp.example"),
        ("pypi.corp.example:443", "pypi.corp.example"),
        ("*.corp.example:8443", "*.corp.example:8443"),
        ("10.0.0.1:8443", "10.0.0.1:8443"),
        ("[0:0::1]", "[::1]"),
        ("[2001:DB8::1]:8443", "[2001:db8::1]:8443"),
        ("münchen.example", "xn--mnchen-3ya.example"),
    ],
)
def test_a_host_is_read(text: str, shown: str) -> None:
    """A host has one spelling, and the port of https where none is written."""
    assert str(HostPattern.parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://pypi.corp.example",
        "pypi.corp.example/simple",
        "user@pypi.corp.example",
        "pypi corp",
        "",
        "*",
        "*.*.example",
        "pypi.*.example",
        "*.10.0.0.1",
        "1.2.3",
        "[::1",
        "[::1]8443",
        "pypi.corp.example:",
        "pypi.corp.example:0",
        "pypi.corp.example:65536",
        "pypi.corp.example:٤٤٣",
        "a..example",
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    """A host that could be read in two ways, or in none, is an error."""
    with pytest.raises(ValueError, match=r"."):
        HostPattern.parse(text)


@pytest.mark.parametrize(
    ("host", "port", "exactness"),
    [
        ("pypi.corp.example", 443, 2),
        ("pypi.corp.example", 8443, None),
        ("lab.corp.example", 443, 1),
        ("a.lab.corp.example", 443, None),
        ("corp.example", 443, None),
        (".corp.example", 443, None),
        ("evilcorp.example", 443, None),
        ("pypi.corp.example.evil.example", 443, None),
    ],
)
def test_a_pattern_covers_one_label_and_one_port(
    host: str, port: int, exactness: int | None
) -> None:
    """A full name is more exact than a wildcard, which stands for one label."""
    scope = Scope((HostPattern.parse("*.corp.example"), HostPattern.parse("pypi.corp.example")))
    assert scope.matches(host, port) == exactness


@pytest.mark.parametrize("host", ["PYPI.corp.example", "pypi.corp.example."])
def test_spellings_of_a_host_are_one(host: str) -> None:
    """Case and a dot at the end make no other host."""
    assert Scope((HostPattern.parse("pypi.corp.example"),)).matches(normalized_host(host), 443) == 2


@pytest.mark.parametrize(
    ("path", "length"),
    [
        ("/a/b", 4),
        ("/a/b/", 4),
        ("/a/b/c?q=/../", 4),
        ("/a/%62/c", 4),
        ("/a/bc", None),
        ("/a", None),
        ("/c/", 3),
        ("/c", None),
        ("/x/a/b/", None),
    ],
)
def test_a_path_is_below(path: str, length: int | None) -> None:
    """The longest of the paths that a request is below counts."""
    assert Scope((), ("/a/b", "/c/")).matches_path(path) == length


@pytest.mark.parametrize(
    "path",
    [
        "/a/b/../x",
        "/a/b/%2e%2E/x",
        "/a/b/..;/x",
        "/a/b/..;p=1/x",
        "/a/b/./x",
        "/a/b//x",
        "/a/b/..%2fx",
        "/a/b/..%5cx",
        "/a/b/%252e%252e/x",
    ],
)
def test_a_path_of_two_meanings_is_refused(path: str) -> None:
    """A path that servers read in different ways is below none."""
    with pytest.raises(ValueError, match=r"."):
        Scope((), ("/a/b",)).matches_path(path)


def test_without_paths_all_are_admitted() -> None:
    """A profile that says no paths limits none."""
    assert Scope(()).matches_path("/a/../b") == 0


@pytest.mark.parametrize("text", ["", "a/", "/a/../b", "/a//b", "/a\n"])
def test_an_ambiguous_path_is_no_prefix(text: str) -> None:
    """A configuration names paths that have one meaning."""
    assert not is_prefix(text)
