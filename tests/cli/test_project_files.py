"""Project files before the installed program: what counts, what is said, and the way past them."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.pki import Authority, Issued
from tests.tiers import first

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.sandbox import FakeTool, Sandbox

INSTALL = ("uv", "pip", "install", "x")
CONFIG = """
default-profile = "corp"
[profiles.corp]
ca-cert = "~/pki/corp.pem"
roots = "none"
[profiles.other]
ca-cert = "~/pki/other.pem"
roots = "none"
"""


@dataclass
class World:
    """A user with two profiles, and a project that has a CA and an identity of its own."""

    sandbox: Sandbox
    tool: FakeTool
    corp: Authority
    other: Authority
    own: Authority
    identity: Issued

    @property
    def project(self) -> Path:
        """The project's directory."""
        return self.sandbox.home / "src/project"

    def says(self, text: str, name: str = ".mtls-run.toml") -> Path:
        """Write the project file."""
        return self.sandbox.write(self.project / name, text, 0o644)

    def run(
        self, *words: str, cwd: Path | None = None, env: dict[str, str | None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `mtls-run` in the project."""
        return self.sandbox.run(*words, cwd=cwd or self.project, env=env, timeout=60)

    def allow(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Allow what the project says now."""
        done = self.run("allow", *words)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done

    def refused(self, done: subprocess.CompletedProcess[str]) -> str:
        """Fail unless mtls-run stopped before the tool; return what it said."""
        assert done.returncode == 125, done
        assert done.stdout == ""
        assert self.tool.runs == 0
        assert self.tool.version_questions == 0
        errors = re.findall(r"^mtls-run: error: ", done.stderr, re.MULTILINE)
        assert len(errors) == 1, done.stderr
        assert "internal error" not in done.stderr
        return done.stderr

    def trusts(self, done: subprocess.CompletedProcess[str], authority: Authority) -> None:
        """Fail unless the tool was run, once more, with this authority as its only root."""
        assert done.returncode == 0, done
        assert self.tool.seen().files["SSL_CERT_FILE"].strip() == authority.pem.strip()


@pytest.fixture(scope="session")
def authorities() -> tuple[Authority, Authority, Authority]:
    """Make the certificates once."""
    return Authority.create("corp"), Authority.create("other"), Authority.create("own")


@pytest.fixture
def world(sandbox: Sandbox, authorities: tuple[Authority, Authority, Authority]) -> World:
    """Return the user, the tool and an empty project."""
    corp, other, own = authorities
    sandbox.write("pki/corp.pem", corp.pem)
    sandbox.write("pki/other.pem", other.pem)
    sandbox.write("src/project/own.pem", own.pem)
    sandbox.write_config(CONFIG)
    return World(sandbox, sandbox.fake_tool(), corp, other, own, own.issue("me"))


OWN_PROFILE = 'ca-cert = "own.pem"\nroots = "none"\n'
BOTH = pytest.mark.parametrize("name", [".mtls-run.toml", "pyproject.toml"])


def text_for(name: str, text: str) -> str:
    """Return the project file's text, in a table where the file is pyproject.toml."""
    return f"[tool.mtls-run]\n{text}" if name == "pyproject.toml" else text


# --- allow


@pytest.mark.everyday
@BOTH
@pytest.mark.parametrize("text", [OWN_PROFILE, 'profile = "other"\n', 'extends = "corp"\n'])
def test_not_allowed(world: World, name: str, text: str) -> None:
    """A project file that is not allowed ends the run with the way to allow it; no tool runs."""
    path = world.says(text_for(name, text), name)
    said = world.refused(world.run(*INSTALL))
    assert f"mtls-run: error: the project file {path} " in said
    assert f"mtls-run: hint: look at it, then: mtls-run allow {world.project}" in said
    assert "--profile NAME" in said


@pytest.mark.everyday
@BOTH
def test_allow_then_run(world: World, name: str) -> None:
    """After `allow` the project's own profile applies, also in directories below."""
    path = world.says(text_for(name, OWN_PROFILE), name)
    done = world.allow()
    assert f"allowed: {path}\n" in done.stdout
    assert "ca-cert" in done.stdout
    assert f"{world.project}/own.pem" in done.stdout
    assert "roots = none" in done.stdout
    assert re.search(r"pinned: .*/own\.pem \(sha256 [0-9a-f]{16}", done.stdout)
    world.trusts(world.run(*INSTALL), world.own)
    below = world.project / "src/deep"
    below.mkdir(parents=True)
    world.trusts(world.run(*INSTALL, cwd=below), world.own)
    assert world.tool.runs == 2


def test_allow_a_directory(world: World) -> None:
    """`allow DIR` allows the project file that counts in that directory."""
    path = world.says('profile = "other"\n')
    (world.project / "src").mkdir()
    done = world.run("allow", "src/project/src", cwd=world.sandbox.home)
    assert done.returncode == 0, done
    assert f"allowed: {path}\n" in done.stdout
    assert "other" in done.stdout
    world.trusts(world.run(*INSTALL), world.other)


def test_allow_shows_every_value(world: World) -> None:
    """`allow` shows every setting, and the files that are pinned or missing."""
    world.says('client-cert = "gone.pem"\npassphrase = { file = "secret" }\nextends = "corp"\n')
    world.sandbox.write(world.project / "secret", "hunter2 hunter2\n")
    done = world.allow()
    for words in ("client-cert", "gone.pem", "passphrase", "secret", "extends", "corp", "missing"):
        assert words in done.stdout
    assert "hunter2" not in done.stdout
    assert "Path(" not in done.stdout


@pytest.mark.parametrize("command", ["allow", "deny"])
def test_nothing_to_allow(world: World, command: str) -> None:
    """A missing project file, or a missing directory, is an error with a hint."""
    for words in ([], ["."], ["gone"]):
        said = world.refused(world.run(command, *words))
        assert str(world.project) in said
    assert not (world.sandbox.root / "state/mtls-run").exists()


@pytest.mark.parametrize("command", ["allow", "deny"])
def test_usage(world: World, command: str) -> None:
    """Help is on stdout; a wrong option or one word too many is 125."""
    done = world.run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"mtls-run {command}" in done.stdout
    world.says('profile = "other"\n')
    for words in (["--force"], [".", "."]):
        world.refused(world.run(command, *words))


def test_the_hint_can_be_pasted(world: World) -> None:
    """The command in the hint works as it stands, also for a directory with a blank or a quote."""
    folder = world.sandbox.home / "it's $(touch marker); a dir"
    world.sandbox.write(folder / ".mtls-run.toml", 'profile = "other"\n')
    said = world.refused(world.run(*INSTALL, cwd=folder))
    hint = re.search(r"^mtls-run: hint: .*?(mtls-run allow .*); or choose", said, re.MULTILINE)
    assert hint is not None
    assert shlex.split(hint.group(1)) == ["mtls-run", "allow", str(folder)]


@pytest.mark.everyday
def test_changed_after_allow(world: World) -> None:
    """A changed project file, or a changed file that it names, has to be allowed again."""
    world.says(OWN_PROFILE)
    world.allow()
    world.says(f"{OWN_PROFILE}# more\n")
    assert "has changed since it was allowed" in world.refused(world.run(*INSTALL))
    world.says(OWN_PROFILE)
    world.sandbox.write(world.project / "own.pem", world.other.pem)
    said = world.refused(world.run(*INSTALL))
    assert f"{world.project}/own.pem has changed" in said
    assert "mtls-run allow" in said
    world.allow()
    world.trusts(world.run(*INSTALL), world.other)


@pytest.mark.everyday
def test_deny(world: World) -> None:
    """`deny` overrides `allow` and trusted directories, until the next `allow`."""
    world.sandbox.write_config(f'trusted-directories = ["~/src"]\n{CONFIG}')
    path = world.says('profile = "other"\n')
    world.trusts(world.run(*INSTALL), world.other)
    runs = world.tool.runs
    done = world.run("deny")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"denied: {path}\n", "")
    done = world.run(*INSTALL)
    assert done.returncode == 125
    assert "is denied by `mtls-run deny`" in done.stderr
    assert world.tool.runs == runs
    world.allow()
    world.trusts(world.run(*INSTALL), world.other)


FAULTY = [
    (".mtls-run.toml", "profile = ", 0o644),
    (".mtls-run.toml", "\xff", 0o644),
    (".mtls-run.toml", "nix = 1", 0o644),
    (".mtls-run.toml", "#" * (1 << 20) + "\n", 0o644),
    (".mtls-run.toml", 'profile = "other"', 0o666),
    ("pyproject.toml", "[tool.mtls-run]\nprofile = ", 0o644),
    ("pyproject.toml", "[tool.mtls-run]\nnix = 1", 0o644),
]


@pytest.mark.parametrize(("name", "text", "mode"), FAULTY, ids=range(len(FAULTY)))
def test_deny_a_broken_file(world: World, name: str, text: str, mode: int) -> None:
    """A file with an error, or that others can write, can be denied, and then stays denied."""
    world.sandbox.write_config(f'trusted-directories = ["~/src"]\n{CONFIG}')
    path = world.project / name
    world.sandbox.write(path, text.encode("latin-1"), mode)
    world.refused(world.run(*INSTALL))
    done = world.run("deny")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"denied: {path}\n", "")
    table = "[tool.mtls-run]\n" if name == "pyproject.toml" else ""
    world.says(f'{table}profile = "other"\n', name)
    assert "is denied by `mtls-run deny`" in world.refused(world.run(*INSTALL))


