"""Every block of docs/recipes.md, run as it stands there."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]  # stubs are a package that nothing else needs

from tests.cli.test_install import snapshot
from tests.e2e import toolbox
from tests.e2e.recipes import (
    HOOKS,
    INDEX,
    PAGE,
    PROJECT,
    REPOSITORY,
    RULES,
    RUN,
    Scene,
    block,
    blocks,
)
from tests.e2e.toolbox import newest_pip
from tests.sandbox import assert_absent
from tests.terminal import session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService
    from tests.sandbox import Canary

pytestmark = pytest.mark.e2e

INSTALL = {"uv": "uv pip install -r requirements.txt", "pip": "pip install -r requirements.txt"}
SHIMS = ".local/share/mtls-run/shims"


@pytest.fixture
def scene(bench: Bench, canary: Canary) -> Scene:
    """Return a home and a project, without profiles."""
    return Scene.create(bench, canary)


@pytest.fixture
def desk(scene: Scene, keyring: SecretService) -> Scene:
    """Return the scene at a user's desk: the profile `corp`, its passphrase in a keyring."""
    scene.profile()
    keyring.store("corp", scene.canary.text)
    scene.env.update(keyring.env)
    return scene


def by_default(scene: Scene) -> None:
    """Make `corp` the profile that applies everywhere."""
    scene.profile('default-profile = "corp"')


def test_every_block_is_run() -> None:
    """Each fence of the page has a marker of its own, and each marker a test here."""
    page, tests = PAGE.read_text(), Path(__file__).read_text()
    names = list(blocks())
    assert len(re.findall(r"^```\w", page, re.MULTILINE)) == len(names)
    assert page.count("<!-- recipe: ") == len(names)
    assert [name for name in names if f'block("{name}"' not in tests] == []


# --- shells

RC = {
    "bash": ".bashrc",
    "zsh": ".zshrc",
    "fish": ".config/fish/config.fish",
}
PROMPT = {
    "bash": 'printf "%s\\n" "${PS1@P}"',
    "zsh": 'print -rP -- "$RPROMPT"',
    "fish": "fish_right_prompt",
}


def write_rc(scene: Scene, shell: str) -> None:
    """Write what the page has for this shell into what it reads when it starts."""
    text = {
        "bash": block("bash rc"),
        "zsh": block("zsh rc"),
        "fish": block("fish rc"),
    }[shell]
    scene.bench.sandbox.write(RC[shell], text)
    # mtls-run is reached by what the page says, not by what the scene has on PATH.
    path = scene.env["PATH"]
    assert path is not None
    scene.env["PATH"] = path.partition(":")[2]


@pytest.mark.parametrize(
    ("shell", "tool"),
    [
        ("bash", "pip"),
        ("zsh", "uv"),
        ("fish", "uv"),
        pytest.param("bash", "uv", marks=pytest.mark.slow),
        pytest.param("zsh", "pip", marks=pytest.mark.slow),
        pytest.param("fish", "pip", marks=pytest.mark.slow),
    ],
)
def test_shell(desk: Scene, shell: str, tool: str) -> None:
    """The tool that is typed goes through mtls-run, and the prompt shows the profile."""
    by_default(desk)
    folder = desk.target() if tool == "pip" else desk.environment()
    write_rc(desk, shell)
    done = desk.run(shell, "-ic", f"{PROMPT[shell]}; {INSTALL[tool]}")
    assert done.stdout.startswith("corp"), done.stdout
    desk.assert_installed(folder)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_prompt_without_a_profile(desk: Scene, shell: str) -> None:
    """Where no profile applies, or it cannot be told, the prompt shows nothing of it."""
    write_rc(desk, shell)
    assert "mtls-run" not in desk.run(shell, "-ic", PROMPT[shell]).stdout
    desk.write(".mtls-run.toml", 'profile = "corp"\n')
    done = desk.run(shell, "-ic", PROMPT[shell], status=125 if shell == "fish" else 0)
    assert "mtls-run" not in done.stdout


def test_starship(desk: Scene) -> None:
    """Starship shows the profile and its state, and nothing without one."""
    program = toolbox.program("starship") / "starship"
    program.chmod(0o755)  # the wheel forgets it
    desk.bench.sandbox.write(".config/starship.toml", block("starship toml"))
    desk.env["STARSHIP_LOG"] = "error"

    def shown() -> str:
        return re.sub(r"\x1b\[[\d;]*m", "", desk.run(program, "module", "custom.mtls_run").stdout)

    assert shown() == ""
    by_default(desk)
    assert shown() == "corp locked "  # it is a PKCS#12
    assert "corp locked" in desk.run(program, "prompt").stdout


