"""A healthy sandbox, the steps that break it, and the findings of doctor."""

from __future__ import annotations

import json
import secrets
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Literal, Union

from tests import doctor_schemas
from tests.e2e import secret_service
from tests.pki import Issued
from tests.sandbox import NEWEST, assert_absent

if TYPE_CHECKING:
    import subprocess
    from contextlib import ExitStack

    from tests.e2e.faults.pki import World
    from tests.e2e.faults.servers import Servers
    from tests.sandbox import Sandbox

Rank = Literal["error", "warning", "note"]
Content = Union[bytes, Issued, None]
CORP = 'default-profile = "corp"\n[profiles.corp]\n'
# doctor's timeout. Each test of a server that hangs takes this long.
PATIENCE = "1"


@dataclass(frozen=True)
class Finding:
    """One finding, as `--json` has it."""

    code: str
    rank: Rank
    fact: str
    origin: str | None
    action: str


@dataclass(frozen=True)
class Verdict:
    """doctor's findings, most important last, and the finished process."""

    findings: tuple[Finding, ...]
    done: subprocess.CompletedProcess[str]

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all findings, in their order."""
        return tuple(finding.code for finding in self.findings)


@dataclass
class Scene:
    """A healthy set-up, which each step of a fault changes."""

    sandbox: Sandbox
    servers: Servers
    stack: ExitStack
    """Stops the services that a step started."""
    urls: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    """The keys of the profile, each with its value as TOML."""
    config: str | None = CORP
    """The text before these keys; None means that there is no file."""
    env: dict[str, str | None] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    """mtls-run's own options, before `doctor`."""
    tools: dict[str, str] = field(default_factory=lambda: dict(NEWEST))
    """The tools on PATH, each with its version."""
    directory: str = "."
    secrets: list[str | bytes] = field(default_factory=list)
    """Texts that no output may show."""
    passphrase: str = ""

    @classmethod
    def create(cls, sandbox: Sandbox, servers: Servers, stack: ExitStack) -> Scene:
        """Return a scene with an index, and an identity that the index accepts."""
        scene = cls(sandbox, servers, stack)
        scene.passphrase = f"canary {secrets.token_hex(12)}"
        scene.secrets.append(scene.passphrase)
        scene.urls = [servers.url("healthy")]
        scene.identity(servers.world.alice)
        sandbox.write("pki/root.pem", servers.world.server_root.pem)
        # /usr/bin may have a pip of its own.
        scene.env["PATH"] = str(sandbox.bin)
        scene.settings["ca-cert"] = '"~/pki/root.pem"'
        scene.settings["roots"] = '"none"'
        return scene

    @property
    def world(self) -> World:
        """The authorities around the servers."""
        return self.servers.world

    def identity(self, content: Content, name: str = "alice.pem", mode: int = 0o600) -> None:
        """Let the profile name a file with this content, or a missing file if it is None."""
        if isinstance(content, Issued):
            self.secrets += content.traces
            content = content.pem()
        if content is None:
            (self.sandbox.home / "pki" / name).unlink()
        else:
            self.sandbox.write(f"pki/{name}", content, mode)
        self.settings["client-cert"] = f'"~/pki/{name}"'

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run doctor with these arguments and the URLs."""
        for name, version in self.tools.items():
            if not (self.sandbox.bin / name).exists():
                self.sandbox.fake_tool(name, version)
        if self.config is not None:
            keys = "".join(f"{key} = {value}\n" for key, value in self.settings.items())
            self.sandbox.write_config(self.config + keys)
        words = [*self.options, "doctor", "--timeout", PATIENCE, *arguments, *self.urls]
        directory = self.sandbox.home / self.directory
        return self.sandbox.run(*words, env=self.env, cwd=directory)

    def examine(self) -> Verdict:
        """Return doctor's findings; fail if its JSON is not as promised."""
        done = self.run("--json")
        assert done.returncode in (0, 1), done
        answer: dict[str, Any] = json.loads(done.stdout)
        doctor_schemas.check(answer)
        findings = tuple(
            Finding(one["code"], one["rank"], one["fact"], one["origin"], one["action"])
            for one in answer["findings"]
        )
        assert answer["status"] == done.returncode, done
        return Verdict(findings, done)

    def codes_for_a_fleet(self) -> list[str]:
        """Return the codes in doctor's answer for a fleet; fail if it has any other text."""
        done = self.run("--fleet")
        answer: dict[str, Any] = json.loads(done.stdout)
        doctor_schemas.check(answer, "doctor-fleet")
        assert (answer["status"], done.stderr) == (done.returncode, ""), done
        return [one["code"] for one in answer["findings"]]

    def assert_kept_secret(self, done: subprocess.CompletedProcess[str]) -> None:
        """Fail if the output shows a passphrase, a password or a part of a key."""
        assert_absent(self.secrets, done.stdout, done.stderr)


Step = Callable[[Scene], object]


