"""A launch that was resolved before is used again, and never where anything it rests on changed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.support import AMBIENT_NAMES, ISSUER, ROOT, bundle, locked, ready, write_profile
from tests.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Canary, FakeTool, Seen

TYPED = ("pip", "download")
MAIN = (
    "import sys; sys.argv = ['mtls-run', *sys.argv[1:]]; from mtls_run.__main__ import main; main()"
)


@dataclass
class Runs:
    """A tool that is run again and again in one sandbox."""

    sandbox: Sandbox
    tool: FakeTool

    @property
    def folder(self) -> Path:
        """Where launches are kept."""
        return self.sandbox.root / "cache/mtls-run/kept"

    def run(
        self, *words: str, env: dict[str, str | None] | None = None, cwd: Path | None = None
    ) -> tuple[Seen, str, bool]:
        """Run the tool; return what it saw, what was said, and whether nothing was resolved."""
        words = words or TYPED
        command = [sys.executable, "-I", "-X", "importtime", "-c", MAIN, *words]
        done = self.sandbox.execute(command, env=env, cwd=cwd)
        said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
        resolved = re.search(r"\| +mtls_run\.road$", done.stderr, re.MULTILINE)
        assert done.returncode == 0, done.stderr
        return self.tool.seen(), "\n".join(said), resolved is None

    def refused(self, *words: str, cwd: Path | None = None) -> str:
        """Run the tool, which must not start, and return the error."""
        before = self.tool.runs
        done = self.sandbox.run(*(words or TYPED), cwd=cwd)
        assert (done.returncode, self.tool.runs) == (125, before), done
        return done.stderr

    def settle(self, *words: str, cwd: Path | None = None) -> Seen:
        """Run until the launch is kept, and return what the tool saw then."""
        self.age()
        self.run(*words, cwd=cwd)
        seen, said, kept = self.run(*words, cwd=cwd)
        assert kept, "nothing was kept"
        assert said == ""
        return seen

    def only(self) -> Path:
        """Return the one launch that is kept."""
        (found,) = self.folder.iterdir()
        return found

    def age(self) -> None:
        """Wait until no file is as new as its file system's clock is coarse."""
        time.sleep(0.15)


@pytest.fixture
def runs(sandbox: Sandbox) -> Runs:
    """Return runs of a pip with a profile whose identity is ready as it stands."""
    ready(sandbox)
    # A uv that is a script is asked for its version each time, and nothing of it kept.
    return Runs(sandbox, sandbox.fake_tool("pip"))


def meant(seen: Seen) -> tuple[list[bytes], dict[bytes, bytes]]:
    """Return what a tool was told, but for what differs from run to run."""
    return seen.args, {name: value for name, value in seen.env.items() if name != b"_"}


def test_the_second_run_resolves_nothing(runs: Runs) -> None:
    """It starts the tool as the first did, with its own arguments, and imports none of the road."""
    runs.age()
    first, _, kept = runs.run("pip", "download", "--one")
    assert not kept
    second, said, kept = runs.run("pip", "download", "two", "")
    assert kept
    assert said == ""
    assert second.args[-3:] == [b"download", b"two", b""]
    assert second.args[:-3] == first.args[:-2]
    assert meant(second)[1] == meant(first)[1]
    assert second.files == first.files
    assert second.files["SSL_CERT_FILE"] == bundle()


def test_what_is_kept_is_private_and_holds_no_secret(runs: Runs, canary: Canary) -> None:
    """Neither the key nor a variable's value; modes 0700 and 0600."""
    runs.sandbox.env["PIP_INDEX_URL"] = f"https://alice:{canary.text}@pypi.corp.example/simple/"
    runs.settle()
    file = runs.only()
    assert file.stat().st_mode & 0o777 == 0o600
    assert runs.folder.stat().st_mode & 0o777 == 0o700
    canary.assert_absent(file.read_bytes())
    assert b"PRIVATE" not in file.read_bytes()


Change = Callable[[Runs], object]


def _touch_identity(runs: Runs) -> None:
    path = runs.sandbox.home / "pki/alice.pem"
    other = ISSUER.issue("bob").pem()
    path.write_bytes(other)


