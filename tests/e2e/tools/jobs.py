"""The jobs of each tool, and what each version does by file and by the gateway.

docs/tools.md shows them as a table, which `python -m tests.e2e.tools.table` writes.
"""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e import registries, toolbox
from tests.e2e.git_server import PACKAGE, git
from tests.e2e.matrix.index import application
from tests.e2e.toolbox import newest_pip
from tests.e2e.tools.scene import BUILT_BY_INDEX, WHEEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.tools.scene import Scene

USER = ("-u", "eve", "-p", "upload-password")


def lock_by_poetry(scene: Scene, program: str) -> None:
    """Lock and install, with the build backend of an sdist."""
    scene.of_poetry()
    scene.well(program, "poetry", "lock")
    scene.well(program, "poetry", "install", "--no-root")
    scene.assert_seen("alpha-pkg", "beta-pkg", "gamma-src", "gamma-backend")


def publish_by_poetry(scene: Scene, program: str) -> None:
    """Upload to a repository that a variable names."""
    scene.of_poetry()
    scene.built()
    env = {"POETRY_REPOSITORIES_CORP_UP_URL": scene.upload_url}
    scene.well(
        program, "poetry", "publish", "-r", "corp-up", "--username", "eve", *USER[2:], env=env
    )
    scene.assert_uploaded()


def lock_from_git(scene: Scene, program: str) -> None:
    """Lock a dependency that is cloned from beside the index."""
    scene.of_poetry()
    path = scene.project / "pyproject.toml"
    text = path.read_text()
    # Its metadata says all, so that poetry 1.8 need not build it.
    own = text.replace('gamma-src = "*"\n', "").replace('"uploaded"', '"gamma-src"')
    url = scene.git({"pyproject.toml": own})
    path.write_text(text.replace('gamma-src = "*"', f'gamma-src = {{ git = "{url}" }}'))
    scene.well(program, "poetry", "lock")
    scene.assert_seen("alpha-pkg", paths=("/git-upload-pack",))


def build_by_poetry(scene: Scene, program: str) -> None:
    """Build with requirements that are on the index alone.

    poetry 1.8 installs them by pip, for its build script; poetry 2 by itself, for any backend.
    """
    scene.of_poetry()
    scene.append("pyproject.toml", BUILT_BY_INDEX + '[tool.poetry.build]\nscript = "build.py"\n')
    scene.write("build.py", "import gamma_backend\n")
    scene.write("uploaded.py", "")
    scene.well(
        program, "poetry", "build", "--format", "wheel", env={"POETRY_VIRTUALENVS_CREATE": "false"}
    )
    assert list((scene.project / "dist").glob("*.whl"))
    scene.assert_seen("gamma-backend")


def lock_by_pdm(scene: Scene, program: str) -> None:
    """Lock and install from the default source and the project's own."""
    scene.of_pdm()
    scene.well(program, "pdm", "lock")
    scene.well(program, "pdm", "install", "--no-self")
    scene.assert_seen("alpha-pkg", "beta-pkg", "gamma-src", "gamma-backend")


def build_by_pdm(scene: Scene, program: str) -> None:
    """Build by a backend that is on the index alone."""
    scene.of_pdm()
    scene.well(program, "pdm", "build", "--no-sdist")
    assert (scene.project / "dist/gamma_src-2.0-py3-none-any.whl").is_file()
    scene.assert_seen("gamma-backend")


def publish_by_pdm(scene: Scene, program: str) -> None:
    """Upload to a repository that is named by its URL."""
    scene.of_pdm()
    scene.built()
    words = ("-r", scene.upload_url, "-u", "eve", "-P", "upload-password")
    scene.well(program, "pdm", "publish", "--no-build", *words)
    scene.assert_uploaded()


def upload_by_twine(scene: Scene, program: str) -> None:
    """Upload a wheel."""
    scene.built()
    words = ("--repository-url", scene.upload_url, *USER, f"dist/{WHEEL}")
    scene.well(program, "twine", "upload", "--non-interactive", *words)
    scene.assert_uploaded()


def upload_by_twine_in_a_script(scene: Scene, program: str) -> None:
    """Upload a wheel, by a twine that another program starts."""
    scene.built()
    words = ("--repository-url", scene.upload_url, *USER, f"dist/{WHEEL}")
    command = shlex.join(["twine", "upload", "--non-interactive", *words])
    scene.well(program, "--", "sh", "-c", command)
    scene.assert_uploaded()


