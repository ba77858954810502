"""A cloned repository tries everything that it can bring along, and gains nothing."""

from __future__ import annotations

import base64
import dataclasses
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.pki import Authority, Issued
from tests.strangers import give_away
from tests.tiers import first

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

    from tests.sandbox import FakeTool, Sandbox, Seen

pytestmark = pytest.mark.attack

INSTALL = ("uv", "pip", "install", "x")
CONFIG = """
default-profile = "corp"
trusted-directories = ["~/trusted"]
[profiles.corp]
client-cert = "~/pki/corp.pem"
ca-cert = "~/pki/corp-ca.pem"
roots = "none"
[profiles.admin]
client-cert = "~/pki/admin.pem"
ca-cert = "~/pki/corp-ca.pem"
roots = "none"
"""
PASSPHRASE = "correct horse battery"


@dataclass
class Attack:
    """A victim with two identities, and the clone of a hostile repository."""

    sandbox: Sandbox
    tool: FakeTool
    company: Authority
    evil: Authority
    alice: Issued
    admin: Issued
    mallory: Issued
    env: dict[str, str | None] = field(default_factory=dict)

    @property
    def repository(self) -> Path:
        """The clone."""
        return self.sandbox.home / "work/clone"

    @property
    def marker(self) -> Path:
        """The file that any code of the repository makes."""
        return self.sandbox.root / "marker"

    def says(self, text: str, name: str = ".mtls-run.toml") -> Path:
        """Write a file into the clone; `@` stands for the clone's own path."""
        text = text.replace("@", str(self.repository))
        return self.sandbox.write(self.repository / name, text, 0o644)

    def run(
        self,
        *words: str,
        cwd: Path | None = None,
        env: Mapping[str, str | None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `mtls-run` in the clone."""
        changes = {**self.env, **(env or {})}
        return self.sandbox.run(*words, cwd=cwd or self.repository, env=changes)

    def allow(self, cwd: Path | None = None) -> None:
        """Let the victim allow what the repository says now."""
        done = self.run("allow", cwd=cwd)
        assert done.returncode == 0, done

    def assert_stopped(self, done: subprocess.CompletedProcess[str]) -> None:
        """Fail unless mtls-run stopped before the tool, with words of its own."""
        assert done.returncode == 125, done
        assert "mtls-run: error: " in done.stderr
        assert "internal error" not in done.stderr
        assert done.stdout == ""
        assert self.tool.runs == 0
        assert not self.marker.exists()

    def assert_explained(self, done: subprocess.CompletedProcess[str]) -> None:
        """Fail unless --explain said that the run stops, and why, or stopped itself."""
        if done.returncode:
            self.assert_stopped(done)
        assert done.returncode or "\nstops     the project file " in done.stdout
        assert (self.tool.runs, self.tool.version_questions) == (0, 0)
        assert not self.marker.exists()

    def assert_ordinary(self, done: subprocess.CompletedProcess[str]) -> None:
        """Fail unless the tool was run with the victim's own default, and nothing else."""
        assert done.returncode == 0, done
        seen = self.tool.seen()
        assert seen.files["SSL_CERT_FILE"].strip() == self.company.pem.strip()
        assert seen.files["SSL_CLIENT_CERT"] == self.alice.pem()
        assert_free_of(seen, self)

    def assert_stopped_or_ordinary(self, done: subprocess.CompletedProcess[str]) -> None:
        """Fail unless it was either of the two."""
        if self.tool.runs:
            self.assert_ordinary(done)
        else:
            self.assert_stopped(done)


def assert_free_of(seen: Seen, attack: Attack) -> None:
    """Fail where the tool was handed anything of the repository's, or another identity."""
    handed = [*seen.args, *(value for name, value in seen.env.items() if name != b"PWD")]
    handed += seen.files.values()
    wrong = [os.fsencode(attack.repository), b"admin"]
    others = (attack.evil.der, attack.mallory.cert_der, attack.admin.cert_der)
    wrong += [base64.b64encode(der)[-60:] for der in others]
    for text in handed:
        flat = text.replace(b"\n", b"")
        assert not [word for word in wrong if word in flat], text
    assert not attack.marker.exists()


@pytest.fixture(scope="session")
def people() -> tuple[Authority, Authority, Issued, Issued, Issued]:
    """Make the certificates once."""
    company, evil = Authority.create("company"), Authority.create("evil")
    return company, evil, company.issue("alice"), company.issue("root"), evil.issue("mallory")


@pytest.fixture
def attack(sandbox: Sandbox, people: tuple[Authority, Authority, Issued, Issued, Issued]) -> Attack:
    """Return the victim and the clone, which brings a CA and an identity."""
    company, evil, alice, admin, mallory = people
    sandbox.write("pki/corp.pem", alice.pem())
    sandbox.write("pki/admin.pem", admin.pem())
    sandbox.write("pki/corp-ca.pem", company.pem)
    sandbox.write_config(CONFIG)
    found = Attack(sandbox, sandbox.fake_tool(), company, evil, alice, admin, mallory)
    sandbox.write(found.repository / "ca.pem", evil.pem, 0o644)
    sandbox.write(found.repository / "id.pem", mallory.pem(), 0o600)
    sandbox.write(found.repository / "id-locked.pem", mallory.pem(PASSPHRASE), 0o600)
    sandbox.write(found.repository / "secret", PASSPHRASE, 0o600)
    program = f"#!/bin/sh\ntouch '{found.marker}'\necho '{PASSPHRASE}'\n"
    sandbox.write(found.repository / "program", program, 0o755)
    return found


def test_the_victim(attack: Attack) -> None:
    """Where the repository says nothing the victim's own profile is used: what is defended."""
    attack.assert_ordinary(attack.run(*INSTALL))


# --- what it says without having been allowed

SAYS = {
    "a CA": 'ca-cert = "ca.pem"\n',
    "a CA alone": 'ca-cert = "ca.pem"\nroots = "none"\n',
    "a CA by pip's name": 'cert = ["ca.pem"]\nroots = "none"\n',
    "roots none": 'roots = "none"\n',
    "roots environment": 'roots = "environment"\n',
    "an identity": 'client-cert = "id.pem"\n',
    "the user's identity": 'client-cert = "~/pki/admin.pem"\nca-cert = "ca.pem"\n',
    "the user's identity by ..": 'client-cert = "../../pki/admin.pem"\nca-cert = "ca.pem"\n',
    "the user's identity absolute": 'client-cert = "@/../../pki/admin.pem"\n',
    "the user's key": 'client-cert = "id.pem"\nclient-key = "~/pki/corp.pem"\n',
    "a command": 'client-cert = "id-locked.pem"\npassphrase = { command = ["./program"] }\n',
    "a shell": 'client-cert = "id-locked.pem"\npassphrase = { command = ["sh", "@/program"] }\n',
    "a variable": 'client-cert = "id-locked.pem"\npassphrase = { env = "SECRET" }\n',
    "a passphrase file": 'client-cert = "id-locked.pem"\npassphrase = { file = "secret" }\n',
    "extends": 'extends = "corp"\n',
    "extends with a CA": 'extends = "corp"\nca-cert = "ca.pem"\n',
    "extends admin": 'extends = "admin"\n',
    "extends with an identity": 'extends = "corp"\nclient-cert = "id.pem"\n',
    "another profile": 'profile = "admin"\n',
    "no profile": 'profile = "nobody"\n',
    "trusted-directories": 'trusted-directories = ["/", "~", "."]\nca-cert = "ca.pem"\n',
    "default-profile": 'default-profile = "admin"\n',
    "a profile of the user's": '[profiles.corp]\nca-cert = "ca.pem"\n',
    "a rule for directories": '[[directories]]\npath = "/"\nprofile = "admin"\n',
    "a name and a CA": 'profile = "corp"\nca-cert = "ca.pem"\n',
    "a profile as a table": 'profile = { ca-cert = "ca.pem" }\n',
    "remember": 'extends = "corp"\nremember = "9d"\n',
    "allowed": 'allowed = true\nca-cert = "ca.pem"\n',
    "nothing": "",
    "nesting": "x = " + "[" * 200_000 + "\n",
    "deep tables": "[" + "a." * 5000 + 'a]\nca-cert = "ca.pem"\n',
    "a long number": "x = 1" + "0" * 10_000 + "\n",
}


MOST_USUAL = (
    *("a CA", "roots none", "an identity", "the user's identity by ..", "a command", "extends"),
    *("another profile", "trusted-directories", "a rule for directories", "allowed", "nesting"),
)


@pytest.mark.parametrize("said", first(len(MOST_USUAL), dict.fromkeys([*MOST_USUAL, *SAYS])))
@pytest.mark.parametrize("name", first(1, [".mtls-run.toml", "pyproject.toml"]))
def test_it_says(attack: Attack, said: str, name: str) -> None:
    """Whatever the project file says, the run stops at it; nothing is unlocked or executed."""
    text = SAYS[said]
    if name == "pyproject.toml":
        text = text.replace("[[dir", "[[tool.mtls-run.dir").replace("[profiles", "[tool.mtls-run.p")
        text = text.replace("[a.", "[tool.mtls-run.a.")
        text = f"[tool.mtls-run]\n{text}"
    attack.says(text, name)
    env = {"SECRET": PASSPHRASE, "CI": "true"}
    attack.assert_stopped(attack.run(*INSTALL, env=env))
    attack.assert_explained(attack.run("--explain", *INSTALL, env=env))
    below = attack.repository / "src/package"
    below.mkdir(parents=True)
    attack.assert_stopped(attack.run("uv", "sync", cwd=below, env=env))


@pytest.mark.parametrize("said", [name for name in SAYS if "command" in name or "shell" in name])
@pytest.mark.parametrize("where", ["work/clone", "trusted"])
def test_programs_are_refused_always(attack: Attack, said: str, where: str) -> None:
    """A command is not run for `allow`, nor below a trusted directory."""
    folder = attack.sandbox.home / where
    if folder != attack.repository:
        shutil.copytree(attack.repository, folder)
    attack.sandbox.write(folder / ".mtls-run.toml", SAYS[said].replace("@", str(folder)))
    attack.assert_stopped(attack.run("allow", cwd=folder))
    attack.assert_stopped(attack.run(*INSTALL, cwd=folder))


def test_a_command_by_extends(attack: Attack) -> None:
    """The victim's own command is not run for a repository that is not allowed."""
    command = f'passphrase = {{ command = ["{attack.repository}/program"] }}\n'
    attack.sandbox.write_config(
        f'{CONFIG}[profiles.pass]\nclient-cert = "~/pki/locked.pem"\n{command}'
    )
    attack.sandbox.write("pki/locked.pem", attack.alice.pem(PASSPHRASE))
    for text in ('extends = "pass"\n', 'profile = "pass"\n'):
        attack.says(text)
        attack.assert_stopped(attack.run(*INSTALL))
        attack.assert_explained(attack.run("--explain", *INSTALL))


@pytest.mark.parametrize("spelt", ['"mtls\\u002drun"', '"\\u006dtls-run"', '"mtls-\\u0072un"'])
def test_a_table_hidden_by_escapes(attack: Attack, spelt: str) -> None:
    """A table in pyproject.toml that no search finds is not the way around `allow`."""
    attack.says(f'[tool.{spelt}]\nca-cert = "ca.pem"\nroots = "none"\n', "pyproject.toml")
    attack.assert_stopped_or_ordinary(attack.run(*INSTALL))


# --- what it does after something was allowed

INNOCENT = 'ca-cert = "ca.pem"\nroots = "none"\n'


def allowed_innocent(attack: Attack) -> None:
    """Let the repository name the company's CA, and the victim allow that."""
    attack.sandbox.write(attack.repository / "ca.pem", attack.company.pem, 0o644)
    attack.says(INNOCENT)
    attack.allow()


@pytest.mark.parametrize("how", ["copied", "moved", "beside", "below"])
def test_replay(attack: Attack, how: str) -> None:
    """What was allowed in one place counts in no other, though not a byte differs (direnv #83)."""
    allowed_innocent(attack)
    other = attack.sandbox.home / "work" / ("clone/vendored" if how == "below" else "clone-2")
    if how == "moved":
        attack.repository.rename(other)
    elif how == "copied":
        shutil.copytree(attack.repository, other)
    else:
        other.mkdir()
        for name in (".mtls-run.toml", "ca.pem"):
            shutil.copy2(attack.repository / name, other)
    attack.assert_stopped(attack.run(*INSTALL, cwd=other))


def test_another_repository_in_its_place(attack: Attack) -> None:
    """Another repository, moved to where the allowed one was, is not allowed."""
    allowed_innocent(attack)
    evil = attack.sandbox.home / "work/evil"
    attack.sandbox.write(evil / ".mtls-run.toml", f"{INNOCENT}# a word more\n")
    attack.sandbox.write(evil / "ca.pem", attack.evil.pem)
    shutil.rmtree(attack.repository)
    evil.rename(attack.repository)
    attack.assert_stopped(attack.run(*INSTALL))
    attack.says(INNOCENT)
    attack.assert_stopped(attack.run(*INSTALL))


def test_a_copied_entry(attack: Attack) -> None:
    """An entry of the store, copied under another project's name, allows nothing."""
    allowed_innocent(attack)
    store = attack.sandbox.root / "state/mtls-run/approvals"
    (allowed,) = store.iterdir()
    other = attack.sandbox.home / "work/other"
    shutil.copytree(attack.repository, other)
    assert attack.run("deny", cwd=other).returncode == 0
    (denied,) = set(store.iterdir()) - {allowed}
    shutil.copy2(allowed, denied)
    attack.assert_stopped(attack.run(*INSTALL, cwd=other))


def test_a_store_of_its_own(attack: Attack) -> None:
    """A store that the repository brings is nobody's."""
    allowed_innocent(attack)
    state = attack.sandbox.root / "state"
    shutil.copytree(state / "mtls-run", attack.repository / ".local/state/mtls-run")
    shutil.copytree(state / "mtls-run", attack.repository / "mtls-run")
    shutil.rmtree(state / "mtls-run")
    attack.assert_stopped(attack.run(*INSTALL))
    relative = {"XDG_STATE_HOME": "."}
    attack.assert_stopped(attack.run(*INSTALL, env=relative))


@pytest.mark.parametrize(
    "text",
    [
        f"{INNOCENT}#",
        INNOCENT.replace("none", "public"),
        'profile = "admin"\n',
        'roots = "public"\n',
    ],
)
def test_content_changed(attack: Attack, text: str) -> None:
    """What the project file says after `allow` is asked for anew."""
    allowed_innocent(attack)
    attack.says(text)
    attack.assert_stopped(attack.run(*INSTALL))


@pytest.mark.parametrize("how", ["written", "renamed", "symlink", "later"])
def test_named_file_swapped(attack: Attack, how: str) -> None:
    """A CA that is swapped after `allow`, or comes only later, is not trusted."""
    ca = attack.repository / "ca.pem"
    new = attack.sandbox.write(attack.repository / "new.pem", attack.evil.pem, 0o644)
    if how == "later":
        ca.unlink()
        attack.says(INNOCENT)
        attack.allow()
    else:
        allowed_innocent(attack)
        ca.unlink()
    if how == "symlink":
        ca.symlink_to(new)
    elif how == "written":
        ca.write_bytes(attack.evil.pem)
    else:
        new.rename(ca)
    attack.assert_stopped(attack.run(*INSTALL))


def test_identity_and_passphrase_swapped(attack: Attack) -> None:
    """The same for an identity, its key, and the file of its passphrase."""
    for name in ("id.pem", "id-locked.pem", "secret"):
        attack.says(
            'ca-cert = "~/pki/corp-ca.pem"\nroots = "none"\n'
            f'client-cert = "{"id.pem" if name == "id.pem" else "id-locked.pem"}"\n'
            'passphrase = { file = "secret" }\n'
        )
        attack.allow()
        path = attack.repository / name
        before = path.read_bytes()
        path.write_bytes(attack.evil.issue("eve").pem() if name == "id.pem" else before + b"\r\n")
        attack.assert_stopped(attack.run(*INSTALL))
        path.write_bytes(before)


@pytest.mark.parametrize("through", ["a/ca.pem", "a/../../ca.pem", "./a/../ca-2.pem"])
def test_dotdot_behind_a_symlink(attack: Attack, through: str) -> None:
    """Words that meant a file of the victim's cannot be bent to one of the repository's."""
    folder = attack.repository
    (folder / "d/e").mkdir(parents=True)
    (folder / "a").mkdir()
    for path in (folder / "a/ca.pem", folder.parent / "ca.pem", folder / "ca-2.pem"):
        attack.sandbox.write(path, attack.company.pem, 0o644)
    for path in (folder / "d/e/ca.pem", folder / "ca.pem", folder / "d/ca-2.pem"):
        attack.sandbox.write(path, attack.evil.pem, 0o644)
    attack.says(f'ca-cert = "{through}"\nroots = "none"\n')
    attack.allow()
    shutil.rmtree(folder / "a")
    (folder / "a").symlink_to("d/e")
    attack.assert_stopped(attack.run(*INSTALL))


@pytest.mark.parametrize("link", ["symlink", "hard link"])
def test_a_link_to_an_allowed_one(attack: Attack, link: str) -> None:
    """A project file that is a link to one that is allowed elsewhere is not allowed here."""
    allowed_innocent(attack)
    other = attack.sandbox.home / "work/other"
    attack.sandbox.write(other / "ca.pem", attack.evil.pem)
    if link == "symlink":
        (other / ".mtls-run.toml").symlink_to("../clone/.mtls-run.toml")
    else:
        os.link(attack.repository / ".mtls-run.toml", other / ".mtls-run.toml")
    attack.assert_stopped(attack.run(*INSTALL, cwd=other))


def test_a_link_that_turns(attack: Attack) -> None:
    """A link that was allowed for what it led to is asked for anew when it leads elsewhere."""
    good = attack.says(INNOCENT, "good.toml")
    bad = attack.says('profile = "admin"\n', "bad.toml")
    link = attack.repository / ".mtls-run.toml"
    link.symlink_to(good.name)
    attack.sandbox.write(attack.repository / "ca.pem", attack.company.pem)
    attack.allow()
    link.unlink()
    link.symlink_to(bad.name)
    attack.assert_stopped(attack.run(*INSTALL))


@pytest.mark.parametrize("target", ["pki/corp.pem", "../config/mtls-run/config.toml"])
def test_a_link_to_a_file_of_the_victims(attack: Attack, target: str) -> None:
    """A link to a secret file stops the run, and shows nothing of the file."""
    path = (attack.sandbox.home / target).resolve()
    (attack.repository / ".mtls-run.toml").symlink_to(path)
    done = attack.run(*INSTALL)
    attack.assert_stopped(done)
    for line in attack.alice.key_pem().decode().splitlines()[1:-1]:
        assert line not in done.stderr


def test_a_link_out_of_a_trusted_directory(attack: Attack) -> None:
    """A link in a trusted directory that leads to the clone makes nothing of it trusted."""
    attack.says(INNOCENT)
    (attack.sandbox.home / "trusted").mkdir()
    (attack.sandbox.home / "trusted/link").symlink_to(attack.repository)
    attack.assert_stopped(attack.run(*INSTALL, cwd=attack.sandbox.home / "trusted/link"))


# --- what stands around it


@pytest.mark.everyday
def test_a_directory_of_another_user(attack: Attack) -> None:
    """A project file in another user's parent directory has no say (git CVE-2022-24765)."""
    parent = attack.sandbox.root / "shared"
    path = attack.sandbox.write(parent / ".mtls-run.toml", INNOCENT, 0o644)
    ca = attack.sandbox.write(parent / "ca.pem", attack.evil.pem, 0o644)
    mine = parent / "mine"
    mine.mkdir()
    if give_away(parent, path, ca):
        attack.assert_ordinary(attack.run(*INSTALL, cwd=mine))
    else:
        attack.assert_stopped(attack.run(*INSTALL, cwd=mine))


@pytest.mark.everyday
def test_a_file_of_another_user(attack: Attack) -> None:
    """Another user's project file in one's own directory is refused, allowed or not."""
    path = attack.says('profile = "corp"\n')
    if not give_away(path):
        path.chmod(0o666)
    attack.assert_stopped(attack.run(*INSTALL))
    attack.assert_stopped(attack.run("allow"))


@pytest.mark.parametrize("mode", [0o1777, 0o777])
@pytest.mark.parametrize("name", [".mtls-run.toml", "pyproject.toml"])
def test_a_directory_that_everybody_writes(attack: Attack, mode: int, name: str) -> None:
    """A project file put into a directory like /tmp has no say below it, nor there."""
    folder = attack.sandbox.root / "open"
    text = f"[tool.mtls-run]\n{INNOCENT}" if name == "pyproject.toml" else INNOCENT
    attack.sandbox.write(folder / name, text, 0o644)
    attack.sandbox.write(folder / "ca.pem", attack.evil.pem, 0o644)
    (folder / "mine").mkdir()
    folder.chmod(mode)
    for cwd in (folder / "mine", folder):
        attack.assert_ordinary(attack.run(*INSTALL, cwd=cwd))


@pytest.mark.parametrize("kind", ["fifo", "directory", "device"])
def test_no_file(attack: Attack, kind: str) -> None:
    """What would hang a reader, or never ends, stops the run at once."""
    path = attack.repository / ".mtls-run.toml"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    attack.assert_stopped(attack.run(*INSTALL))
    path.rmdir() if kind == "directory" else path.unlink()
    attack.says('client-cert = "id.pem"\nca-cert = "trap"\n')
    trap = attack.repository / "trap"
    if kind == "fifo":
        os.mkfifo(trap)
    elif kind == "directory":
        trap.mkdir()
    else:
        trap.symlink_to("/dev/zero")
    attack.assert_stopped(attack.run("allow"))


# --- code that lies about

MODULES = ("mtls_run", "keyring", "cryptography", "click", "platformdirs", "certifi", "tomllib")
OURS = ("allow", "run")


def plant_code(attack: Attack, names: tuple[str, ...]) -> None:
    """Put modules and packages of these names into the clone, each of which makes the marker."""
    code = f"open({str(attack.marker)!r}, 'w').close()\n"
    for number, name in enumerate(names):
        place = f"{name}.py" if number % 2 else f"{name}/__init__.py"
        attack.sandbox.write(attack.repository / place, code, 0o644)
        attack.sandbox.write(attack.repository / "src" / place, code, 0o644)


@pytest.mark.parametrize("command", OURS)
@pytest.mark.parametrize(
    ("names", "path"),
    [
        ((*MODULES, "sitecustomize", "usercustomize", "re", "json"), None),
        (MODULES[1:], ".:/gone"),
        (MODULES[1:], ":/gone"),
        (MODULES[1:], "/gone:"),
        (MODULES[1:], "/gone::/gone"),
        (MODULES[1:], "src"),
    ],
    ids=["none", "dot", "empty first", "empty last", "empty between", "relative"],
)
def test_code_in_the_current_directory(
    attack: Attack, command: str, names: tuple[str, ...], path: str | None
) -> None:
    """Python code of the clone is not imported, whatever its name and whatever PYTHONPATH is."""
    attack.says(INNOCENT)
    plant_code(attack, names)
    env = {"PYTHONPATH": path}
    if command == "allow":
        done = attack.run("allow", env=env)
        assert done.returncode == 0, done
        done = attack.run("deny", env=env)
        assert done.returncode == 0, done
    else:
        attack.assert_stopped(attack.run(*INSTALL, env=env))
        (attack.repository / ".mtls-run.toml").unlink()
        locked = attack.alice.pem(PASSPHRASE)
        attack.sandbox.write("pki/corp.pem", locked)
        # No terminal and no keyring of use: the keyring's own code was looked for.
        done = attack.run(*INSTALL, env=env)
        attack.assert_stopped(done)
        assert "passphrase" in done.stderr
    assert not attack.marker.exists()


@pytest.mark.parametrize("name", ["uv", "pip", "mtls-run"])
def test_a_tool_in_the_current_directory(attack: Attack, name: str) -> None:
    """A program of the tool's name in the clone is not the tool."""
    attack.sandbox.write(attack.repository / name, f"#!/bin/sh\ntouch '{attack.marker}'\n", 0o755)
    attack.assert_ordinary(attack.run(*INSTALL))


# --- pip's settings that it brings

PIP_CONF = """\
[global]
cert = @/ca.pem
client-cert = @/id.pem
index-url = https://evil.example/simple
extra-index-url = https://evil.example/more
[install]
cert = @/ca.pem
"""


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("default", [True, False])
def test_pip_settings_of_its_environment(attack: Attack, active: bool, default: bool) -> None:
    """The clone's `.venv/pip.conf` says nothing to uv, with a profile or without one."""
    attack.says("home = /usr/bin\nversion = 3.11\n", ".venv/pyvenv.cfg")
    for name in (
        ".venv/pip.conf",
        "pip.conf",
        ".pip/pip.conf",
        "setup.cfg",
        ".config/pip/pip.conf",
    ):
        attack.says(PIP_CONF, name)
    if not default:
        attack.sandbox.write_config(CONFIG.replace("default-profile", "#"))
    env = {"VIRTUAL_ENV": str(attack.repository / ".venv") if active else None}
    done = attack.run(*INSTALL, env={**env, "PIP_CONFIG_FILE": None})
    assert done.returncode == 0, done
    seen = attack.tool.seen()
    for variable, value in seen.env.items():
        if variable not in (b"VIRTUAL_ENV", b"PWD"):
            assert os.fsencode(attack.repository) not in value, variable
            assert b"evil.example" not in value, variable
    assert not [word for word in seen.args if b"evil" in word or b".pem" in word]
    if default:
        assert seen.files["SSL_CLIENT_CERT"] == attack.alice.pem()
        assert seen.files["SSL_CERT_FILE"].strip() == attack.company.pem.strip()
    else:
        # The machine's own pip.conf may name a CA, which is for its administrator to say.
        assert "SSL_CLIENT_CERT" not in seen.files
        assert_free_of(dataclasses.replace(seen, argv=[], env={}), attack)


# --- variables that a nested run believes


@pytest.mark.parametrize("said", ["a CA", "extends", "another profile"])
def test_inside_an_outer_run(attack: Attack, said: str) -> None:
    """A build backend that calls mtls-run again in its clone gains nothing by the outer run."""
    attack.says(SAYS[said])
    (attack.sandbox.bin / "mtls-run").symlink_to(attack.sandbox.program)
    inner = f"cd '{attack.repository}' && mtls-run uv pip install x"
    done = attack.run("--profile", "corp", "--", "sh", "-c", inner, cwd=attack.sandbox.home)
    attack.assert_stopped(done)