def _swap_identity(runs: Runs) -> None:
    """Put other bytes of the same length and times into the same file."""
    path = runs.sandbox.home / "pki/root.pem"
    found = path.stat()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b" ")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


CHANGES: dict[str, Change] = {
    "configuration": lambda runs: write_profile(runs.sandbox, "# more"),
    "identity": _touch_identity,
    "same-size-and-times": _swap_identity,
    "ca": lambda runs: runs.sandbox.write("pki/root.pem", ROOT.pem + b"\n"),
    "bundle-gone": lambda runs: shutil.rmtree(runs.sandbox.root / "cache/mtls-run/bundles"),
    "bundle-damaged": lambda runs: [
        file.write_bytes(b"") for file in (runs.sandbox.root / "cache/mtls-run/bundles").iterdir()
    ],
    "project-file": lambda runs: runs.sandbox.write(".mtls-run.toml", 'profile = "corp"\n'),
    "pyproject": lambda runs: runs.sandbox.write("pyproject.toml", "[project]\n"),
    "project-file-gone": lambda runs: (runs.sandbox.home / ".mtls-run.toml").unlink(),
    "variable": lambda runs: runs.sandbox.env.update(MTLS_RUN_PROFILE="corp"),
    "config-variable": lambda runs: runs.sandbox.env.update(
        MTLS_RUN_CONFIG=str(runs.sandbox.config_file)
    ),
    "tool": lambda runs: runs.sandbox.fake_tool("pip"),
    "mode-of-a-directory": lambda runs: runs.sandbox.home.chmod(0o750),
    "kept-readable": lambda runs: runs.only().chmod(0o644),
    "kept-folder-open": lambda runs: runs.folder.chmod(0o777),
    "kept-cut-off": lambda runs: runs.only().write_bytes(runs.only().read_bytes()[:-3]),
    "kept-garbage": lambda runs: runs.only().write_bytes(b"7\0x"),
    "kept-empty": lambda runs: runs.only().write_bytes(b""),
}


def test_a_change_is_noticed_on_the_very_next_run(runs: Runs) -> None:
    """Whatever it rests on: the run after the change resolves anew, and keeps that."""
    runs.settle()
    for name, change in CHANGES.items():
        change(runs)
        runs.age()
        assert not runs.run()[2], name
        assert runs.run()[2], f"nothing was kept after {name}"


def test_an_identity_that_was_replaced_is_the_one_handed_on(runs: Runs) -> None:
    """The next run checks and hands on what is there now; a broken one stops it."""
    runs.settle()
    other = ISSUER.issue("bob").pem()
    path = runs.sandbox.write("pki/alice.pem", other)
    assert runs.run()[0].files["SSL_CLIENT_CERT"] == other
    runs.settle()
    path.unlink()
    assert "cannot read" in runs.refused()


@pytest.mark.slow
def test_an_expired_certificate_is_noticed(runs: Runs) -> None:
    """What was kept while it was valid is not used once it is not, nor when a notice is due."""
    due = time.time() + 4
    runs.sandbox.write("pki/alice.pem", ISSUER.issue("alice", days=14 + 4 / 86400).pem())
    runs.settle()
    time.sleep(max(0, due + 1.5 - time.time()))
    _, said, kept = runs.run()
    assert not kept
    assert "expires in 13 days" in said
    assert not runs.run()[2]


def test_a_longer_notice_is_noticed(runs: Runs) -> None:
    """An identity that was only glanced at is looked at closely once it has to be named."""
    runs.sandbox.write("pki/alice.pem", ISSUER.issue("gina", starts=-30, days=20).pem())
    runs.settle()
    config = runs.sandbox.config_file
    config.write_text("expiry-notice-days = 30\n" + config.read_text())
    for _ in range(2):
        _, said, kept = runs.run()
        assert "the certificate CN=gina (serial " in said
        assert "expires in 19 days" in said
        assert not kept


