"""Which proxy each tool uses, as measured with the real ones (test_proxies_real.py asks them)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from mtls_run.config.origin import Origin, Setting
from mtls_run.net.errors import NetworkError
from mtls_run.tools.base import Target, ToolCall
from mtls_run.tools.command import TOOL as COMMAND
from mtls_run.tools.pip import TOOL as PIP
from mtls_run.tools.pip_proxy import PipProxies
from mtls_run.tools.uv import TOOL as UV
from mtls_run.tools.uv_proxy import UvProxies

if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.tools.base import Version
    from mtls_run.tools.proxies import Proxies

HOST = "index.corp.example"
A, B = "http://a.example:3128", "http://b.example:3128"
PIP_NOW: Version = (26, 3)
UV_NOW: Version = (0, 13, 9)


def pip(environ: dict[str, str], version: Version = PIP_NOW, own: str | None = None) -> PipProxies:
    """Return the proxies of this pip; `own` is what its setting says."""
    setting = None if own is None else Setting(own, Origin("PIP_PROXY"))
    return PipProxies(environ, setting, version)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a directory without any configuration."""
    return tmp_path


def uv(environ: dict[str, str], home: Path, version: Version = UV_NOW) -> UvProxies:
    """Return the proxies of this uv."""
    environ = {"HOME": str(home), "UV_NO_SYSTEM_CONFIG": "1", **environ}
    return UvProxies(environ, ["pip", "install"], home, version)


def shown(proxies: Proxies, host: str = HOST, port: int = 8443) -> str | None:
    """Return the proxy in front of the host, or None."""
    found = proxies.find(host, port)
    return None if found is None else f"{found.scheme}://{found.host}:{found.port}"


@pytest.mark.parametrize(
    ("listed", "host", "of_pip", "of_uv"),
    [
        # What all of them read alike.
        ("corp.example", HOST, True, True),
        (".corp.example", HOST, True, True),
        (".corp.example", "corp.example", True, True),
        (HOST, HOST, True, True),
        ("other.test, index.corp.example", HOST, True, True),
        ("INDEX.CORP.EXAMPLE", HOST, True, True),
        ("*", HOST, True, True),
        ("*.corp.example", HOST, False, False),
        ("https://index.corp.example", HOST, False, False),
        ("index.corp.example.", HOST, False, False),
        ("other.test index.corp.example", HOST, False, False),
        ("orp.example", HOST, False, False),
        ("10.9.8.7", "10.9.8.7", True, True),
        ("10.0.0.0/8", "10.9.8.7", True, True),
        ("10.0.0.0/255.0.0.0", "10.9.8.7", False, False),
        ("10.9.8.7:8443", "10.9.8.7", False, False),
        ("10.", "10.9.8.7", False, False),
        ("[::1]", "::1", False, False),
        ("::1", "::1", True, True),
        # What they do not.
        ("index.corp.example:8443", HOST, True, False),
        (".corp.example:8443", HOST, True, False),
        ("*,other.test", HOST, False, True),
        ("other.test, *", HOST, False, True),
        (" * ", HOST, False, True),
        ("..corp.example", HOST, True, False),
        ("*", "10.9.8.7", True, False),
        (".9.8.7", "10.9.8.7", True, False),
        ("10.9.8.0/0", "10.9.8.7", False, True),
        ("::/0", "::1", False, True),
    ],
)
def test_no_proxy(home: Path, listed: str, host: str, *, of_pip: bool, of_uv: bool) -> None:
    """NO_PROXY means to each tool what it means to the library that the tool brings."""
    environ = {"HTTPS_PROXY": A, "NO_PROXY": listed}
    for proxies, is_bypassed in ((pip(environ), of_pip), (uv(environ, home), of_uv)):
        assert shown(proxies, host) == (None if is_bypassed else A)
        assert proxies.bypassed_by(host, 8443) == ("NO_PROXY" if is_bypassed else None)


def test_no_proxy_by_version(home: Path) -> None:
    """Pip 26.2 compares whole labels, and uv 0.9.29 ignores case."""
    environ = {"HTTPS_PROXY": A, "NO_PROXY": "orp.example"}
    assert shown(pip(environ, (26, 1))) is None
    environ = {"HTTPS_PROXY": A, "NO_PROXY": "CORP.example"}
    assert shown(uv(environ, home, (0, 9, 28))) == A
    assert shown(uv(environ, home, (0, 9, 29))) is None


