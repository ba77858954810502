"""A project of each tool, a locked identity, and what each job with it has to leave behind."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e import git_server, toolbox
from tests.e2e.git_server import PACKAGE
from tests.e2e.packages import add_project, wheel
from tests.sandbox import assert_absent, files_below

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from tests.e2e.bench import Bench
    from tests.e2e.tools.uploads import Upload
    from tests.pki import Issued
    from tests.sandbox import Canary

WHEEL = "uploaded-1.0-py3-none-any.whl"
_PATH_OF_A_RUN = re.compile(rb"/proc/\d+/fd/\d+")
_PYPROJECT = """
[project]
name = "uploaded"
version = "1.0"
description = "A project of the tests"
requires-python = ">=3.9"
dependencies = ["alpha-pkg", "gamma-src"]
"""
_POETRY = """
[tool.poetry]
name = "uploaded"
version = "1.0"
description = "A project of the tests"
authors = ["Tests <tests@corp.example>"]

[tool.poetry.dependencies]
python = ">=3.9,<4"
alpha-pkg = "*"
gamma-src = "*"

[[tool.poetry.source]]
name = "{source}"
url = "{url}"
priority = "primary"
"""
_HATCH = """
[build-system]
requires = {requires}
build-backend = "hatchling.build"

[tool.hatch.envs.default]
skip-install = true
installer = "pip"
dependencies = ["alpha-pkg", "gamma-src"]
"""
# The user's own settings of each tool, below the sandbox's root, with secrets.
_OWN_FILES = {
    "config/hatch/config.toml": '[publish.index]\nuser = "eve"\nauth = "pw-hatch-1"\n',
    "config/pdm/config.toml": '[repository.corp]\nurl = "{upload}"\nusername = "eve"\n'
    'password = "pw-pdm-12"\n',
    "config/pypoetry/auth.toml": '[http-basic.corp-int]\npassword = "pw-poetry"\n',
    "home/.cargo/credentials.toml": '[registries.corp]\ntoken = "pw-cargo-1"\n',
    "home/.curlrc": 'user = "eve:pw-curl-1"\n',
    "home/.gitconfig": '[http "https://other.example/"]\nextraHeader = "X-Token: pw-git-12"\n',
    "home/.netrc": "machine localhost login eve password pw-netrc-1\n",
    "home/.npmrc": "//other.example/:_authToken=pw-npm-12\n",
    "home/.pypirc": "[distutils]\nindex-servers = corp\n[corp]\nrepository = {upload}\n"
    "username = eve\npassword = pw-twine-1\nclient_cert = /nowhere.pem\n",
    "home/.wgetrc": "user = eve\npassword = pw-wget-1\n",
}
_OWN_SECRETS = re.findall(r"pw-\w+(?:-\d+)?", "".join(_OWN_FILES.values()))
BUILT_BY_INDEX = """
[build-system]
requires = ["gamma-backend"]
build-backend = "gamma_backend"
"""
_FLIT = """
[build-system]
requires = ["flit_core"]
build-backend = "flit_core.buildapi"

[project]
name = "uploaded"
requires-python = ">=3.9"
authors = [{name = "Tests", email = "tests@corp.example"}]
dynamic = ["version", "description"]
"""


class Failed(AssertionError):
    """A run that did not end with status 0."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        super().__init__(f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        self.done = done