def test_trusted_directory(world: World) -> None:
    """Below a trusted directory no `allow` is needed, and changes ask nothing."""
    world.sandbox.write_config(f'trusted-directories = ["~/src"]\n{CONFIG}')
    world.says(OWN_PROFILE)
    world.trusts(world.run(*INSTALL), world.own)
    world.sandbox.write(world.project / "own.pem", world.other.pem)
    world.trusts(world.run(*INSTALL), world.other)
    assert not (world.sandbox.root / "state/mtls-run").exists()


# --- what needs no allow


@BOTH
def test_the_profile_that_applies_anyway(world: World, name: str) -> None:
    """To name the profile that applies anyway needs no `allow`."""
    world.says(text_for(name, 'profile = "corp"\n'), name)
    done = world.run(*INSTALL)
    world.trusts(done, world.corp)
    assert done.stderr == ""


def test_anyway_by_the_directory(world: World) -> None:
    """What applies anyway is by the directory's rule before it is by the default."""
    rule = '[[directories]]\npath = "~/src"\nprofile = "other"\n'
    world.sandbox.write_config(CONFIG + rule)
    world.says('profile = "corp"\n')
    world.refused(world.run(*INSTALL))
    world.says('profile = "other"\n')
    world.trusts(world.run(*INSTALL), world.other)