@pytest.mark.parametrize(
    ("environ", "of_pip", "of_uv"),
    [
        ({}, None, None),
        ({"HTTP_PROXY": A}, None, None),
        ({"https_proxy": A}, A, A),
        ({"all_proxy": A}, A, A),
        ({"ALL_PROXY": B, "HTTPS_PROXY": A}, A, A),
        ({"HTTPS_PROXY": "", "ALL_PROXY": A}, A, A),
        ({"https_proxy": A, "HTTPS_PROXY": B}, A, B),
        ({"https_proxy": "", "HTTPS_PROXY": A}, None, A),
        ({"HTTPS_PROXY": "", "https_proxy": A}, A, None),
        ({"Https_Proxy": A}, A, None),
        ({"HTTPS_PROXY": A, "REQUEST_METHOD": "GET"}, A, None),
        ({"HTTPS_PROXY": A, "no_proxy": "x.test", "NO_PROXY": HOST}, A, None),
        ({"HTTPS_PROXY": A, "no_proxy": HOST, "NO_PROXY": "x.test"}, None, A),
        ({"HTTPS_PROXY": A, "no_proxy": HOST, "NO_PROXY": ""}, None, A),
    ],
)
def test_variables(
    home: Path, environ: dict[str, str], of_pip: str | None, of_uv: str | None
) -> None:
    """Pip reads the lower-case variable first, and uv the upper-case one."""
    assert (shown(pip(environ)), shown(uv(environ, home))) == (of_pip, of_uv)


def test_variables_by_version(home: Path) -> None:
    """Old versions of uv put ALL_PROXY first, pass over an empty variable, and know no CGI."""
    assert shown(uv({"ALL_PROXY": B, "HTTPS_PROXY": A}, home, (0, 2, 11))) == B
    assert shown(uv({"HTTPS_PROXY": "", "https_proxy": A}, home, (0, 4, 30))) == A
    assert shown(uv({"HTTPS_PROXY": A, "REQUEST_METHOD": "GET"}, home, (0, 4, 30))) == A


@pytest.mark.parametrize(
    ("url", "of_pip", "of_uv", "of_old_uv"),
    [
        ("a.example:3128", A, A, A),
        ("http://a.example:3128/", A, A, A),
        ("HTTP://a.example:3128", A, A, A),
        ("http://a.example", "http://a.example:80", "http://a.example:80", "http://a.example:80"),
        ("https://a.example", *["https://a.example:443"] * 3),
        ("//a.example:3128", A, None, A),
        ("a.example:3128/", A, None, A),
        ("socks5h://a.example:1", "socks5h://a.example:1", "socks5h://a.example:1", None),
        ("socks5://a.example", "socks5://a.example:1080", "socks5://a.example:80", None),
        ("SOCKS5://a.example:1", "socks5://a.example:1", None, None),
        ("ftp://a.example:1", "stops", None, None),
        ('"http://a.example:1"', "stops", None, None),
        ("nonsense host", "stops", None, None),
        ("http://", "stops", None, None),
        ("http:a.example:1", "stops", None, "http://a.example:1"),
        ("alice:secret@a.example:3128", "stops", A, A),
    ],
)
def test_urls(
    home: Path, url: str, of_pip: str | None, of_uv: str | None, of_old_uv: str | None
) -> None:
    """What is no proxy's URL stops pip, and uv goes on without a proxy."""
    environ = {"HTTPS_PROXY": url}
    if of_pip == "stops":
        with pytest.raises(NetworkError) as caught:
            pip(environ).find(HOST, 443)
        assert "secret" not in caught.value.reason
    else:
        assert shown(pip(environ)) == of_pip
    assert shown(uv(environ, home)) == of_uv
    assert shown(uv(environ, home, (0, 2, 11))) == of_old_uv


def test_bad_url_then_all_proxy(home: Path) -> None:
    """Where uv ignores HTTPS_PROXY, ALL_PROXY counts."""
    assert shown(uv({"HTTPS_PROXY": "ftp://b.example", "ALL_PROXY": A}, home)) == A