def environment_by_hatch(scene: Scene, program: str) -> None:
    """Have hatch install an environment by pip."""
    scene.of_hatch()
    scene.well(program, "hatch", "env", "create")
    scene.assert_seen("alpha-pkg", "beta-pkg", "gamma-src", "gamma-backend")


def build_by_hatch(scene: Scene, program: str) -> None:
    """Build by hatchling, with a further requirement; uv installs both."""
    for path in toolbox.wheels("hatchling==1.27.0", "editables==0.6").iterdir():
        scene.serve(path.name, path.read_bytes())
    scene.of_hatch(requires=("hatchling", "gamma-backend"))
    scene.write("uploaded.py", "")
    scene.well(program, "hatch", "build", "--target", "wheel")
    assert (scene.project / "dist" / WHEEL).is_file()
    scene.assert_seen("hatchling", "gamma-backend")


def publish_by_hatch(scene: Scene, program: str) -> None:
    """Upload a wheel to a repository that is named by its URL."""
    scene.of_hatch()
    scene.built()
    words = ("-r", scene.upload_url, "-u", "eve", "-a", "upload-password", f"dist/{WHEEL}")
    scene.well(program, "hatch", "-v", "publish", *words)
    scene.assert_uploaded()


def publish_by_hatch_in_a_script(scene: Scene, program: str) -> None:
    """Upload a wheel, by a hatch that another program starts."""
    scene.of_hatch()
    scene.built()
    words = ("-r", scene.upload_url, "-u", "eve", "-a", "upload-password", f"dist/{WHEEL}")
    scene.well(program, "--", "sh", "-c", shlex.join(["hatch", "publish", *words]))
    scene.assert_uploaded()


def publish_by_flit(scene: Scene, program: str) -> None:
    """Upload what flit builds."""
    scene.of_flit()
    env = {
        "FLIT_INDEX_URL": scene.upload_url,
        "FLIT_USERNAME": "eve",
        "FLIT_PASSWORD": "upload-password",
        "SOURCE_DATE_EPOCH": "1700000000",  # so that flit builds the same file again
    }
    scene.well(program, "flit", "publish", "--format", "wheel", env=env)
    scene.well(program, "flit", "build", "--format", "wheel", env=env)
    scene.assert_uploaded()


def install_by_pipx(scene: Scene, program: str) -> None:
    """Install by pip, which pipx first upgrades from the index."""
    pip = newest_pip().wheel()
    scene.serve(pip.name, pip.read_bytes())
    scene.serve(*application())
    words = ["--backend", "pip"] if program == "pipx" else []
    scene.well(program, "pipx", "install", "delta-app", *words)
    scene.assert_seen("delta-app", "alpha-pkg", "beta-pkg", "pip")


def lock_by_pipenv(scene: Scene, program: str) -> None:
    """Lock, and install what was locked."""
    source = f'[[source]]\nname = "corp"\nurl = "{scene.bench.server.url}"\nverify_ssl = true\n'
    # One package alone: for several, pipenv 2026 asks in threads that share a TLS context, and
    # loads the certificate into it for each connection, so that the intermediate may be missing.
    scene.write("Pipfile", f'{source}[packages]\ngamma-src = "*"\n')
    env = {"PIPENV_VENV_IN_PROJECT": "1", "PIPENV_PYTHON": sys.executable, "PIPENV_NOSPIN": "1"}
    scene.well(program, "pipenv", "lock", env=env)
    scene.well(program, "pipenv", "sync", env=env)
    assert list((scene.project / ".venv").rglob("gamma_src.py"))
    scene.assert_seen("gamma-src", "gamma-backend")


def compile_by_pip_tools(scene: Scene, program: str) -> None:
    """Compile requirements, with the build backend of an sdist."""
    scene.write("requirements.in", "alpha-pkg\ngamma-src\n")
    scene.well(program, "--", "pip-compile", "-q", "--no-emit-index-url")
    assert "beta-pkg==" in (scene.project / "requirements.txt").read_text()
    scene.assert_seen("alpha-pkg", "beta-pkg", "gamma-src", "gamma-backend")


def session_by_nox(scene: Scene, program: str) -> None:
    """Install into the environment of a session."""
    scene.write(
        "noxfile.py",
        "import nox\n\n@nox.session\ndef tests(session):\n"
        '    session.install("alpha-pkg", "gamma-src")\n'
        '    session.run("python", "-c", "import alpha_pkg, gamma_src")\n',
    )
    scene.well(program, "--", "nox")
    scene.assert_seen("alpha-pkg", "beta-pkg", "gamma-src", "gamma-backend")


