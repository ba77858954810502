"""The hosts and paths of an identity."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run.config.scope import HostPattern, Scope, is_prefix, normalized_host, plain_path

LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)  # not an address
HOST = st.lists(LABEL, min_size=2, max_size=4).map(".".join)
PORT = st.integers(1, 65535)


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("pypi.corp.example", "pypi.corp.example", 443),
        ("PyPI.Corp.Example.:8443", "pypi.corp.example", 8443),
        ("*.corp.example:8443", "*.corp.example", 8443),
        ("bücher.example", "xn--bcher-kva.example", 443),
        ("10.1.2.3:8443", "10.1.2.3", 8443),
        ("[2001:DB8:0::1]:8443", "2001:db8::1", 8443),
        ("[::1]", "::1", 443),
        ("under_score.example", "under_score.example", 443),
    ],
)
def test_patterns(text: str, name: str, port: int) -> None:
    """A pattern is a host in its one spelling, and a port."""
    found = HostPattern.parse(text)
    assert found == HostPattern(name, port)
    assert HostPattern.parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "missing"),
        (":443", "missing"),
        ("https://a.example", "without a scheme"),
        ("a.example/x", "without a scheme or a path"),
        ("bob@a.example", "user name"),
        ("a.example:0", "not a port"),
        ("a.example:65536", "not a port"),
        ("a.example:", "not a port"),
        ("a.example:8x", "not a port"),
        ("a.example:٣", "not a port"),
        ("::1", "brackets"),
        ("[::1", "is written as"),
        ("[a.example]:1", "is written as"),
        ("*", "first label"),
        ("a.*.example", "first label"),
        ("a*.example", "first label"),
        ("*.*.example", "first label"),
        ("*.10.1.2.3", "address"),
        ("a..example", "empty"),
        ("a b.example", "not allowed"),
        ("1.2.3", "not a complete address"),
    ],
)
def test_what_is_no_pattern(text: str, reason: str) -> None:
    """The reason is said in plain words."""
    with pytest.raises(ValueError, match=reason):
        HostPattern.parse(text)


@given(host=HOST, port=PORT, other=PORT)
def test_a_host_matches_itself_at_its_port(host: str, port: int, other: int) -> None:
    """Host and port both decide, and the spelling does not."""
    scope = Scope((HostPattern.parse(f"{host.upper()}.:{port}"),))
    assert scope.matches(normalized_host(host), port) == 2
    assert (scope.matches(normalized_host(host), other) is None) == (port != other)


@given(host=HOST, label=LABEL, port=PORT)
def test_a_wildcard_is_one_label(host: str, label: str, port: int) -> None:
    """Neither none nor two, and an exact pattern is closer."""
    wild = HostPattern.parse(f"*.{host}:{port}")
    scope = Scope((wild,))
    assert scope.matches(f"{label}.{host}", port) == 1
    assert scope.matches(host, port) is None
    assert scope.matches(f"a.{label}.{host}", port) is None
    assert scope.matches(f"x{host}", port) is None
    both = Scope((wild, HostPattern(f"{label}.{host}", port)))
    assert both.matches(f"{label}.{host}", port) == 2


SEGMENT = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/\\%;"), min_size=1
).filter(lambda it: it not in (".", ".."))


@given(st.lists(SEGMENT, min_size=1))
def test_a_path_below_a_prefix(segments: list[str]) -> None:
    """Whatever the names are, what is below is admitted, and what is beside is not."""
    path = "/" + "/".join(quote(one, safe="") for one in segments)
    scope = Scope((), ("/artifactory/",))
    assert scope.matches_path(f"/artifactory{path}") == len("/artifactory/")
    assert scope.matches_path(f"/artifactory-x{path}") is None
    assert plain_path(path) == "/" + "/".join(segments)


def test_the_longest_prefix_wins() -> None:
    """A prefix ends at a slash, with one of its own or not."""
    scope = Scope((), ("/a", "/a/b"))
    found = {path: scope.matches_path(path) for path in ("/a", "/a/c", "/a/b", "/a/b/c", "/ab")}
    assert found == {"/a": 2, "/a/c": 2, "/a/b": 4, "/a/b/c": 4, "/ab": None}
    assert Scope(()).matches_path("/%2f/..") == 0  # without a limit, nothing is read into it


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


@pytest.mark.parametrize("text", ["", "a/", "/a/../b", "/a//b", "/a\n"])
def test_an_ambiguous_path_is_no_prefix(text: str) -> None:
    """A configuration names paths that have one meaning."""
    assert not is_prefix(text)