def test_a_revoked_allow_is_noticed(runs: Runs) -> None:
    """A project file that counted does not after `deny`, nor after any change of what it names."""
    project = runs.sandbox.home / "work"
    runs.sandbox.write(
        "work/.mtls-run.toml", 'client-cert = "own.pem"\nroots = "none"\nca-cert = "ca.pem"\n'
    )
    runs.sandbox.write("work/own.pem", ISSUER.issue("carol").pem())
    runs.sandbox.write("work/ca.pem", ROOT.pem)
    assert runs.sandbox.run("allow", cwd=project).returncode == 0
    runs.settle(cwd=project)
    runs.sandbox.write("work/ca.pem", ROOT.pem + b"#\n")
    assert "has changed since" in runs.refused(cwd=project)
    assert runs.sandbox.run("allow", cwd=project).returncode == 0
    runs.settle(cwd=project)
    assert runs.sandbox.run("deny", cwd=project).returncode == 0
    assert "denied" in runs.refused(cwd=project)


def test_another_directory_is_another_matter(runs: Runs) -> None:
    """What was kept for one directory says nothing of the next, nor of it once it is another."""
    runs.settle()
    inner = runs.sandbox.home / "inner"
    inner.mkdir()
    assert not runs.run(cwd=inner)[2]
    runs.settle(cwd=inner)
    runs.sandbox.write("inner/.mtls-run.toml", 'profile = "nowhere"\n')
    assert "nowhere" in runs.refused(cwd=inner)


def test_a_link_that_leads_elsewhere_is_noticed(runs: Runs) -> None:
    """[[directories]] by a link: turned to another directory, it no longer applies."""
    one, two = runs.sandbox.home / "one", runs.sandbox.home / "two"
    one.mkdir()
    two.mkdir()
    link = runs.sandbox.home / "link"
    link.symlink_to(one)
    more = '[profiles.lab]\nclient-cert = "~/pki/alice.pem"\nroots = "system"\n'
    more += '[[directories]]\npath = "~/link"\nprofile = "lab"\n'
    write_profile(runs.sandbox, more)
    lab = runs.settle(cwd=one)
    link.unlink()
    link.symlink_to(two)
    seen, _, kept = runs.run(cwd=one)
    assert not kept
    assert seen.get("SSL_CERT_FILE") != lab.get("SSL_CERT_FILE")


@pytest.mark.parametrize("count", [1, 30])
def test_a_directory_that_becomes_a_link_is_noticed(runs: Runs, count: int) -> None:
    """Plain until then, alone or among many: as a link to here, its profile applies here."""
    here = runs.sandbox.home / "here"
    here.mkdir()
    more = '[profiles.lab]\nclient-cert = "~/pki/alice.pem"\nroots = "system"\n'
    for number in range(count):
        (runs.sandbox.home / f"work/d{number}").mkdir(parents=True)
        more += f'[[directories]]\npath = "~/work/d{number}"\nprofile = "lab"\n'
    write_profile(runs.sandbox, more)
    other = runs.settle(cwd=here)
    last = runs.sandbox.home / f"work/d{count - 1}"
    last.rmdir()
    last.symlink_to(here)
    seen, _, kept = runs.run(cwd=here)
    assert not kept
    assert seen.get("SSL_CERT_FILE") != other.get("SSL_CERT_FILE")


def test_a_path_through_a_link_and_back(runs: Runs) -> None:
    """`link/../x` lies beside what the link leads to: a change is looked for there."""
    real = runs.sandbox.home / "far/away"
    real.mkdir(parents=True)
    (runs.sandbox.home / "link").symlink_to(real)
    path = runs.sandbox.write("far/own.pem", ISSUER.issue("erin").pem())
    config = runs.sandbox.config_file.read_text()
    runs.sandbox.config_file.write_text(config.replace("~/pki/alice.pem", "~/link/../own.pem"))
    runs.settle()
    other = ISSUER.issue("frank").pem()
    path.write_bytes(other)
    seen, _, kept = runs.run()
    assert not kept
    assert seen.files["SSL_CLIENT_CERT"] == other


