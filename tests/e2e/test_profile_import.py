"""`mtls-run profile import https://…`, before a real nginx that the system's roots verify."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import signal
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import failed
from tests.e2e import server
from tests.e2e.ports import bound_pair
from tests.pki import Authority
from tests.terminal import session

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from tests.sandbox import Sandbox

    Done = subprocess.CompletedProcess[str]

pytestmark = pytest.mark.e2e

CONFIG = """
daemon off;
master_process off;
pid {root}/nginx.pid;
error_log {root}/error.log info;
events {{ worker_connections 64; }}
http {{
  access_log {root}/access.log;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl reuseport;
    listen [::1]:{port} ssl reuseport;
    server_name localhost;
    ssl_certificate {root}/server.pem;
    ssl_certificate_key {root}/server.key;
    root {root}/www;
    location = /moved.toml {{ return 302 /profile.toml; }}
    location = /elsewhere.toml {{ return 301 https://user:s3cret@elsewhere.example/profile.toml; }}
    location = /denied.toml {{ return 403; }}
    location = /slow.toml {{ limit_rate 1; alias {root}/www/profile.toml; }}
  }}
}}
"""
PROFILE = """\
# The index of the company
[profiles.corp]
client-cert = "~/pki/alice.p12"
ca-cert = ["/etc/corp/root.pem"]
hosts = ["pypi.corp.example"]

[[profiles.corp.identities]]
hosts = ["lab.corp.example"]
client-cert = "~/pki/lab.pem"
"""
WRITTEN = """\
[profiles.corp]
client-cert = "~/pki/alice.p12"
ca-cert = ["/etc/corp/root.pem"]
hosts = ["pypi.corp.example"]
identities = [{hosts = ["lab.corp.example"], client-cert = "~/pki/lab.pem"}]
"""
PROGRAMS = """\
[profiles.corp]
client-cert = "~/pki/alice.p12"
passphrase = { command = ["op", "read", "op://corp/key"] }
renew = { command = ["step", "ca", "renew", "--force"], before = "8h" }
[[profiles.corp.identities]]
hosts = ["lab.corp.example"]
client-cert = "pkcs11:token=Lab?module-path=/opt/lab/pkcs11.so"
"""


@dataclass
class Publisher:
    """A running nginx, whose root is in the system's store that the tests see."""

    root: Path
    port: int
    roots: Path

    def url(self, name: str = "profile.toml") -> str:
        """Return the URL of this file."""
        return f"https://localhost:{self.port}/{name}"

    def publish(self, text: str | bytes, name: str = "profile.toml") -> str:
        """Write the file and return its SHA-256."""
        content = text.encode() if isinstance(text, str) else text
        (self.root / "www" / name).write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    @property
    def asked(self) -> int:
        """Return how many requests have ended."""
        return len((self.root / "access.log").read_text().splitlines())


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    """Run nginx for this module."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert program, "nginx is missing: tests/run installs it"
    with tempfile.TemporaryDirectory(prefix="mr-publisher-") as folder:
        root = Path(folder)
        (root / "www").mkdir()
        authority = Authority.create("Company Root")
        own = authority.issue("localhost", server=True, hosts=("localhost",))
        (root / "server.pem").write_bytes(own.cert_pem)
        (root / "server.key").write_bytes(own.key_pem())
        (root / "roots.pem").write_bytes(authority.pem)
        held, port = bound_pair(shared=True)
        process = server.start(program, root, port, CONFIG)
        try:
            yield Publisher(root, port, root / "roots.pem")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)
            for one in held:
                one.close()


@dataclass
class Desk:
    """A user's home on a machine whose store has the publisher's root."""

    sandbox: Sandbox
    publisher: Publisher
    store: Path | None = None
    env: dict[str, str | None] = field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        """Return the command line, on such a machine."""
        apart = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        store = shlex.quote(str(self.store or self.publisher.roots))
        mount = f'mount --bind {store} /etc/ssl/certs/ca-certificates.crt && exec "$@"'
        program = str(self.sandbox.program)
        return [*apart, "sh", "-c", mount, "sh", program, "profile", "import", *words]

    def run(self, *words: str, env: Mapping[str, str | None] | None = None) -> Done:
        """Run `mtls-run profile import` without a terminal."""
        return self.sandbox.execute(self.command(*words), env={**self.env, **(env or {})})

    @property
    def config(self) -> str:
        """Return the user's configuration; an empty text if there is none."""
        with contextlib.suppress(FileNotFoundError):
            return self.sandbox.config_file.read_text()
        return ""