def run_by_tox(scene: Scene, program: str) -> None:
    """Install a dependency from git, and build; what the user passes on stays."""
    scene.write("pyproject.toml", PACKAGE["pyproject.toml"])
    own = "passenv = MINE\nallowlist_externals = sh\ncommands = sh -c 'echo \"$MINE\" >seen'\n"
    text = f"[testenv]\npackage = wheel\ndeps = gamma-src @ git+{scene.git()}\n"
    scene.write("tox.ini", text + own)
    env = {"MINE": "mine", "TOX_OVERRIDE": "testenv.description=own"}
    scene.well(program, "--", "tox", "run", "-e", "py", env=env)
    assert (scene.project / "seen").read_text() == "mine\n"
    scene.assert_seen("gamma-backend", paths=("/git-upload-pack",))


def hooks_by_pre_commit(scene: Scene, program: str) -> None:
    """Clone a hook's repository, and install its environment."""
    hook = '- id: h\n  name: h\n  language: python\n  entry: python -c "import gamma_src"\n'
    url = scene.git({".pre-commit-hooks.yaml": hook})
    rev = git("rev-parse", "main", cwd=scene.bench.server.root / "git/gamma.git")
    hooks = f"repos:\n  - repo: {url}\n    rev: {rev}\n    hooks:\n      - id: h\n"
    scene.write(".pre-commit-config.yaml", hooks)
    git("init", "-q", ".", cwd=scene.project)
    scene.well(program, "--", "pre-commit", "install-hooks")
    scene.assert_seen("gamma-backend", paths=("/git-upload-pack",))


def clone_by_git(scene: Scene, program: str) -> None:
    """Clone a repository, and push to it."""
    scene.well(program, "git", "clone", scene.git(), "clone")
    clone = scene.project / "clone"
    git("commit", "--quiet", "--allow-empty", "--message=second", cwd=clone)
    scene.well(program, "git", "-C", "clone", "push", "origin", "main")
    scene.assert_seen(paths=("/git-upload-pack", "/git-receive-pack"))


def get_by_curl(scene: Scene, program: str) -> None:
    """Get a page."""
    scene.well(program, "curl", "-fsS", f"{scene.bench.server.url}alpha-pkg/")
    scene.assert_seen("alpha-pkg")


def get_by_curl_in_a_script(scene: Scene, program: str) -> None:
    """Get a page, by a curl that another program starts."""
    scene.well(program, "--", "sh", "-c", f"curl -fsS {scene.bench.server.url}alpha-pkg/")
    scene.assert_seen("alpha-pkg")


def get_by_wget(scene: Scene, program: str) -> None:
    """Get a page; wget reads no variable for roots."""
    command = f'wget -q --ca-certificate="$SSL_CERT_FILE" {scene.bench.server.url}alpha-pkg/'
    scene.well(program, "--", "sh", "-c", command)
    scene.assert_seen("alpha-pkg")


def get_by_requests(scene: Scene, program: str) -> None:
    """Get a page by a script that knows nothing of certificates."""
    url = f"{scene.bench.server.url}alpha-pkg/"
    scene.write("get.py", f"import requests\nrequests.get({url!r}).raise_for_status()\n")
    scene.well(program, "--", "python", "get.py")
    scene.assert_seen("alpha-pkg")


def install_by_npm(scene: Scene, program: str) -> None:
    """Install a package from a registry beside the index."""
    registry = registries.write_npm(scene.bench.server)
    scene.write("package.json", '{"name": "p", "version": "1.0.0"}')
    scene.write(".npmrc", f"registry={registry}\naudit=false\nfund=false\n")
    scene.well(program, "--", "npm", "install", "left", "--fetch-retries=0")
    scene.assert_seen(paths=("/npm/left", "/npm/left.tgz"))


