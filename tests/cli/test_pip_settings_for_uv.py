"""What `uv pip` gets of pip's own settings, and the notice of what it does not get."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ROOT, alice

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Sandbox

SECRET = "s3cret-of-the-proxy"


@pytest.fixture
def company(sandbox: Sandbox) -> Sandbox:
    """Return a sandbox in which pip's own settings are the profile."""
    sandbox.write("pki/alice.pem", alice().pem())
    sandbox.write("pki/root.pem", ROOT.pem)
    sandbox.env["PIP_CONFIG_FILE"] = str(sandbox.home / "pip.conf")
    sandbox.env["XDG_CONFIG_DIRS"] = str(sandbox.home / "none")
    sandbox.fake_tool("uv")
    return sandbox


def write(sandbox: Sandbox, *lines: str) -> Path:
    """Write pip's settings: the identity, the CA, and these lines from the fourth on."""
    return sandbox.write(
        "pip.conf",
        "\n".join(["[global]", "cert = ~/pki/root.pem", "client-cert = ~/pki/alice.pem", *lines]),
    )


def test_proxy_is_handed_to_uv_pip_alone(company: Sandbox) -> None:
    """`uv pip` gets pip's proxy; `uv sync` and pip itself do not."""
    write(company, "proxy = p.example:3128")
    tools = {"uv": company.fake_tool("uv"), "pip": company.fake_tool("pip")}
    for words, expected in (
        (["uv", "pip", "install", "x"], "http://p.example:3128"),
        (["uv", "sync"], None),
        (["pip", "install", "x"], None),
    ):
        done = company.run(*words)
        assert done.returncode == 0, done
        seen = tools[words[0]].seen()
        assert seen.get("HTTPS_PROXY") == seen.get("HTTP_PROXY") == expected


def test_password_of_the_proxy_is_not_shown(company: Sandbox) -> None:
    """Neither -v nor --explain shows the password."""
    write(company, f"proxy = http://alice:{SECRET}@p.example:3128")
    loud = company.run("-v", "uv", "pip", "install", "x")
    explained = company.run("--explain", "uv", "pip", "install", "x")
    machine_read = company.run("--explain", "--json", "uv", "pip", "install", "x")
    for done in (loud, explained, machine_read):
        assert done.returncode == 0, done
        assert SECRET not in done.stdout
        assert SECRET not in done.stderr
    sets = json.loads(machine_read.stdout)["env"]["set"]
    assert sets["HTTPS_PROXY"] == "http://alice:***@p.example:3128"


def test_notice_once_a_day(company: Sandbox) -> None:
    """What is left out is one notice, once a day; --explain always says it."""
    path = write(company, "only-binary = :all:", "trusted-host = h")
    expected = (
        f"uv is not handed pip's only-binary ({path}:4), which uv takes as a flag alone; "
        f"trusted-host ({path}:5), because mtls-run never turns verification off"
    )
    words = ["uv", "pip", "install", "x"]
    assert company.run("-q", *words).stderr == ""
    assert company.run(*words).stderr == f"mtls-run: notice: {expected}\n"
    assert company.run(*words).stderr == ""
    explained = company.run("--explain", "--json", *words)
    assert expected in json.loads(explained.stdout)["notices"]
