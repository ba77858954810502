"""Doctor goes to each index as each tool does, and says where pip and uv differ."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.support import ROOT, alice, ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox import Sandbox

URL = "https://index.invalid:8443/simple/"
DEAD = "http://127.0.0.1:1"


@pytest.fixture
def tools(sandbox: Sandbox) -> Sandbox:
    """Return a sandbox with a valid profile and both tools."""
    ready(sandbox)
    sandbox.env["PATH"] = str(sandbox.bin)
    sandbox.env["XDG_CONFIG_DIRS"] = str(sandbox.home / "none")
    sandbox.fake_tool("uv")
    sandbox.fake_tool("pip")
    return sandbox


def doctor(sandbox: Sandbox, *urls: str, **env: str) -> dict[str, Any]:
    """Return what doctor finds."""
    done = sandbox.run("doctor", "--json", *urls, env=env)
    assert done.returncode in (0, 1), done
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def codes(answer: dict[str, Any]) -> set[str]:
    """Return the codes of the findings."""
    return {one["code"] for one in answer["findings"]}


def ways(answer: dict[str, Any]) -> list[tuple[tuple[str, ...], str | None]]:
    """Return the tools and the proxy of each attempt."""
    return [(tuple(one["asked_by"]), one["proxy"]) for one in answer["urls"]]


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"HTTPS_PROXY": DEAD}, [(("pip", "uv"), DEAD)]),
        (
            {"HTTPS_PROXY": DEAD, "NO_PROXY": "index.invalid:8443"},
            [(("pip",), None), (("uv",), DEAD)],
        ),
        ({"HTTPS_PROXY": DEAD, "NO_PROXY": "*.invalid"}, [(("pip", "uv"), DEAD)]),
        (
            {"HTTPS_PROXY": DEAD, "PIP_PROXY": "http://127.0.0.1:2"},
            [(("pip",), "http://127.0.0.1:2"), (("uv",), DEAD)],
        ),
    ],
)
def test_a_named_url(
    tools: Sandbox, env: dict[str, str], expected: list[tuple[tuple[str, ...], str | None]]
) -> None:
    """A URL on the command line is tried once for each way, and a difference is a note."""
    answer = doctor(tools, URL, **env)
    assert ways(answer) == expected
    assert ("proxy-differs" in codes(answer)) == (len(expected) > 1)


def test_the_bypass_is_named(tools: Sandbox) -> None:
    """The text names the setting by which there is no proxy."""
    done = tools.run("doctor", URL, env={"HTTPS_PROXY": DEAD, "NO_PROXY": "index.invalid:8443"})
    assert "pip goes directly, by NO_PROXY, and uv goes through http://127.0.0.1:1" in done.stdout


def test_own_indexes_by_own_ways(tools: Sandbox) -> None:
    """Without a URL, pip's index is reached as pip does, and uv's as uv does."""
    tools.write("uv.toml", f'https-proxy = "{DEAD}"\n')
    answer = doctor(
        tools,
        PIP_INDEX_URL="https://pip.invalid/",
        PIP_PROXY="http://127.0.0.1:2",
        UV_DEFAULT_INDEX="https://uv.invalid/",
    )
    assert ways(answer) == [(("pip",), "http://127.0.0.1:2"), (("uv",), DEAD)]


def test_what_a_run_hands_over(tools: Sandbox) -> None:
    """Where pip's own settings are the profile, `uv pip` goes pip's way to pip's index."""
    tools.config_file.unlink()
    tools.write("pki/root.pem", ROOT.pem)
    tools.write("pki/alice.pem", alice().pem())
    conf = tools.write(
        "pip.conf",
        "[global]\ncert = ~/pki/root.pem\nclient-cert = ~/pki/alice.pem\n"
        f"index-url = {URL}\nproxy = {DEAD}\n",
    )
    answer = doctor(tools, PIP_CONFIG_FILE=str(conf))
    assert ways(answer) == [(("pip", "uv"), DEAD)]


def test_uv_below_the_version_of_the_rule(tools: Sandbox) -> None:
    """The rule is that of the version on PATH: old ones of uv know no SOCKS."""
    tools.fake_tool("uv", "0.4.0")
    answer = doctor(tools, URL, HTTPS_PROXY="socks5h://127.0.0.1:1")
    assert ways(answer) == [(("pip",), "socks5h://127.0.0.1:1"), (("uv",), None)]
    assert "proxy-needs-pysocks" in codes(answer)


@contextmanager
def socks_proxy(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the address of a proxy that gives these answers, and what it reads."""
    requests: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            for answer in answers:
                requests.append(connection.recv(1024))
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", requests
        thread.join(10)


def test_through_socks(tools: Sandbox) -> None:
    """Doctor asks a SOCKS proxy for the index, and says why the proxy refuses."""
    (tools.bin / "pip").unlink()
    refused = b"\x05\x02\x00\x01" + bytes(6)
    with socks_proxy(b"\x05\x02", b"\x01\x00", refused) as (address, requests):
        answer = doctor(tools, URL, HTTPS_PROXY=f"socks5h://alice:s3cret@{address}")
    assert requests[1] == b"\x01\x05alice\x06s3cret"
    assert requests[2] == b"\x05\x01\x00\x03\x0dindex.invalid\x20\xfb"
    last = answer["findings"][-1]
    assert last["code"] == "proxy-refused"
    assert "connection not allowed by ruleset" in last["fact"]
    assert "s3cret" not in json.dumps(answer)
