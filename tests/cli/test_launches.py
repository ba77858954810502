"""A cached launch is used for the same words, and never where anything it rests on changed."""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtls_run.output import NO_PROFILE
from tests.cli.support import (
    AMBIENT_NAMES,
    ISSUER,
    LISTS_IMPORTS,
    MAIN,
    ROOT,
    bundle,
    locked,
    ready,
    write_profile,
)
from tests.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Canary, FakeTool, Seen

TYPED = ("pip", "download")


@dataclass
class Runs:
    """A tool that is run again and again in one sandbox."""

    sandbox: Sandbox
    tool: FakeTool

    @property
    def folder(self) -> Path:
        """Where launches are cached."""
        return self.sandbox.root / "cache/mtls-run/launches"

    def run(
        self, *words: str, env: dict[str, str | None] | None = None, cwd: Path | None = None
    ) -> tuple[Seen, str, bool]:
        """Run the tool; return what it saw, what was said, and whether nothing was resolved."""
        words = words or TYPED
        command = [*LISTS_IMPORTS, MAIN, *words]
        done = self.sandbox.execute(command, env=env, cwd=cwd)
        said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
        resolved = re.search(r"\| +mtls_run\.resolve$", done.stderr, re.MULTILINE)
        assert done.returncode == 0, done.stderr
        return self.tool.seen(), "\n".join(said), resolved is None

    def refused(self, *words: str, cwd: Path | None = None) -> str:
        """Run the tool, which must not start, and return the error."""
        before = self.tool.runs
        done = self.sandbox.run(*(words or TYPED), cwd=cwd)
        assert (done.returncode, self.tool.runs) == (125, before), done
        return done.stderr

    def cached(self, *words: str, cwd: Path | None = None) -> Seen:
        """Run twice, so that the launch is cached, and return what the tool saw then."""
        self.run(*words, cwd=cwd)
        seen, said, cached = self.run(*words, cwd=cwd)
        assert cached, "nothing was cached"
        assert said == ""
        return seen

    def only(self) -> Path:
        """Return the one launch that is cached."""
        (found,) = self.folder.iterdir()
        return found


@pytest.fixture
def runs(sandbox: Sandbox) -> Runs:
    """Return runs of a pip with a profile whose identity is ready as it stands."""
    ready(sandbox)
    # A uv that is a script is asked for its version each time, and its launch is not cached.
    return Runs(sandbox, sandbox.fake_tool("pip"))


def meant(seen: Seen) -> tuple[list[bytes], dict[bytes, bytes]]:
    """Return what a tool was told, but for what differs from run to run."""
    return seen.args, {name: value for name, value in seen.env.items() if name != b"_"}


def test_the_second_run_resolves_nothing(runs: Runs) -> None:
    """It starts the tool as the first did."""
    words = ("pip", "download", "two words", "", "--", "--cert=x")
    first, _, cached = runs.run(*words)
    assert not cached
    second, said, cached = runs.run(*words)
    assert cached
    assert said == ""
    assert second.args[-5:] == [b"download", b"two words", b"", b"--", b"--cert=x"]
    assert meant(second) == meant(first)
    assert second.files == first.files
    assert second.files["SSL_CERT_FILE"] == bundle()


OTHERS = [
    ("pip", "download", "b"),
    ("pip", "download", "a", ""),
    ("pip", "download", "a", "a"),
    ("pip", "downloada"),
    ("pip", "install", "a"),
    ("pip", "--isolated", "download", "a"),
    ("pip", "download", "--cert", "/own.pem", "a"),
    ("-p", "corp", "pip", "download", "a"),
    ("--handoff", "memfd", "pip", "download", "a"),
    ("--", "make"),
]


def test_other_words_are_another_launch(runs: Runs) -> None:
    """A launch is cached for all of its words, and each list of words has its own."""
    runs.sandbox.fake_tool("make")
    lists = [("pip", "download", "a"), *OTHERS]
    for words in lists:
        assert not runs.run(*words)[2], words
    for words in lists:
        seen, _, cached = runs.run(*words)
        assert cached, words
        if words[0] == "pip":
            asked = [word.encode() for word in words[1:]]
            assert seen.args[-len(asked) :] == asked
    assert len(list(runs.folder.iterdir())) == len(lists)


@pytest.mark.parametrize("option", ["-q", "--wrapped"])
def test_how_loud_a_run_is_does_not_count(runs: Runs, option: str) -> None:
    """The same call from a shell wrapper, or quiet, uses the same launch."""
    runs.cached()
    assert runs.run(option, *TYPED)[1:] == ("", True)