@pytest.mark.parametrize("shell", ["bash"])
def test_functions_before_an_activated_environment(desk: Scene, shell: str) -> None:
    """In an activated environment the functions still count, for the environment's own pip."""
    by_default(desk)
    folder = desk.target()
    write_rc(desk, shell)
    environment = newest_pip().ready().folder
    desk.env["PATH"] = "/usr/bin:/bin"
    desk.run(shell, "-ic", f". {environment}/bin/activate; {INSTALL['pip']}")
    desk.assert_installed(folder)


# --- shims, direnv, make


def install_shims(scene: Scene) -> None:
    """Install the shims as the page says, into the directory that its recipes name."""
    scene.sh(block("shims sh"))
    assert {path.name for path in (scene.home / SHIMS).iterdir()} == {"pip", "pip3", "uv", "uvx"}


def test_shims(desk: Scene) -> None:
    """A script that says `uv` is reached, once its shell has those two lines."""
    by_default(desk)
    folder = desk.environment()
    script = desk.write("deps.sh", f"{INSTALL['uv']}\n")
    desk.sh(f"{block('shims sh')}\nsh {script}")
    desk.assert_installed(folder)


def test_direnv(desk: Scene) -> None:
    """Entering the directory sets the profile and the shims, after `direnv allow` alone."""
    install_shims(desk)
    folder = desk.environment()
    desk.write(".envrc", block("direnv .envrc"))
    # What direnv's hook runs before each prompt.
    enter = 'eval "$(direnv export bash)"'
    refused = desk.run("bash", "-c", f"{enter}; echo ${{MTLS_RUN_PROFILE:-none}}")
    assert refused.stdout == "none\n"
    desk.run("direnv", "allow")
    # The profile is in force here by its name: this file of somebody else's is not read.
    desk.write(".mtls-run.toml", 'profile = "other"\n')
    desk.run("bash", "-c", f"{enter}; {INSTALL['uv']}")
    desk.assert_installed(folder)


def test_make(desk: Scene, keyring: SecretService) -> None:
    """The Makefile works by itself, and inside one mtls-run that unlocks for all."""
    by_default(desk)
    folder = desk.environment()
    desk.write("Makefile", block("Makefile"))
    desk.run("make", "deps")
    desk.assert_installed(folder)
    desk.run("uv", "pip", "uninstall", "alpha-pkg", "beta-pkg")
    desk.write("Makefile", block("Makefile") + "deps: forgotten\nforgotten:\n\t$(FORGET)\n")
    forget = "secret-tool clear service mtls-run username corp"
    desk.run("sh", "-ec", block("make sh"), env={"FORGET": forget})
    assert keyring.lookup("corp") is None
    desk.assert_installed(folder)


# --- tox, pre-commit


def by_itself(name: str, scene: Scene) -> None:
    """Put a program of the toolbox on PATH, and keep it from looking after itself."""
    scene.env["PATH"] = f"{toolbox.program(name)}:{scene.env['PATH']}"
    scene.env["VIRTUALENV_NO_PERIODIC_UPDATE"] = "1"


# Its build backend is on the test's index alone.
PYPROJECT = """
[build-system]
requires = ["gamma-backend"]
build-backend = "gamma_backend"

[project]
name = "gamma-src"
version = "2.0"
"""
UNITTEST = """
import os, unittest
import alpha_pkg

class Test(unittest.TestCase):
    def test_import(self):
        self.assertTrue(alpha_pkg.VERSION)

    def test_surroundings(self):
        for name in ("MTLS_RUN_ACTIVE", "SSL_CLIENT_CERT", "PIP_CLIENT_CERT", "CLIENT_PASSPHRASE"):
            self.assertNotIn(name, os.environ)
"""


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["tox", "tox-uv"])
def test_tox(desk: Scene, runner: str) -> None:
    """With pip and with uv: tox makes its environments, and runs the tests without an identity."""
    by_default(desk)
    by_itself(runner, desk)
    desk.write("tox.ini", block("tox.ini"))
    desk.write("pyproject.toml", PYPROJECT)
    desk.write("test_it.py", UNITTEST)
    make, test = block("tox sh").splitlines()
    desk.sh(make)
    (folder,) = (desk.workspace / ".tox/py/lib").glob("python*/site-packages")
    desk.assert_installed(folder)
    agents = {re.split("[/ ]", request.agent)[0] for request in desk.bench.server.requests()}
    assert agents == {"uv" if runner == "tox-uv" else "pip"}
    asked = " ".join(request.uri for request in desk.bench.server.requests())
    assert "/simple/gamma-backend/" in asked
    desk.bench.server.forget()
    desk.sh(test)
    assert desk.bench.server.requests() == []
    desk.assert_clean()