BROKEN = ["fifo", "broken", "directory", "not allowed", "denied", "10 MB", "binary", "nested"]


def break_it(world: World, how: str) -> None:
    """Put something into the project file's place that cannot count."""
    path = world.says(OWN_PROFILE)
    if how == "denied":
        assert world.run("deny").returncode == 0
    elif how == "fifo":
        path.unlink()
        os.mkfifo(path)
    elif how == "directory":
        path.unlink()
        path.mkdir()
    elif how != "not allowed":
        content = {
            "broken": b"= [",
            "10 MB": b"#" * (10 * 1024 * 1024),
            "binary": b"\x00\xff" * 100,
            "nested": b"x = " + b"[" * 200_000,
        }[how]
        path.write_bytes(content)


@pytest.mark.everyday
@pytest.mark.parametrize("how", first(3, BROKEN))
def test_ways_past_it(world: World, how: str) -> None:
    """Whatever stands there: who chooses, or wants no profile, is not held up by it."""
    break_it(world, how)
    said = world.refused(world.run(*INSTALL))
    assert f"{world.project}/.mtls-run.toml" in said
    world.trusts(world.run("--profile", "other", *INSTALL), world.other)
    world.trusts(world.run(*INSTALL, env={"MTLS_RUN_PROFILE": "other"}), world.other)
    for words, env in ((("--no-profile",), {}), ((), {"MTLS_RUN_DISABLE": "1"})):
        done = world.run(*words, *INSTALL, env=dict(env))
        assert (done.returncode, done.stderr) == (0, "")
        assert "SSL_CERT_FILE" not in world.tool.seen().files
    assert world.tool.runs == 4


@pytest.mark.parametrize("how", ["fifo", "not allowed"])
def test_commands_without_network(world: World, how: str) -> None:
    """A command that uses no network does not read it either."""
    break_it(world, how)
    done = world.run("uv", "cache", "dir")
    assert (done.returncode, done.stderr) == (0, "")
    assert world.tool.runs == 1


@pytest.mark.parametrize("name", ["CI", "GITHUB_ACTIONS", "TF_BUILD"])
def test_ci_grants_nothing(world: World, name: str) -> None:
    """CI=true grants nothing; naming the profile is the way there."""
    world.says(OWN_PROFILE)
    world.refused(world.run(*INSTALL, env={name: "true"}))
    world.trusts(world.run(*INSTALL, env={name: "true", "MTLS_RUN_PROFILE": "corp"}), world.corp)


