"""The pip.conf that a company hands out is enough: uv works with it at once."""

from __future__ import annotations

import hashlib
import http.server
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.e2e.bench import EVERYTHING, WHEELS
from tests.e2e.packages import wheel
from tests.e2e.toolbox import in_slow_tier, newest_pip, newest_uv, uvs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService
    from tests.e2e.toolbox import Tool
    from tests.sandbox import Canary

pytestmark = pytest.mark.e2e

NEWER = "99.0"


@contextmanager
def public_index() -> Iterator[str]:
    """Serve an index, open to all, that has a newer `alpha-pkg`, and yield its address."""
    name = f"alpha_pkg-{NEWER}-py3-none-any.whl"
    content = wheel("alpha_pkg", NEWER, f"VERSION = '{NEWER}'\n")
    digest = hashlib.sha256(content).hexdigest()
    page = f'<!DOCTYPE html><html><body><a href="/{name}#sha256={digest}">{name}</a></body></html>'
    answers = {"/simple/alpha-pkg/": page.encode(), f"/{name}": content}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path)
            self.send_response(200 if found else 404)
            self.send_header(
                "Content-Type", "text/html" if self.path[-1] == "/" else "application/zip"
            )
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def company(bench: Bench, keyring: SecretService, canary: Canary) -> Bench:
    """Write the company's pip.conf, an encrypted identity, and its passphrase into the keyring."""
    identity = bench.sandbox.write("pki/alice.pem", bench.alice.pem(canary.text))
    bench.ca.touch()
    write_pip_conf(bench, f"index-url = {bench.server.url}")
    keyring.store(f"file:{identity}", canary.text)
    bench.env.update(keyring.env)
    bench.env["PIP_CONFIG_FILE"] = None
    return bench


def write_pip_conf(bench: Bench, *lines: str) -> None:
    """Write the user's pip.conf, with the CA and the client certificate, and these lines."""
    said = ["[global]", f"cert = {bench.ca}", "client_cert = ~/pki/alice.pem", *lines, ""]
    bench.sandbox.write(f"{bench.sandbox.env['XDG_CONFIG_HOME']}/pip/pip.conf", "\n".join(said))


def install(bench: Bench, tool: Tool, *packages: str) -> list[str]:
    """Return the command that installs packages, and names no index."""
    words = bench.install(tool, *packages)
    place = words.index("--index-url")
    return words[:place] + words[place + 2 :]


@pytest.mark.parametrize(
    "tool", [newest_uv(), newest_pip(), *in_slow_tier(*uvs("0.2.11", "0.4.30"))], ids=str
)
def test_works_at_once(company: Bench, tool: Tool) -> None:
    """Both tools install wheel and sdist with nothing but pip.conf, and an encrypted key."""
    words = install(company, tool, "alpha-pkg", "gamma-src")
    done = company.sandbox.run(*words, env=company.tool_env(tool), timeout=120)
    company.assert_installed(done, EVERYTHING)


@pytest.mark.parametrize("tool", [newest_uv(), *in_slow_tier(*uvs("0.2.11", "0.4.30"))], ids=str)
def test_public_index_never_outranks(company: Bench, tool: Tool) -> None:
    """A newer package of the same name on the extra, public index is not taken by uv."""
    with public_index() as public:
        write_pip_conf(company, f"index-url = {company.server.url}", f"extra-index-url = {public}")
        words = install(company, tool, "alpha-pkg")
        done = company.sandbox.run(*words, env=company.tool_env(tool), timeout=120)
        company.assert_installed(done, WHEELS)


def test_public_index_would_outrank_without_the_order(company: Bench) -> None:
    """The same two indexes the other way round take the public one: the order is what decides."""
    tool = newest_uv()
    with public_index() as public:
        write_pip_conf(company, f"index-url = {public}", f"extra-index-url = {company.server.url}")
        words = install(company, tool, "alpha-pkg")
        done = company.sandbox.run(*words, env=company.tool_env(tool), timeout=120)
    assert done.returncode == 0, done
    assert company.installed()["alpha-pkg"] == NEWER


def test_indexes_named_for_uv_win(company: Bench) -> None:
    """An index that uv itself is given is the only one."""
    tool = newest_uv()
    with public_index() as public:
        words = [*install(company, tool, "alpha-pkg"), "--index-url", public]
        done = company.sandbox.run(*words, env=company.tool_env(tool), timeout=120)
    assert done.returncode == 0, done
    assert company.installed()["alpha-pkg"] == NEWER
    assert company.server.requests() == []


def test_lock_and_sync_keep_the_lock_file(company: Bench) -> None:
    """`uv lock` and `uv sync --locked` have the identity, and no index of pip's in uv.lock."""
    tool = newest_uv()
    project = company.sandbox.write(
        "project/pyproject.toml",
        '[project]\nname = "project"\nversion = "1"\nrequires-python = ">=3.9"\n'
        'dependencies = ["alpha-pkg"]\n'
        f'[[tool.uv.index]]\nname = "company"\nurl = "{company.server.url}"\ndefault = true\n',
    ).parent
    with public_index() as public:
        write_pip_conf(company, f"index-url = {public}", f"extra-index-url = {public}")
        env = {**company.tool_env(tool), "UV_PYTHON": sys.executable}
        locked = company.sandbox.run("uv", "lock", env=env, cwd=project, timeout=120)
        assert locked.returncode == 0, locked
        lock = (project / "uv.lock").read_bytes()
        assert public.encode() not in lock
        assert company.server.url.encode() in lock
        synced = company.sandbox.run("uv", "sync", "--locked", env=env, cwd=project, timeout=120)
    assert synced.returncode == 0, synced
    assert (project / "uv.lock").read_bytes() == lock
    assert {request.subject for request in company.server.requests()} == {company.subject}


def test_repository_pip_conf_gains_nothing(bench: Bench) -> None:
    """What a repository brings in `.venv/pip.conf` is nothing to uv."""
    identity = bench.sandbox.write("repository/alice.pem", bench.alice.pem())
    bench.sandbox.write("repository/.venv/pyvenv.cfg", "home = /usr/bin\n")
    bench.sandbox.write(
        "repository/.venv/pip.conf",
        f"[global]\ncert = {bench.ca}\nclient-cert = {identity}\nindex-url = {bench.server.url}\n",
    )
    env = {**bench.tool_env(newest_uv()), "PIP_CONFIG_FILE": None}
    env["VIRTUAL_ENV"] = str(identity.parent / ".venv")
    explained = bench.sandbox.run(
        "--explain", *install(bench, newest_uv(), "alpha-pkg"), env=env, cwd=identity.parent
    )
    assert explained.returncode == 0, explained
    for brought in (identity, bench.ca, bench.server.url):
        assert str(brought) not in explained.stdout


def test_what_is_set_for_uv_wins(company: Bench) -> None:
    """SSL_CERT_FILE and SSL_CLIENT_CERT of the environment are left as they are for uv."""
    bob = company.sandbox.write("bob.pem", company.server.issuer.issue("bob").pem())
    tool = newest_uv()
    env = {"SSL_CERT_FILE": str(company.ca), "SSL_CLIENT_CERT": str(bob)}
    words = install(company, tool, "alpha-pkg")
    done = company.sandbox.run(*words, env=company.tool_env(tool, env), timeout=120)
    company.assert_installed(done, WHEELS, subject="CN=bob")
