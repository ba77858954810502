"""Somebody new: an empty home, three commands, a package from the index; and out again.

Each installer is the real one. The answers are typed at a real terminal.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e import toolbox
from tests.e2e.bench import WHEELS
from tests.terminal import OFFER, PROMPT, session

if TYPE_CHECKING:
    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService
    from tests.sandbox import Canary

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

REPOSITORY = Path(__file__).parents[2]
RC = 'if command -v mtls-run >/dev/null; then eval "$(mtls-run init bash)"; fi\n'
LONGEST = 120  # in seconds, from nothing to an installed package
MINE = "alias ll='ls -l'\n"


@dataclass(frozen=True)
class Installer:
    """The commands of an installer, for a shell; `again` installs over an installation."""

    name: str
    install: str
    again: str
    remove: str


INSTALLERS = [
    Installer(
        "uv tool",
        "uv tool install -q --no-index --find-links {wheels} mtls-run",
        "uv tool install -q --no-index --find-links {wheels} --reinstall mtls-run",
        "uv tool uninstall mtls-run",
    ),
    Installer(
        "pipx",
        "pipx install --backend pip mtls-run",
        "pipx install --backend pip --force mtls-run",
        "pipx uninstall mtls-run",
    ),
    Installer(
        "pip",
        "{python} -m venv ~/venv && ~/venv/bin/pip install -q mtls-run && mkdir -p ~/.local/bin "
        "&& ln -s ~/venv/bin/mtls-run ~/.local/bin/mtls-run",
        "~/venv/bin/pip install -q --force-reinstall mtls-run",
        "bin/python -m pip uninstall mtls-run",
    ),
    Installer(
        "install.sh",
        "sh {script} --wheel {wheels}/mtls_run-*.whl --find-links {wheels}",
        "sh {script} --wheel {wheels}/mtls_run-*.whl --find-links {wheels}",
        "sh install.sh --uninstall",
    ),
]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the wheels of mtls-run, of what it needs, and of pip for pipx."""
    folder = tmp_path_factory.mktemp("newcomer-wheels")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    for words in (["wheel", "--wheel-dir", folder, REPOSITORY], ["download", "-d", folder, "pip"]):
        subprocess.run([*pip, *map(str, words)], check=True, timeout=600)
    return folder


@pytest.mark.parametrize("installer", INSTALLERS, ids=lambda one: one.name)
def test_in_and_out(
    bench: Bench, keyring: SecretService, canary: Canary, wheels: Path, installer: Installer
) -> None:
    """Three commands install a package; an upgrade keeps all; two commands leave nothing."""
    home = bench.sandbox
    programs = [toolbox.newest_uv().ready().bin, toolbox.program("pipx")]
    home.env.update(
        keyring.env,
        PATH=":".join(map(str, [home.home / ".local/bin", *programs, home.env["PATH"]])),
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=str(wheels),
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        UV_PYTHON=sys.executable,
        UV_CACHE_DIR=str(home.root / "uv-cache"),
        SHELL="/bin/bash",
    )
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        del home.env[f"XDG_{name}_HOME"]
    words = {"python": sys.executable, "script": REPOSITORY / "install.sh", "wheels": wheels}
    home.write("pki/alice.p12", bench.alice.p12(canary.text))
    home.write("pki/root.pem", bench.server.server_ca.pem)

    def sh(command: str) -> str:
        """Run this in a new interactive shell, and return what it prints."""
        done = home.execute(["bash", "-ic", command.format(**words)], cwd=home.home, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    started = time.monotonic()
    # The first command.
    sh(installer.install)
    # The second: no word of documentation says what to answer.
    with session(home, "bash", "-c", "mtls-run profile add corp", timeout=60) as terminal:
        for question, answer in (
            ("client certificate .*: $", "~/pki/alice.p12"),
            ("CA certificate .*: $", "~/pki/root.pem"),
            (PROMPT, canary.text),
            ("URL of the index.*: $", bench.server.url),
            (OFFER, "y"),
        ):
            terminal.expect(question)
            terminal.type(answer)
        assert terminal.end() == 0, terminal.shown
    (following,) = (line for line in terminal.shown.splitlines() if line.startswith("next: "))
    # The third, as the second one printed it.
    command = following.partition(": ")[2].replace("PACKAGE", f"alpha-pkg --target {bench.target}")
    bench.server.forget()
    sh(command)
    assert bench.installed() == WHEELS
    assert {request.subject for request in bench.server.requests()} == {bench.subject}

    assert time.monotonic() - started < LONGEST

    # Everything that can be set up, and an upgrade over it.
    home.write(".bashrc", MINE + RC)
    sh("mtls-run shims install")
    sh(installer.again)
    shim = home.home / ".local/share/mtls-run/shims/uv"
    assert sh(f"type uv; '{shim}' --version").startswith("uv is a function\n")
    assert sh("mtls-run profile list --names") == "corp\n"
    assert sh("mtls-run passphrase check corp")

    # Out again.
    with session(home, "bash", "-c", "mtls-run uninstall", timeout=60) as terminal:
        terminal.expect(r"remove the passphrase of corp.*\[y/N\] ")
        terminal.type("y")
        terminal.expect(r"remove your configuration.*\[y/N\] ")
        terminal.type("y")
        assert terminal.end() == 0, terminal.shown
    assert installer.remove in terminal.shown
    assert keyring.lookup("corp") is None
    if installer.name == "pip":
        sh("~/venv/bin/python -m pip uninstall -y -q mtls-run; rm ~/.local/bin/mtls-run")
    else:
        sh(installer.remove.replace("install.sh", str(words["script"])))
    assert (home.home / ".bashrc").read_text() == MINE
    assert sh("command -v mtls-run || echo none") == "none\n"
    # pipx 1.18 leaves its lock, `venvs/.mtls-run.lock`.
    left = [path for path in home.home.rglob("*") if "mtls" in path.name and path.suffix != ".lock"]
    assert left == []
    assert sh("uv --version").startswith("uv ")