# --- explain


@pytest.mark.parametrize("json_too", [[], ["--json"]])
@pytest.mark.parametrize("how", first(3, BROKEN))
def test_explain_what_does_not_count(world: World, how: str, json_too: list[str]) -> None:
    """--explain of what the run would refuse says the same, and answers what it can."""
    break_it(world, how)
    explained = world.run("--explain", *json_too, *INSTALL)
    refused = world.refused(world.run(*INSTALL))
    if " allow" not in refused:  # it is broken, and not only in want of an `allow`
        world.refused(explained)
        assert explained.stderr == refused
        return
    fact, hint = re.findall(r"^mtls-run: (?:error|hint): (.*)$", refused, re.MULTILINE)
    assert (explained.returncode, explained.stderr) == (0, ""), explained
    assert (world.tool.runs, world.tool.version_questions) == (0, 0)
    if json_too:
        found = json.loads(explained.stdout)
        assert (found["skipped"], found["notices"], found["argv"]) == (fact, [hint], [])
        assert found["env"] == {"set": {}, "unset": []}
    else:
        assert f"stops     {fact}\nto do     {hint}\n" in explained.stdout


def test_explain_what_counts(world: World) -> None:
    """--explain names the project file as the origin, and what it won over with its origin."""
    path = world.says('profile = "other"\n')
    rule = '[[directories]]\npath = "~/src"\nprofile = "corp"\n'
    config = world.sandbox.write_config(CONFIG + rule)
    world.allow()
    shown = world.run("--explain", *INSTALL)
    assert shown.returncode == 0, shown
    assert f"profile   other, by {path}:1\n" in shown.stdout
    line = config.read_text().splitlines().index('path = "~/src"') + 2
    assert f"rather than profile corp: {config}:{line}" in shown.stdout
    found = json.loads(world.run("--explain", "--json", *INSTALL).stdout)
    assert (found["profile"], found["origin"]) == ("other", f"{path}:1")
    assert world.tool.runs == 0


def test_explain_a_profile_of_its_own(world: World) -> None:
    """A profile of the project's own has no name; each value says its line in the file."""
    path = world.says(OWN_PROFILE)
    world.allow()
    shown = world.run("--explain", *INSTALL)
    assert shown.returncode == 0, shown
    assert re.search(rf"^profile   .*, by {re.escape(str(path))}$", shown.stdout, re.MULTILINE)
    assert f"ca-cert: {path}:1\n" in shown.stdout
    assert f"roots: {path}:2\n" in shown.stdout
    assert "rather than profile corp: " in shown.stdout
    found = json.loads(world.run("--explain", "--json", *INSTALL).stdout)
    assert (found["profile"], found["origin"]) == (None, str(path))
    assert found["roots"] == {"base": "none", "added": [f"{world.project}/own.pem"]}


def test_verbose_says_what_it_won_over(world: World) -> None:
    """With -v the run says the profile, its origin and what it won over."""
    path = world.says('profile = "other"\n')
    world.allow()
    done = world.run("-v", *INSTALL)
    assert f"mtls-run: profile other, by {path}:1\n" in done.stderr
    assert "rather than profile corp, by " in done.stderr


def test_both_files(world: World) -> None:
    """Both in one directory: `.mtls-run.toml` counts, with a notice that -q silences."""
    world.says('profile = "corp"\n')
    world.says('[tool.mtls-run]\nprofile = "other"\n', "pyproject.toml")
    done = world.run(*INSTALL)
    world.trusts(done, world.corp)
    assert done.stderr.startswith("mtls-run: notice: ")
    assert "pyproject.toml" in done.stderr
    assert world.run("-q", *INSTALL).stderr == ""


# --- terminal escapes

ESCAPES = "\x1b[2J\x1b]0;x\x07\r\x9b1m\u202e"


def assert_no_escapes(*outputs: str) -> None:
    """Fail where an output could move the cursor, or turn the text around."""
    for output in outputs:
        assert re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ufeff]", output) is None, (
            output
        )


