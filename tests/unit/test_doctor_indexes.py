"""The URLs that doctor examines, and their origins. Nothing shown has a password."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from mtls_run.doctor import indexes
from mtls_run.tools.base import PipScope

if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.doctor.indexes import Index

URL = "https://index.example/simple/"

SCOPE = PipScope(command="install")


def one(url: str, environ: dict[str, str] | None = None) -> Index:
    """Return the index at this URL of the command line; fail if it is not one."""
    found = indexes.named([url], environ or {})
    assert found.findings == ()
    return found.found[0]


def authorization(index: Index) -> str | None:
    """Return the user and password that are sent."""
    if index.authorization is None:
        return None
    return base64.b64decode(index.authorization.reveal().removeprefix(b"Basic ")).decode()


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "authority"),
    [
        (URL, "index.example", 443, "/simple/", "index.example"),
        ("https://Index.Example", "index.example", 443, "/", "index.example"),
        ("https://h:8443/a b?c=d", "h", 8443, "/a%20b?c=d", "h:8443"),
        ("https://[::1]:8443/x/", "::1", 8443, "/x/", "[::1]:8443"),
        ("https://h/ü", "h", 443, "/%C3%BC", "h"),
    ],
)
def test_taken_apart(url: str, host: str, port: int, target: str, authority: str) -> None:
    """A URL is parsed into the parts of a request."""
    found = one(url)
    assert (found.host, found.port, found.target) == (host, port, target)
    assert found.authority == authority


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://h/simple/", "url-insecure"),
        ("https:///simple/", "url-invalid"),
        ("ftp://h/simple/", "url-invalid"),
        ("nonsense", "url-invalid"),
        ("", "url-invalid"),
        ("https://h:port/", "url-invalid"),
        ("https://h:99999/", "url-invalid"),
        ("https://[::1/", "url-invalid"),
        ("file:///srv/simple", "url-invalid"),
    ],
)
def test_no_index(url: str, code: str) -> None:
    """A URL that is not an index's gives a finding, and doctor does not try it."""
    found = indexes.named([url], {})
    assert found.found == ()
    assert [each.code for each in found.findings] == [code]


def test_password_is_hidden() -> None:
    """A password is sent, and never shown."""
    found = one("https://alice:s%40crets@index.example/simple/")
    assert authorization(found) == "alice:s@crets"
    assert found.shown == "https://alice:***@index.example/simple/"
    assert "crets" not in repr(found)
    insecure = indexes.named(["http://alice:secrets@h/"], {}).findings[0]
    assert "secrets" not in repr(insecure)


def test_netrc(tmp_path: Path) -> None:
    """User and password come from .netrc if the URL has none."""
    (tmp_path / ".netrc").write_text("machine index.example login alice password secrets\n")
    (tmp_path / ".netrc").chmod(0o600)
    found = one(URL, {"HOME": str(tmp_path)})
    assert authorization(found) == "alice:secrets"
    assert found.login == str(tmp_path / ".netrc")
    assert authorization(one("https://bob:b@index.example/", {"HOME": str(tmp_path)})) == "bob:b"
    assert one("https://other.example/", {"HOME": str(tmp_path)}).login is None


def test_no_netrc_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without HOME, doctor reads no .netrc in the current directory, where anyone may put one."""
    (tmp_path / ".netrc").write_text("machine index.example login mallory password hers\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME")
    for environ in ({}, {"HOME": ""}, {"HOME": "."}):
        assert one(URL, environ).login is None


def test_configured_for_pip(tmp_path: Path) -> None:
    """Without a URL, doctor examines pip's indexes, each with its origin."""
    config = tmp_path / "pip.conf"
    config.write_text(
        f"[global]\nindex-url = {URL}\nextra-index-url =\n  https://a.example/\n"
        "  file:///srv/simple\n  https://b.example/\n"
    )
    found = indexes.configured({"PIP_CONFIG_FILE": str(config)}, tmp_path, SCOPE, {})
    assert found.findings == ()
    assert [index.shown for index in found.found] == [
        URL,
        "https://a.example/",
        "https://b.example/",
    ]
    assert found.found[0].origin == f"{config}:2"


def test_configured_for_uv(tmp_path: Path) -> None:
    """Uv's indexes come from its variables and from its configuration in this directory."""
    (tmp_path / "uv.toml").write_text(
        '[[index]]\nname = "corp"\nurl = "https://c.example/simple"\n[pip]\n'
        'extra-index-url = ["https://d.example/"]\n'
    )
    environ = {
        "PIP_CONFIG_FILE": "/dev/null",
        "HOME": str(tmp_path),
        "UV_INDEX": f"named={URL} https://e.example/?a=b",
        "UV_INDEX_CORP_USERNAME": "alice",
        "UV_INDEX_CORP_PASSWORD": "secrets",
    }
    found = indexes.configured(environ, tmp_path, SCOPE, {}).found
    origins = {index.host: index.origin for index in found}
    assert origins == {
        "index.example": "uv index named, UV_INDEX",
        "e.example": "UV_INDEX",
        "c.example": f"uv index corp, {tmp_path / 'uv.toml'}:1",
        "d.example": f"{tmp_path / 'uv.toml'}:5",
    }
    corp = next(index for index in found if index.host == "c.example")
    assert authorization(corp) == "alice:secrets"


def test_each_once(tmp_path: Path) -> None:
    """An index that pip and uv both name is examined once, with both origins."""
    environ = {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": URL, "UV_INDEX_URL": URL[:-1]}
    found = indexes.configured(environ, tmp_path, SCOPE, {}).found
    assert [index.origin for index in found] == ["PIP_INDEX_URL, UV_INDEX_URL"]


def test_broken_settings(tmp_path: Path) -> None:
    """An unreadable file of pip's gives a finding; uv's indexes are examined all the same."""
    config = tmp_path / "pip.conf"
    config.write_text("index-url = x\n")
    environ = {"PIP_CONFIG_FILE": str(config), "UV_INDEX_URL": URL}
    found = indexes.configured(environ, tmp_path, SCOPE, {})
    assert [index.shown for index in found.found] == [URL]
    assert [each.code for each in found.findings] == ["config-invalid"]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://index.example/other/", "/other/"),
        ("https://index.example:443/other/", "/other/"),
        ("https://index.example:444/other/", None),
        ("https://other.example/other/", None),
        ("http://index.example/other/", None),
        ("https://index.example:port/", None),
    ],
)
def test_same_origin(location: str, target: str | None) -> None:
    """A redirect is followed only to the same scheme, host and port."""
    found = one(URL).elsewhere(location)
    assert (found and found.target) == target


def test_asked_by(tmp_path: Path) -> None:
    """Pip asks for its own indexes, uv for its own; both ask for one that both name."""
    environ = {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": URL,
        "PIP_EXTRA_INDEX_URL": "https://pip.example/",
        "UV_DEFAULT_INDEX": URL,
        "UV_INDEX": "https://uv.example/",
    }
    found = indexes.configured(environ, tmp_path, SCOPE, {})
    assert {index.host: index.asked_by for index in found.found} == {
        "index.example": ("pip", "uv"),
        "pip.example": ("pip",),
        "uv.example": ("uv",),
    }


def test_asked_by_uv_too(tmp_path: Path) -> None:
    """Uv asks for pip's indexes where a run hands them over."""
    environ = {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": URL}
    handed_over = {"UV_INDEX_URL": URL}
    found = indexes.configured(environ, tmp_path, SCOPE, handed_over)
    assert found.found[0].asked_by == ("pip", "uv")
