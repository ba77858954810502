"""A host becomes a hostname in ASCII, or a finding with the reason."""

from __future__ import annotations

import pytest

from mtls_run.doctor import indexes
from mtls_run.net import proxy
from mtls_run.net.errors import NetworkError
from mtls_run.net.hostname import to_ascii


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("index.example", "index.example"),
        ("index.example.", "index.example."),
        ("my_index.example", "my_index.example"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        # Another host than `fass.example`, which IDNA 2003 and Python's own codec would make of it.
        ("faß.example", "xn--fa-hia.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
    ],
)
def test_to_ascii(host: str, expected: str) -> None:
    """An international name is encoded; any other name stays as it is."""
    assert to_ascii(host) == expected


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("x" * 64 + ".example", "longer than 63"),
        ("ü" * 64 + ".example", "not a valid international name"),
        (".".join(["x" * 60] * 5), "longer than 253"),
        ("a..example", "empty"),
        (".example", "empty"),
        ("a b.example", "not allowed"),
        ("ab\u200b\u2028.example", "not a valid international name"),
    ],
)
def test_no_hostname(host: str, reason: str) -> None:
    """A URL with a host that cannot exist is a finding that says why."""
    with pytest.raises(ValueError, match=reason):
        to_ascii(host)
    found = indexes.named([f"https://{host}/simple/"], {})
    assert found.found == ()
    assert [one.code for one in found.findings] == ["url-invalid"]
    assert reason in found.findings[0].fact


def test_international_index() -> None:
    """An international name is shown as it was written, and is ASCII on the network."""
    index = indexes.named(["https://münchen.example:8443/simple/"], {}).found[0]
    assert index.shown == "https://münchen.example:8443/simple/"
    assert index.authority == "xn--mnchen-3ya.example:8443"
    moved = index.elsewhere("https://xn--mnchen-3ya.example:8443/other/")
    assert moved is not None
    assert moved.target == "/other/"


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..example"])
def test_proxy_without_a_hostname(host: str) -> None:
    """A proxy's URL with a host that cannot exist is an error about the proxy."""
    with pytest.raises(NetworkError) as caught:
        proxy.parse(f"http://{host}:3128", "HTTPS_PROXY")
    assert caught.value.step == "proxy"
