"""What is done in a cell, and what has to be there afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.matrix import index
from tests.e2e.matrix.pythons import pip_for
from tests.e2e.matrix.scene import VERSIONS, Scene, packages
from tests.e2e.packages import ALPHA

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK = "import alpha_pkg; print(alpha_pkg.VERSION)"
SAID = f"{ALPHA}\n"
PROJECT = """
[project]
name = "project"
version = "1"
requires-python = ">=3.9"
dependencies = ["alpha-pkg"]
"""
BUILT = """
[build-system]
requires = ["gamma-backend"]
build-backend = "gamma_backend"

[project]
name = "gamma-src"
version = "2.0"
"""
# uv 0.2.11 builds each project, and as an editable one.
EDITABLE = """
[build-system]
requires = ["gamma-backend"]
build-backend = "editable"
backend-path = ["."]

[project]
name = "gamma-src"
version = "2.0"
requires-python = ">=3.9"
dependencies = ["alpha-pkg"]
"""
BACKEND = """
from gamma_backend import build_sdist, build_wheel
build_editable = build_wheel
"""
TOX = """
[tox]
env_list = py
[testenv]
skip_install = true
pass_env = SSL_CLIENT_CERT
deps = alpha-pkg
commands = python -c "import alpha_pkg"
"""


# --- pip


def _pip(scene: Scene, *words: str | Path, before: tuple[str | Path, ...] = ()) -> None:
    """Run `pip install`, into the target directory where the words do not say otherwise."""
    command = ["pip", *before, "install", "--quiet", "--disable-pip-version-check"]
    if not before or before[0] != "--python":
        command += ["--target", scene.bench.target]
    scene.run(*command, *words)


def pip_wheel(scene: Scene) -> None:
    """Install a wheel, and the wheel that it needs."""
    _pip(scene, "--index-url", scene.url, "alpha-pkg")
    scene.assert_installed(scene.bench.target, "alpha-pkg", "beta-pkg")
    scene.assert_asked("alpha-pkg", "beta-pkg")


def pip_sdist(scene: Scene) -> None:
    """Install an sdist, whose backend comes from the index as well."""
    _pip(scene, "--index-url", scene.url, "gamma-src")
    scene.assert_installed(scene.bench.target, "gamma-src")
    scene.assert_asked("gamma-src", "gamma-backend")


def pip_isolated(scene: Scene) -> None:
    """Install wheel and sdist without the user's files and variables."""
    words = ("--index-url", scene.url, "alpha-pkg", "gamma-src")
    _pip(scene, *words, before=("--isolated",))
    scene.assert_installed(scene.bench.target, "alpha-pkg", "beta-pkg", "gamma-src")
    scene.assert_asked("alpha-pkg", "beta-pkg", "gamma-src", "gamma-backend")


def pip_requirements(scene: Scene) -> None:
    """Install what a file names, the index too."""
    scene.write("requirements.txt", f"--index-url {scene.url}\nalpha-pkg=={ALPHA}\ngamma-src\n")
    _pip(scene, "-r", "requirements.txt")
    scene.assert_installed(scene.bench.target, "alpha-pkg", "beta-pkg", "gamma-src")
    scene.assert_asked("alpha-pkg", "beta-pkg", "gamma-src", "gamma-backend")


def pip_python(scene: Scene) -> None:
    """Install into an environment of another Python, which has no pip."""
    folder = scene.home / "other"
    scene.environments.venv(scene.cell["python"], folder)
    words = ("--index-url", scene.url, "alpha-pkg", "gamma-src")
    _pip(scene, *words, before=("--python", folder / "bin" / "python"))
    scene.assert_installed(packages(folder), "alpha-pkg", "beta-pkg", "gamma-src")
    scene.assert_asked("alpha-pkg", "beta-pkg", "gamma-src", "gamma-backend")


def pip_download(scene: Scene) -> None:
    """Have `pip download` do it, the index named by a variable."""
    command = ["pip", "download", "--quiet", "--disable-pip-version-check", "--dest", "found"]
    scene.run(*command, "alpha-pkg", env={"PIP_INDEX_URL": scene.url})
    names = sorted(path.name.partition("-")[0] for path in (scene.project / "found").iterdir())
    assert names == ["alpha_pkg", "beta_pkg"]
    scene.assert_asked("alpha-pkg", "beta-pkg")


