"""git through a server that asks for a certificate: by itself, and as pip's and uv's dependency."""

from __future__ import annotations

import shlex
import stat
from typing import TYPE_CHECKING

import pytest

from tests.e2e import git_server, toolbox
from tests.e2e.git_server import PACKAGE, git
from tests.e2e.packages import GAMMA
from tests.e2e.toolbox import Tool, in_slow_tier, newest_pip, newest_uv, pips, uvs
from tests.sandbox import SYSTEM_PATH

if TYPE_CHECKING:
    import subprocess

    from tests.e2e.bench import Bench
    from tests.e2e.server import Server
    from tests.sandbox import Canary

pytestmark = pytest.mark.e2e


@pytest.fixture
def url(bench: Bench, git_http: Server, canary: Canary) -> str:
    """Write a profile with a locked key; return the URL of a repository with a package."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem(canary.text))
    bench.profile('client-cert = "~/pki/alice.pem"\npassphrase = { env = "PP" }')
    bench.env.update(PP=canary.text, GIT_TERMINAL_PROMPT="0")
    return git_server.create(git_http, "gamma", PACKAGE)


def run(bench: Bench, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run mtls-run with these words in the home directory."""
    return bench.sandbox.run(*words, env={**bench.env, **env})


def assert_shown(bench: Bench, done: subprocess.CompletedProcess[str], subject: str) -> None:
    """Fail unless it ended well, and the server has seen this client alone."""
    assert done.returncode == 0, done.stderr
    requests = bench.server.requests()
    assert {request.subject for request in requests} == {subject}, requests
    assert {request.status for request in requests} <= {200, 206}, requests


@pytest.mark.parametrize("handoff", ["memfd", "supervise", "gateway"])
def test_clone_fetch_and_push(bench: Bench, url: str, handoff: str) -> None:
    """The three commands that a day's work needs, with a key that is locked."""
    if handoff == "gateway":
        name = 'client-cert = "~/pki/alice.pem"\npassphrase = { env = "PP" }'
        bench.profile(f'{name}\nhosts = ["{url.split("/")[2]}"]')
    bench.env["MTLS_RUN_HANDOFF"] = handoff
    assert_shown(bench, run(bench, "git", "clone", url, "work"), "CN=alice")
    work = bench.sandbox.home / "work"
    git("commit", "--quiet", "--allow-empty", "--message=second", cwd=work)
    assert_shown(bench, run(bench, "git", "-C", "work", "push", "origin", "main"), "CN=alice")
    bare = bench.server.root / "git/gamma.git"
    assert git("log", "-1", "--format=%s", "main", cwd=bare) == "second"
    git("reset", "--quiet", "--hard", "HEAD~1", cwd=work)
    git("update-ref", "refs/remotes/origin/main", "HEAD", cwd=work)
    assert_shown(bench, run(bench, "git", "-C", "work", "fetch"), "CN=alice")
    assert git("log", "-1", "--format=%s", "origin/main", cwd=work) == "second"


@pytest.mark.parametrize(
    "tool",
    [newest_pip(), newest_uv(), *in_slow_tier(*pips("21.3", "24.0"), *uvs("0.4.30", "0.9.30"))],
    ids=str,
)
def test_dependency(bench: Bench, url: str, tool: Tool) -> None:
    """A git+https dependency is cloned with the identity, and its build backend comes with it."""
    done = bench.run(tool, f"gamma-src @ git+{url}")
    assert_shown(bench, done, "CN=alice")
    assert bench.installed() == {"gamma-src": GAMMA}
    asked = " ".join(one.uri for one in bench.server.requests())
    assert "/git-upload-pack" in asked
    assert "/simple/gamma-backend/" in asked