def test_a_cached_launch_is_private_and_holds_no_secret(runs: Runs, canary: Canary) -> None:
    """Neither the key nor a variable's value; modes 0700 and 0600."""
    runs.sandbox.env["PIP_INDEX_URL"] = f"https://alice:{canary.text}@pypi.corp.example/simple/"
    runs.cached()
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
    "mode-of-a-directory": lambda runs: runs.sandbox.home.chmod(0o750),
    "variable": lambda runs: runs.sandbox.env.update(MTLS_RUN_PROFILE="corp"),
    "config-variable": lambda runs: runs.sandbox.env.update(
        MTLS_RUN_CONFIG=str(runs.sandbox.config_file)
    ),
    "tool": lambda runs: runs.sandbox.fake_tool("pip"),
    "launch-readable": lambda runs: runs.only().chmod(0o644),
    "launch-folder-open": lambda runs: runs.folder.chmod(0o777),
    "launch-cut-off": lambda runs: runs.only().write_bytes(runs.only().read_bytes()[:-3]),
    "launch-garbage": lambda runs: runs.only().write_bytes(b"7\0x"),
    "launch-empty": lambda runs: runs.only().write_bytes(b""),
}


def test_a_change_is_noticed_on_the_very_next_run(runs: Runs) -> None:
    """Whatever it rests on: the run after the change resolves anew, and caches that."""
    runs.cached()
    for name, change in CHANGES.items():
        change(runs)
        assert not runs.run()[2], name
        assert runs.run()[2], f"nothing was cached after {name}"


def test_an_identity_that_was_replaced_is_the_one_handed_on(runs: Runs) -> None:
    """The next run checks and hands on what is there now; a broken one stops it."""
    runs.cached()
    other = ISSUER.issue("bob").pem()
    path = runs.sandbox.write("pki/alice.pem", other)
    assert runs.run()[0].files["SSL_CLIENT_CERT"] == other
    runs.cached()
    path.unlink()
    assert "cannot read" in runs.refused()


@pytest.mark.slow
def test_an_expired_certificate_is_noticed(runs: Runs) -> None:
    """A launch is not used when a notice is due; once that is given, the launch is cached."""
    due = time.time() + 4
    runs.sandbox.write("pki/alice.pem", ISSUER.issue("alice", days=14 + 4 / 86400).pem())
    runs.cached()
    time.sleep(max(0, due + 1.5 - time.time()))
    _, said, cached = runs.run()
    assert not cached
    assert "expires in 13 days" in said
    assert runs.run()[1:] == ("", True)


def test_a_longer_notice_is_noticed(runs: Runs) -> None:
    """With more `expiry-notice-days` the next run gives the notice, and the one after is cached."""
    runs.sandbox.write("pki/alice.pem", ISSUER.issue("gina", starts=-100, days=20).pem())
    runs.cached()
    config = runs.sandbox.config_file
    config.write_text("expiry-notice-days = 30\n" + config.read_text())
    _, said, cached = runs.run()
    assert "the certificate CN=gina (serial " in said
    assert "expires in 19 days" in said
    assert not cached
    assert runs.run()[1:] == ("", True)


@pytest.mark.slow
def test_a_large_file(runs: Runs) -> None:
    """A large file is told by its status, as soon as that is old enough to be relied on."""
    content = ROOT.pem + b"#" * 200_000
    path = runs.sandbox.write("pki/root.pem", content)
    runs.run()
    assert not runs.run()[2]
    time.sleep(2.1)
    runs.cached()
    path.write_bytes(content[:-1] + b"!")
    assert not runs.run()[2]


def test_a_revoked_allow_is_noticed(runs: Runs) -> None:
    """A project file that counted does not after `deny`, nor after any change of what it names."""
    project = runs.sandbox.home / "project"
    runs.sandbox.write("project/.mtls-run.toml", 'roots = "none"\nca-cert = "ca.pem"\n')
    runs.sandbox.write("project/ca.pem", ROOT.pem)
    assert runs.sandbox.run("allow", cwd=project).returncode == 0
    runs.cached(cwd=project)
    runs.sandbox.write("project/ca.pem", ROOT.pem + b"#\n")
    assert "has changed since" in runs.refused(cwd=project)
    assert runs.sandbox.run("allow", cwd=project).returncode == 0
    runs.cached(cwd=project)
    assert runs.sandbox.run("deny", cwd=project).returncode == 0
    assert "denied" in runs.refused(cwd=project)


def test_an_identity_of_a_project_is_handed_on_as_it_was_read(runs: Runs) -> None:
    """Its file may be replaced before the tool reads it, so that it is checked on every run."""
    project = runs.sandbox.home / "project"
    carol = ISSUER.issue("carol").pem()
    runs.sandbox.write("project/.mtls-run.toml", 'client-cert = "own.pem"\n')
    path = runs.sandbox.write("project/own.pem", carol)
    assert runs.sandbox.run("allow", cwd=project).returncode == 0
    for _ in range(2):
        seen, _, cached = runs.run(cwd=project)
        assert not cached
        assert seen.files["SSL_CLIENT_CERT"] == carol
        assert seen.get("SSL_CLIENT_CERT") != str(path)


def test_another_directory_is_another_matter(runs: Runs) -> None:
    """A launch of one directory says nothing of the next, nor of a project file that appears."""
    runs.cached()
    inner = runs.sandbox.home / "inner"
    inner.mkdir()
    assert not runs.run(cwd=inner)[2]
    runs.cached(cwd=inner)
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
    lab = runs.cached(cwd=one)
    link.unlink()
    link.symlink_to(two)
    seen, _, cached = runs.run(cwd=one)
    assert not cached
    assert seen.get("SSL_CERT_FILE") != lab.get("SSL_CERT_FILE")