@pytest.mark.parametrize(
    ("userinfo", "of_pip", "of_uv", "of_old_uv"),
    [
        ("al%40ice:s%40c", "al@ice:s@c", "al@ice:s@c", "al@ice:s@c"),
        ("alice:", "alice:", "alice:", None),
        ("token", None, "token:", None),
    ],
)
def test_login(
    home: Path, userinfo: str, of_pip: str | None, of_uv: str | None, of_old_uv: str | None
) -> None:
    """User and password are decoded; a user alone is sent by some."""
    environ = {"HTTPS_PROXY": f"http://{userinfo}@a.example:3128"}
    for proxies, expected in (
        (pip(environ), of_pip),
        (uv(environ, home), of_uv),
        (uv(environ, home, (0, 4, 30)), of_old_uv),
    ):
        found = proxies.find(HOST, 443)
        assert found is not None
        sent = found.authorization
        assert expected == (sent and base64.b64decode(sent.reveal()[6:]).decode())
        assert "s@c" not in repr(found)
        assert "s%40c" not in found.shown


@pytest.mark.parametrize(
    ("environ", "since", "before"),
    [
        ({}, B, B),
        ({"HTTPS_PROXY": A}, B, A),
        ({"HTTPS_PROXY": A, "NO_PROXY": HOST}, B, B),
        ({"ALL_PROXY": A}, B, B),
        ({"NO_PROXY": "*"}, B, B),
    ],
)
def test_setting_of_pip(environ: dict[str, str], since: str, before: str) -> None:
    """Pip's own proxy beats the variables since 22.2, and NO_PROXY does not touch it."""
    assert shown(pip(environ, (22, 2), B)) == since
    assert shown(pip(environ, (21, 3), B)) == before
    assert pip(environ, own=B).bypassed_by(HOST, 443) is None


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ('https-proxy = "http://c.example:1"', {}, "http://c.example:1"),
        ('https-proxy = "http://c.example:1"', {"HTTPS_PROXY": A}, "http://c.example:1"),
        ('https-proxy = "http://c.example:1"', {"NO_PROXY": "*"}, "http://c.example:1"),
        ('https-proxy = "c.example:1"', {}, "http://c.example:1"),
        ('https-proxy = "socks5://c.example"', {}, "socks5://c.example:1080"),
        ('http-proxy = "http://c.example:1"', {"HTTPS_PROXY": A}, None),
        ('https-proxy = "http://c.example:1"\nno-proxy = ["corp.example"]', {}, None),
        ('no-proxy = ["corp.example"]', {"HTTPS_PROXY": A}, A),
    ],
)
def test_files_of_uv(home: Path, text: str, environ: dict[str, str], expected: str | None) -> None:
    """A proxy in uv.toml takes the place of all variables, NO_PROXY included (0.9.23)."""
    (home / "uv.toml").write_text(text + "\n")
    proxies = uv(environ, home)
    assert shown(proxies) == expected
    if text.startswith("https-proxy") and "no-proxy" in text:
        assert proxies.bypassed_by(HOST, 443) == f"{home / 'uv.toml'}:2"
    assert shown(uv({"HTTPS_PROXY": B, **environ}, home, (0, 8, 24))) in (A, B, None)


def test_files_of_uv_are_joined(home: Path) -> None:
    """The project's proxy beats the user's, and both lists of exceptions count."""
    (home / ".config/uv").mkdir(parents=True)
    (home / ".config/uv/uv.toml").write_text(
        'https-proxy = "http://user.example:1"\nno-proxy = ["corp.example"]\n'
    )
    (home / "uv.toml").write_text(
        'https-proxy = "http://project.example:1"\nno-proxy = ["x.test"]\n'
    )
    proxies = uv({}, home)
    assert shown(proxies) is None
    assert shown(proxies, "y.test") == "http://project.example:1"


def test_of_the_tools(home: Path) -> None:
    """Each tool reads its own settings; another program goes by the variables."""
    environ = {"HOME": str(home), "PIP_CONFIG_FILE": "/dev/null", "PIP_PROXY": B, "HTTPS_PROXY": A}

    def of(call: ToolCall) -> str | None:
        tool = {"pip": PIP, "uv": UV, "command": COMMAND}[call.kind]
        target = Target(tool, call, f"/usr/bin/{call.kind}", None)
        return shown(tool.proxies(target, environ, home))

    assert of(ToolCall("pip", ("pip",), ("install", "x"))) == B
    assert of(ToolCall("pip", ("pip",), ("install", "--isolated", "x"))) == A
    assert of(ToolCall("pip", ("pip",), ("--proxy=c.example:1", "install"))) == "http://c.example:1"
    assert of(ToolCall("pip", ("pip",), ("install", "--", "--proxy=c.example:1"))) == B
    assert of(ToolCall("uv", ("uv",), ("sync",))) == A
    assert of(ToolCall("command", ("make",), ())) == A
