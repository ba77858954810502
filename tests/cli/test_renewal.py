"""Identities that a command prints, and files that `renew` renews."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from tests.cli.support import ROOT, failed
from tests.sandbox import assert_absent
from tests.short_lived import credential, living, stamp
from tests.terminal import session

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.pki import Issued
    from tests.sandbox import Canary, FakeTool, Sandbox

SESSION = Path(__file__).parents[1] / "login_session.py"


@dataclass
class Issuer:
    """A user whose identity comes from a command, which counts its runs and prints a file."""

    sandbox: Sandbox
    tool: FakeTool
    printed: Path = field(init=False)

    def __post_init__(self) -> None:
        """Write the command."""
        self.sandbox.write("pki/root.pem", ROOT.pem)
        self.printed = self.sandbox.home / "printed"
        self.script('cat "$HOME/printed"')

    def script(self, lines: str) -> None:
        """Let the command run these lines of shell."""
        text = f'#!/bin/sh\necho run >>"$HOME/runs"\n{lines}\n'
        self.sandbox.write(self.sandbox.bin / "issue", text, mode=0o755)

    def prints(self, content: bytes | str) -> None:
        """Let the command print this."""
        self.sandbox.write("printed", content)

    @property
    def runs(self) -> int:
        """Return how often the command has run."""
        counted = self.sandbox.home / "runs"
        return len(counted.read_text().split()) if counted.exists() else 0

    def profile(self, more: str = "", source: str = '{ command = ["issue"] }') -> None:
        """Write the profile."""
        self.sandbox.write_config(
            f'default-profile = "corp"\n[profiles.corp]\nclient-cert = {source}\n'
            f'ca-cert = "~/pki/root.pem"\nroots = "none"\n{more}\n'
        )

    def files(self, identity: Issued, more: str = ', before = "1h"') -> None:
        """Write the profile over files, which the command renews."""
        self.sandbox.write("pki/a.crt", identity.cert_pem + identity.chain_pem)
        self.sandbox.write("pki/a.key", identity.key_pem())
        renew = f'renew = {{ command = ["issue"]{more} }}'
        self.profile(f'client-key = "~/pki/a.key"\n{renew}', '"~/pki/a.crt"')

    def renews_to(self, identity: Issued) -> None:
        """Let the command write this identity's files."""
        self.sandbox.write("next.crt", identity.cert_pem + identity.chain_pem)
        self.sandbox.write("next.key", identity.key_pem())
        self.script('cp "$HOME/next.crt" "$HOME/pki/a.crt"; cp "$HOME/next.key" "$HOME/pki/a.key"')

    def run(self, *words: str, env: dict[str, str | None] | None = None) -> str:
        """Run the tool, and return what stands on stderr."""
        done = self.sandbox.run("pip", "download", "a", *words, env=env)
        assert done.returncode == 0, done
        return done.stderr

    def session(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run shell lines in a login session of their own; `run` stands in them."""
        lines = f"run() {{ '{self.sandbox.program}' \"$@\"; }}\n{script}"
        return self.sandbox.execute([sys.executable, SESSION, "sh", "-c", lines])

    @property
    def handed(self) -> list[bytes | None]:
        """Return the identity that each run of the tool was handed."""
        return [self.tool.seen(run).files.get("SSL_CLIENT_CERT") for run in range(self.tool.runs)]


@pytest.fixture
def issuer(sandbox: Sandbox) -> Issuer:
    """Return a user whose command prints a good identity."""
    found = Issuer(sandbox, sandbox.fake_tool("pip"))
    found.profile()
    found.prints(living(3600).pem())
    return found


@pytest.fixture
def login(issuer: Issuer) -> Iterator[Issuer]:
    """Return the same with the user's quota of keys for itself."""
    with Path(tempfile.gettempdir(), f"mtls-run-tests-quota-{os.getuid()}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield issuer


def test_pem(issuer: Issuer) -> None:
    """The tool gets the identity, in memory, and no file has it."""
    alice = living(3600)
    issuer.script('cat "$HOME/printed"; rm "$HOME/printed"')
    issuer.prints(alice.pem(order="key-leaf-chain"))
    assert issuer.run() == ""
    assert issuer.handed == [alice.pem()]
    assert_absent(alice.traces, below=[issuer.sandbox.root])


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_exec_credential(issuer: Issuer, version: str) -> None:
    """A plugin of kubectl's serves as it is."""
    alice = living(3600)
    issuer.prints(
        credential(alice, expirationTimestamp=stamp(600)).replace("io/v1", f"io/{version}")
    )
    issuer.run()
    assert issuer.handed == [alice.pem()]


def test_certificate_and_key_by_two_sources(issuer: Issuer) -> None:
    """A certificate from a command goes with a key in a file."""
    alice = living(3600)
    issuer.prints(alice.cert_pem + alice.chain_pem)
    issuer.sandbox.write("pki/a.key", alice.key_pem())
    issuer.profile('client-key = "~/pki/a.key"')
    issuer.run()
    assert issuer.handed == [alice.pem()]


def test_a_warning_before_the_pem(issuer: Issuer) -> None:
    """Text around the blocks does no harm."""
    alice = living(3600)
    issuer.prints(b"warning: 3 days are left\n" + alice.pem())
    issuer.run()
    assert issuer.handed == [alice.pem()]


def test_fails(issuer: Issuer) -> None:
    """Its stderr is the user's, and the error has its status and last line."""
    issuer.script("echo first >&2; echo 'login has expired' >&2; echo hunter2; exit 3")
    done = issuer.sandbox.run("pip", "download", "a")
    assert done.returncode == 125
    assert done.stderr.startswith("first\nlogin has expired\n")
    assert "`client-cert` at ~" in done.stderr.replace(str(issuer.sandbox.root), "~")
    assert "ended with status 3: login has expired" in done.stderr
    assert "mtls-run: hint: run it by hand to see why: mtls-run profile renew corp" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    ("script", "fact"),
    [
        ("kill -9 $$", "ended by signal 9"),
        ("read line </dev/tty || exit 4", "ended with status"),
        ('read line && exit 0; echo "no stdin" >&2; exit 5', "ended with status 5: no stdin"),
    ],
)
def test_dies(issuer: Issuer, script: str, fact: str) -> None:
    """A command that is killed, or that wants a terminal or stdin, fails like any other."""
    issuer.script(script)
    done = issuer.sandbox.run("pip", "download", "a", input="line\n")
    assert done.returncode == 125
    assert fact in done.stderr


def test_it_asks_at_the_terminal(issuer: Issuer) -> None:
    """A command may ask a person, who sees what it says."""
    issuer.script(
        """printf 'code: ' >&2; read code </dev/tty; [ "$code" = 1234 ] && cat "$HOME/printed" """
    )
    with session(issuer.sandbox, issuer.sandbox.program, "pip", "download", "a") as terminal:
        terminal.expect("code: $")
        terminal.type("1234")
        assert terminal.end() == 0, terminal.shown
    assert issuer.tool.runs == 1


def test_not_found(issuer: Issuer) -> None:
    """A program that is not there is named, with where the configuration says so."""
    issuer.profile(source='{ command = ["isue", "--token", "hunter2"] }')
    done = issuer.sandbox.run("pip", "download", "a")
    failed(done, "the identity command `isue`", "name an existing program")
    assert "cannot be started: No such file or directory" in done.stderr
    assert "hunter2" not in done.stderr


def test_its_environment(issuer: Issuer, sandbox: Sandbox) -> None:
    """It sees no variable that holds a passphrase of the profile."""
    issuer.script('env >"$HOME/seen"; cat "$HOME/printed"')
    issuer.profile('passphrase = { env = "PP" }')
    issuer.run(env={"PP": "hunter2", "OTHER": "kept"})
    seen = (sandbox.home / "seen").read_text()
    assert "OTHER=kept" in seen
    assert "hunter2" not in seen
    assert "MTLS_RUN_NESTING=" in seen


def test_it_needs_itself(issuer: Issuer) -> None:
    """A command that runs mtls-run with its own profile ends at once."""
    issuer.script(f"exec '{issuer.sandbox.program}' pip download inner")
    done = issuer.sandbox.run("pip", "download", "a")
    assert done.returncode == 125
    assert "starts mtls-run, which needs what the command is to give" in done.stderr
    assert issuer.runs == 1


def test_explained_and_listed_without_a_run(issuer: Issuer) -> None:
    """`--explain`, `profile list` and `profile show` run no command."""
    explained = issuer.sandbox.run("--explain", "pip", "download", "a")
    assert "identity  command issue (not run)" in explained.stdout
    listed = issuer.sandbox.run("profile", "list")
    assert "corp: renewal due with the next run; no attempt yet" in listed.stdout
    shown = issuer.sandbox.run("profile", "show", "corp")
    assert "client-cert  command issue" in shown.stdout
    assert issuer.runs == 0


def test_a_project_names_no_command(issuer: Issuer) -> None:
    """Neither of the two is honoured from a project file, before or after `allow`."""
    work = issuer.sandbox.home / "work"
    for text, what in (
        ('client-cert = { command = ["issue"] }', "prints"),
        ('client-cert = "a.pem"\nrenew = { command = ["issue"] }', "renews"),
    ):
        issuer.sandbox.write(work / ".mtls-run.toml", text)
        done = issuer.sandbox.run("pip", "download", "a", cwd=work)
        failed(done, f"a project file may not name a command that {what} the identity")
        assert issuer.sandbox.run("allow", work).returncode == 125
    assert issuer.runs == 0


@pytest.mark.parametrize(
    ("lines", "fact"),
    [
        ('client-cert = { comand = ["x"] }', "unknown key in `client-cert`: `comand`"),
        ("client-cert = { command = [] }", "`client-cert.command` is a list"),
        ("client-cert = {}", "`client-cert` names no command"),
        ('client-cert = "a.pem"\nrenew = { before = "8h" }', "`renew` names no command"),
        ('client-cert = "a.pem"\nrenew = "step"', "`renew` is a string"),
        (
            'client-cert = "a.pem"\nrenew = { command = ["x"], before = "off" }',
            "`renew.before` is a string",
        ),
        ('renew = { command = ["x"] }', "`renew` needs `client-cert`"),
        (
            'client-cert = { command = ["x"] }\nrenew = { command = ["x"] }',
            "`renew` is for files, and a command prints this identity",
        ),
    ],
)
def test_settings_that_cannot_be(issuer: Issuer, lines: str, fact: str) -> None:
    """A mistake is an error with file and line."""
    issuer.sandbox.write_config(f'default-profile = "corp"\n[profiles.corp]\n{lines}\n')
    done = issuer.sandbox.run("pip", "download", "a")
    failed(done, fact)
    assert "config.toml:" in done.stderr


# Kept in the session's keyring


def test_asked_once_for_a_session(login: Issuer) -> None:
    """Runs after the first have it from the keyring, also from a cached launch; no file has it."""
    alice = living(3600)
    login.prints(alice.pem())
    done = login.session(
        'run pip download a && rm "$HOME/printed" && run pip download b && run pip download b'
    )
    assert done.returncode == 0, done.stderr
    assert login.handed == [alice.pem()] * 3
    assert login.runs == 1
    assert_absent(alice.traces, below=[login.sandbox.root])


def test_ten_at_once(login: Issuer) -> None:
    """Ten runs at once call it once."""
    login.script('sleep 0.5; cat "$HOME/printed"')
    many = "".join("run pip download a & " for _ in range(10))
    done = login.session(f"{many} wait")
    assert done.stderr == ""
    assert login.tool.runs == 10
    assert login.runs == 1


def test_ten_at_once_that_fail(login: Issuer) -> None:
    """Where it fails, those that waited fail with it, and do not ask again."""
    login.script("sleep 0.5; echo 'not logged in' >&2; exit 1")
    many = "".join("run pip download a & " for _ in range(10))
    done = login.session(f"{many} wait")
    assert done.stderr.count("ended with status 1: not logged in") == 10
    assert login.runs <= 2  # one that starts later than the rest asks anew


def test_without_a_keyring_each_run_asks(issuer: Issuer) -> None:
    """Nothing is kept elsewhere; `remember = "off"` says the same of a login."""
    issuer.run()
    issuer.run()
    assert issuer.runs == 2


def test_remember_limits_it(login: Issuer) -> None:
    """With `remember = "off"` nothing is kept."""
    login.profile('remember = "off"')
    done = login.session("run pip download a && run pip download a")
    assert done.returncode == 0, done.stderr
    assert login.runs == 2


@pytest.mark.slow
def test_an_earlier_expiration_counts(login: Issuer) -> None:
    """The identity is asked for again in the last third before expirationTimestamp."""
    login.prints(credential(living(3600), expirationTimestamp=stamp(12)))
    done = login.session("run pip download a && run pip download a && sleep 12; run pip download a")
    assert "the expirationTimestamp in the output of issue is past" in done.stderr
    assert login.runs == 2


def test_last_third(login: Issuer) -> None:
    """In the last third one run renews; where that fails the old one serves, and none tries again.

    The launch that was cached before does not hide that it is due.
    """
    old = living(240, since=600)
    login.prints(old.pem())
    done = login.session(
        """run pip download a
        printf '#!/bin/sh\\necho run >>"$HOME/runs"\\nexit 1\\n' >"$HOME/../bin/issue"
        for i in 1 2 3; do run pip download a; done"""
    )
    assert done.returncode == 0, done.stderr
    assert login.handed == [old.pem()] * 4
    assert login.runs == 1  # a certificate that was due when it came is not asked for again at once
    assert done.stderr == ""


# Renewed files


def test_renewed_when_due(issuer: Issuer) -> None:
    """The files are renewed by a run that finds them due, and the tool gets the new ones."""
    old, new = living(1800, since=9999), living(9999)
    issuer.files(old)
    issuer.renews_to(new)
    assert issuer.run() == ""
    issuer.run()
    assert issuer.handed == [new.pem()] * 2
    assert issuer.runs == 1


def test_not_renewed_before_it_is_due(issuer: Issuer) -> None:
    """`before` says when, and without it a third of the life is left."""
    issuer.files(living(4000, since=9999))
    issuer.run()
    assert issuer.runs == 0
    issuer.files(living(3700, since=9999), "")
    issuer.run()
    assert issuer.runs == 1


def test_each_certificate_has_its_own_moment(issuer: Issuer, canary: Canary) -> None:
    """The list says when it is due, which its fingerprint puts off, also of a locked one."""
    for is_locked in (False, True):
        alice = living(9000, since=9000)
        issuer.files(alice)
        if is_locked:
            issuer.sandbox.write("pki/a.crt", alice.p12(canary.text))
            issuer.profile(
                'passphrase = { env = "PP" }\nrenew = { command = ["x"] }', '"~/pki/a.crt"'
            )
            issuer.run(env={"PP": canary.text})
        times = (alice.certificate.not_valid_before_utc, alice.certificate.not_valid_after_utc)
        begins, ends = (moment.timestamp() for moment in times)
        ahead = (ends - begins) / 3 if is_locked else 3600
        fingerprint = alice.certificate.fingerprint(SHA256()).hex()
        due = ends - ahead * (1 - int(fingerprint[:8], 16) / 2**32 / 10)
        listed = json.loads(issuer.sandbox.run("profile", "list", "--json").stdout)
        said = datetime.fromisoformat(listed["profiles"][0]["renewal"]["due"])
        assert said.timestamp() == int(due)


def test_a_renewal_that_fails(issuer: Issuer) -> None:
    """While the old one is good it is a notice, once; doctor and the list say what it said."""
    old = living(1800, since=9999)
    issuer.files(old)
    issuer.script("echo 'CA is away' >&2; exit 1")
    said = issuer.run()
    assert "mtls-run: notice: the renewal command `issue`, `renew` at " in said
    assert "ended with status 1: CA is away; the old certificate is good for 29 minutes" in said
    assert "the next try is in 1 minute" in said
    assert issuer.run() == issuer.run() == ""
    assert issuer.handed == [old.pem()] * 3
    assert issuer.runs == 1
    shown = " ".join(issuer.sandbox.run("profile", "list").stdout.split())
    assert "corp: renewal due now; the last attempt failed" in shown
    assert "ended with status 1: CA is away" in shown
    listed = json.loads(issuer.sandbox.run("profile", "list", "--json").stdout)
    assert listed["profiles"][0]["renewal"]["failures"] == 1
    examined = issuer.sandbox.run("doctor")
    assert "CA is away" in examined.stdout
    assert "mtls-run profile renew corp" in examined.stdout


def test_a_renewal_that_fails_after_the_end(issuer: Issuer) -> None:
    """After its end, and within its last seconds, the run fails."""
    for left in (-5, 20):
        issuer.files(living(left, since=9999))
        issuer.script("echo 'CA is away' >&2; exit 1")
        done = issuer.sandbox.run("pip", "download", "a")
        assert done.returncode == 125
        assert "ended with status 1: CA is away" in done.stderr
    assert issuer.tool.runs == 0


def test_an_expired_one_is_renewed(issuer: Issuer) -> None:
    """A laptop that was closed for a while renews before its first run."""
    new = living(9999)
    issuer.files(living(-5, since=9999))
    issuer.renews_to(new)
    issuer.run()
    assert issuer.handed == [new.pem()]


def test_a_passphrase_hides_the_end(issuer: Issuer, canary: Canary) -> None:
    """Of a PKCS#12 the end is known once a run has opened it, and the next run renews."""
    old, new = living(1800, since=9999), living(9999)
    issuer.sandbox.write("pki/a.p12", old.p12(canary.text))
    issuer.sandbox.write("next.p12", new.p12(canary.text))
    issuer.script('cp "$HOME/next.p12" "$HOME/pki/a.p12"')
    renew = 'renew = { command = ["issue"], before = "1h" }'
    issuer.profile(f'passphrase = {{ env = "PP" }}\n{renew}', '"~/pki/a.p12"')
    done = issuer.sandbox.run("profile", "renew")
    assert "a passphrase hides its certificate" in done.stdout
    for _ in range(3):
        assert issuer.run(env={"PP": canary.text}) == ""
    assert issuer.handed == [old.pem(), new.pem(), new.pem()]
    assert issuer.runs == 1


def test_half_a_file(issuer: Issuer) -> None:
    """A renewal that writes half a file is a failure; this run goes on with what it had read."""
    old, new = living(1800, since=9999), living(9999)
    issuer.files(old)
    issuer.renews_to(new)
    half = new.cert_pem[:200]
    issuer.sandbox.write("next.crt", half)
    said = issuer.run()
    assert "left files that cannot work" in said
    assert issuer.handed == [old.pem()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("off", "fact"), [("+1h", " expired on 20"), ("-1h", " is valid only from 20")]
)
@pytest.mark.parametrize("how", ["command", "renew"])
def test_a_clock_an_hour_off(issuer: Issuer, how: str, off: str, fact: str) -> None:
    """What is good by the true time is refused, and the hint has the time that is wrong."""
    issuer.prints(living(1800).pem())
    if how == "renew":
        issuer.files(living(1800, since=1800))
        issuer.renews_to(living(1800))
    words = ("pip", "download", "a")
    done = issuer.sandbox.execute(["faketime", "-f", off, issuer.sandbox.program, *words])
    assert done.returncode == 125
    assert fact in done.stderr
    assert "hint: check this machine's clock" in done.stderr
    assert issuer.run().count("expired") == 0


def test_it_changes_nothing(issuer: Issuer) -> None:
    """A command that ends well and renews nothing is not run again with each run."""
    old = living(1800, since=9999)
    issuer.files(old)
    issuer.script("exit 0")
    assert issuer.run() == issuer.run() == ""
    assert issuer.runs == 1
    assert "left a certificate that ends in 29 minutes" in issuer.sandbox.run("doctor").stdout


def test_eight_at_once_in_the_last_third(issuer: Issuer) -> None:
    """One renews while the others go on with the old one, at once."""
    issuer.files(living(1800, since=9999))
    issuer.renews_to(living(9999))
    issuer.script("sleep 2; " + (issuer.sandbox.bin / "issue").read_text().splitlines()[-1])
    started = time.monotonic()
    words: list[str | Path] = [issuer.sandbox.program, "pip", "download", "a"]
    runs = [issuer.sandbox.start(words) for _ in range(8)]
    for run in runs:
        assert run.communicate(timeout=60)[1] == ""
        assert run.returncode == 0
    assert issuer.runs == 1
    assert time.monotonic() - started < 30


def test_a_lock_of_a_dead_process(issuer: Issuer) -> None:
    """A holder that was killed holds nothing."""
    new = living(9999)
    issuer.files(living(-5, since=9999))
    issuer.script('echo $PPID >"$HOME/holder"; exec sleep 60')
    with issuer.sandbox.start([issuer.sandbox.program, "pip", "download", "a"]) as holder:
        while not (issuer.sandbox.home / "holder").exists():
            time.sleep(0.02)
        os.kill(int((issuer.sandbox.home / "holder").read_text()), 9)
        holder.kill()
    issuer.renews_to(new)
    issuer.run()
    assert issuer.handed == [new.pem()]


def test_it_runs_mtls_run_itself(issuer: Issuer) -> None:
    """A renewal that asks for the new certificate with the old one does not renew inside."""
    old, new = living(1800, since=9999), living(9999)
    issuer.files(old)
    issuer.renews_to(new)
    last = (issuer.sandbox.bin / "issue").read_text().splitlines()[-1]
    issuer.script(f"'{issuer.sandbox.program}' pip download inner; {last}")
    issuer.run()
    assert issuer.handed == [old.pem(), new.pem()]
    assert issuer.runs == 1


def test_key_and_certificate_of_two_generations(issuer: Issuer) -> None:
    """Files that another program replaces one after the other are read again, and not refused."""
    old, new = living(3600), living(3600)
    issuer.files(old)
    issuer.profile('client-key = "~/pki/a.key"', '"~/pki/a.crt"')
    issuer.sandbox.write("pki/a.crt", new.cert_pem + new.chain_pem)
    words: list[str | Path] = [issuer.sandbox.program, "pip", "download", "a"]
    with issuer.sandbox.start(words) as run:
        time.sleep(0.7)
        issuer.sandbox.write("pki/a.key", new.key_pem())
        assert run.communicate(timeout=60)[1] == ""
    assert issuer.handed == [new.pem()]


# By hand, and by a timer


def test_profile_add(issuer: Issuer) -> None:
    """A command is added like a passphrase's, and run by the next command that add names."""
    issuer.sandbox.config_file.unlink()
    words = ("profile", "add", "corp", "--client-cert")
    for command, fact in (
        ("command: ", "--client-cert names no command"),
        ("command:'a", "cannot split the command of --client-cert into words"),
    ):
        failed(issuer.sandbox.run(*words, command), fact)
    typed = (*words, "command:issue --for 'a b'")
    with session(issuer.sandbox, issuer.sandbox.program, *typed) as terminal:
        terminal.expect(r"CA certificate of the index .*: $")
        terminal.type("")
        assert terminal.end() == 0, terminal.shown
    assert terminal.shown.rstrip().endswith("next: mtls-run profile renew corp")
    written = 'client-cert = {command = ["issue", "--for", "a b"]}\n'
    assert written in issuer.sandbox.config_file.read_text()
    assert issuer.runs == 0
    assert issuer.sandbox.run("profile", "renew", "corp").returncode == 0
    assert issuer.runs == 1


def test_profile_renew(issuer: Issuer) -> None:
    """It renews what is due, says when it is due next, and fails where the command does."""
    issuer.files(living(1800, since=9999))
    issuer.script("exit 7")
    done = issuer.sandbox.run("profile", "renew")
    failed(done, "the renewal command `issue`", "or run it without mtls-run")
    issuer.renews_to(living(9999))
    done = issuer.sandbox.run("profile", "renew", "corp")
    assert done.stdout.startswith("profile corp: renewed, valid until 20"), done
    assert ", due from 20" in done.stdout
    done = issuer.sandbox.run("profile", "renew", "--all")
    assert done.stdout.startswith("profile corp: not due, valid until 20"), done
    assert issuer.runs == 2


def test_profiles_over_the_same_files(issuer: Issuer) -> None:
    """They share their renewal: one that fails for one is not tried again for the other."""
    issuer.files(living(1800, since=9999))
    issuer.script("exit 7")
    config = issuer.sandbox.config_file.read_text()
    issuer.sandbox.write_config(f'{config}[profiles.other]\nextends = "corp"\nremember = "1h"\n')
    assert "the renewal command `issue`" in issuer.run()
    assert issuer.run(env={"MTLS_RUN_PROFILE": "other"}) == ""
    assert issuer.runs == 1


def test_profile_renew_all(issuer: Issuer) -> None:
    """One that fails does not stop the others, and the status says so."""
    config = issuer.sandbox.config_file.read_text()
    issuer.sandbox.write_config(
        f'{config}[profiles.bad]\nclient-cert = {{ command = ["isue"] }}\n'
        '[profiles.plain]\nclient-cert = "~/printed"\n'
    )
    done = issuer.sandbox.run("profile", "renew", "--all")
    assert done.returncode == 125
    assert "profile corp: its command printed a new identity, valid until 20" in done.stdout
    assert "and not kept: this login has no session keyring" in done.stdout
    assert "the identity command `isue`" in done.stderr
    assert "plain" not in done.stdout


def test_profile_without_a_command(issuer: Issuer) -> None:
    """A profile over plain files names what it would take."""
    issuer.profile(source='"~/printed"')
    done = issuer.sandbox.run("profile", "renew")
    failed(done, "profile corp has no command that renews its identity", "renew = { command")
    done = issuer.sandbox.run("profile", "renew", "--all")
    assert (done.returncode, "has a command that renews it" in done.stdout) == (0, True)