@pytest.mark.slow
def test_tox_environment_with_a_list_of_its_own(desk: Scene) -> None:
    """It passes that list alone: tox-uv is refused until the list has what the page says."""
    by_default(desk)
    by_itself("tox-uv", desk)
    own = "\n[testenv:py]\npass_env = LANG"
    text = block("tox.ini", {"package = wheel": "package = skip"})
    desk.write("tox.ini", text + own)
    make, _ = block("tox sh").splitlines()
    done = desk.bench.sandbox.execute(shlex.split(make), env=desk.env, cwd=desk.workspace)
    assert done.returncode != 0
    assert {request.subject for request in desk.bench.server.requests()} == {""}
    desk.bench.server.forget()
    desk.write("tox.ini", f"{text}{own}, SSL_CLIENT_CERT, GIT_CONFIG_*, MTLS_RUN_*")
    desk.sh(make)
    assert {request.subject for request in desk.bench.server.requests()} == {"CN=alice"}


@pytest.mark.slow
def test_mtls_run_in_tox(desk: Scene) -> None:
    """An inner mtls-run that is passed its variables has no keyring, and needs none."""
    by_default(desk)
    by_itself("tox", desk)
    text = block(
        "tox.ini",
        {
            "package = wheel": "package = skip\nallowlist_externals = mtls-run",
            "python -m unittest": "mtls-run python -m pip install gamma-src",
        },
    )
    desk.write("tox.ini", text)
    desk.sh("mtls-run -- tox run")
    (folder,) = (desk.workspace / ".tox/py/lib").glob("python*/site-packages")
    assert (folder / "gamma_src.py").exists()
    desk.assert_installed(folder)
    desk.write("tox.ini", text + "\n[testenv:py]\npass_env = NOTHING\n")
    done = desk.bench.sandbox.execute(
        ["mtls-run", "--", "tox", "run"], env=desk.env, cwd=desk.workspace
    )
    assert "mtls-run: error: " in done.stdout + done.stderr


HOOK = """
- id: corp-check
  name: corp-check
  language: python
  entry: python -c "import alpha_pkg, gamma_src, os; assert 'SSL_CLIENT_CERT' not in os.environ"
  always_run: true
  pass_filenames: false
"""


def git_repository(scene: Scene, folder: Path, files: Mapping[str, str]) -> None:
    """Make a repository with one commit that is tagged v1.0."""
    for name, content in files.items():
        scene.bench.sandbox.write(folder / name, content)
    for words in ("init -q", "add -A", "commit -q -m one", "tag v1.0"):
        scene.run("git", *words.split(), cwd=folder)


@pytest.mark.slow
def test_pre_commit(desk: Scene) -> None:
    """Hooks are installed with the identity, and a commit needs neither it nor the index."""
    by_default(desk)
    by_itself("pre-commit", desk)
    for who in ("AUTHOR", "COMMITTER"):
        desk.env |= {f"GIT_{who}_NAME": "alice", f"GIT_{who}_EMAIL": "alice@corp.example"}
    desk.env |= {"GIT_CONFIG_NOSYSTEM": "1"}
    hooks = desk.bench.sandbox.root / "hooks"
    git_repository(desk, hooks, {".pre-commit-hooks.yaml": HOOK, "pyproject.toml": PYPROJECT})
    config = block("pre-commit .pre-commit-config.yaml", {HOOKS: str(hooks), RULES: "[alpha-pkg]"})
    git_repository(desk, desk.workspace, {".pre-commit-config.yaml": config})
    desk.sh(block("pre-commit sh"))
    (alpha,) = (desk.home / ".cache/pre-commit").rglob("alpha_pkg.py")
    desk.assert_installed(alpha.parent)
    desk.bench.server.forget()
    done = desk.run("git", "commit", "--allow-empty", "-m", "two")
    assert "corp-check" in done.stderr
    assert "Passed" in done.stderr
    assert desk.bench.server.requests() == []
    desk.assert_clean()


