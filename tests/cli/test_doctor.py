"""The installed `mtls-run doctor` without a network: its findings and its output."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests import doctor_schemas
from tests.cli.support import alice, locked, ready, write_profile
from tests.terminal import PROMPT, session

if TYPE_CHECKING:
    import subprocess

    from tests.conftest import Canary, Sandbox

pytestmark = pytest.mark.everyday


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the object that doctor printed; fail if it is not one."""
    assert done.returncode in (0, 1), done
    answer: dict[str, Any] = json.loads(done.stdout)
    doctor_schemas.check(answer)
    assert answer["status"] == done.returncode
    return answer


def codes(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the codes of the findings, most important last."""
    return [one["code"] for one in found(done)["findings"]]


@pytest.fixture
def healthy(sandbox: Sandbox) -> Sandbox:
    """Return a sandbox with a valid profile and both tools."""
    ready(sandbox)
    sandbox.env["PATH"] = str(sandbox.bin)
    sandbox.fake_tool("uv")
    sandbox.fake_tool("pip")
    return sandbox


def test_healthy(healthy: Sandbox) -> None:
    """Without a fault there are only notes, and the status is 0."""
    done = healthy.run("doctor", "--json")
    answer = found(done)
    assert {one["rank"] for one in answer["findings"]} == {"note"}
    assert (answer["profile"], answer["urls"]) == ("corp", [])
    rows = {row["what"]: row["value"] for row in answer["machine"]}
    assert rows["certificate"] == "CN=alice"
    assert rows["private key"] == "EC P-256, not encrypted"
    assert rows["uv"].startswith("0.13.9")
    assert done.stderr == ""


def test_a_fleets_answer_names_nobody(healthy: Sandbox) -> None:
    """It has codes, versions and numbers: no name of a user, profile, host, subject or file."""
    write_profile(healthy, 'hosts = ["pypi.corp.example"]\nhandof = "memfd"')
    url = "https://bob:s3cret@pypi.corp.example:1/simple/"
    answer: dict[str, Any] = {}
    for text in (None, 'hosts = ["pypi.corp.example"]', ""):
        if text is not None:
            write_profile(healthy, text)
        done = healthy.run("doctor", "--fleet", url)
        answer = json.loads(done.stdout)
        doctor_schemas.check(answer, "doctor-fleet")
        for name in ("alice", "bob", "s3cret", "corp", "example", "home", str(healthy.root)):
            assert name not in done.stdout, name
        assert answer["findings"][-1]["rank"] == "error"
        assert (done.returncode, done.stderr) == (1, "")
    assert (answer["profile"], answer["tools"]) == (
        "configuration",
        {"pip": "26.3", "uv": "0.13.9"},
    )
    assert 0 < answer["days_left"] < 10000
    assert answer["indexes"][0]["verified"] is None
    assert answer["findings"][-1]["indexes"] == [1]


def test_text(healthy: Sandbox) -> None:
    """The text has no colour without a terminal, and ends with the verdict."""
    done = healthy.run("doctor", env={"TERM": "xterm"})
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    identity, *_, verdict = done.stdout.splitlines()
    assert identity.startswith(
        "✓ identity  CN=alice of profile corp, issued by CN=Issuer, 364 days"
    )
    assert verdict == "✓ verdict: nothing stops pip and uv; 2 notes"


def test_verbose(healthy: Sandbox) -> None:
    """With -v, before or after the subcommand, the rows of each part stand below it."""
    done = healthy.run("-v", "doctor")
    assert healthy.run("doctor", "-v").stdout == done.stdout
    assert f"  configuration       {healthy.config_file}" in done.stdout
    assert "  private key         EC P-256, not encrypted\n" in done.stdout
    assert "private key  " not in healthy.run("doctor").stdout


def test_colour(healthy: Sandbox) -> None:
    """There is colour on a terminal, unless NO_COLOR is set."""
    for env, is_coloured in (({"NO_COLOR": None}, True), ({"NO_COLOR": "1"}, False)):
        command = f"TERM=xterm exec {healthy.program} doctor"
        with session(healthy, "/bin/sh", "-c", command, env=env) as terminal:
            assert terminal.end() == 0
            assert ("\x1b[" in terminal.shown) is is_coloured


def test_error(healthy: Sandbox) -> None:
    """An error makes the status 1, and comes last."""
    (healthy.home / "pki" / "alice.pem").unlink()
    done = healthy.run("doctor", "--json")
    assert done.returncode == 1
    assert codes(done)[-1] == "identity-missing"


def test_goes_on_after_an_error(healthy: Sandbox) -> None:
    """After one fault doctor continues, and reports the others too."""
    write_profile(healthy, "")
    (healthy.home / "pki" / "alice.pem").unlink()
    (healthy.home / "pki" / "root.pem").unlink()
    (healthy.bin / "uv").unlink()
    (healthy.bin / "pip").unlink()
    assert {"identity-missing", "ca-missing", "tool-missing"} <= set(
        codes(healthy.run("doctor", "--json"))
    )


def test_no_profile_is_meant(healthy: Sandbox) -> None:
    """With --no-profile there is no finding about a missing profile."""
    answer = found(healthy.run("--no-profile", "doctor", "--json"))
    assert answer["profile"] is None
    assert [one["code"] for one in answer["findings"]] == ["no-index"]


def test_variable_that_names_nothing(healthy: Sandbox) -> None:
    """Without a profile, a variable that names a missing file is an error."""
    env = {"SSL_CERT_FILE": "/nowhere.pem"}
    assert codes(healthy.run("--no-profile", "doctor", "--json", env=env))[-1] == "variable-broken"


def test_chosen_profile(healthy: Sandbox) -> None:
    """mtls-run's own --profile counts."""
    done = healthy.run("--profile", "crop", "doctor", "--json")
    answer = found(done)
    assert answer["findings"][-1]["code"] == "config-invalid"
    assert "corp" in answer["findings"][-1]["action"]


@pytest.mark.parametrize(
    "arguments", [("--tiemout", "1"), ("--timeout", "0"), ("--timeout", "soon"), ("--json=x",)]
)
def test_wrong_command_line(sandbox: Sandbox, arguments: tuple[str, ...]) -> None:
    """A wrong command line ends with 125, and nothing is examined."""
    done = sandbox.run("doctor", *arguments)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("mtls-run: error: ")


def test_writes_nothing(healthy: Sandbox) -> None:
    """Doctor writes no key anywhere."""
    before = set(healthy.root.rglob("*.pem"))
    healthy.run("doctor", "https://127.0.0.1:1/simple/")
    assert set(healthy.root.rglob("*.pem")) == before


def test_no_secret(healthy: Sandbox, canary: Canary) -> None:
    """Neither output has a passphrase, the key or the password of a URL."""
    locked(healthy, canary.text)
    urls = ["https://alice:hunter2hunter2@127.0.0.1:1/simple/", "http://a:hunter2hunter2@h/"]
    env = {"HTTPS_PROXY": "http://p:hunter2hunter2@127.0.0.1:1", "MTLS_RUN_DEBUG": "1"}
    for arguments in (("--json",), ()):
        done = healthy.run("doctor", *arguments, *urls, env=env)
        assert done.returncode == 1
        assert "hunter2" not in done.stdout + done.stderr
        canary.assert_absent(done.stdout, done.stderr)
        assert alice().key_pem().splitlines()[1].decode() not in done.stdout


def test_asked_once(healthy: Sandbox, canary: Canary) -> None:
    """On a terminal doctor asks for the passphrase once, for any number of URLs."""
    locked(healthy, canary.text)
    write_profile(healthy, 'passphrase = "prompt"')
    urls = ["https://127.0.0.1:1/a/", "https://127.0.0.1:1/b/"]
    with session(healthy, healthy.program, "-v", "doctor", *urls) as terminal:
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        assert terminal.end() == 1
        assert terminal.shown.count("passphrase for profile corp") == 1
        assert "opens the key" in terminal.shown
        assert "identity-" not in terminal.shown


def test_wrong_answer_is_not_asked_again(healthy: Sandbox, canary: Canary) -> None:
    """A wrong passphrase gives a finding; doctor does not ask again."""
    locked(healthy, canary.text)
    write_profile(healthy, 'passphrase = "prompt"')
    with session(healthy, healthy.program, "doctor") as terminal:
        terminal.expect(PROMPT)
        terminal.type("another one")
        assert terminal.end() == 1
        assert "error passphrase-wrong: " in terminal.shown
        assert terminal.shown.count("passphrase for profile corp") == 1


def test_verbose_names_the_finding(healthy: Sandbox) -> None:
    """With -v, an error of a run names its finding; without -v it does not."""
    (healthy.home / "pki" / "alice.pem").unlink()
    line = "mtls-run: finding: identity-missing (mtls-run doctor says more)"
    done = healthy.run("-v", "uv", "sync")
    assert done.returncode == 125
    assert done.stderr.splitlines()[-1] == line
    assert "finding: " not in healthy.run("uv", "sync").stderr


@pytest.mark.parametrize("behind_proxy", [False, True])
@pytest.mark.parametrize(
    ("host", "code"),
    [("münchen.invalid", "name-unknown"), ("x" * 64 + ".invalid", "url-invalid")],
)
def test_odd_host(healthy: Sandbox, host: str, code: str, *, behind_proxy: bool) -> None:
    """Doctor connects to an international host; a label that DNS does not allow gives a finding."""
    env = {"HTTPS_PROXY": "http://127.0.0.1:1"} if behind_proxy else {}
    done = healthy.run("doctor", "--json", f"https://{host}/simple/", env=env)
    assert done.stderr == ""
    expected = "proxy-unreachable" if behind_proxy and code == "name-unknown" else code
    assert codes(done)[-1] == expected


def test_international_host_behind_a_proxy(healthy: Sandbox) -> None:
    """Doctor gives a proxy the hostname in ASCII."""
    asked: list[bytes] = []

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(4096))
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        env = {"HTTPS_PROXY": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        done = healthy.run("doctor", "--json", "https://münchen.example/simple/", env=env)
        thread.join(10)
    assert codes(done)[-1] == "proxy-refused"
    assert asked[0].startswith(b"CONNECT xn--mnchen-3ya.example:443 HTTP/1.1\r\n")


def test_proxy_of_pip_is_tried(healthy: Sandbox) -> None:
    """Doctor uses pip's own proxy setting for pip's indexes."""
    env = {"PIP_INDEX_URL": "https://index.invalid/simple/", "PIP_PROXY": "http://127.0.0.1:1"}
    answer = found(healthy.run("doctor", "--json", env=env))
    assert answer["findings"][-1]["code"] == "proxy-unreachable"
    assert "PIP_PROXY" in answer["findings"][-1]["fact"]
    assert [one["origin"] for one in answer["urls"]] == ["PIP_INDEX_URL"]