@pytest.fixture
def desk(sandbox: Sandbox, publisher: Publisher) -> Desk:
    """Return a home without a configuration."""
    return Desk(sandbox, publisher)


def test_a_published_profile_is_shown_and_taken(desk: Desk) -> None:
    """With --yes it is shown and written. Files that are not there yet are named."""
    digest = desk.publisher.publish(PROFILE)
    url = desk.publisher.url()
    done = desk.run(url, "--sha256", digest, "--yes")
    assert done.returncode == 0, done
    assert desk.config == WRITTEN
    shown = "".join(f"  {line}\n" for line in WRITTEN.splitlines())
    assert done.stdout.startswith(f"{url} (SHA-256 {digest}):\n\n{shown}\n"), done.stdout
    assert done.stdout.endswith(f"profile corp is in {desk.sandbox.config_file}\n")
    assert f"`client-cert` of profile corp is not there yet: {desk.sandbox.home}/pki" in done.stderr
    shown = desk.sandbox.run("profile", "show", "corp").stdout
    assert "lab.corp.example" in shown


def test_again_changes_nothing(desk: Desk) -> None:
    """A machine's configuration management may run it each hour."""
    digest = desk.publisher.publish(PROFILE)
    words = (desk.publisher.url(), "--sha256", digest.upper(), "--yes", "--default")
    assert desk.run(*words).returncode == 0
    before = desk.config
    assert before.startswith('default-profile = "corp"\n')
    done = desk.run(*words)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout == f"profile corp is in {desk.sandbox.config_file} as published\n"
    assert desk.config == before


def test_a_profile_of_the_users_own_stays(desk: Desk) -> None:
    """A profile of the same name is replaced with --force alone."""
    own = '[profiles.corp]\nroots = "public"\n'
    desk.sandbox.write_config(own)
    digest = desk.publisher.publish(PROFILE)
    done = desk.run(desk.publisher.url(), "--sha256", digest, "--yes")
    failed(done, "profile corp is in ", "--force")
    assert desk.config == own
    done = desk.run(desk.publisher.url(), "--sha256", digest, "--yes", "--force")
    assert done.returncode == 0, done
    assert "public" not in desk.config
    assert 'client-cert = "~/pki/alice.p12"' in desk.config


def test_a_person_is_asked(desk: Desk) -> None:
    """At a terminal the profile is shown, and Enter alone means no."""
    digest = desk.publisher.publish(PROFILE)
    command = desk.command(desk.publisher.url(), "--sha256", digest)
    for typed, status in (("", 125), ("y", 0)):
        with session(desk.sandbox, *command) as terminal:
            terminal.expect(r"client-cert = .*add this to .*\? \[y/N\]")
            terminal.type(typed)
            assert terminal.end() == status, terminal.shown
        assert desk.config == ("" if status else WRITTEN)


def test_programs_are_listed_before_the_question(desk: Desk) -> None:
    """A downloaded command is code: it is named, and the question says so."""
    digest = desk.publisher.publish(PROGRAMS)
    command = desk.command(desk.publisher.url(), "--sha256", digest)
    with session(desk.sandbox, *command) as terminal:
        terminal.expect(r"! `passphrase` of profile corp runs a program: op read op://corp/key")
        terminal.expect(r"! `renew` of profile corp runs a program: step ca renew --force")
        terminal.expect(r"! `identities.0.client-cert` .* loads a module: /opt/lab/pkcs11.so")
        terminal.expect(r"which runs programs as you, .*\[y/N\]")
        terminal.type("no")
        assert terminal.end() == 125
    assert desk.config == ""


