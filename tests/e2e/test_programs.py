"""Programs beside pip and uv: each gets what it can be told, real and before a real index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e import git_server, registries, toolbox
from tests.e2e.git_server import PACKAGE

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.e2e.bench import Bench
    from tests.e2e.server import Server
    from tests.sandbox import Canary

pytestmark = pytest.mark.e2e

LOCKED = 'client-cert = "~/pki/alice.pem"\npassphrase = { env = "PP" }'


@pytest.fixture(autouse=True)
def profile(bench: Bench, canary: Canary) -> None:
    """Write a profile with a locked key."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem(canary.text))
    bench.profile(LOCKED)
    bench.env.update(PP=canary.text, GIT_TERMINAL_PROMPT="0", PIP_INDEX_URL=bench.server.url)
    bench.env.update(UV_DEFAULT_INDEX=bench.server.url, VIRTUALENV_NO_PERIODIC_UPDATE="1")


def by_gateway(bench: Bench) -> None:
    """Have the profile shown to the index alone."""
    bench.profile(f'{LOCKED}\nhosts = ["{bench.server.url.split("/")[2]}"]')


def run(
    bench: Bench, *words: str, programs: tuple[str, ...] = (), **env: str | None
) -> subprocess.CompletedProcess[str]:
    """Run mtls-run with these words in `~/src`, with programs of the toolbox on PATH."""
    work = bench.sandbox.home / "src"
    work.mkdir(exist_ok=True)
    path = ":".join([*(str(toolbox.program(name)) for name in programs), bench.sandbox.env["PATH"]])
    changes = {"PATH": path, **bench.env, **env}
    return bench.sandbox.run(*words, env=changes, cwd=work, timeout=240)


def assert_shown(
    bench: Bench, done: subprocess.CompletedProcess[str], *paths: str, status: int = 0
) -> None:
    """Fail unless it ended so, and asked for these paths as the one client."""
    assert done.returncode == status, done.stdout + done.stderr
    requests = bench.server.requests()
    assert {request.subject for request in requests} == {"CN=alice"}, requests
    asked = " ".join(request.uri for request in requests)
    assert [path for path in paths if path not in asked] == [], asked


# --- curl


@pytest.mark.parametrize("handoff", ["memfd", "supervise", "gateway"])
def test_curl(bench: Bench, handoff: str) -> None:
    """Curl is shown by flags, and its own -q and .curlrc still count."""
    if handoff == "gateway":
        by_gateway(bench)
    bench.env["MTLS_RUN_HANDOFF"] = handoff
    bench.sandbox.write(".curlrc", 'user-agent = "mine"\ncacert = "/nowhere"\n')
    url = f"{bench.server.url}alpha-pkg/"
    for first in ((), ("-q",)):
        bench.server.forget()
        done = run(bench, "curl", *first, "-fsS", url)
        assert_shown(bench, done, "/simple/alpha-pkg/")
        assert "alpha_pkg" in done.stdout
        (request,) = bench.server.requests()
        assert (request.agent == "mine") == (not first)


def test_curl_with_the_users_own(bench: Bench) -> None:
    """Another --cert is shown instead, and nothing is unlocked for it."""
    bob = bench.sandbox.write("bob.pem", bench.server.issuer.issue("bob").pem())
    done = run(bench, "curl", "-fsS", "-E", str(bob), f"{bench.server.url}alpha-pkg/", PP=None)
    assert done.returncode == 0, done.stderr
    assert {request.subject for request in bench.server.requests()} == {"CN=bob"}


def test_curl_trusts_the_profile_alone(bench: Bench) -> None:
    """Curl adds no directory of the system's to the profile's roots."""
    done = run(bench, "curl", "-sSv", f"{bench.server.url}alpha-pkg/")
    assert "CApath: /dev/null" in done.stderr


def test_not_installed(bench: Bench) -> None:
    """A tool that is not on PATH is 127, before anything is unlocked."""
    done = run(bench, "pipenv", "install", PP=None)
    assert done.returncode == 127
    assert "there is no `pipenv` on PATH" in done.stderr


# --- tox


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["tox", "tox-uv"])
def test_tox(bench: Bench, git_http: Server, runner: str) -> None:
    """What tox drops is passed on, also to the environment that builds, and to git."""
    url = git_server.create(git_http, "gamma", PACKAGE)
    bench.sandbox.write("src/pyproject.toml", PACKAGE["pyproject.toml"])
    bench.sandbox.write(
        "src/tox.toml",
        f"""
env_list = ["py"]
[env_run_base]
package = "wheel"
pass_env = ["MINE"]
deps = ["gamma-src @ git+{url}"]
allowlist_externals = ["sh"]
commands = [["sh", "-c", 'echo "$MINE" "$MTLS_RUN_ACTIVE" "$SSL_CLIENT_CERT" >seen']]
""",
    )
    own = {"MINE": "mine", "TOX_OVERRIDE": "testenv.description=own"}
    done = run(bench, "--", "tox", "run", "-e", "py", programs=(runner,), **own)
    assert_shown(bench, done, "/simple/gamma-backend/", "/git-upload-pack")
    mine, active, identity = (bench.sandbox.home / "src/seen").read_text().split()
    assert mine == "mine"
    assert active.endswith(identity)


# --- npm


@pytest.fixture
def npm_project(bench: Bench) -> Path:
    """Return a project whose registry is beside the index."""
    registry = registries.write_npm(bench.server)
    folder = bench.sandbox.home / "src"
    bench.sandbox.write(folder / "package.json", '{"name": "p", "version": "1.0.0"}')
    bench.sandbox.write(folder / ".npmrc", f"registry={registry}\naudit=false\nfund=false\n")
    return folder


@pytest.mark.slow
def test_npm_by_the_gateway(bench: Bench, npm_project: Path) -> None:
    """Npm goes through the gateway, whatever proxies and CA an npmrc names."""
    by_gateway(bench)
    with (npm_project / ".npmrc").open("a") as stream:
        stream.write("cafile=/nowhere\nhttps-proxy=http://127.0.0.1:9\nnoproxy=localhost\n")
    before = (npm_project / ".npmrc").read_bytes()
    done = run(bench, "--", "npm", "install", "left", programs=("npm",))
    assert_shown(bench, done, "/npm/left", "/npm/left.tgz")
    assert (npm_project / "node_modules/left/package.json").exists()
    assert (npm_project / ".npmrc").read_bytes() == before


def test_npm_by_file(bench: Bench, npm_project: Path) -> None:
    """Where the hosts are known without the gateway, npm is told for those hosts' registries."""
    bench.sandbox.config_file.unlink()
    identity = bench.sandbox.write("pki/plain.pem", bench.alice.pem())
    text = (
        f"[global]\ncert = {bench.ca}\nclient-cert = {identity}\nindex-url = {bench.server.url}\n"
    )
    bench.env.pop("PIP_INDEX_URL")
    path = str(bench.sandbox.write("pip.conf", text))
    words = ("--", "npm", "install", "left")
    done = run(bench, *words, programs=("npm",), PIP_CONFIG_FILE=path)
    assert_shown(bench, done, "/npm/left", "/npm/left.tgz")
    assert (npm_project / "node_modules/left/package.json").exists()
