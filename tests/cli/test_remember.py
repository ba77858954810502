"""`remember`: an unlocked identity in the kernel's keyring of the login, and nowhere else."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ISSUER, ROOT, alice, write_profile
from tests.sandbox import assert_absent

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.sandbox import Canary, FakeTool, Sandbox

SESSION = Path(__file__).parents[1] / "login_session.py"


@dataclass
class Login:
    """A user who has a profile that remembers, and logs in now and then."""

    sandbox: Sandbox
    tool: FakeTool
    passphrase: str

    def session(self, script: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run shell lines in a login session of their own; `run` and `PP=…` stand in them."""
        lines = f"run() {{ '{self.sandbox.program}' \"$@\"; }}\n{script}"
        return self.sandbox.execute([sys.executable, SESSION, *options, "sh", "-c", lines])

    def profile(self, remember: str = "8h", more: str = "") -> None:
        """Write the profile, whose passphrase is in the variable PP."""
        write_profile(
            self.sandbox, f'passphrase = {{ env = "PP" }}\nremember = "{remember}"\n{more}'
        )

    @property
    def handed(self) -> list[bytes | None]:
        """Return the identity that each run of the tool was handed."""
        return [self.tool.seen(run).files.get("SSL_CLIENT_CERT") for run in range(self.tool.runs)]


