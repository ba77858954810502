"""The gateway with a real index, pip and uv: the tool works, and never has the key."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.toolbox import in_slow_tier, newest_pip, newest_uv, pips, uvs
from tests.terminal import session
from tests.tokens import PIN, SoftToken, identity

if TYPE_CHECKING:
    from tests.e2e.bench import Bench
    from tests.e2e.toolbox import Tool
    from tests.sandbox import Canary

pytestmark = pytest.mark.e2e

TOOLS = [newest_pip(), newest_uv()]
OLDER = in_slow_tier(
    *pips("21.3", "23.3", "24.2", "25.0.1"), *uvs("0.2.11", "0.4.30", "0.8.24", "0.11.33")
)


def scoped(bench: Bench, more: str = "", *, passphrase: str | None = None) -> None:
    """Write a profile whose identity is for the index alone."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem(passphrase))
    host = bench.server.url.split("/")[2]
    bench.profile(f'client-cert = "~/pki/alice.pem"\nhosts = ["{host}"]\n{more}')


def processes(mark: str) -> list[int]:
    """Return the processes that were started with this word on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in words:  # a zombie has no command line
            found.append(int(entry.name))
    return found


@pytest.mark.parametrize("tool", [*TOOLS, *OLDER], ids=str)
def test_the_key_is_nowhere_near_the_tool(bench: Bench, tool: Tool, canary: Canary) -> None:
    """A wheel and an sdist are installed by the identity, and a build backend finds no key."""
    scoped(bench, 'passphrase = { env = "PP" }', passphrase=canary.text)
    record = bench.sandbox.root.parent / "record.json"
    done = bench.run(tool, options=("-v",), env={"PP": canary.text, "GAMMA_RECORD": str(record)})
    bench.assert_installed(done)
    seen = json.loads(record.read_text())
    assert {"SSL_CLIENT_CERT", "PIP_CLIENT_CERT", "PP", "NO_PROXY"} & set(seen["env"]) == set()
    files = [base64.b64decode(content) for content in seen["files"].values()]
    assert len(files) == 2
    cmdlines = [base64.b64decode(line) for line in seen["cmdlines"]]
    values = [f"{name}={value}" for name, value in seen["env"].items()]
    canary.assert_absent(*cmdlines, *values, *files, done.stderr, below=[bench.sandbox.root])
    for trace in bench.alice.traces:
        assert not any(trace in content for content in files)
    secret = seen["env"]["HTTPS_PROXY"].split("@")[0].split(":")[-1]
    assert not any(secret.encode() in line for line in cmdlines)
    assert secret not in done.stderr


def test_another_host_sees_no_certificate(bench: Bench) -> None:
    """A host outside the profile is reached with no identity, by its own TLS."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    bench.profile('client-cert = "~/pki/alice.pem"\nhosts = ["other.example"]')
    done = bench.run(newest_uv(), "alpha-pkg")
    assert done.returncode != 0
    assert "400" in done.stderr
    assert {request.verify for request in bench.server.requests()} == {"NONE"}


def test_another_port_is_another_host(bench: Bench) -> None:
    """A host's other ports, such as 443 where none is said, are not what the profile names."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    bench.profile('client-cert = "~/pki/alice.pem"\nhosts = ["localhost"]')
    assert bench.run(newest_uv(), "alpha-pkg").returncode != 0
    assert {request.subject for request in bench.server.requests()} == {""}


def test_the_path_is_a_limit(bench: Bench) -> None:
    """Below another path of the host the gateway answers itself, and the server sees nothing."""
    scoped(bench, 'paths = ["/artifactory/"]')
    done = bench.run(newest_uv(), "alpha-pkg")
    assert done.returncode != 0
    assert "403" in done.stderr
    assert bench.server.requests() == []


@pytest.mark.parametrize("status", [0, 7])
def test_the_status_is_the_tools(bench: Bench, status: int) -> None:
    """The tool's status is exact, no process is left, and the gateway ends with it."""
    scoped(bench)
    mark = str(bench.sandbox.root)
    done = bench.sandbox.run("--", "sh", "-c", f"exit {status}", mark)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
    assert_ended(mark)