# --- VS Code


def terminal_environment(scene: Scene) -> dict[str, str | None]:
    """Return what the terminal of VS Code sets for a shell, by the settings of the page."""
    before = scene.bench.sandbox.environment(scene.env)
    settings = json.loads(block("VS Code settings.json"))
    (name,) = settings
    assert name == "terminal.integrated.env.linux"
    return {
        variable: re.sub(r"\$\{env:(\w+)\}", lambda found: before[found[1]], value)
        for variable, value in settings[name].items()
    }


def test_vs_code(desk: Scene) -> None:
    """A script in the terminal is reached by the shims, under the profile of the settings."""
    install_shims(desk)
    folder = desk.environment()
    script = desk.write("deps.sh", f"{INSTALL['uv']}\n")
    desk.run("bash", "-ic", f"sh {script}", env=terminal_environment(desk))
    desk.assert_installed(folder)


def test_vs_code_with_an_activated_environment(desk: Scene) -> None:
    """As the page warns: without functions, pip is then the bare one, and `shims list` says so."""
    install_shims(desk)
    env = terminal_environment(desk)
    folder = desk.target()
    activate = f". {newest_pip().ready().folder}/bin/activate"
    done = desk.run("bash", "-ic", f"{activate}; mtls-run shims list", env=env)
    rows = [line.split() for line in done.stdout.splitlines() if f"{SHIMS}/" in line.split(" ")[0]]
    reached = {row[0].rpartition("/")[2]: row[1] for row in rows}
    assert (reached["pip"], reached["uv"]) == ("no", "yes"), done
    assert "active virtual environment" in done.stdout
    desk.run("bash", "-ic", f"{activate}; mtls-run {INSTALL['pip']}", env=env)
    desk.assert_installed(folder)


# --- cron


def test_cron(scene: Scene) -> None:
    """A job has its profile's passphrase from the file, and mails nothing when all is well."""
    scene.profile()
    scene.run("sh", "-ec", block("cron sh"), input=f"{scene.canary.text}\n")
    config = scene.home / ".config/mtls-run/config.toml"
    config.write_text(config.read_text() + block("cron config.toml"))
    minute, hour, *days, command = block("cron crontab").rstrip("\n").split(" ", 5)
    assert re.fullmatch(r"[\d*,/ -]+", " ".join((minute, hour, *days)))
    assert "%" not in command
    mirror = scene.bench.sandbox.write("mirror/requirements.txt", "alpha-pkg\n").parent
    path = f"{newest_pip().ready().bin}:/usr/bin:/bin"
    done = scene.run("/bin/sh", "-c", command, env={"PATH": path}, cwd=scene.home)
    assert (done.stdout, done.stderr) == ("", "")
    assert len(list((mirror / "wheels").glob("*.whl"))) == 2
    assert {request.subject for request in scene.bench.server.requests()} == {"CN=alice"}
    secret = scene.home / ".config/mtls-run/nightly.passphrase"
    assert secret.stat().st_mode & 0o777 == 0o600
    scene.assert_clean(but=[secret])


