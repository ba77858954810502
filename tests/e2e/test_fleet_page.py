"""The recipes of docs/fleet.md, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e import toolbox
from tests.e2e.recipes import INDEX, MARKED, REPOSITORY
from tests.e2e.toolbox import newest_pip
from tests.sandbox import SYSTEM_PATH

if TYPE_CHECKING:
    from tests.e2e.bench import Bench
    from tests.sandbox import Canary, Sandbox

pytestmark = pytest.mark.e2e

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
OLDER = "ansible-core==2.15.13"  # the last for Python 3.9
toolbox.PROGRAMS.setdefault("ansible", ("ansible-core==2.19.14", OLDER))
FLEET = '[policy]\nallow-project-files = false\n[profiles.corp]\nroots = "public"\n'
RECIPES = ("Ansible playbook.yml", "deb sh", "Dockerfile RUN", "devcontainer.json")


def block(name: str, page: str = "fleet.md") -> str:
    """Return the text of this block of the page."""
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    found = {one["name"]: one["text"] for one in MARKED.finditer(text)}
    if page == "fleet.md":
        assert tuple(found) == RECIPES
    return found[name]


@pytest.fixture
def desk(sandbox: Sandbox) -> Sandbox:
    """Return the home of an administrator: the file and the fleet's configuration are there."""
    (sandbox.bin / PYTHON).symlink_to(os.path.realpath(sys.executable))
    build = REPOSITORY / "wrapper/onefile/build.py"
    command = [sys.executable, str(build), str(sandbox.home / "dist/mtls-run")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    sandbox.write("fleet.toml", FLEET)
    return sandbox


@pytest.mark.slow
def test_ansible(desk: Sandbox) -> None:
    """A real ansible-playbook puts file and configuration in their places; again, nothing."""
    root = desk.root / "machine"
    text = block("Ansible playbook.yml")
    for place in ("/usr/local/bin", "/etc/mtls-run"):
        text = text.replace(place, f"{root}{place}")
    desk.write("playbook.yml", text)
    (root / "usr/local/bin").mkdir(parents=True)
    (root / "etc/mtls-run").mkdir(parents=True)
    words = ["-i", "localhost,", "-c", "local", "-e", "ansible_become=false"]
    words += ["-e", f"ansible_python_interpreter={sys.executable}", "playbook.yml"]
    env = {"PATH": f"{toolbox.program('ansible')}:{desk.bin}:{SYSTEM_PATH}"}
    for changed in (3, 0):
        done = desk.execute(["ansible-playbook", *words], env=env, timeout=120)
        assert done.returncode == 0, done
        assert f"changed={changed} " in done.stdout, done
    program = root / "usr/local/bin/mtls-run"
    assert program.stat().st_mode & 0o777 == 0o755
    assert (root / "etc/mtls-run/config.d/10-fleet.toml").read_text() == FLEET


@pytest.mark.slow
def test_debian_package(desk: Sandbox) -> None:
    """dpkg-deb makes a package of it, and what is in the package runs."""
    text = block("deb sh")
    assert "Depends: python3.11\n" in text
    done = desk.execute(["sh", "-ec", text.replace("python3.11", PYTHON)])
    assert done.returncode == 0, done
    (package,) = (desk.home / "dist").glob("mtls-run_*.deb")
    fields = desk.execute(["dpkg-deb", "--field", package, "Depends", "Package"]).stdout
    assert set(fields.splitlines()) == {f"Depends: {PYTHON}", "Package: mtls-run"}
    listed = desk.execute(["dpkg-deb", "--contents", package]).stdout
    assert re.search(r"-rwxr-xr-x root/root +\d+ .* \./usr/bin/mtls-run\n", listed), listed
    root = desk.root / "machine"
    assert desk.execute(["dpkg-deb", "--extract", package, root]).returncode == 0
    done = desk.execute([root / "usr/bin/mtls-run", "--version"])
    assert (done.returncode, done.stderr) == (0, ""), done
    assert (root / "etc/mtls-run/config.d/10-fleet.toml").read_text() == FLEET


@pytest.mark.slow
def test_dockerfile(desk: Sandbox, bench: Bench, canary: Canary) -> None:
    """The command of the RUN installs from the index, by the file and the secrets alone."""
    run = desk.root / "run-of-docker"
    for folder in ("mtls-run", "secrets"):
        (run / folder).mkdir(parents=True)
    shutil.copy(desk.home / "dist/mtls-run", run / "mtls-run/mtls-run")
    (run / "mtls-run/corp-root.pem").write_bytes(bench.server.server_ca.pem)
    desk.write(run / "secrets/client-p12", bench.alice.p12(canary.text))
    desk.write(run / "secrets/client-passphrase", canary.text)
    config = block("Dockerfile docker.toml", "recipes.md").replace("/run/", f"{run}/")
    (run / "mtls-run/docker.toml").write_text(config)
    words = block("Dockerfile RUN").replace("\\\n", " ").removeprefix("RUN ").split()
    command = " ".join(word for word in words if not word.startswith("--mount="))
    command = command.replace("/run/", f"{run}/").replace(INDEX, bench.server.url)
    desk.write("requirements.txt", "alpha-pkg\n")
    target = desk.root / "site"
    python = newest_pip().ready().bin
    env = {"PATH": f"{python}:{desk.bin}:{SYSTEM_PATH}", "PIP_TARGET": str(target)}
    done = desk.execute(["sh", "-ec", command], env=env)
    assert done.returncode == 0, done
    assert (target / "alpha_pkg.py").exists()
    assert {request.subject for request in bench.server.requests()} == {"CN=alice"}
    canary.assert_absent(done.stdout, done.stderr, below=[desk.home, target, desk.root / "cache"])


@pytest.mark.slow
def test_dev_container(desk: Sandbox) -> None:
    """The file is JSON, its mounts have a source and a target, and its command runs."""
    settings = json.loads(block("devcontainer.json"))
    for mount in settings["mounts"]:
        fields = dict(pair.split("=") for pair in mount.split(",") if "=" in pair)
        assert fields["source"].startswith("${localEnv:HOME}/")
        assert fields["target"] == fields["source"].replace("${localEnv:HOME}", "/home/vscode")
    desk.write(".devcontainer/mtls-run", (desk.home / "dist/mtls-run").read_bytes())
    done = desk.execute(["sh", "-c", settings["postCreateCommand"]])
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.startswith("mtls-run ")