def test_no_profile_is_kept_with_its_notice(sandbox: Sandbox) -> None:
    """Where none applies that is kept too, and said on every run that was typed."""
    runs = Runs(sandbox, sandbox.fake_tool("pip"))
    runs.run()
    _, said, kept = runs.run()
    assert (kept, said) == (
        True,
        "mtls-run: notice: no profile applies here; the tool runs unchanged",
    )
    assert runs.run("-q", "pip", "download")[1:] == ("", True)
    assert runs.run("--wrapped", "pip", "download")[1:] == ("", True)
    ready(sandbox)
    assert runs.run()[0].get("SSL_CLIENT_CERT")


def test_what_has_to_be_unlocked_is_never_kept(sandbox: Sandbox, canary: Canary) -> None:
    """A locked identity is resolved on every run, and nothing of it lies in the cache."""
    locked(sandbox, canary.text)
    runs = Runs(sandbox, sandbox.fake_tool("pip"))
    runs.age()
    assert not runs.run()[2]
    assert not runs.run()[2]
    assert not runs.folder.exists()


@pytest.mark.parametrize("how", ["read-only", "file-in-its-place", "gone", "no-home"])
def test_a_cache_that_cannot_be_used_costs_time_only(runs: Runs, how: str) -> None:
    """The tool is told the same, and nothing is said of it."""
    first, _, _ = runs.run()
    cache = runs.sandbox.root / "cache"
    if how == "file-in-its-place":
        runs.sandbox.env["XDG_CACHE_HOME"] = str(runs.sandbox.write("a-file", "x"))
    elif how == "gone":
        runs.sandbox.env["XDG_CACHE_HOME"] = "/proc/nowhere"
    elif how == "no-home":
        runs.sandbox.env["XDG_CACHE_HOME"] = ""
        runs.sandbox.env["HOME"] = "/proc/nowhere"
        runs.sandbox.env["MTLS_RUN_CONFIG"] = str(runs.sandbox.config_file)
        config = runs.sandbox.config_file.read_text()
        runs.sandbox.config_file.write_text(config.replace("~", str(runs.sandbox.home)))
    else:
        (cache / "mtls-run").rename(cache / "away")
        (cache / "mtls-run").symlink_to("/proc/1")
    seen, said, kept = runs.run()
    assert not kept
    assert said == ""
    assert seen.files["SSL_CERT_FILE"] == first.files["SSL_CERT_FILE"]
    assert seen.files["SSL_CLIENT_CERT"] == first.files["SSL_CLIENT_CERT"]


def test_notices_and_details_are_said_again(runs: Runs) -> None:
    """A run that had something to say is not kept, and -v shows the decisions each time."""
    runs.sandbox.write("pki/alice.pem", ISSUER.issue("alice", starts=-30, days=5).pem())
    runs.age()
    assert "expires in 4 days" in runs.run()[1]
    assert "expires in 4 days" in runs.run()[1]
    ready(runs.sandbox)
    runs.settle()
    _, said, kept = runs.run("-v", "pip", "download")
    assert not kept
    assert "becomes:" in said


def test_the_older_half_goes_where_there_are_too_many(runs: Runs) -> None:
    """The directory does not grow for ever."""
    runs.settle()
    for number in range(600):
        (runs.folder / f"{number:032x}").write_bytes(b"")
    inner = runs.sandbox.home / "inner"
    inner.mkdir()
    runs.run(cwd=inner)
    assert len(list(runs.folder.iterdir())) <= 512
    assert runs.run(cwd=inner)[2]


def test_what_a_killed_run_left_is_swept(runs: Runs) -> None:
    """A run that resolves nothing removes an unlocked key that nobody holds any more."""
    runs.settle()
    left = runs.sandbox.root / "run/mtls-run/0123"
    left.mkdir(parents=True)
    left.parent.chmod(0o700)
    (left / "identity.pem").write_text("an unlocked key")
    _, said, kept = runs.run()
    assert (said, kept) == ("", True)
    assert not left.exists()