# --- machines without a keyring


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what the page has brought to a machine: wheels of mtls-run, and install.sh."""
    project = tmp_path_factory.mktemp("project")
    folder = project / "ci/mtls-run"
    folder.mkdir(parents=True)
    script = block("wheels sh", {PROJECT: str(project)})
    # In the surroundings of whoever runs the tests: this is the one that fetches from PyPI.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", script],
        cwd=REPOSITORY,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def bring(scene: Scene, kit: Path) -> None:
    """Put the kit into the project, and take away the user's own mtls-run."""
    for file in kit.iterdir():
        scene.write(f"ci/mtls-run/{file.name}", file.read_bytes())
    scene.write("ci/mtls-run/corp-root.pem", scene.bench.server.server_ca.pem)
    (scene.home / ".local/bin/mtls-run").unlink()
    (scene.home / ".local/bin").rmdir()
    (scene.home / ".local").rmdir()
    path = scene.env["PATH"]
    assert path is not None
    scene.env["PATH"] = path.partition(":")[2]


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, their lines joined, without comments."""
    lines = [line for line in dockerfile.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines() if line]


def mounts(arguments: str) -> tuple[list[dict[str, str]], str]:
    """Return the mounts of a RUN, and its command."""
    found = []
    while arguments.lstrip().startswith("--mount="):
        word, _, arguments = arguments.lstrip().partition(" ")
        pairs = word.removeprefix("--mount=").split(",")
        found.append(dict(pair.split("=", 1) for pair in pairs))
    return found, arguments


@pytest.mark.slow
def test_dockerfile(scene: Scene, kit: Path) -> None:
    """Its RUN installs what is asked for, and leaves nothing else in the layer."""
    bring(scene, kit)
    root = scene.bench.sandbox.root / "image"
    run = f"{root}{RUN}"
    toml = block("Dockerfile docker.toml", {RUN: run})
    scene.write("ci/mtls-run/docker.toml", toml)
    text = block("Dockerfile", {INDEX: scene.bench.server.url})
    # The secrets that the command line of the page brings along.
    words = shlex.split(block("Dockerfile sh"))
    flags = [words[at + 1] for at, word in enumerate(words) if word == "--secret"]
    offered = [dict(pair.split("=", 1) for pair in flag.split(",")) for flag in flags]
    assert offered[0]["src"] == "$HOME/pki/build.p12"
    assert offered[1]["env"] == "CLIENT_PASSPHRASE"
    secrets = {offered[0]["id"]: scene.p12, offered[1]["id"]: scene.canary.text.encode()}
    home, app = root / "root", root / "app"
    home.mkdir(parents=True)
    (root / "tmp").mkdir()
    target = root / "site"
    env = {
        "HOME": str(home),
        "TMPDIR": str(root / "tmp"),
        "PIP_INDEX_URL": None,
        "PIP_TARGET": str(target),
    }
    mounted: list[Path] = []
    for word, arguments in instructions(text):
        if word == "COPY":
            name, _ = arguments.split()
            scene.bench.sandbox.write(app / name, (scene.workspace / name).read_bytes())
        elif word == "RUN":
            found, command = mounts(arguments)
            for mount in found:
                source = mount.get("source", "")
                place = mount.get("target", f"{RUN}secrets/{mount.get('id')}")
                path = Path(f"{root}{place}")
                if mount["type"] == "secret":
                    content = secrets.pop(mount["id"])
                    mounted.append(scene.bench.sandbox.write(path, content, 0o400))
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.symlink_to(scene.workspace / source)
            before = snapshot(scene.workspace)
            scene.run("/bin/sh", "-c", command.replace(RUN, run), env=env, cwd=app)
            assert snapshot(scene.workspace) == before
        else:
            assert word in ("FROM", "WORKDIR"), word
    assert secrets == {}
    for path in mounted:
        path.unlink()
    scene.assert_installed(target)
    assert snapshot(home) == {}
    assert list((root / "tmp").iterdir()) == []
    assert {path.name for path in root.iterdir()} == {"app", "root", "run", "site", "tmp"}
    assert_absent([scene.bench.alice.cert_der], below=[root])


def expanded(value: str, contexts: Mapping[str, str]) -> str:
    """Return a value of a workflow with its expressions evaluated, each of which must be known."""
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: contexts[found[1]], value)


@pytest.mark.slow
def test_github_actions(scene: Scene, kit: Path) -> None:
    """The steps run by the runner's rules, and only the one that installs has the secrets."""
    bring(scene, kit)
    scene.write("test_it.py", UNITTEST)
    workflow: dict[Any, Any] = yaml.safe_load(
        block("GitHub Actions workflow", {INDEX: scene.bench.server.url})
    )
    # YAML 1.1 reads `on` as true.
    assert workflow[True] == "push"
    assert "env" not in workflow
    (job,) = workflow["jobs"].values()
    assert "env" not in job
    temp = scene.bench.sandbox.root / "_temp"
    temp.mkdir()
    path_file = temp / "path"
    path_file.touch()
    encoded = base64.b64encode(scene.p12).decode()
    contexts = {
        "secrets.CLIENT_P12": encoded,
        "secrets.CLIENT_PASSPHRASE": scene.canary.text,
        "runner.temp": str(temp),
    }
    folder = scene.target()
    scene.env |= {
        "GITHUB_PATH": str(path_file),
        "RUNNER_TEMP": str(temp),
        "PYTHONPATH": str(folder),
        "PIP_INDEX_URL": None,
    }
    holders = 0
    for number, step in enumerate(job["steps"]):
        if "uses" in step:
            assert step["uses"].split("@")[0] in ("actions/checkout", "actions/setup-python")
            continue
        given = {name: expanded(value, contexts) for name, value in step.get("env", {}).items()}
        holders += scene.canary.text in given.values()
        script = scene.bench.sandbox.write(temp / f"step-{number}.sh", step["run"])
        added = path_file.read_text().split()
        given["PATH"] = ":".join([*reversed(added), str(scene.env["PATH"])])
        if scene.canary.text in given.values():
            for name, value in (("CLIENT_P12", ""), ("CLIENT_PASSPHRASE", "that of another")):
                done = scene.run("bash", "-e", script, env={**given, name: value}, status=125)
                assert done.stderr.startswith("mtls-run: error: "), done.stderr
            assert scene.bench.server.requests() == []
        scene.run("bash", "-e", script, env=given)
    assert holders == 1
    scene.assert_installed(folder)
    sandbox = scene.bench.sandbox
    assert_absent([encoded, scene.p12], *scene.outputs, below=[sandbox.root])
    assert sorted(found.suffix for found in temp.iterdir()) == ["", ".sh", ".sh", ".sh"]