@pytest.fixture
def login(sandbox: Sandbox, canary: Canary) -> Iterator[Login]:
    """Return a user with a locked identity; one at a time, since a user has one quota."""
    sandbox.write("pki/alice.pem", alice().pem(canary.text))
    sandbox.write("pki/root.pem", ROOT.pem)
    found = Login(sandbox, sandbox.fake_tool("pip"), canary.text)
    found.profile()
    with Path(tempfile.gettempdir(), f"mtls-run-tests-quota-{os.getuid()}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield found


def test_unlocked_once_for_a_session(login: Login) -> None:
    """After the first run none needs the passphrase, also where the launch is not kept."""
    time.sleep(0.15)
    done = login.session(
        f"PP='{login.passphrase}' run pip download a && run pip download b && run pip download c"
        "; run -v pip download d"
    )
    assert done.returncode == 0, done.stderr
    assert "the identity is remembered: an earlier run unlocked it" in done.stderr
    assert login.handed == [alice().pem()] * 4
    for run in range(4):
        seen = login.tool.seen(run)
        path = seen.get("SSL_CLIENT_CERT") or ""
        assert path == f"/proc/{seen.pid}/fd/200"
        assert (seen.get("MTLS_RUN_ACTIVE") or "").endswith(f":{path}")
        assert seen.args[seen.args.index(b"--client-cert") + 1] == path.encode()
        assert seen.get("PP") is None


def test_nothing_of_it_is_in_a_file(login: Login, canary: Canary) -> None:
    """Neither the key nor the passphrase lies anywhere below the home, the cache or the rest."""
    login.session(f"PP='{login.passphrase}' run pip download a; run pip download b")
    assert login.tool.runs == 2
    key = alice().pem().split(b"-----BEGIN PRIVATE KEY-----\n")[1].splitlines()[0]
    assert_absent([canary.text, key], below=[login.sandbox.root])


def test_another_session_finds_nothing(login: Login) -> None:
    """What one login remembers, another of the same user does not."""
    assert login.session(f"PP='{login.passphrase}' run pip download a").returncode == 0
    done = login.session("run pip download b")
    assert done.returncode == 125
    assert "the variable PP" in done.stderr
    assert login.tool.runs == 1


def test_forget(login: Login) -> None:
    """After it nothing is remembered; it says how many there were."""
    done = login.session(
        f"PP='{login.passphrase}' run pip download a; run forget; run forget; run pip download b"
    )
    assert done.returncode == 125
    assert done.stdout.splitlines()[-2:] == [
        "forgot 1 unlocked identity",
        "forgot 0 unlocked identities",
    ]
    assert login.tool.runs == 1


@pytest.mark.slow
def test_it_ends_after_its_time(login: Login) -> None:
    """The kernel drops it; the next run unlocks."""
    login.profile("2s")
    done = login.session(
        f"PP='{login.passphrase}' run pip download a; run pip download b; sleep 3; run pip list -o"
    )
    assert done.returncode == 125
    assert login.tool.runs == 2


def test_a_login_without_a_keyring_keeps_nothing(login: Login) -> None:
    """A process that falls back on the user's own keyring says so, and the next finds nothing."""
    env = {"PP": login.passphrase}
    # A new session keyring is the test's own; without it the process has what it was started with.
    first = login.sandbox.run("pip", "download", "a", env=env)
    assert first.returncode == 0
    notice = "mtls-run: notice: cannot remember the identity: "
    assert first.stderr == f"{notice}this login has no session keyring\n"
    second = login.sandbox.run("pip", "download", "b")
    assert second.returncode == 125


def test_over_the_quota_is_a_notice(login: Login) -> None:
    """Where no more fits, the tool runs, it is said, and the next run unlocks again."""
    done = login.session(
        f"PP='{login.passphrase}' run pip download a; run pip download b", "--fill"
    )
    assert done.returncode == 125
    notice = "notice: cannot remember the identity: this user's quota for keys is full"
    assert notice in done.stderr
    assert login.handed == [alice().pem()]


def test_a_new_certificate_is_unlocked_anew(login: Login) -> None:
    """What is remembered belongs to the bytes that were unlocked; others are not opened by it."""
    other = ISSUER.issue("bob")
    renewed = login.sandbox.write("pki/bob.pem", other.pem(login.passphrase))
    current = login.sandbox.home / "pki/alice.pem"
    done = login.session(
        f"PP='{login.passphrase}' run pip download a; run pip download b\n"
        f"cp '{renewed}' '{current}'; run pip download c\n"
        f"PP='{login.passphrase}' run pip download d"
    )
    assert done.returncode == 0
    assert done.stderr.count("mtls-run: error:") == 1
    assert login.handed == [alice().pem(), alice().pem(), other.pem()]


@pytest.mark.slow
def test_an_expired_one_is_not_used(login: Login) -> None:
    """Validity is checked on use: what expires while it is remembered stops the run."""
    soon = ISSUER.issue("alice", days=6 / 86400)
    login.sandbox.write("pki/alice.pem", soon.pem(login.passphrase))
    config = login.sandbox.config_file.read_text()
    login.sandbox.config_file.write_text(f"expiry-notice-days = 0\n{config}")
    time.sleep(0.15)
    done = login.session(
        f"PP='{login.passphrase}' run pip download a; run pip download b; sleep 7\n"
        "run pip download c"
    )
    assert done.returncode == 125
    assert "expired" in done.stderr
    assert login.tool.runs == 2


@pytest.mark.parametrize("remember", ["off", "0s"])
def test_off_keeps_nothing(login: Login, remember: str) -> None:
    """Without `remember`, and with it switched off by a profile that extends, nothing is kept."""
    login.profile(remember)
    done = login.session(f"PP='{login.passphrase}' run pip download a; run pip download b")
    assert done.returncode == 125
    assert "keyring" not in done.stderr
    assert login.tool.runs == 1


def test_supervised_too(login: Login) -> None:
    """With --handoff supervise the next run does not ask either, and its file is gone after it."""
    done = login.session(
        f"PP='{login.passphrase}' run --handoff supervise pip download a\n"
        "run --handoff supervise pip download b; run --handoff supervise pip download b"
    )
    assert done.returncode == 0, done.stderr
    assert login.handed == [alice().pem()] * 3
    path = Path(login.tool.seen().get("SSL_CLIENT_CERT") or "")
    assert path.name == "identity.pem"
    assert not path.exists()


OVERWRITE = """
import os, sys
from mtls_run.system import libc
from mtls_run.system.session_keyring import SYSTEM_CALLS
call, (add_key, keyctl) = libc.function("syscall"), SYSTEM_CALLS[os.uname().machine]
way, content = sys.argv[1], open(sys.argv[2], "rb").read()
for line in open("/proc/keys"):
    words = line.split()
    if words[8].startswith("mtls-run:"):
        key, name = int(words[0], 16), words[8].rstrip(":")
        if way == "update":
            call(keyctl, 5, key, 0x3F3F0000)
            call(keyctl, 2, key, content, len(content))
        else:
            call(keyctl, 9, key, -3)
            call(add_key, b"user", name.encode(), content, len(content), -3)
"""


@pytest.mark.parametrize(
    "options", ["", pytest.param("-v", marks=pytest.mark.slow)], ids=["", "full-run"]
)
@pytest.mark.parametrize("content", ["bob", "garbage"])
@pytest.mark.parametrize("way", ["update", "replace"])
def test_overwritten_in_the_keyring(login: Login, way: str, content: str, options: str) -> None:
    """What somebody in the session put in the place of an identity is not used."""
    login.sandbox.write("pki/alice.pem", alice().p12(login.passphrase))
    script = login.sandbox.write("overwrite.py", OVERWRITE)
    other = ISSUER.issue("bob").pem() if content == "bob" else b"garbage"
    forged = login.sandbox.write("forged", other)
    time.sleep(0.15)
    done = login.session(
        f"PP='{login.passphrase}' run {options} pip download a && run {options} pip download a\n"
        f"'{sys.executable}' '{script}' {way} '{forged}' || exit 1\n"
        f"run {options} pip download a; test $? = 125 || exit 1\n"
        f"PP='{login.passphrase}' run {options} pip download a"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the variable PP") == 1
    assert login.handed == [alice().pem()] * 3


def test_a_cached_launch_imports_no_slow_module(login: Login) -> None:
    """A remembered identity costs little: its SHA-256 is in the launch, and no result is read."""
    code = "import sys; sys.argv[0] = 'mtls-run'; from mtls_run.__main__ import main; main()"
    python = f"'{sys.executable}' -I -X importtime -c \"{code}\""
    words = "pip download a"
    done = login.session(f"PP='{login.passphrase}' run {words} && run {words} && {python} {words}")
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "mtls_run.identity.remembered" in imported
    assert imported & {"mtls_run.run", "pathlib", "re", "typing", "hashlib", "subprocess"} == set()
    assert login.handed == [alice().pem()] * 3


def test_a_gateway_is_new_in_each_run(login: Login) -> None:
    """What is remembered spares the passphrase; the proxy and its secret are of one run alone."""
    pytest.importorskip("h11")
    login.profile(more='hosts = ["a.example"]')
    done = login.session(
        f"PP='{login.passphrase}' run pip download a && run pip download a && run pip download a"
    )
    assert done.returncode == 0, done.stderr
    proxies = [login.tool.seen(run).get("HTTPS_PROXY") for run in range(3)]
    assert len(set(proxies)) == 3
    secrets = [str(proxy).split("@")[0].rpartition(":")[2] for proxy in proxies]
    assert_absent(secrets, below=[login.sandbox.root])
    assert login.handed == [None] * 3