@pytest.mark.slow
@pytest.mark.parametrize("tool", [newest_pip(), newest_uv()], ids=str)
def test_dependency_by_the_gateway(bench: Bench, url: str, tool: Tool) -> None:
    """Pip and uv may only read, so git says why it stops; below a shell the clone works."""
    locked = 'client-cert = "~/pki/alice.pem"\npassphrase = { env = "PP" }'
    bench.profile(f'{locked}\nhosts = ["{url.split("/")[2]}"]')
    done = bench.run(tool, f"gamma-src @ git+{url}")
    assert done.returncode not in (0, 125)
    said = " ".join(f"{done.stdout} {done.stderr}".split())
    assert "remote error: mtls-run: POST is not sent on to localhost" in said
    assert "mtls-run -- sh -c 'COMMAND'" in said
    assert not any(one.uri.endswith(".git/git-upload-pack") for one in bench.server.requests())
    assert bench.installed() == {}
    bench.server.forget()
    command = shlex.join(bench.install(tool, f"gamma-src @ git+{url}"))
    done = bench.sandbox.run("--", "sh", "-c", command, env=bench.tool_env(tool), timeout=120)
    assert_shown(bench, done, "CN=alice")
    assert bench.installed() == {"gamma-src": GAMMA}


def test_dependency_in_a_project(bench: Bench, url: str) -> None:
    """`uv lock` and `uv sync` clone too, and uv.lock names the URL alone."""
    project = bench.sandbox.home / "project"
    bench.sandbox.write(
        project / "pyproject.toml",
        '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.9"\n'
        f'dependencies = ["gamma-src @ git+{url}"]\n'
        f'[[tool.uv.index]]\nurl = "{bench.server.url}"\ndefault = true\n',
    )
    env = bench.tool_env(newest_uv())
    done = bench.sandbox.run("uv", "sync", env=env, cwd=project)
    assert done.returncode == 0, done.stderr
    assert {one.subject for one in bench.server.requests()} == {"CN=alice"}
    assert f'git = "{url}' in (project / "uv.lock").read_text()


@pytest.mark.slow
def test_dependency_of_pdm(bench: Bench, url: str) -> None:
    """Pdm locks a git dependency that needs the identity, as poetry does (tests/e2e/tools)."""
    bench.sandbox.write(
        "project/pyproject.toml",
        '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.9"\n'
        f'dependencies = ["gamma-src @ git+{url}"]\n'
        f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{bench.server.url}"\n',
    )
    env = {**bench.env, "PATH": f"{toolbox.program('pdm-new')}:{bench.sandbox.env['PATH']}"}
    env["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    folder = bench.sandbox.home / "project"
    done = bench.sandbox.run("pdm", "lock", env=env, cwd=folder, timeout=240)
    assert_shown(bench, done, "CN=alice")
    assert "git-upload-pack" in " ".join(one.uri for one in bench.server.requests())


def test_nested(bench: Bench, url: str) -> None:
    """A git inside a shell inside another mtls-run, whose settings are in the environment."""
    (bench.sandbox.bin / "mtls-run").symlink_to(bench.sandbox.program)
    inner = f"mtls-run git clone -q {url} one && env -u PP mtls-run -- git clone -q {url} two"
    script = f'{inner} && git clone -q {url} three && echo "$GIT_CONFIG_COUNT"'
    done = run(bench, "--", "sh", "-c", script)
    assert_shown(bench, done, "CN=alice")
    alone = run(bench, "--", "sh", "-c", 'mtls-run -- sh -c "echo \\$GIT_CONFIG_COUNT"')
    assert alone.stdout == done.stdout


def test_settings_that_are_there_stay(bench: Bench, url: str) -> None:
    """GIT_CONFIG_COUNT of the user's own still counts, and its values are not changed."""
    own = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "url.https://localhost.insteadOf",
        "GIT_CONFIG_VALUE_0": "corp:",
    }
    short = url.replace("https://localhost", "corp:")
    assert_shown(bench, run(bench, "git", "clone", short, "work", **own), "CN=alice")


@pytest.mark.parametrize("how", ["-c", "clone -c", "for one host", "in a file for one host"])
def test_the_users_own_certificate_wins(bench: Bench, url: str, how: str) -> None:
    """`git -c http.sslCert` and a setting for one host beat the profile's identity."""
    bob = bench.sandbox.write("bob.pem", bench.server.issuer.issue("bob").pem())
    host = f"http.https://{url.split('/')[2]}/.ssl"
    words = {
        "-c": ["-c", f"http.sslCert={bob}", "clone"],
        "clone -c": ["clone", "-c", f"http.sslCert={bob}"],
        "for one host": ["-c", f"{host}Cert={bob}", "clone"],
        "in a file for one host": ["clone"],
    }[how]
    if how == "in a file for one host":
        for name in ("Cert", "Key"):
            git("config", "--file", ".gitconfig", f"{host}{name}", str(bob), cwd=bob.parent)
    assert_shown(bench, run(bench, "git", *words, url, "work"), "CN=bob")