def file_variable(scene: Scene, name: str, content: str | bytes) -> str:
    """Write a variable of type File as GitLab does, for every user, and return its path."""
    folder = scene.workspace.with_name(f"{scene.workspace.name}.tmp")
    return str(scene.bench.sandbox.write(folder / name, content, 0o666))


@pytest.mark.slow
def test_gitlab_ci(scene: Scene, kit: Path) -> None:
    """The job runs in one shell with variables of the project, files among them."""
    bring(scene, kit)
    scene.write("test_it.py", UNITTEST)
    pipeline = yaml.safe_load(block("GitLab CI .gitlab-ci.yml", {INDEX: scene.bench.server.url}))
    (job,) = pipeline.values()
    folder = scene.target()
    scene.env |= {"PYTHONPATH": str(folder), "PIP_INDEX_URL": None}
    alice = scene.bench.alice
    given = {
        **job["variables"],
        "MTLS_RUN_CONFIG": file_variable(
            scene, "MTLS_RUN_CONFIG", block("GitLab CI MTLS_RUN_CONFIG")
        ),
        "CLIENT_PEM": file_variable(scene, "CLIENT_PEM", alice.pem(scene.canary.text)),
        "CORP_ROOT_PEM": file_variable(scene, "CORP_ROOT_PEM", scene.bench.server.server_ca.pem),
        "CLIENT_PASSPHRASE": scene.canary.text,
    }
    script = "\n".join([*job["before_script"], *job["script"]])
    scene.run("bash", "-eo", "pipefail", "-c", script, env=given)
    scene.assert_installed(folder)


def test_gitlab_pem(scene: Scene) -> None:
    """What openssl makes is a PEM that is a variable's value as it is: its key stays locked."""
    scene.write("build.p12", scene.p12)
    sandbox = scene.bench.sandbox
    command = f"cd {shlex.quote(str(scene.workspace))}\n" + block("GitLab CI sh")
    with session(sandbox, "sh", "-ec", command) as terminal:
        for question in ("Import Password:", "PEM pass phrase:", "Verifying"):
            terminal.expect(question)
            terminal.type(scene.canary.text)
        assert terminal.end() == 0
        scene.outputs.append(terminal.shown)
    made = scene.workspace / "client.pem"
    text = "[profiles.ci]\n" + block("GitLab CI MTLS_RUN_CONFIG").partition("[profiles.ci]\n")[2]
    config = file_variable(scene, "MTLS_RUN_CONFIG", text)
    file_variable(scene, "CLIENT_PEM", made.read_bytes())
    file_variable(scene, "CORP_ROOT_PEM", scene.bench.server.server_ca.pem)
    env = {"MTLS_RUN_CONFIG": config, "CLIENT_PASSPHRASE": scene.canary.text}
    scene.run("mtls-run", "passphrase", "check", "ci", env=env)
    scene.assert_clean()