def fetch_by_cargo(scene: Scene, program: str) -> None:
    """Fetch a crate from a registry beside the index."""
    registry = registries.write_cargo(scene.bench.server)
    dependency = '[dependencies]\nleft = { version = "1", registry = "corp" }\n'
    scene.write("Cargo.toml", f'[package]\nname = "p"\nversion = "1.0.0"\n{dependency}')
    scene.write(".cargo/config.toml", f'[registries.corp]\nindex = "sparse+{registry}"\n')
    scene.write("src/lib.rs", "")
    # Where cargo is rustup's, it looks there for itself, whatever HOME is for these tests.
    own = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".rustup"
    home = os.environ.get("RUSTUP_HOME", str(own))
    scene.well(program, "--", "cargo", "fetch", env={"RUSTUP_HOME": home, "CARGO_NET_RETRY": "0"})
    scene.assert_seen(paths=("/cargo/le/ft/left", "/cargo/left.crate"))


YES, STOPPED, ANONYMOUS = "yes", "no: status 125", "roots alone"
READS = "below `-- sh -c` alone"


@dataclass(frozen=True)
class Job:
    """What these versions of a tool do by file and by the gateway.

    YES: nginx's log names the one client. STOPPED: mtls-run stops before any request. ANONYMOUS:
    the server sees no certificate, and refuses. READS: the gateway only reads for this command, and
    git would have to post. `programs` are of toolbox.PROGRAMS, or on PATH.
    """

    tool: str
    command: str
    do: Callable[[Scene, str], None]
    programs: tuple[str, ...]
    by_file: str = YES
    by_gateway: str = YES


def _both(tool: str) -> tuple[str, str]:
    """Return the names of the oldest and the newest version in toolbox.PROGRAMS."""
    return f"{tool}-old", tool if tool in toolbox.PROGRAMS else f"{tool}-new"


JOBS = (
    Job("poetry", "lock, install", lock_by_poetry, _both("poetry")),
    Job(
        "poetry",
        "lock a git+https dependency",
        lock_from_git,
        _both("poetry"),
        by_gateway=READS,
    ),
    Job("poetry", "build", build_by_poetry, _both("poetry")),
    Job("poetry", "publish", publish_by_poetry, _both("poetry")),
    Job("pdm", "lock, install", lock_by_pdm, ("pdm-new",)),
    Job("pdm", "build", build_by_pdm, ("pdm-new",)),
    Job("pdm", "publish", publish_by_pdm, ("pdm-new",)),
    Job("pdm", "lock, install", lock_by_pdm, ("pdm-old",), STOPPED),
    Job("pdm", "build", build_by_pdm, ("pdm-old",), STOPPED),
    Job("pdm", "publish", publish_by_pdm, ("pdm-old",), STOPPED),
    Job("twine", "upload", upload_by_twine, _both("twine")),
    Job(
        "twine",
        "-- sh -c 'twine upload'",
        upload_by_twine_in_a_script,
        _both("twine"),
        ANONYMOUS,
    ),
    Job("hatch", "env create", environment_by_hatch, _both("hatch")),
    Job("hatch", "build", build_by_hatch, _both("hatch")),
    Job("hatch", "publish", publish_by_hatch, _both("hatch"), by_gateway=STOPPED),
    Job(
        "hatch",
        "-- sh -c 'hatch publish'",
        publish_by_hatch_in_a_script,
        _both("hatch"),
        by_gateway=ANONYMOUS,
    ),
    Job("flit", "publish", publish_by_flit, _both("flit"), STOPPED),
    Job("pipx", "install", install_by_pipx, _both("pipx")),
    Job("pipenv", "lock, sync", lock_by_pipenv, _both("pipenv")),
    Job("git", "clone, push", clone_by_git, ("git",)),
    Job("curl", "URL", get_by_curl, ("curl",)),
    Job("curl", "-- sh -c 'curl URL'", get_by_curl_in_a_script, ("curl",), ANONYMOUS),
    Job("pip-tools", "-- pip-compile", compile_by_pip_tools, _both("pip-tools")),
    Job("nox", "-- nox", session_by_nox, _both("nox")),
    Job("tox", "-- tox run", run_by_tox, _both("tox")),
    Job("tox-uv", "-- tox run", run_by_tox, _both("tox-uv")),
    Job(
        "pre-commit",
        "-- pre-commit install-hooks",
        hooks_by_pre_commit,
        ("pre-commit-old", "pre-commit"),
    ),
    Job("npm", "-- npm install", install_by_npm, ("npm",), ANONYMOUS),
    Job("cargo", "-- cargo fetch", fetch_by_cargo, ("cargo",), ANONYMOUS),
    Job("wget", "-- wget", get_by_wget, ("wget",), ANONYMOUS),
    Job("requests", "-- python SCRIPT", get_by_requests, ("requests",), ANONYMOUS),
)