# --- uv


def _uv(scene: Scene, *words: str | Path, stdout: str = "", python: bool = True) -> None:
    """Run uv with the index in the variable that this version has for it."""
    tool = scene.cell.tool
    assert tool is not None
    newer = tool.release >= (0, 4, 23)
    env: dict[str, str | None] = {
        "UV_DEFAULT_INDEX" if newer else "UV_INDEX_URL": scene.url,
        "UV_PYTHON_DOWNLOADS": "never",
    }
    # The options stand after the subcommand, whose own words follow.
    length = {"uvx": 1, "pip": 3, "tool": 3}.get(str(words[0]), 2)
    command = ["uv", *words] if words[0] != "uvx" else list(words)
    if early(scene) and words[0] == "uvx":
        command, length = ["uv", "tool", "run", *words[1:]], 3
    options = ["--preview"] if early(scene) and words[0] != "pip" else []
    options += ["--python", str(scene.python)] if python else []
    scene.run(*command[:length], *options, *command[length:], env=env, stdout=stdout)


def early(scene: Scene) -> bool:
    """Tell whether what this uv has for projects and for tools is a preview: 0.2.11."""
    return scene.cell.tool is not None and scene.cell.tool.release < (0, 3)


def _write_project(scene: Scene) -> tuple[str, ...]:
    """Write a project that needs `alpha-pkg`, and return what is installed for it."""
    if not early(scene):
        scene.write("pyproject.toml", PROJECT)
        return "alpha-pkg", "beta-pkg"
    scene.write("pyproject.toml", EDITABLE)
    scene.write("editable.py", BACKEND)
    return "alpha-pkg", "beta-pkg", "gamma-src"


def uv_wheel(scene: Scene) -> None:
    """Install a wheel, and the wheel that it needs."""
    _uv(scene, "pip", "install", "--target", scene.bench.target, "alpha-pkg")
    scene.assert_installed(scene.bench.target, "alpha-pkg", "beta-pkg")
    scene.assert_asked("alpha-pkg", "beta-pkg")


def uv_sdist(scene: Scene) -> None:
    """Install an sdist, whose backend comes from the index as well."""
    _uv(scene, "pip", "install", "--target", scene.bench.target, "gamma-src")
    scene.assert_installed(scene.bench.target, "gamma-src")
    scene.assert_asked("gamma-src", "gamma-backend")


def uv_requirements(scene: Scene) -> None:
    """Install what a file names, the index too."""
    scene.write("requirements.txt", f"--index-url {scene.url}\nalpha-pkg=={ALPHA}\ngamma-src\n")
    _uv(scene, "pip", "install", "--target", scene.bench.target, "-r", "requirements.txt")
    scene.assert_installed(scene.bench.target, "alpha-pkg", "beta-pkg", "gamma-src")
    scene.assert_asked("alpha-pkg", "beta-pkg", "gamma-src", "gamma-backend")


def uv_compile(scene: Scene) -> None:
    """`uv pip compile`."""
    scene.write("requirements.in", "alpha-pkg\n")
    _uv(scene, "pip", "compile", "--quiet", "-o", "requirements.txt", "requirements.in")
    assert_pinned((scene.project / "requirements.txt").read_text())
    scene.assert_asked("alpha-pkg", "beta-pkg")


def uv_lock(scene: Scene) -> None:
    """`uv lock`."""
    _write_project(scene)
    _uv(scene, "lock")
    assert_locked(scene)
    scene.assert_asked("alpha-pkg", "beta-pkg")


def uv_sync(scene: Scene) -> None:
    """`uv sync` of a project that is locked, with an empty cache."""
    names = _write_project(scene)
    _uv(scene, "lock")
    assert_locked(scene)
    scene.assert_asked("alpha-pkg", "beta-pkg")
    text = (scene.project / "uv.lock").read_text()
    scene.bench.server.forget()
    scene.env["UV_CACHE_DIR"] = str(scene.home / "empty-cache")
    _uv(scene, "sync")
    assert (scene.project / "uv.lock").read_text() == text
    scene.assert_installed(packages(scene.project / ".venv"), *names)
    scene.assert_asked()
    assert_fetched(scene)