@dataclass(frozen=True, init=False)
class Fault:
    """One fault: the steps that cause it, and the finding that must come last."""

    name: str
    code: str
    steps: tuple[Step, ...]
    rank: Rank
    says: str
    """A text that the fact must contain, if the code alone is not enough."""

    def __init__(
        self, name: str, code: str, *steps: Step, rank: Rank = "error", says: str = ""
    ) -> None:
        given = {"name": name, "code": code, "steps": steps, "rank": rank, "says": says}
        for key, value in given.items():
            object.__setattr__(self, key, value)

    def __str__(self) -> str:
        return self.name

    @property
    def status(self) -> int:
        """Doctor's exit status: 1 for an error, else 0."""
        return 1 if self.rank == "error" else 0

    def happen(self, scene: Scene) -> None:
        """Cause the fault in this scene."""
        for step in self.steps:
            step(scene)


@dataclass(frozen=True, init=False)
class Healthy:
    """A set-up in which nothing is wrong, and the notes that doctor gives all the same."""

    name: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...]

    def __init__(
        self, name: str, *steps: Step, notes: tuple[str, ...] = ("key-unencrypted",)
    ) -> None:
        for key, value in {"name": name, "steps": steps, "notes": notes}.items():
            object.__setattr__(self, key, value)

    def __str__(self) -> str:
        return self.name

    def happen(self, scene: Scene) -> None:
        """Set up the scene."""
        for step in self.steps:
            step(scene)


def at(name: str, *, host: str = "localhost", scheme: str = "https") -> Step:
    """Use this server instead of the healthy one."""

    def step(scene: Scene) -> None:
        scene.urls = [scene.servers.url(name, host=host, scheme=scheme)]

    return step


def also(name: str) -> Step:
    """Use this server too."""
    return lambda scene: scene.urls.append(scene.servers.url(name))


def login(user: str, password: str) -> Step:
    """Add a user and a password to the URL; no output may show the password."""

    def step(scene: Scene) -> None:
        scene.secrets.append(password)
        words = f"//{user}:{urllib.parse.quote(password)}@"
        scene.urls = [one.replace("//", words, 1) for one in scene.urls]

    return step


def url(*urls: str) -> Step:
    """Use these URLs as they are."""

    def step(scene: Scene) -> None:
        scene.urls = list(urls)

    return step


def identity(make: Callable[[World], Content], name: str = "alice.pem", mode: int = 0o600) -> Step:
    """Write this into the identity's file."""
    return lambda scene: scene.identity(make(scene.world), name, mode)


def file(name: str, make: Callable[[Scene], str | bytes], mode: int = 0o600) -> Step:
    """Write a file below the home directory."""
    return lambda scene: scene.sandbox.write(name, make(scene), mode)


def directory(name: str) -> Step:
    """Make a directory in place of a file."""
    return lambda scene: (scene.sandbox.home / name).mkdir(parents=True)


def setting(key: str, value: str | None) -> Step:
    """Set a key of the profile, in TOML; None removes it."""

    def step(scene: Scene) -> None:
        scene.settings.pop(key, None)
        if value is not None:
            scene.settings[key] = value

    return step


def config(text: str | None) -> Step:
    """Set the text before the profile's keys; None means that there is no file."""

    def step(scene: Scene) -> None:
        scene.config = text

    return step


def variable(name: str, make: str | Callable[[Scene], str]) -> Step:
    """Set a variable."""

    def step(scene: Scene) -> None:
        scene.env[name] = make if isinstance(make, str) else make(scene)

    return step


def options(*words: str) -> Step:
    """Give mtls-run these options of its own."""
    return lambda scene: scene.options.extend(words)


def inside(name: str) -> Step:
    """Run in this directory below the home directory."""

    def step(scene: Scene) -> None:
        scene.directory = name

    return step


def tools(**versions: str) -> Step:
    """Put these tools on PATH, in these versions, and no others."""

    def step(scene: Scene) -> None:
        scene.tools = versions

    return step


def locked(source: str | None, *, passphrase: str | None = None) -> Step:
    """Encrypt the identity's key, and set the profile's passphrase source, in TOML."""

    def step(scene: Scene) -> None:
        scene.identity(scene.world.alice.pem(passphrase or scene.passphrase))
        setting("passphrase", source)(scene)

    return step


def keyring(stored: Callable[[Scene], str] | None = None, *, lock: bool = False) -> Step:
    """Run a Secret Service that stores this passphrase for the profile, and may be locked."""

    def step(scene: Scene) -> None:
        service = scene.stack.enter_context(secret_service.running())
        scene.env.update(service.env)
        if stored is not None:
            service.store("corp", stored(scene))
        if lock:
            service.lock()

    return step


def proxy(name: str, *, user: str | None = None, password: str | None = None) -> Step:
    """Reach every server through this proxy, as this user."""

    def step(scene: Scene) -> None:
        login = ""
        if user is not None and password is not None:
            scene.secrets.append(password)
            login = f"{user}:{urllib.parse.quote(password)}@"
        scene.env["HTTPS_PROXY"] = f"http://{login}localhost:{scene.servers.port[name]}"

    return step