STEPS: dict[str, Callable[[Sandbox], object]] = {
    "profile": lambda sandbox: sandbox.env.update(MTLS_RUN_PROFILE="other"),
    "no-profile": lambda sandbox: sandbox.env.pop("MTLS_RUN_PROFILE", None),
    "project": lambda sandbox: sandbox.write("deep/er/.mtls-run.toml", 'profile = "corp"\n'),
    "no-project": lambda sandbox: (sandbox.home / "deep/er/.mtls-run.toml").unlink(missing_ok=True),
    "table": lambda sandbox: sandbox.write(
        "deep/pyproject.toml", '[tool.mtls-run]\nprofile = "other"\n'
    ),
    "no-table": lambda sandbox: sandbox.write("deep/pyproject.toml", "[tool.uv]\n"),
    "ambient": lambda sandbox: sandbox.env.update(
        dict.fromkeys(AMBIENT_NAMES.split(), "/ambient.pem")
    ),
    "no-ambient": lambda sandbox: [sandbox.env.pop(name, None) for name in AMBIENT_NAMES.split()],
    "default": lambda sandbox: _config(sandbox, "other"),
    "other-default": lambda sandbox: _config(sandbox, "corp"),
    "pip": lambda sandbox: sandbox.env.update(PIP_CERT=str(sandbox.home / "pki/root.pem")),
    "no-pip": lambda sandbox: sandbox.env.pop("PIP_CERT", None),
    "link": lambda sandbox: _linked(sandbox, "deep"),
    "other-link": lambda sandbox: _linked(sandbox, "pki"),
    "new-identity": lambda sandbox: sandbox.write("pki/alice.pem", ISSUER.issue("dora").pem()),
}


def _linked(sandbox: Sandbox, target: str) -> None:
    (sandbox.home / "link").unlink(missing_ok=True)
    (sandbox.home / "link").symlink_to(target)


def _config(sandbox: Sandbox, default: str) -> None:
    sandbox.write_config(
        f'default-profile = "{default}"\ntrusted-directories = ["~/deep"]\n'
        '[profiles.corp]\nclient-cert = "~/pki/alice.pem"\n'
        'ca-cert = "~/pki/root.pem"\nroots = "none"\n'
        '[[directories]]\npath = "~/link"\nprofile = "other"\n'
        '[profiles.other]\nca-cert = "~/pki/root.pem"\nroots = "environment"\n'
    )


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=8))
def test_a_kept_launch_never_differs_from_a_fresh_one(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """Whatever is changed in whatever order, run by run: with the cache and without it the same."""
    sandbox = Sandbox.create(tmp_path_factory.mktemp("property") / "sandbox")
    ready(sandbox)
    _config(sandbox, "corp")
    cwd = sandbox.home / "deep/er"
    cwd.mkdir(parents=True)
    tool = sandbox.fake_tool("pip")

    def told(cache: str) -> object:
        environment = {"XDG_CACHE_HOME": cache}
        done = sandbox.run("pip", "download", env=environment, cwd=cwd)
        seen = tool.seen() if done.returncode == 0 else None
        env = dict(seen.env) if seen else {}
        # Where the bundle lies follows the cache; what is in it is compared.
        words = [word.replace(os.fsencode(cache), b"CACHE") for word in seen.args] if seen else []
        env = {name: value.replace(os.fsencode(cache), b"CACHE") for name, value in env.items()}
        return done.returncode, done.stderr, words, seen and seen.files, env

    for step in ["no-project", *steps]:
        STEPS[step](sandbox)
        for _ in range(2):
            used = told(str(sandbox.root / "cache"))
            fresh = told(str(sandbox.root / f"empty-{time.monotonic_ns()}"))
            assert used == fresh, step


def test_a_bare_python_start_reads_it(runs: Runs) -> None:
    """What a kept launch imports is small: none of the modules that cost a run its time."""
    runs.settle()
    command = [sys.executable, "-I", "-X", "importtime", "-c", MAIN, "pip", "download"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env=runs.sandbox.env,
        cwd=runs.sandbox.home,
    )
    ours = set(re.findall(r"\| +(\S+)$", done.stderr, re.MULTILINE))
    slow = {"dataclasses", "typing", "re", "pathlib", "hashlib", "json", "platformdirs", "tomllib"}
    slow |= {"cryptography", "ctypes", "binascii", "subprocess", "tempfile", "ssl", "enum"}
    assert "mtls_run.cache.launches" in ours
    assert ours & slow == set()