def uv_run(scene: Scene) -> None:
    """`uv run` in a project: it locks, installs and starts."""
    names = _write_project(scene)
    _uv(scene, "run", "python", "-c", LOOK, stdout=SAID)
    assert_locked(scene)
    scene.assert_installed(packages(scene.project / ".venv"), *names)
    scene.assert_asked("alpha-pkg", "beta-pkg")


def uv_isolated(scene: Scene) -> None:
    """`uv run --isolated --with`, in an environment that goes with the run."""
    words = ["--isolated", "--with", "alpha-pkg", "--with", "gamma-src"]
    words += [] if early(scene) else ["--no-project"]
    _uv(scene, "run", *words, "python", "-c", f"import gamma_src; {LOOK}", stdout=SAID)
    scene.assert_asked("alpha-pkg", "beta-pkg", "gamma-src", "gamma-backend")


def uvx(scene: Scene) -> None:
    """`uvx`, which was `uv tool run` first."""
    _uv(scene, "uvx", "delta-app", stdout=SAID)
    scene.assert_asked("delta-app", "alpha-pkg", "beta-pkg")


def uv_tool_install(scene: Scene) -> None:
    """`uv tool install`, and the command that it installs works by itself."""
    scene.env["XDG_BIN_HOME"] = str(scene.home / ".local" / "bin")
    _uv(scene, "tool", "install", "delta-app")
    folder = scene.bench.sandbox.root / "data" / "uv" / "tools" / "delta-app"
    assert_application(scene, folder)
    scene.assert_asked("delta-app", "alpha-pkg", "beta-pkg")


def uv_publish(scene: Scene) -> None:
    """`uv publish`: what arrives is the wheel."""
    before = len(index.uploads(scene.bench.server))
    name, content = index.application()
    path = scene.project / "dist" / name
    path.parent.mkdir()
    path.write_bytes(content)
    url = scene.url.replace("/simple/", "/upload/")
    words = ("--publish-url", url, "--username", "u", "--password", "p")
    _uv(scene, "publish", *words, "--trusted-publishing", "never", path, python=False)
    scene.assert_asked()
    (upload,) = index.uploads(scene.bench.server)[before:]
    shown = (upload.status, upload.verify, upload.subject, upload.method)
    assert shown == (200, "SUCCESS", scene.bench.subject, "POST")
    assert content in Path(upload.body).read_bytes()


# --- what calls pip or uv itself


def _program(scene: Scene, *words: str | Path, stdout: str | None = "") -> None:
    """Run a program after `--`, with the index in the variables of pip and uv."""
    env: dict[str, str | None] = {
        "PIP_INDEX_URL": scene.url,
        "UV_DEFAULT_INDEX": scene.url,
        "UV_PYTHON_DOWNLOADS": "never",
    }
    scene.run("--", *words, env=env, stdout=stdout)


def pip_compile(scene: Scene) -> None:
    """`pip-compile`."""
    scene.write("requirements.in", "alpha-pkg\n")
    _program(scene, "pip-compile", "--quiet", "--strip-extras", "requirements.in")
    assert_pinned((scene.project / "requirements.txt").read_text())
    scene.assert_asked("alpha-pkg", "beta-pkg")


def pip_sync(scene: Scene) -> None:
    """`pip-sync`, for an environment with a pip of its own."""
    folder = scene.home / "own"
    runner = scene.cell["runner"]
    scene.environments.with_pip(pip_for(runner), runner, folder)
    pins = [f"{name}=={VERSIONS[name]}" for name in ("alpha-pkg", "beta-pkg")]
    scene.write("requirements.txt", "\n".join([*pins, ""]))
    words = ("--quiet", "--python-executable", folder / "bin" / "python")
    _program(scene, "pip-sync", *words, "requirements.txt")
    scene.assert_installed(packages(folder), "alpha-pkg", "beta-pkg")
    scene.assert_asked("alpha-pkg", "beta-pkg")