def test_the_users_own_variables_lose(bench: Bench, url: str) -> None:
    """A certificate and a CA of the environment, and one for all hosts, give way to the profile."""
    bob = str(bench.sandbox.write("bob.pem", bench.server.issuer.issue("bob").pem()))
    config = f"[http]\nsslCert = {bob}\nsslKey = {bob}\nsslCertPasswordProtected = true\n"
    bench.sandbox.write(".gitconfig", config)
    env = dict.fromkeys(("GIT_SSL_CERT", "GIT_SSL_KEY", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"), bob)
    assert_shown(bench, run(bench, "git", "clone", url, "work", **env), "CN=alice")


def test_roots_are_the_profiles_alone(bench: Bench, url: str) -> None:
    """Git trusts what the profile says, also where its libcurl was built to add a directory."""
    other = bench.server.client_root.pem
    bench.profile(f'roots = "none"\nca-cert = "{bench.sandbox.write("other.pem", other)}"')
    done = run(bench, "git", "ls-remote", url)
    assert done.returncode == 128
    assert "certificate verification failed" in done.stderr
    shown = run(bench, "--", "sh", "-c", f"git config --get-urlmatch http.sslCAPath {url}")
    assert shown.stdout == "/dev/null\n"


def test_a_git_before_2_31(bench: Bench, url: str) -> None:
    """A git that does not know GIT_CONFIG_COUNT gets the same by `-c`."""
    script = (
        "#!/bin/sh\n"
        '[ "$1" = --version ] && { echo git version 2.30.2; exit; }\n'
        f'unset GIT_CONFIG_COUNT\nPATH={SYSTEM_PATH} exec git "$@"\n'
    )
    old = bench.sandbox.write(bench.sandbox.bin / "git", script, 0o755)
    old.chmod(stat.S_IRWXU)
    assert_shown(bench, run(bench, "git", "clone", url, "work"), "CN=alice")


def test_pip_settings_name_the_hosts(bench: Bench, url: str) -> None:
    """With pip's own settings, git shows the identity to the hosts of pip's indexes alone."""
    bench.sandbox.config_file.unlink()
    identity = bench.sandbox.write("pki/plain.pem", bench.alice.pem())
    for index, subjects in ((bench.server.url, {"CN=alice"}), ("https://pypi.example/", {""})):
        text = f"[global]\ncert = {bench.ca}\nclient-cert = {identity}\nindex-url = {index}\n"
        path = str(bench.sandbox.write("pip.conf", text))
        bench.server.forget()
        done = run(bench, "git", "ls-remote", url, PIP_CONFIG_FILE=path)
        assert (done.returncode == 0) == ("CN=alice" in subjects), done.stderr
        assert {one.subject for one in bench.server.requests()} == subjects


def test_expired(bench: Bench, url: str) -> None:
    """An expired identity stops git before it connects."""
    bench.sandbox.write("pki/alice.pem", bench.server.issuer.issue("alice", days=-0.5).pem())
    bench.assert_refused(run(bench, "git", "clone", url, "work"))


def test_nothing_is_left(bench: Bench, url: str, canary: Canary) -> None:
    """Neither the clone nor the home keeps the key, its passphrase or a path to it."""
    assert_shown(bench, run(bench, "git", "clone", "-q", url, "work"), "CN=alice")
    files = [path for path in bench.sandbox.root.rglob("*") if path.is_file()]
    for path in files:
        if path.name in ("config.toml", "alice.pem"):
            continue
        content = path.read_bytes()
        assert not any(trace in content for trace in bench.alice.traces), path
        assert canary.text.encode() not in content, path
    assert "ssl" not in (bench.sandbox.home / "work/.git/config").read_text()
    assert shlex.quote(url) in (bench.sandbox.home / "work/.git/config").read_text()
