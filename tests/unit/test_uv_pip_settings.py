"""What of pip's own settings `uv pip` is handed, and what is left out with a notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mtls_run.config import pip_settings
from mtls_run.tools.base import PipScope, ToolCall
from mtls_run.tools.uv import TOOL as UV

if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.tools.base import HandedOver

INSTALL = ("pip", "install", "x")


def handed_over(
    home: Path,
    text: str,
    environ: dict[str, str] | None = None,
    arguments: tuple[str, ...] = INSTALL,
) -> HandedOver:
    """Return what uv is handed with these lines in pip's [global]."""
    (home / "pip.conf").write_text(f"[global]\n{text}\n")
    environ = {
        "HOME": str(home),
        "XDG_CONFIG_DIRS": str(home / "none"),
        "UV_NO_SYSTEM_CONFIG": "1",
        "PIP_CONFIG_FILE": str(home / "pip.conf"),
        **(environ or {}),
    }
    settings = pip_settings.read(environ, PipScope(command="install"))
    return UV.handed_over(ToolCall("uv", ("uv",), arguments), settings, environ, home)


def both(url: str) -> dict[str, str]:
    """Return the variables of a proxy for both schemes."""
    return {"HTTPS_PROXY": url, "HTTP_PROXY": url}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("proxy = http://p:3128", both("http://p:3128")),
        ("proxy = p.example:3128", both("http://p.example:3128")),
        ("proxy = http://p/", both("http://p:80")),
        ("proxy = socks5h://p", both("socks5h://p:1080")),
        ("proxy = http://u:s%40c@[::1]:1", both("http://u:s%40c@[::1]:1")),
        ("proxy = nonsense host", {}),
        ("find-links = /srv/wheels", {"UV_FIND_LINKS": "/srv/wheels"}),
        ("find-links = https://h/links", {"UV_FIND_LINKS": "https://h/links"}),
        ("timeout = 60", {"UV_HTTP_TIMEOUT": "60"}),
        ("timeout = 1.5", {"UV_HTTP_TIMEOUT": "2"}),
        ("timeout = many", {}),
        ("timeout = inf", {}),
        ("timeout = 0", {}),
        ("retries = 0", {"UV_HTTP_RETRIES": "0"}),
        ("retries = -1", {}),
        ("require-hashes = yes", {"UV_REQUIRE_HASHES": "true"}),
        ("require-hashes = no", {}),
    ],
)
def test_handed_over(tmp_path: Path, text: str, expected: dict[str, str]) -> None:
    """What means the same to uv is handed over in the form that each uv reads."""
    assert dict(handed_over(tmp_path, text).variables) == expected


def test_default_timeout(tmp_path: Path) -> None:
    """PIP_DEFAULT_TIMEOUT is another name of pip's timeout."""
    found = handed_over(tmp_path, "", {"PIP_DEFAULT_TIMEOUT": "100"})
    assert dict(found.variables) == {"UV_HTTP_TIMEOUT": "100"}


def test_home_of_find_links(tmp_path: Path) -> None:
    """Pip knows `~` in find-links, and uv does not."""
    found = handed_over(tmp_path, "find-links = ~/wheels")
    assert dict(found.variables) == {"UV_FIND_LINKS": f"{tmp_path}/wheels"}


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("proxy = http://p:1", {"HTTPS_PROXY": "http://q:1"}, {"HTTP_PROXY": "http://p:1"}),
        ("proxy = http://p:1", {"https_proxy": "http://q:1"}, {"HTTP_PROXY": "http://p:1"}),
        ("proxy = http://p:1", {"ALL_PROXY": "http://q:1"}, {}),
        ("proxy = http://p:1", {"HTTP_PROXY": "http://q:1"}, {"HTTPS_PROXY": "http://p:1"}),
        ("find-links = /a", {"UV_FIND_LINKS": "/b"}, {}),
        ("timeout = 60", {"HTTP_TIMEOUT": "5"}, {}),
        ("retries = 9", {"UV_HTTP_RETRIES": "1"}, {}),
        ("require-hashes = 1", {"UV_REQUIRE_HASHES": "0"}, {}),
    ],
)
def test_set_for_uv(
    tmp_path: Path, text: str, environ: dict[str, str], expected: dict[str, str]
) -> None:
    """What the environment sets for uv stays as it is."""
    found = handed_over(tmp_path, text, environ)
    assert dict(found.variables) == expected
    assert found.left_out == ()


def test_proxy_in_uv_toml(tmp_path: Path) -> None:
    """A proxy in uv's own configuration stays the only one."""
    (tmp_path / "uv.toml").write_text('https-proxy = "http://q:1"\n')
    assert dict(handed_over(tmp_path, "proxy = http://p:1").variables) == {}


def test_flag_of_uv(tmp_path: Path) -> None:
    """What a flag says for uv is neither handed over nor reported."""
    found = handed_over(
        tmp_path,
        "find-links = /a\nonly-binary = :all:\ntrusted-host = h",
        arguments=(*INSTALL, "-f", "/b", "--only-binary=x", "--allow-insecure-host", "h"),
    )
    assert (dict(found.variables), found.left_out) == ({}, ())


def test_left_out(tmp_path: Path) -> None:
    """What has no variable in uv is named with its line and the reason."""
    text = "no-index = true\nonly-binary = :all:\ntrusted-host = h\nfind-links = /a /b"
    found = handed_over(tmp_path, text)
    path = tmp_path / "pip.conf"
    assert dict(found.variables) == {}
    assert found.left_out == (
        f"find-links ({path}:5), because uv before 0.8 takes one link alone",
        f"no-index ({path}:2), which uv takes as a flag alone",
        f"only-binary ({path}:3), which uv takes as a flag alone",
        f"trusted-host ({path}:4), because mtls-run never turns verification off",
    )


def test_switched_off(tmp_path: Path) -> None:
    """A switch that is off is no setting."""
    assert handed_over(tmp_path, "no-index = false").left_out == ()


def test_other_commands_of_uv(tmp_path: Path) -> None:
    """`uv sync` and the like are handed nothing."""
    text = "proxy = http://p:1\nonly-binary = :all:\nindex-url = https://h/"
    found = handed_over(tmp_path, text, arguments=("sync",))
    assert (dict(found.variables), found.named, found.left_out) == ({}, None, ())