def test_escapes_in_the_path(world: World) -> None:
    """A directory's name cannot move the cursor, in no message and no answer."""
    folder = world.sandbox.home / f"evil{ESCAPES}\ndir"
    world.sandbox.write(folder / ".mtls-run.toml", OWN_PROFILE)
    world.sandbox.write(folder / "own.pem", world.own.pem)
    refused = world.run(*INSTALL, cwd=folder)
    world.refused(refused)
    allowed = world.run("allow", cwd=folder)
    assert allowed.returncode == 0, allowed
    shown = world.run("--explain", *INSTALL, cwd=folder)
    done = world.run("-v", *INSTALL, cwd=folder)
    world.trusts(done, world.own)
    denied = world.run("deny", cwd=folder)
    outputs = [
        text for d in (refused, allowed, shown, done, denied) for text in (d.stdout, d.stderr)
    ]
    assert_no_escapes(*outputs)
    for output in (refused.stderr, allowed.stdout, shown.stdout, denied.stdout):
        assert r"evil\x1b[2J" in output


IN_A_VALUE = (
    'profile = "@"',
    '"@" = 1',
    'ca-cert = "@"\nroots = "none"',
    'extends = "@"',
    'roots = "@"',
    'client-cert = "@"',
    'passphrase = { file = "@" }\nclient-cert = "x"',
    'passphrase = { "@" = 1 }',
)


@pytest.mark.parametrize("text", first(3, IN_A_VALUE))
def test_escapes_in_a_value(world: World, text: str) -> None:
    """A value cannot move the cursor either, allowed or not."""
    escaped = "".join(f"\\u{ord(char):04x}" for char in ESCAPES)
    world.says(text.replace("@", escaped) + "\n")
    for words in (INSTALL, ("allow",), INSTALL, ("--explain", *INSTALL)):
        done = world.run(*words)
        assert done.returncode == 125 or words == ("allow",)
        assert_no_escapes(done.stdout, done.stderr)
        assert "internal error" not in done.stderr
    assert world.tool.runs == 0


# --- passphrases

PASSPHRASE = "correct horse battery"


def test_passphrase_file(world: World) -> None:
    """A passphrase file of the project serves once it is allowed, and not when it has changed."""
    world.sandbox.write(world.project / "me.pem", world.identity.pem(PASSPHRASE))
    secret = world.sandbox.write(world.project / "secret", f"{PASSPHRASE}\n")
    world.says(f'{OWN_PROFILE}client-cert = "me.pem"\npassphrase = {{ file = "secret" }}\n')
    world.refused(world.run(*INSTALL))
    assert PASSPHRASE not in world.allow().stdout
    done = world.run(*INSTALL)
    world.trusts(done, world.own)
    assert world.tool.seen().files["SSL_CLIENT_CERT"] == world.identity.pem()
    secret.write_text(f"{PASSPHRASE}\r\n")
    done = world.run(*INSTALL)
    assert done.returncode == 125
    assert "has changed" in done.stderr
    assert world.tool.runs == 1


@pytest.mark.parametrize("extends", ["", 'extends = "corp"\n'])
def test_keyring_account(world: World, extends: str) -> None:
    """The passphrase of a project's profile is kept by its key's path, never by a name."""
    world.sandbox.write(world.project / "me.pem", world.identity.cert_pem)
    world.sandbox.write(world.project / "me.key", world.identity.key_pem(PASSPHRASE))
    world.says(f'{extends}{OWN_PROFILE}client-cert = "me.pem"\nclient-key = "me.key"\n')
    world.allow()
    done = world.run("--explain", "--json", *INSTALL)
    assert done.returncode == 0, done
    source = json.loads(done.stdout)["identity"]["passphrase"]
    assert source == f"keyring (service mtls-run, user file:{world.project}/me.key)"


# --- a home that holds nothing


@pytest.mark.parametrize("command", ["allow", "deny"])
def test_a_missing_home(world: World, command: str) -> None:
    """Without a home directory, the status is 125 with a hint, and no home is made."""
    world.says(OWN_PROFILE)
    home = world.sandbox.root / "nobody/home"
    env = {"HOME": str(home), "XDG_STATE_HOME": None}
    done = world.run(command, env=env)
    assert "mtls-run: hint: " in world.refused(done)
    assert not home.exists()


@pytest.mark.parametrize("command", ["allow", "deny"])
def test_a_state_directory_that_cannot_be(world: World, command: str) -> None:
    """Without a state directory, the status is 125 with a hint."""
    world.says(OWN_PROFILE)
    state = world.sandbox.write(world.sandbox.root / "file", "")
    done = world.run(command, env={"XDG_STATE_HOME": str(state)})
    said = world.refused(done)
    assert str(state) in said
    assert "mtls-run: hint: " in said
    world.refused(world.run(*INSTALL))