def test_yes_alone_takes_no_programs(desk: Desk) -> None:
    """Without a person, programs take an option of their own."""
    digest = desk.publisher.publish(PROGRAMS)
    words = (desk.publisher.url(), "--sha256", digest)
    done = desk.run(*words, "--yes")
    assert done.returncode == 125, done
    assert "runs a program: op read op://corp/key" in done.stderr
    assert "--allow-commands" in done.stderr
    assert desk.config == ""
    assert desk.run(*words, "--yes", "--allow-commands").returncode == 0
    assert 'passphrase = {command = ["op", "read", "op://corp/key"]}' in desk.config


def test_without_a_terminal_and_without_yes(desk: Desk) -> None:
    """Nothing is taken unseen."""
    digest = desk.publisher.publish(PROFILE)
    done = desk.run(desk.publisher.url(), "--sha256", digest)
    assert done.returncode == 125
    assert "there is no terminal to ask" in done.stderr
    assert desk.config == ""


def test_another_digest(desk: Desk) -> None:
    """The file of another digest is neither shown nor taken."""
    desk.publisher.publish(PROFILE)
    digest = "0" * 64
    done = desk.run(desk.publisher.url(), "--sha256", digest, "--yes")
    failed(done, f"and --sha256 says {digest}", "ask the publisher")
    assert desk.config == ""


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("moved.toml", "/profile.toml, and no redirect is followed"),
        ("elsewhere.toml", "redirects to https://user:***@elsewhere.example/profile.toml, and"),
        ("denied.toml", "the server answers 403 Forbidden"),
        ("none.toml", "the server answers 404 Not Found"),
        ("large.toml", "is larger than 64 KiB"),
        pytest.param("slow.toml", "no answer in time", marks=pytest.mark.slow),
    ],
)
def test_what_the_server_does_instead(desk: Desk, name: str, fact: str) -> None:
    """A redirect, a refusal, a large file or a slow one is an error. Only the URL is asked for."""
    digest = desk.publisher.publish(PROFILE)
    desk.publisher.publish(b"#" * 65537, "large.toml")
    before = desk.publisher.asked
    done = desk.run(desk.publisher.url(name), "--sha256", digest, "--yes")
    failed(done, fact)
    assert "s3cret" not in done.stderr
    assert desk.config == ""
    assert desk.publisher.asked <= before + 1


def test_only_the_systems_roots_count(desk: Desk, tmp_path: Path) -> None:
    """A server that they do not verify is asked for nothing, whatever variables say.

    --ca-cert adds the company's own CA.
    """
    digest = desk.publisher.publish(PROFILE)
    desk.store = tmp_path / "others.pem"
    desk.store.write_bytes(Authority.create("Other Root").pem)
    before = desk.publisher.asked
    variables = dict.fromkeys(
        ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"),
        str(desk.publisher.roots),
    )
    done = desk.run(desk.publisher.url(), "--sha256", digest, "--yes", env=variables)
    failed(done, "the system's roots do not verify the server's certificate", "mtls-run doctor ")
    words = (desk.publisher.url(), "--sha256", digest, "--yes", "--ca-cert")
    done = desk.run(*words, str(desk.store))
    failed(done, "the system's roots and --ca-cert do not verify", "by --ca-cert, or see why")
    address = desk.publisher.url().replace("localhost", "127.0.0.1")
    desk.store = None
    done = desk.run(address, "--sha256", digest, "--yes")
    failed(done, "the server's certificate is not for 127.0.0.1")
    assert desk.publisher.asked == before
    desk.store = tmp_path / "others.pem"
    assert desk.run(*words, str(desk.publisher.roots)).returncode == 0
    assert desk.config == WRITTEN