def test_the_gateway_ends_with_a_killed_tool(bench: Bench) -> None:
    """SIGKILL of the tool ends the gateway too."""
    scoped(bench)
    mark, ready = str(bench.sandbox.root), bench.sandbox.root / "ready"
    script = f"echo >'{ready}'; exec sleep 60"
    words: list[str | Path] = [bench.sandbox.program, "--", "sh", "-c", script, mark]
    with bench.sandbox.start(words) as tool:
        while not ready.exists():
            time.sleep(0.02)
        assert set(processes(mark)) - {tool.pid}
        os.kill(tool.pid, signal.SIGKILL)
        tool.communicate(timeout=10)
    assert_ended(mark)


def assert_ended(mark: str) -> None:
    """Fail unless every process with this word ends soon."""
    deadline = time.monotonic() + 5
    while processes(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes(mark) == []


def test_a_further_identity(bench: Bench, canary: Canary) -> None:
    """Each host is shown the identity that is for it; a passphrase is read when it is needed."""
    port = bench.server.url.split(":")[2].split("/")[0]
    bob = bench.server.issuer.issue("bob")
    bench.sandbox.write("pki/bob.pem", bob.pem(canary.text))
    bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    bench.profile(
        'client-cert = "~/pki/alice.pem"\nhosts = ["other.example"]\n'
        f'[[profiles.corp.identities]]\nhosts = ["localhost:{port}"]\n'
        'client-cert = "~/pki/bob.pem"\npassphrase = { env = "PP" }\n'
    )
    done = bench.run(newest_uv(), "alpha-pkg", env={"PP": canary.text})
    assert done.returncode == 0, done.stderr
    assert {request.subject for request in bench.server.requests()} == {"CN=bob"}
    wrong = bench.run(newest_uv(), "gamma-src", env={"PP": "wrong"})
    assert wrong.returncode != 0
    assert "502" in wrong.stderr


def test_a_further_identity_is_checked_first(bench: Bench) -> None:
    """An identity that cannot work stops the run before anything is asked for."""
    scoped(
        bench,
        '[[profiles.corp.identities]]\nhosts = ["lab.example"]\nclient-cert = "~/pki/none.pem"\n',
    )
    bench.assert_refused(bench.run(newest_uv(), "alpha-pkg"))


def test_what_sends_is_refused_but_to_what_publishes(bench: Bench) -> None:
    """GET alone reaches the index, except from `uv publish` and a command after `--`."""
    scoped(bench)
    script = f"curl -s -o /dev/null -w '%{{http_code}}' -X POST -d x {bench.server.url}alpha-pkg/"
    done = bench.sandbox.run("--", "sh", "-c", script)
    assert done.stdout == "405"  # nginx's own answer
    tool = bench.sandbox.write(bench.sandbox.bin / "uv", f"#!/bin/sh\n{script}\n", 0o755)
    tool.write_text(f"#!/bin/sh\ncase $1 in --version) echo uv 0.13.9 ;; *) {script} ;; esac\n")
    assert bench.sandbox.run("uv", "sync").stdout == "403"
    assert bench.sandbox.run("uv", "publish").stdout == "405"


def nested_run(bench: Bench, *options: str, env: dict[str, str | None]) -> str:
    """Return the stderr of a run within a run; the server has seen what the inner one asked."""
    inner = [bench.sandbox.program, *options, *bench.install(newest_uv(), "alpha-pkg")]
    done = bench.sandbox.run(
        *("--", "sh", "-c", '"$@"', "sh", *map(str, inner)), env=bench.tool_env(newest_uv(), env)
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_nested_run_joins_the_gateway(bench: Bench, canary: Canary) -> None:
    """A run within a run of the same profile reads no passphrase again, and starts no gateway."""
    asked = bench.sandbox.root / "asked"
    script = bench.sandbox.write(
        "vault.sh", f"#!/bin/sh\necho >>'{asked}'\necho '{canary.text}'\n", 0o700
    )
    scoped(bench, f'passphrase = {{ command = ["{script}"] }}', passphrase=canary.text)
    said = nested_run(bench, "-v", env={})
    assert "an outer mtls-run has a gateway for this profile" in said
    assert asked.read_text() == "\n"
    assert {request.subject for request in bench.server.requests()} == {bench.subject}


def test_a_nested_run_of_another_profile(bench: Bench) -> None:
    """A run of another profile within it shows that profile's identity to the same host."""
    scoped(bench)
    bob = bench.server.issuer.issue("bob")
    bench.sandbox.write("pki/bob.pem", bob.pem())
    config = bench.sandbox.config_file
    text = config.read_text()
    config.write_text(text + '[profiles.lab]\nextends = "corp"\nclient-cert = "~/pki/bob.pem"\n')
    nested_run(bench, "-p", "lab", env={})
    assert {request.subject for request in bench.server.requests()} == {"CN=bob"}


@pytest.fixture
def place(bench: Bench) -> SoftToken:
    """Return a token with the identity of alice, whose key cannot leave it."""
    found = SoftToken(bench.sandbox.root / "hsm")
    identity(found, bench.server.issuer, "p256")
    bench.env.update(found.environ)
    return found


def in_token(bench: Bench, place: SoftToken, more: str) -> None:
    """Write a profile whose key is in the token."""
    host = bench.server.url.split("/")[2]
    bench.profile(f'client-cert = "{place.uri("object=alice")}"\nhosts = ["{host}"]\n{more}')


@pytest.mark.parametrize("tool", TOOLS, ids=str)
def test_a_key_in_a_token(bench: Bench, place: SoftToken, tool: Tool) -> None:
    """A tool that reads files alone installs by a key that no file can hold."""
    in_token(bench, place, 'passphrase = { env = "PP" }')
    bench.assert_installed(bench.run(tool, env={"PP": PIN}), subject="CN=alice")


def test_the_expiry_of_a_certificate_in_a_token(bench: Bench) -> None:
    """It shows once the token is open, and is said once a day, as for one in a file."""
    place = SoftToken(bench.sandbox.root / "hsm")
    identity(place, bench.server.issuer, "p256", starts=-30, days=3.5)
    bench.env.update(place.environ)
    in_token(bench, place, 'passphrase = { env = "PP" }')
    said = [bench.run(newest_uv(), env={"PP": PIN}) for _ in range(2)]
    assert [done.returncode for done in said] == [0, 0], said
    assert "expires in 3 days" in said[0].stderr
    assert "token=Lab" in said[0].stderr
    assert "expires" not in said[1].stderr


def test_a_wrong_pin_stops_the_run(bench: Bench, place: SoftToken) -> None:
    """A wrong PIN is tried once, before the tool starts."""
    in_token(bench, place, 'passphrase = { env = "PP" }')
    done = bench.run(newest_uv(), env={"PP": "0000"})
    bench.assert_refused(done)
    assert "PIN" in done.stderr


def test_a_pin_is_asked_for(bench: Bench, place: SoftToken) -> None:
    """The PIN is asked for at the terminal before the tool has it."""
    in_token(bench, place, 'passphrase = "prompt"')
    command = [str(bench.sandbox.program), *bench.install(newest_uv(), "alpha-pkg")]
    env = bench.tool_env(newest_uv())
    with session(bench.sandbox, *command, env=env) as terminal:
        terminal.expect("PIN.*: ")
        terminal.type(PIN)
        assert terminal.end() == 0, terminal.shown
    assert {request.subject for request in bench.server.requests()} == {"CN=alice"}


@pytest.mark.parametrize(
    ("tool", "name", "text"),
    [
        (newest_pip(), "PIP_CONFIG_FILE", "[global]\nproxy = bob:s3cret@127.0.0.1:9\n"),
        (newest_uv(), "UV_CONFIG_FILE", 'https-proxy = "http://bob:s3cret@127.0.0.1:9"\n'),
    ],
    ids=["pip", "uv"],
)
def test_a_setting_that_leads_past_the_gateway(
    bench: Bench, tool: Tool, name: str, text: str
) -> None:
    """A proxy in the tool's own file would beat the gateway's variable: it stops the run."""
    scoped(bench)
    file = bench.sandbox.write("settings", text)
    done = bench.run(tool, env={name: str(file)})
    bench.assert_refused(done)
    assert f"{file}:" in done.stderr
    assert "would go past the gateway" in done.stderr
    assert "export HTTPS_PROXY='http://bob:***@127.0.0.1:9'" in done.stderr


@pytest.mark.parametrize("tool", TOOLS, ids=str)
def test_variables_that_lead_past_the_gateway(bench: Bench, tool: Tool) -> None:
    """NO_PROXY holds behind the gateway, where companies list their own hosts."""
    scoped(bench)
    retries = {"PIP_RETRIES": "0", "UV_HTTP_RETRIES": "0"}
    dead: dict[str, str | None] = {"HTTPS_PROXY": "http://127.0.0.1:9", **retries}
    assert bench.run(tool, env=dead).returncode != 0  # the gateway goes through it
    assert bench.server.requests() == []
    env = {**dead, "NO_PROXY": "localhost", "no_proxy": "localhost"}
    bench.assert_installed(bench.run(tool, env=env))