@dataclass
class Scene:
    """A home with a profile over a locked identity, and a project in it."""

    bench: Bench
    canary: Canary
    uploads: list[Upload]
    outputs: list[str] = field(default_factory=list)
    read_only: tuple[Path, ...] = ()
    """Directories that the tool and mtls-run cannot write, whoever they are; the project stays."""
    plain: tuple[Path, ...] = ()
    """Files that may hold an open key."""
    own_files: dict[Path, tuple[bytes, int]] = field(default_factory=dict)
    """The user's own files, each with its content and time of change: no run may touch them."""

    @property
    def project(self) -> Path:
        """The project's directory."""
        return self.bench.sandbox.home / "project"

    @property
    def upload_url(self) -> str:
        """Where packages are uploaded to."""
        return self.bench.server.url.replace("/simple/", "/legacy/")

    def profile(self, more: str = "", *, identity: Issued | None = None) -> None:
        """Write the default profile, its identity locked with the canary."""
        found = identity or self.bench.alice
        self.bench.sandbox.write("pki/alice.p12", found.p12(self.canary.text))
        self.bench.profile(
            f'client-cert = "~/pki/alice.p12"\npassphrase = {{ env = "PP" }}\n{more}'
        )

    def gateway(self) -> None:
        """Write the same profile, whose identity only a gateway may use."""
        host = self.bench.server.url.split("/")[2]
        self.profile(f'hosts = ["{host}"]')

    def write_own(self, path: str, content: str) -> Path:
        """Write a file of the user's, given relative to the sandbox's root."""
        file = self.bench.sandbox.write(self.bench.sandbox.root / path, content)
        self.own_files[file] = (file.read_bytes(), file.stat().st_mtime_ns)
        return file

    def write_own_files(self) -> None:
        """Write settings of each tool, with secrets."""
        for path, content in _OWN_FILES.items():
            self.write_own(path, content.format(upload=self.upload_url))

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a file of the project."""
        return self.bench.sandbox.write(self.project / path, content, 0o644)

    def run(
        self, program: str, *words: str, env: Mapping[str, str | None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run mtls-run with these words in the project.

        `program` is one of toolbox.PROGRAMS, or on the tests' own PATH.
        """
        sandbox = self.bench.sandbox
        changes: dict[str, str | None] = {
            "PATH": f"{folder_of(program)}:{sandbox.env['PATH']}",
            "PP": self.canary.text,
            "PIP_INDEX_URL": self.bench.server.url,
            "UV_DEFAULT_INDEX": self.bench.server.url,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "POETRY_VIRTUALENVS_IN_PROJECT": "1",
            "POETRY_NO_INTERACTION": "1",
            "PDM_CHECK_UPDATE": "0",
            "PDM_PYPI_URL": self.bench.server.url,
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            **(env or {}),
        }
        command = [*self._mounted(), sandbox.program, *words]
        done = sandbox.execute(command, env=changes, cwd=self.project, timeout=120)
        self.outputs += [done.stdout, done.stderr]
        return done

    def _mounted(self) -> list[str | Path]:
        """Return what starts a program for which some directories are read-only."""
        if not self.read_only:
            return []
        script = f"mount --bind '{self.project}' '{self.project}'\n" + "".join(
            f"mount --rbind '{one}' '{one}'\nmount -o remount,ro,bind '{one}' '{one}'\n"
            for one in self.read_only
        )
        # The current directory is that below the mount only after it is entered again.
        script += 'cd "$PWD"\nexec "$@"'
        apart = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        return [*apart, "sh", "-ec", script, "sh"]

    def append(self, path: str, content: str) -> None:
        """Add to a file of the project."""
        self.write(path, (self.project / path).read_text() + content)

    def git(self, more: Mapping[str, str] | None = None) -> str:
        """Create a repository with `gamma-src` and these files; return its URL."""
        return git_server.create(self.bench.server, "gamma", {**PACKAGE, **(more or {})})

    def serve(self, name: str, content: bytes) -> None:
        """Add a project with this one file to the index."""
        project = name.partition("-")[0].replace("_", "-")
        add_project(self.bench.server.root / "www", project, {name: content})

    def well(self, program: str, *words: str, env: Mapping[str, str | None] | None = None) -> None:
        """Run mtls-run with these words; raises Failed unless that ends with status 0."""
        done = self.run(program, *words, env=env)
        if done.returncode != 0:
            raise Failed(done)

    def of_poetry(self, source: str = "corp-int") -> None:
        """Write a project of poetry's."""
        self.write("pyproject.toml", _POETRY.format(source=source, url=self.bench.server.url))

    def of_pdm(self) -> None:
        """Write a project of pdm's, with a source of its own; its backend is on the index alone."""
        source = f'[[tool.pdm.source]]\nname = "corp"\nurl = "{self.bench.server.url}"\n'
        self.write("pyproject.toml", _PYPROJECT + BUILT_BY_INDEX + source)

    def of_hatch(self, requires: tuple[str, ...] = ("hatchling",)) -> None:
        """Write a project of hatch's, whose build requires these."""
        self.write("pyproject.toml", _PYPROJECT + _HATCH.format(requires=[*requires]))

    def of_flit(self) -> None:
        """Write a project of flit's, which builds what it uploads."""
        self.write("pyproject.toml", _FLIT)
        self.write("uploaded.py", '"""A project of the tests."""\n\n__version__ = "1.0"\n')

    def built(self) -> None:
        """Write the wheel to upload."""
        self.write(f"dist/{WHEEL}", wheel("uploaded", "1.0", "VERSION = '1.0'\n"))

    def assert_seen(self, *packages: str, paths: tuple[str, ...] = ()) -> None:
        """Fail unless the right client alone asked for these packages, and for these paths."""
        requests = self.bench.server.requests()
        assert {request.subject for request in requests} == {self.bench.subject}, requests
        assert {request.verify for request in requests} == {"SUCCESS"}, requests
        asked = " ".join(request.uri for request in requests)
        expected = [*(f"/simple/{one}/" for one in packages), *paths]
        assert [one for one in expected if one not in asked] == [], asked
        self.assert_clean()

    def assert_uploaded(self) -> None:
        """Fail unless the file in `dist` arrived whole, from the right client alone."""
        assert self.uploads, self.bench.server.requests()
        assert {one.subject for one in self.uploads} == {self.bench.subject}
        content = (self.project / "dist" / WHEEL).read_bytes()
        assert any(content in one.body for one in self.uploads)
        self.assert_seen()

    def assert_refused(self, done: subprocess.CompletedProcess[str], fact: str) -> None:
        """Fail unless mtls-run stopped with this error, before any request."""
        self.bench.assert_refused(done)
        assert fact in done.stderr, done.stderr
        assert self.uploads == []
        self.assert_clean()

    def assert_anonymous(self) -> None:
        """Fail unless somebody came without a certificate, and was refused."""
        requests = self.bench.server.requests()
        assert {(request.subject, request.status) for request in requests} == {("", 400)}, requests
        self.assert_clean()

    def assert_clean(self) -> None:
        """Fail where passphrase, open key, or a path of one run stand in a file or an output.

        Also where a file of the user's is another than before, or a secret of it is in an output.
        """
        below = [self.bench.sandbox.root]
        self.canary.assert_absent(*self.outputs, below=below)
        assert_absent(self.bench.alice.traces, *self.outputs, below=below, but=self.plain)
        assert_absent(_OWN_SECRETS, *self.outputs)
        found = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in self.own_files}
        assert found == self.own_files
        for path in files_below(*below):
            if path.suffix == ".log":
                continue  # tox logs the environment of each program that it starts
            assert not _PATH_OF_A_RUN.search(path.read_bytes()), path


def folder_of(program: str) -> Path:
    """Return the directory to put on PATH for a program."""
    if program in toolbox.PROGRAMS:
        return toolbox.program(program)
    found = shutil.which(program)
    assert found is not None, f"{program} is missing"
    return Path(found).parent
