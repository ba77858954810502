"""What a profile says of the gateway: which hosts, which way, and what contradicts it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.support import ISSUER, alice, ready

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

pytest.importorskip("h11")
HOSTS = 'hosts = ["pypi.corp.example", "*.lab.example:8443"]'


def explained(sandbox: Sandbox, *options: str) -> dict[str, Any]:
    """Return what --explain --json says of `uv pip install x`."""
    sandbox.fake_tool("uv")
    done = sandbox.run("--explain", "--json", *options, "uv", "pip", "install", "x")
    assert (done.returncode, done.stderr) == (0, ""), done
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(sandbox: Sandbox, *options: str, env: dict[str, str | None] | None = None) -> str:
    """Return the error of a run that must not start the tool."""
    tool = sandbox.fake_tool("uv")
    done = sandbox.run(*options, "uv", "pip", "install", "x", env=env)
    assert (done.returncode, done.stdout, tool.runs) == (125, "", 0), done
    return done.stderr


@pytest.mark.parametrize("more", [HOSTS, f'{HOSTS}\nhandoff = "gateway"'])
def test_hosts_imply_the_gateway(sandbox: Sandbox, more: str) -> None:
    """A profile with hosts hands no key over: the tool gets a proxy, and roots for it."""
    ready(sandbox, more)
    found = explained(sandbox)
    assert found["handoff"] == "gateway"
    sets = found["env"]["set"]
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        assert sets[name] == "http://127.0.0.1:PORT"
    assert {"NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"} <= set(found["env"]["unset"])
    assert {"SSL_CLIENT_CERT", "PIP_CLIENT_CERT"} <= set(found["env"]["unset"])
    assert "in memory" in sets["SSL_CERT_FILE"] == sets["PIP_CERT"]


def test_further_identities_imply_the_gateway(sandbox: Sandbox) -> None:
    """A profile may have further identities alone, each for hosts of its own."""
    sandbox.write("pki/lab.pem", ISSUER.issue("lab").pem())
    ready(sandbox)
    sandbox.write_config(
        'default-profile = "corp"\n[profiles.corp]\nca-cert = "~/pki/root.pem"\nroots = "none"\n'
        '[[profiles.corp.identities]]\nhosts = ["lab.example"]\nclient-cert = "~/pki/lab.pem"\n'
    )
    assert explained(sandbox)["handoff"] == "gateway"


@pytest.mark.parametrize(
    ("options", "env"), [(["--handoff", "memfd"], {}), ([], {"MTLS_RUN_HANDOFF": "supervise"})]
)
def test_another_handoff_contradicts_hosts(
    sandbox: Sandbox, options: list[str], env: dict[str, str | None]
) -> None:
    """A key for some hosts alone is never handed over, whoever asks for it."""
    ready(sandbox, HOSTS)
    said = refused(sandbox, *options, env=env)
    assert "needs the gateway, by " in said
    assert "config.toml:6" in said


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (f'{HOSTS}\nhandoff = "memfd"', '`handoff` is "memfd", but `hosts` at'),
        ('handoff = "gate"', "did you mean `gateway`?"),
        ('paths = ["/simple/"]', "`paths` needs `hosts`"),
        (f'{HOSTS}\npaths = ["simple"]', "no path of a URL"),
        (f'{HOSTS}\npaths = ["/a/../b"]', "no path of a URL"),
        ("hosts = []", "`hosts` is a list"),
        ('hosts = "pypi.corp.example"', "`hosts` takes a list of hosts"),
        ('hosts = ["https://pypi.corp.example/"]', "write a host and a port alone"),
        ('hosts = ["pypi.corp.example:http"]', "'http' is not a port"),
        ("identities = 1", "takes tables: [[profiles.corp.identities]]"),
        ('[[profiles.corp.identities]]\nhosts = ["a.example"]', "lacks `client-cert`"),
        ('[[profiles.corp.identities]]\nclient-cert = "x"', "lacks `hosts`"),
        ('[[profiles.corp.identities]]\nhost = ["a"]', "did you mean `hosts`?"),
    ],
)
def test_an_error_in_the_profile(sandbox: Sandbox, more: str, expected: str) -> None:
    """What cannot be meant is an error with its line, before anything runs."""
    ready(sandbox, more)
    said = refused(sandbox)
    assert expected in said
    assert "config.toml:" in said


def test_hosts_without_a_certificate(sandbox: Sandbox) -> None:
    """Hosts say whom an identity is shown, so they need one."""
    ready(sandbox)
    sandbox.write_config(f'default-profile = "corp"\n[profiles.corp]\n{HOSTS}\n')
    assert "`hosts` needs `client-cert`" in refused(sandbox)


def test_the_gateway_needs_hosts(sandbox: Sandbox) -> None:
    """Without hosts the gateway would show the identity to everyone; the hint can be pasted."""
    ready(sandbox)
    said = refused(sandbox, "--handoff", "gateway")
    assert "profile corp names none" in said
    assert 'add to [profiles.corp]: hosts = ["pypi.corp.example"]' in said


def test_the_hint_has_the_hosts_of_the_indexes(sandbox: Sandbox) -> None:
    """The hint names the hosts that pip and uv are set up for, and no password."""
    ready(sandbox)
    env = {
        "PIP_INDEX_URL": "https://me:hush@nexus.corp.example/simple/",
        "UV_DEFAULT_INDEX": "https://art.corp.example:8443/simple/",
    }
    said = refused(sandbox, "--handoff", "gateway", env={**env})
    assert 'hosts = ["nexus.corp.example", "art.corp.example:8443"]' in said
    assert "hush" not in said


def test_a_program_in_a_projects_identity_is_refused(sandbox: Sandbox) -> None:
    """What a project file may not say, its further identities may not say either."""
    ready(sandbox)
    sandbox.write("pki/lab.pem", alice().pem())
    sandbox.write(
        ".mtls-run.toml",
        '[[identities]]\nhosts = ["a.example"]\nclient-cert = "pki/lab.pem"\n'
        'passphrase = { command = ["true"] }\n',
    )
    assert "a project file may not name a command" in refused(sandbox)


def test_doctor_shows_the_gateway(sandbox: Sandbox) -> None:
    """The handoff has a row with its hosts, and no tool is judged by a key that it never gets."""
    ready(sandbox, HOSTS)
    done = sandbox.run("doctor", "--json")
    rows = {row["what"]: row["value"] for row in json.loads(done.stdout)["machine"]}
    assert rows["handoff"] == "gateway, for pypi.corp.example, *.lab.example:8443"


def test_no_passphrase_reaches_the_tool(sandbox: Sandbox) -> None:
    """The variable of a further identity's passphrase is unset for the tool."""
    sandbox.write("pki/lab.pem", ISSUER.issue("lab").pem("hush"))
    ready(
        sandbox,
        f'{HOSTS}\n[[profiles.corp.identities]]\nhosts = ["lab.example"]\n'
        'client-cert = "~/pki/lab.pem"\npassphrase = { env = "LAB" }\n',
    )
    tool = sandbox.fake_tool("uv")
    done = sandbox.run("uv", "pip", "install", "x", env={"LAB": "hush"})
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.seen().get("LAB") is None


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("pip", ["pip", "--cert", "ca.pem", "install", "x"]),
        ("uv", ["uv", "pip", "install", "--cert=ca.pem", "x"]),
    ],
)
def test_own_roots_exclude_the_gateway(sandbox: Sandbox, kind: str, words: list[str]) -> None:
    """A --cert of the user's would make the tool refuse the gateway, so it stops the run."""
    ready(sandbox, HOSTS)
    tool = sandbox.fake_tool(kind)
    done = sandbox.run(*words)
    assert (done.returncode, tool.runs) == (125, 0), done
    assert f"--cert ca.pem makes {kind} refuse the gateway" in done.stderr
