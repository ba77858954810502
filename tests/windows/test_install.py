"""pip and uv for Windows install from the index, with an identity that mtls-run unlocked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.windows.machine import EACH_PYTHON

if TYPE_CHECKING:
    from tests.sandbox import Canary
    from tests.windows.machine import Machine

pytestmark = pytest.mark.windows

WHEELS = ("alpha_pkg-1.2", "beta_pkg-0.7")


@EACH_PYTHON
def test_version(windows: Machine) -> None:
    """The program that pip made of the wheel starts."""
    done = windows.run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("mtls-run ")


@EACH_PYTHON
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_installs(windows: Machine, canary: Canary, tool: str) -> None:
    """Each tool shows the certificate of the PKCS#12 file, and no unlocked key is left."""
    windows.locked(canary.text)
    done = windows.run(*windows.install(tool, "alpha-pkg"))
    windows.assert_installed(done, *WHEELS)
    windows.assert_nothing_left()


def test_builds_an_sdist(windows: Machine, canary: Canary) -> None:
    """The build of an sdist gets its backend with the same certificate."""
    windows.locked(canary.text)
    done = windows.run(*windows.install("pip", "gamma-src"))
    windows.assert_installed(done, "gamma_src-2.0")
    windows.assert_nothing_left()


def test_a_project_of_uv(windows: Machine, canary: Canary) -> None:
    """`uv sync` and `uv run` make an environment from the index that the project names."""
    windows.locked(canary.text)
    windows.write(
        "pyproject.toml",
        f'[project]\nname = "own"\nversion = "1"\nrequires-python = ">=3.9"\n'
        f'dependencies = ["alpha-pkg"]\n[[tool.uv.index]]\nurl = "{windows.server.url}"\n'
        "default = true\n",
    )
    done = windows.run("uv", "sync")
    assert done.returncode == 0, done
    assert "+ alpha-pkg==1.2" in done.stderr
    windows.assert_asked()
    done = windows.run("uv", "run", "python", "-c", "import alpha_pkg; print(alpha_pkg.BETA)")
    assert done.stdout == "0.7\n", done
    windows.assert_nothing_left()


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_gateway(windows: Machine, canary: Canary, tool: str) -> None:
    """The tool gets a proxy and no key, from a parent that outlives it."""
    windows.locked(canary.text, f"hosts = ['localhost:{windows.server.port}']")
    done = windows.run(*windows.install(tool, "beta-pkg"))
    windows.assert_installed(done, "beta_pkg-0.7")
    seen = windows.record()
    assert seen["identity"] is None
    assert seen["env"]["HTTPS_PROXY"].startswith("http://mtls-run:")
    windows.assert_nothing_left()


def test_doctor(windows: Machine, canary: Canary) -> None:
    """The doctor connects, and writes no sign that a console of Windows lacks."""
    windows.locked(canary.text)
    done = windows.run("-v", "doctor", f"{windows.server.url}beta-pkg/")
    assert done.returncode == 0, done
    assert "chain               leaf <- CN=Client Issuer" in done.stdout
    assert "with identity       200, PEP 503 HTML" in done.stdout
    assert f"pip {windows.python.pip}" in done.stdout
    assert "\\u2190" not in done.stdout
