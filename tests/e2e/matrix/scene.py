"""One cell at work: the identity on the disk, the tool before the index, and what is left."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e import toolbox
from tests.e2e.matrix import index
from tests.e2e.matrix.cells import PROGRAMS, TOKENS, Cell
from tests.e2e.packages import ALPHA, BETA, GAMMA
from tests.sandbox import assert_absent
from tests.tokens import PIN, SoftToken, identity

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

    from tests.e2e.bench import Bench
    from tests.e2e.matrix.pythons import Environments
    from tests.e2e.secret_service import SecretService
    from tests.pki import Issued
    from tests.sandbox import Canary
    from tests.tokens import SoftTpm

# What virtual environments begin with.
SEEDS = {"pip", "setuptools", "wheel"}
VARIABLE = "CORP_PASSPHRASE"
KINDS = {"token-rsa": "rsa", "token-ec": "p256"}
VERSIONS = {"alpha-pkg": ALPHA, "beta-pkg": BETA, "gamma-src": GAMMA, "delta-app": index.DELTA}


@dataclass
class Scene:
    """A sandbox with a profile, and what was said and done in it."""

    cell: Cell
    bench: Bench
    canary: Canary
    environments: Environments
    keyring: Callable[[], SecretService]
    """Starts the Secret Service where there is none yet, and empties it."""
    proxy: Callable[[str], str]
    """Starts a proxy of this scheme, and returns its URL with user and password."""
    tpm: Callable[[], tuple[SoftTpm, Issued]]
    """Starts a software TPM where there is none yet, with alice's key in it."""
    env: dict[str, str | None] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    passphrases: list[Path] = field(default_factory=list)
    """The files that may hold the passphrase: those it is read from."""
    keys: list[Path] = field(default_factory=list)
    """The files that may hold the unlocked key: the identity itself, where it is a plain one."""

    @property
    def home(self) -> Path:
        """The home directory."""
        return self.bench.sandbox.home

    @property
    def project(self) -> Path:
        """The directory that everything is started in."""
        folder = self.home / "project"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def url(self) -> str:
        """The index."""
        return self.bench.server.url

    @property
    def python(self) -> Path:
        """The Python that the tool installs for."""
        return self.environments.pythons[self.cell["python"]]

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a file of the project."""
        return self.bench.sandbox.write(self.project / path, content, 0o644)

    def profile(self, passphrase: str | None = None) -> None:
        """Write the identity in its form, the profile, and the passphrase where it is read from.

        `passphrase` is what that place holds: another one than the identity's in some cells.
        """
        alice, secret, form = self.bench.alice, self.canary.text, self.cell.form
        write = self.bench.sandbox.write
        if form == "tpm":
            chip, issued = self.tpm()
            self.env.update(chip.environ)
            write("pki/alice.pem", issued.cert_pem + issued.chain_pem)
            key = chip.uri("object=alice")
            text, secret = f'client-cert = "~/pki/alice.pem"\nclient-key = "{key}"', PIN
        elif form in TOKENS:
            place = SoftToken(self.bench.sandbox.root / "hsm")
            identity(place, self.bench.server.issuer, KINDS[form])
            self.env.update(place.environ)
            text, secret = f'client-cert = "{place.uri()}"', PIN
        elif form == "plain":
            self.keys.append(write("pki/alice.pem", alice.pem()))
            text = 'client-cert = "~/pki/alice.pem"'
        elif form == "pem":
            write("pki/alice.pem", alice.pem(secret))
            text = 'client-cert = "~/pki/alice.pem"'
        elif form == "p12":
            write("pki/alice.p12", alice.p12(secret))
            text = 'client-cert = "~/pki/alice.p12"'
        else:
            write("pki/alice.crt", alice.cert_pem + alice.chain_pem)
            write("pki/alice.key", alice.key_pem(secret))
            text = 'client-cert = "~/pki/alice.crt"\nclient-key = "~/pki/alice.key"'
        text += self._source(secret if passphrase is None else passphrase)
        if self.cell["handoff"] == "gateway":
            text += f'\nhosts = ["{self.url.split("/")[2]}"]'
        if self.cell.values.get("proxy", "none") != "none":
            self.env["HTTPS_PROXY"] = self.proxy(self.cell["proxy"])
        self.bench.profile(f'{text}\nroots = "{self.cell.values.get("roots", "none")}"')

    def _source(self, passphrase: str) -> str:
        """Put the passphrase in its place, and return the profile's line that names the place."""
        source = self.cell.source
        if source == "keyring":
            service = self.keyring()
            service.store("corp", passphrase)
            self.env.update(service.env)
            return ""
        if source == "env":
            self.env[VARIABLE] = passphrase
            return f'\npassphrase = {{ env = "{VARIABLE}" }}'
        if source in ("file", "command"):
            secret = self.bench.sandbox.write("secret", passphrase + "\n")
            self.passphrases.append(secret)
            if source == "file":
                return '\npassphrase = { file = "~/secret" }'
            return f'\npassphrase = {{ command = ["cat", "{secret}"] }}'
        return ""

    def on_path(self) -> list[Path]:
        """Return the directories in which the tool of this cell is."""
        tool = self.cell.tool
        if tool is None:
            name = PROGRAMS[self.cell["tool"]]
            return [toolbox.program(name)]
        if tool.kind == "uv":
            return [tool.ready().bin]
        # The pip that works for another Python is the one that belongs to the tests' own.
        if self.cell.values.get("task") == "python" or "python" not in self.cell.values:
            return [tool.ready().bin]
        return [self.environments.pip(tool.version, self.cell["python"])]

    def run(
        self,
        *command: str | Path,
        env: Mapping[str, str | None] | None = None,
        stdout: str | None = "",
        status: int = 0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command through mtls-run, and fail where status or stdout are not as expected.

        No `stdout` means that it is the caller who looks at it.
        """
        path = [*map(str, self.on_path()), self.bench.sandbox.env["PATH"]]
        changes = self.bench.tool_env(None, {**self.env, "PATH": ":".join(path), **(env or {})})
        program = self.environments.mtls_run(self.cell["runner"])
        words = [program, "--handoff", self.cell["handoff"], *command]
        done = self.bench.sandbox.execute(words, env=changes, cwd=self.project, timeout=120)
        self.outputs += [done.stdout, done.stderr]
        shown = f"{done.returncode} of {words}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == status, shown
        assert "Traceback" not in done.stderr, shown
        assert stdout is None or done.stdout == stdout, shown
        return done

    def assert_installed(self, folder: Path, *names: str) -> None:
        """Fail unless a directory of packages has these, in the index's versions, and no others."""
        found = {
            one.metadata["Name"]: one
            for one in importlib.metadata.distributions(path=[str(folder)])
        }
        assert {*found} - SEEDS == {*names}, (sorted(found), self.outputs)
        for name in names:
            assert found[name].version == VERSIONS[name]
            module = folder / f"{name.replace('-', '_')}.py"
            assert f"VERSION = '{VERSIONS[name]}'" in module.read_text()

    def assert_asked(self, *names: str) -> None:
        """Fail unless the index was asked for each of these, by the right client alone."""
        requests = self.bench.server.requests()
        shown = f"{requests}\n{self.outputs}"
        assert requests, shown
        assert {request.subject for request in requests} == {self.bench.subject}, shown
        assert {request.verify for request in requests} == {"SUCCESS"}, shown
        assert {request.status for request in requests} <= {200, 206, 304}, shown
        asked = {request.uri for request in requests}
        assert [name for name in names if f"/simple/{name}/" not in asked] == [], shown

    def assert_clean(self) -> None:
        """Fail where passphrase or unlocked key stand in a file or an output.

        Looked at are the sandbox, which has the directory for temporary files too, and the places
        for them that TMPDIR does not name.
        """
        elsewhere = [path for name in ("/tmp", "/var/tmp") for path in Path(name).glob("mtls-run*")]
        below = [self.bench.sandbox.root, Path("/dev/shm"), *elsewhere]
        self.canary.assert_absent(*self.outputs, below=below, but=self.passphrases)
        assert_absent(self.bench.alice.traces, *self.outputs, below=below, but=self.keys)


def packages(environment: Path) -> Path:
    """Return the directory of packages of a virtual environment."""
    (found,) = (environment / "lib").glob("python*/site-packages")
    return found