def test_the_proxy_of_the_environment_counts(desk: Desk) -> None:
    """HTTPS_PROXY leads to a proxy that is not there, and NO_PROXY past it."""
    digest = desk.publisher.publish(PROFILE)
    words = (desk.publisher.url(), "--sha256", digest, "--yes")
    env = {"HTTPS_PROXY": "http://user:s3cret@127.0.0.1:1"}
    done = desk.run(*words, env=env)
    failed(done, "proxy: connection refused")
    assert "s3cret" not in done.stderr
    assert desk.run(*words, env={**env, "NO_PROXY": "localhost"}).returncode == 0


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        (("http://localhost/p.toml", "--sha256", "0" * 64), "is not an https URL"),
        (("https://u:pw@localhost/p", "--sha256", "0" * 64), "has a user's name or a password"),
        (("https:///p.toml", "--sha256", "0" * 64), "is not a URL"),
        (("https://localhost:99999/p", "--sha256", "0" * 64), "is not a URL"),
        (("https://localhost/p.toml",), "needs --sha256"),
        (("https://localhost/p.toml", "--sha256", "abc"), "--sha256 abc is not a SHA-256"),
        (("https://localhost/p", "--from", "uv", "--sha256", "0" * 64), "--from and a URL"),
        (("corp", "--sha256", "0" * 64), "--sha256 needs a URL"),
        (("corp", "--yes"), "--yes needs a URL"),
        (("corp", "--ca-cert", "root.pem"), "--ca-cert needs a URL"),
        (("https://localhost/p", "--host", "a.example", "--sha256", "0" * 64), "--host and a URL"),
        (("https://localhost/p", "--sha256", "0" * 64, "--ca-cert", "/none.pem"), "/none.pem"),
    ],
)
def test_words_that_cannot_be(desk: Desk, words: tuple[str, ...], fact: str) -> None:
    """They are an error before anything is sent, and no password is shown."""
    done = desk.run(*words)
    failed(done, fact)
    assert "pw" not in done.stderr


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ('default-profile = "corp"\n[profiles.corp]\nroots = "none"\n', ":1: unknown key"),
        ('[policy]\nprofiles = "system"\n', ":1: unknown key `policy`"),
        ('trusted-directories = ["~"]\n', ":1: unknown key `trusted-directories`"),
        ('[profiles.corp]\nroot = "none"\n', ":2: unknown key in [profiles.corp] `root`"),
        ('[profiles.corp]\nca-cert = "root.pem"\n', ":2: `ca-cert` is relative: root.pem"),
        (
            '[profiles.c]\nclient-cert = "~/c"\npassphrase = { command = ["./p"] }\n',
            "`command` is relative: ./p",
        ),
        (
            '[profiles.c]\nclient-cert = "~/c"\npassphrase = { file = "p" }\n',
            "`file` is relative: p",
        ),
        ('[profiles."a b"]\n', "`a b` cannot name a profile"),
        ("", "has no profile"),
        ("profiles = 1\n", ":1: `profiles` is a number"),
        ("[profiles]\ncorp = 1\n", ":2: `profiles.corp` is a number"),
        ("no toml", ":1: the profile is not valid TOML"),
        ("\xff", ":1: "),
        ('[profiles.c]\nextends = "none-such"\n', ":2: unknown profile in `extends`"),
        ('[profiles.c]\nhosts = ["a.example"]\n', ":2: `hosts` needs `client-cert`"),
    ],
)
def test_a_file_that_is_no_profile(desk: Desk, text: str, fact: str) -> None:
    """The error names the URL and the line, and nothing is written."""
    digest = desk.publisher.publish(text.encode("latin-1"))
    done = desk.run(desk.publisher.url(), "--sha256", digest, "--yes")
    failed(done, fact)
    assert desk.publisher.url() in done.stderr
    assert desk.config == ""


def test_control_characters_do_not_reach_the_terminal(desk: Desk) -> None:
    """What is shown for consent is what is there."""
    digest = desk.publisher.publish(
        '# \x1b[2J\n[profiles.corp]\nclient-cert = "~/a\\u001b[2K\\u202eb"\n'.replace("\x1b", "")
    )
    done = desk.run(desk.publisher.url(), "--sha256", digest, "--yes")
    assert done.returncode == 0, done
    assert "\x1b" not in done.stdout + done.stderr
    assert "\u202e" not in done.stdout + done.stderr