@pytest.mark.parametrize("count", [1, 30])
def test_a_directory_that_becomes_a_link_is_noticed(runs: Runs, count: int) -> None:
    """Plain until then, alone or among many: as a link to here, its profile applies here."""
    here = runs.sandbox.home / "here"
    here.mkdir()
    more = '[profiles.lab]\nclient-cert = "~/pki/alice.pem"\nroots = "system"\n'
    for number in range(count):
        (runs.sandbox.home / f"src/d{number}").mkdir(parents=True)
        more += f'[[directories]]\npath = "~/src/d{number}"\nprofile = "lab"\n'
    write_profile(runs.sandbox, more)
    other = runs.cached(cwd=here)
    last = runs.sandbox.home / f"src/d{count - 1}"
    last.rmdir()
    last.symlink_to(here)
    seen, _, cached = runs.run(cwd=here)
    assert not cached
    assert seen.get("SSL_CERT_FILE") != other.get("SSL_CERT_FILE")


def test_a_path_through_a_link_and_back(runs: Runs) -> None:
    """`link/../x` lies beside what the link leads to: a change is looked for there."""
    real = runs.sandbox.home / "far/away"
    real.mkdir(parents=True)
    (runs.sandbox.home / "link").symlink_to(real)
    path = runs.sandbox.write("far/own.pem", ISSUER.issue("erin").pem())
    config = runs.sandbox.config_file.read_text()
    runs.sandbox.config_file.write_text(config.replace("~/pki/alice.pem", "~/link/../own.pem"))
    runs.cached()
    other = ISSUER.issue("frank").pem()
    path.write_bytes(other)
    seen, _, cached = runs.run()
    assert not cached
    assert seen.files["SSL_CLIENT_CERT"] == other


def test_no_profile_is_cached_with_its_notice(sandbox: Sandbox) -> None:
    """Where no profile applies that is cached too, and said on every run that was typed."""
    runs = Runs(sandbox, sandbox.fake_tool("pip"))
    runs.run()
    _, said, cached = runs.run()
    assert (cached, said) == (
        True,
        f"mtls-run: notice: {NO_PROFILE}",
    )
    assert runs.run("-q", "pip", "download")[1:] == ("", True)
    assert runs.run("--wrapped", "pip", "download")[1:] == ("", True)
    ready(sandbox)
    assert runs.run()[0].get("SSL_CLIENT_CERT")


def test_what_has_to_be_unlocked_is_never_cached(sandbox: Sandbox, canary: Canary) -> None:
    """A locked identity is resolved on every run, and nothing of it lies in the cache."""
    locked(sandbox, canary.text)
    runs = Runs(sandbox, sandbox.fake_tool("pip"))
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
    seen, said, cached = runs.run()
    assert not cached
    assert said == ""
    assert seen.files["SSL_CERT_FILE"] == first.files["SSL_CERT_FILE"]
    assert seen.files["SSL_CLIENT_CERT"] == first.files["SSL_CLIENT_CERT"]


def test_a_notice_once_a_day_and_details_each_time(runs: Runs) -> None:
    """A notice of an expiry does not keep a launch from being cached; -v shows each decision."""
    runs.sandbox.write("pki/alice.pem", ISSUER.issue("alice", starts=-100, days=5).pem())
    assert "expires in 4 days" in runs.run()[1]
    assert runs.run()[1:] == ("", True)
    assert "expires" not in runs.run("pip", "download", "other")[1]
    _, said, cached = runs.run("-v", *TYPED)
    assert not cached
    assert "runs: " in said
    assert runs.run()[1:] == ("", True)


def test_quiet_does_not_use_up_a_notice(runs: Runs) -> None:
    """A notice that -q silenced is given by the next run that is not quiet."""
    runs.sandbox.write("pki/alice.pem", ISSUER.issue("alice", starts=-100, days=5).pem())
    assert runs.run("-q", *TYPED)[1] == ""
    assert runs.run("-q", *TYPED)[1] == ""
    assert "expires in 4 days" in runs.run()[1]


def test_the_older_half_goes_where_there_are_too_many(runs: Runs) -> None:
    """The directory does not grow for ever."""
    runs.cached()
    for number in range(600):
        (runs.folder / f"{number:032x}").write_bytes(b"")
    inner = runs.sandbox.home / "inner"
    inner.mkdir()
    runs.run(cwd=inner)
    assert len(list(runs.folder.iterdir())) <= 512
    assert runs.run(cwd=inner)[2]


def test_what_a_killed_run_left_is_swept(runs: Runs) -> None:
    """A run that resolves nothing removes an unlocked key that nobody holds any more."""
    runs.cached()
    left = runs.sandbox.root / "run/mtls-run/0123"
    left.mkdir(parents=True)
    left.parent.chmod(0o700)
    (left / "identity.pem").write_text("an unlocked key")
    _, said, cached = runs.run()
    assert (said, cached) == ("", True)
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
def test_a_cached_launch_never_differs_from_a_fresh_one(
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
