"""A project's own profile with a real keyring: it has its own entry, and reads no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.bench import WHEELS
from tests.e2e.toolbox import newest_uv

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService
    from tests.sandbox import Canary

pytestmark = pytest.mark.e2e


@pytest.fixture
def project(bench: Bench, keyring: SecretService, canary: Canary) -> Path:
    """Return an allowed project with its own encrypted key, and a profile `corp`."""
    sandbox = bench.sandbox
    bench.profile('client-cert = "~/pki/alice.pem"')
    sandbox.write("pki/alice.pem", bench.alice.pem("another passphrase"))
    folder = sandbox.home / "project"
    sandbox.write(folder / "me.pem", bench.alice.pem(order="leaf-chain"))
    sandbox.write(folder / "me.key", bench.alice.key_pem(canary.text))
    says = f'client-cert = "me.pem"\nclient-key = "me.key"\nca-cert = "{bench.ca}"\n'
    sandbox.write(folder / ".mtls-run.toml", f'{says}roots = "none"\n')
    sandbox.env.update(keyring.env)
    done = sandbox.run("allow", cwd=folder)
    assert done.returncode == 0, done
    return folder


def install(bench: Bench, project: Path) -> subprocess.CompletedProcess[str]:
    """Install a package with uv, in the project."""
    uv = newest_uv()
    command = bench.install(uv, *WHEELS)
    return bench.sandbox.run(*command, cwd=project, env=bench.tool_env(uv), timeout=120)


def test_its_own_entry(bench: Bench, project: Path, keyring: SecretService, canary: Canary) -> None:
    """The passphrase stored for the key's absolute path opens it."""
    keyring.store(f"file:{project}/me.key", canary.text)
    bench.assert_installed(install(bench, project), WHEELS)


@pytest.mark.parametrize("extends", ["", 'extends = "corp"\n'])
def test_no_entry_of_a_profile(
    bench: Bench, project: Path, keyring: SecretService, canary: Canary, extends: str
) -> None:
    """The passphrase of the user's profile is not tried, though it would fit."""
    says = project / ".mtls-run.toml"
    says.write_text(extends + says.read_text())
    assert bench.sandbox.run("allow", cwd=project).returncode == 0
    keyring.store("corp", canary.text)
    account = f"file:{project}/me.key"
    done = install(bench, project)
    bench.assert_refused(done)
    assert "passphrase" in done.stderr
    assert keyring.lookup(account) is None
    assert keyring.lookup("corp") == canary.text


def test_no_entry_of_the_same_key_elsewhere(
    bench: Bench, project: Path, keyring: SecretService, canary: Canary
) -> None:
    """Another copy of the same key has another entry."""
    keyring.store(f"file:{bench.sandbox.home}/elsewhere/me.key", canary.text)
    bench.assert_refused(install(bench, project))