def pipx(scene: Scene) -> None:
    """`pipx install`, and the command that it installs works by itself."""
    _program(scene, "pipx", "install", "--quiet", "delta-app", stdout=None)
    assert_application(scene, scene.bench.sandbox.root / "data" / "pipx" / "venvs" / "delta-app")
    scene.assert_asked("delta-app", "alpha-pkg", "beta-pkg")


def build(scene: Scene) -> None:
    """`pyproject-build`, whose isolated environment has its backend from the index."""
    scene.write("pyproject.toml", BUILT)
    _program(scene, "pyproject-build", "--wheel", stdout=None)
    (wheel,) = (scene.project / "dist").iterdir()
    assert wheel.name == f"gamma_src-{VERSIONS['gamma-src']}-py3-none-any.whl"
    scene.assert_asked("gamma-backend")


def tox(scene: Scene) -> None:
    """`tox run`: its environment has what it needs from the index."""
    scene.write("tox.ini", TOX)
    _program(scene, "tox", "run", "--quiet", stdout=None)
    # tox itself brings pip and, for some Pythons, setuptools.
    scene.assert_installed(packages(scene.project / ".tox" / "py"), "alpha-pkg", "beta-pkg")
    scene.assert_asked("alpha-pkg", "beta-pkg")


def virtualenv(scene: Scene) -> None:
    """`virtualenv --download`: pip comes from the index."""
    words = ("--quiet", "--download", "--pip", index.OTHER_PIP, "--no-setuptools")
    _program(scene, "virtualenv", *words, "made")
    scene.assert_installed(packages(scene.project / "made"))
    assert (packages(scene.project / "made") / f"pip-{index.OTHER_PIP}.dist-info").is_dir()
    scene.assert_asked("pip")


# --- what is looked at


def assert_pinned(text: str) -> None:
    """Fail unless a compiled file names both wheels in their versions."""
    for name in ("alpha-pkg", "beta-pkg"):
        assert f"{name}=={VERSIONS[name]}" in text, text


def assert_locked(scene: Scene) -> None:
    """Fail unless `uv.lock` has both wheels from this index."""
    text = (scene.project / "uv.lock").read_text()
    assert 'name = "alpha-pkg"' in text, text
    assert 'name = "beta-pkg"' in text, text
    assert scene.url.rstrip("/") in text, text


def assert_fetched(scene: Scene) -> None:
    """Fail unless both wheels themselves were fetched."""
    asked = " ".join(request.uri for request in scene.bench.server.requests())
    assert "/files/alpha_pkg-" in asked, asked
    assert "/files/beta_pkg-" in asked, asked


def assert_application(scene: Scene, folder: Path) -> None:
    """Fail unless an application has an environment of its own, and its command works."""
    scene.assert_installed(packages(folder), "delta-app", "alpha-pkg", "beta-pkg")
    done = scene.bench.sandbox.execute([scene.home / ".local" / "bin" / "delta-app"])
    assert (done.returncode, done.stdout) == (0, SAID), done


TASKS: dict[str, dict[str, Callable[[Scene], None]]] = {
    "pip": {
        "wheel": pip_wheel,
        "sdist": pip_sdist,
        "isolated": pip_isolated,
        "requirements": pip_requirements,
        "python": pip_python,
        "download": pip_download,
    },
    "uv": {
        "wheel": uv_wheel,
        "sdist": uv_sdist,
        "requirements": uv_requirements,
        "compile": uv_compile,
        "lock": uv_lock,
        "sync": uv_sync,
        "run": uv_run,
        "isolated": uv_isolated,
        "uvx": uvx,
        "tool-install": uv_tool_install,
        "publish": uv_publish,
    },
    "program": {
        "pip-compile": pip_compile,
        "pip-sync": pip_sync,
        "pipx": pipx,
        "build": build,
        "tox": tox,
        "tox-uv": tox,
        "virtualenv": virtualenv,
    },
}
"""For each table, and there for each task (or program), what is done."""
