"""install.sh: what it puts into a home directory, what it refuses, and what it takes away again."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtls_run import __version__
from mtls_run.demo.wheel import build_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sandbox import Sandbox

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "install.sh"
LAUNCHER = REPOSITORY / "wrapper" / "launcher.sh"
SHELLS = pytest.mark.parametrize("shell", ["dash", "busybox sh", "bash"])

# For what takes ten seconds each: the shell that most systems call sh, and the others where there
# is time.
_TIER = pytest.mark.slow
SHELLS_SLOWLY = pytest.mark.parametrize(
    "shell", ["dash", pytest.param("busybox sh", marks=_TIER), pytest.param("bash", marks=_TIER)]
)


def stand_in(folder: Path, version: str, needs: str | None = None) -> Path:
    """Write a wheel of the launcher and a program that shows how Python was started."""
    main = f"""
        import sys

        def main():
            print("mtls-run {version}", sys.flags.isolated, *{{"site"}} & sys.modules.keys())
            return 0
    """
    script = "mtls_run-1.0.data/scripts/mtls-run"
    wheel = build_wheel(
        "mtls-run",
        {
            "mtls_run/__init__.py": "",
            "mtls_run/__main__.py": textwrap.dedent(main),
            script: LAUNCHER.read_text(encoding="utf-8"),
        },
        needs,
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / wheel.filename
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as whole, zipfile.ZipFile(path, "w") as made:
        for member in whole.infolist():
            if member.filename == script:
                member.external_attr = 0o100755 << 16
            made.writestr(member, whole.read(member.filename))
    return path


def snapshot(folder: Path) -> dict[str, str]:
    """Return every file and link below a directory, with its content or its target."""
    found: dict[str, str] = {}
    for parent, folders, files in os.walk(folder):
        for path in [Path(parent, name) for name in (*folders, *files)]:
            name = str(path.relative_to(folder))
            if path.is_symlink():
                found[name] = f"-> {path.readlink()}"
            elif path.is_file():
                found[name] = path.read_bytes().hex()
    return found


class Installer:
    """Runs the script in a sandbox, in a home directory that holds one file of the user's."""

    def __init__(self, sandbox: Sandbox, home: Path | None = None) -> None:
        self.sandbox = sandbox
        self.home = home or sandbox.home
        self.home.mkdir(exist_ok=True)
        (self.home / ".profile").write_text("# the user's own\n")
        self.before = snapshot(self.home)
        self.env: dict[str, str | None] = {"HOME": str(self.home), "XDG_DATA_HOME": None}
        self.data = self.home / ".local/share/mtls-run"
        self.link = self.home / ".local/bin/mtls-run"
        self.wheels = sandbox.root / "wheels"

    def run(
        self,
        *args: str | Path,
        shell: str = "dash",
        script: Path = SCRIPT,
        env: Mapping[str, str | None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run the script with these arguments."""
        return self.sandbox.execute(
            [*shell.split(), script, *args], env={**self.env, **(env or {})}, timeout=300
        )

    def install(
        self, version: str = "1.0", shell: str = "dash", env: Mapping[str, str | None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Install the stand-in in this version and return how it went, which must be well."""
        wheel = stand_in(self.wheels, version)
        python = ("--python", sys.executable)
        done = self.run(
            "--wheel", wheel, "--find-links", self.wheels, *python, shell=shell, env=env
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def installed(self, env: Mapping[str, str | None] | None = None) -> str:
        """Return what the installed command says."""
        done = self.sandbox.execute([self.link], env={**self.env, **(env or {})})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def installer(sandbox: Sandbox) -> Installer:
    """Return a way to run the script in an otherwise empty home."""
    return Installer(sandbox)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of everything that an installation from the clone needs."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    command = [*pip, "wheel", "--wheel-dir", str(folder), str(REPOSITORY), "hatchling"]
    subprocess.run(command, check=True, timeout=600)
    for own in folder.glob("mtls_run-*"):
        own.unlink()  # the clone is what is installed
    return folder


def python_stub(folder: Path, name: str, body: str) -> Path:
    """Write a shell script that stands in for Python; `$REAL` is a real one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\nREAL='{sys.executable}'\n{body}\n")
    path.chmod(0o755)
    return path


def absolute(shell: str) -> str:
    """Return the command for a shell, good without PATH."""
    program, *arguments = shell.split()
    found = shutil.which(program)
    assert found is not None, f"{program} is missing: these tests need it"
    return " ".join([found, *arguments])


def bare_path(folder: Path) -> str:
    """Return a PATH that has what the script needs, and no Python."""
    folder.mkdir()
    tools = "cat chmod dirname grep ln mkdir printf readlink rm rmdir tail wc"
    for name in tools.split():
        found = shutil.which(name, path="/usr/bin:/bin")
        assert found is not None
        (folder / name).symlink_to(found)
    return str(folder)


# --- what it installs


@SHELLS_SLOWLY
def test_the_clone_installs_into_an_empty_home_and_is_gone_after_uninstall(
    installer: Installer, wheels: Path, shell: str
) -> None:
    """In each shell: the command works, the clone is not needed, and only the link is on PATH."""
    done = installer.run("--find-links", wheels, "--python", sys.executable, shell=shell)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Installing mtls-run from {REPOSITORY}\n" in done.stdout
    assert done.stdout.endswith(f"See it at work: {installer.link} demo\n")
    assert installer.link.readlink() == installer.data / "venv/bin/mtls-run"
    version = installer.sandbox.execute([installer.link, "--version"], env=installer.env)
    assert (version.returncode, version.stderr) == (0, "")
    assert __version__ in version.stdout
    installed = (installer.data / "venv").resolve()
    assert list(installed.glob("lib/python*/site-packages/mtls_run/__main__.py"))

    gone = installer.run("--uninstall", shell=shell)
    assert (gone.returncode, gone.stderr) == (0, "")
    assert snapshot(installer.home) == installer.before
    assert not installer.data.exists()


@pytest.mark.slow
def test_python_is_found_on_path(installer: Installer) -> None:
    """Without --python, a command that is no Python is passed over for the next that will do."""
    folder = installer.sandbox.bin
    python_stub(folder, "python3", "exit 1")
    python_stub(folder, "python3.15", "exit 127")
    python_stub(folder, "python3.14", 'exec "$REAL" "$@"')
    wheel = stand_in(installer.wheels, "1.0")
    done = installer.run("--wheel", wheel, "--find-links", installer.wheels)
    assert done.returncode == 0, done.stderr
    assert "with python3.14" in done.stdout
    assert installer.installed().startswith("mtls-run 1.0")


@pytest.mark.slow
@SHELLS_SLOWLY
def test_a_second_run_replaces_the_first(installer: Installer, shell: str) -> None:
    """The newer version answers, the older environment is removed, the link stays what it was."""
    installer.install("1.0", shell)
    first = installer.link.lstat()
    done = installer.install("2.0", shell)
    assert installer.installed().startswith("mtls-run 2.0")
    assert done.stderr.count("mtls-run: ") == 1  # the hint about PATH
    again = installer.link.lstat()  # but for the time it was last followed
    assert (again.st_ino, again.st_ctime_ns) == (first.st_ino, first.st_ctime_ns)
    assert sorted(path.name for path in installer.data.iterdir()) == ["installed", "venv", "venv-2"]


@pytest.mark.slow
def test_the_data_directory_of_the_environment_is_used(installer: Installer) -> None:
    """An absolute XDG_DATA_HOME is honoured; a relative one is ignored, as its standard says."""
    elsewhere = installer.sandbox.root / "data"
    installer.install(env={"XDG_DATA_HOME": str(elsewhere)})
    assert (elsewhere / "mtls-run/venv").is_symlink()
    assert not installer.data.exists()
    installer.link.unlink()
    installer.install(env={"XDG_DATA_HOME": "relative"})
    assert (installer.data / "venv").is_symlink()


@pytest.mark.slow
@SHELLS_SLOWLY
def test_a_home_with_spaces_and_quotes(sandbox: Sandbox, shell: str) -> None:
    """Installation, upgrade and removal work where the path needs quoting."""
    installer = Installer(sandbox, sandbox.root / "o'brien & co")
    installer.wheels = sandbox.root / "two words"
    installer.install("1.0", shell)
    installer.install("2.0", shell)
    assert installer.installed() == "mtls-run 2.0 1"
    assert installer.run("--uninstall", shell=shell).returncode == 0
    assert snapshot(installer.home) == installer.before


@pytest.mark.slow
def test_settings_of_the_caller_do_not_move_the_installation(installer: Installer) -> None:
    """PIP_TARGET, PIP_USER, PYTHONPATH and their like concern other installations."""
    elsewhere = installer.sandbox.root / "elsewhere"
    settings = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME")
    env = {name: str(elsewhere) for name in settings}
    installer.install(env={**env, "PIP_USER": "1", "PIP_DRY_RUN": "1"})
    assert not elsewhere.exists()
    assert installer.installed() == "mtls-run 1.0 1"


# --- which versions


class Pins:
    """A copy of the script with a lock that pins `dep`, and an index with a newer one."""

    def __init__(self, installer: Installer) -> None:
        self.installer = installer
        self.folder = installer.sandbox.root / "copy"
        self.index = installer.sandbox.root / "index"
        (self.folder / "requirements").mkdir(parents=True)
        self.index.mkdir()
        self.script = self.folder / "install.sh"
        shutil.copy(SCRIPT, self.script)
        content = self.publish("1.0")
        self.publish("2.0")
        (self.folder / "requirements/run.lock").write_text(
            f"dep==1.0 --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"
            "    # via mtls-run (pyproject.toml)\n"
        )

    def publish(self, version: str, text: str = "") -> bytes:
        """Write a wheel of `dep` into the index and return its bytes."""
        content = build_wheel("dep", {"dep.py": text}).content
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
            for name in old.namelist():
                data = old.read(name).replace(b"\nVersion: 1.0", f"\nVersion: {version}".encode())
                new.writestr(name.replace("dep-1.0", f"dep-{version}"), data)
        (self.index / f"dep-{version}-py3-none-any.whl").write_bytes(buffer.getvalue())
        return buffer.getvalue()

    def run(self, *args: str | Path, needs: str = "dep") -> subprocess.CompletedProcess[str]:
        """Run the script for a wheel of mtls-run that needs `dep`."""
        wheel = stand_in(self.installer.wheels, "1.0", needs)
        return self.installer.run(
            *("--wheel", wheel, "--python", sys.executable, *args),
            script=self.script,
            env={"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index)},
        )

    def installed(self) -> str:
        """Return the version of `dep` beside mtls-run."""
        (found,) = self.installer.data.glob("venv/lib/python*/site-packages/dep-*.dist-info")
        return found.name.split("-")[1].partition(".dist")[0]


@pytest.fixture
def pins(installer: Installer) -> Pins:
    """Return a script with a lock, and an index."""
    return Pins(installer)


def test_the_lock_decides_which_versions(pins: Pins) -> None:
    """What run.lock pins is installed, though the index has a newer one."""
    done = pins.run()
    assert done.returncode == 0, done.stderr
    assert pins.installed() == "1.0"
    assert "notice" not in done.stderr


@pytest.mark.slow
def test_another_file_of_the_pinned_version_is_refused(pins: Pins) -> None:
    """A file with another hash installs nothing, and pip's words are shown."""
    pins.publish("1.0", "evil = True")
    done = pins.run()
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert "mtls-run: error: pip could not install mtls-run\n" in done.stderr
    assert "mtls-run: hint: if the index lacks these versions: --unpinned\n" in done.stderr
    assert snapshot(pins.installer.home) == pins.installer.before


@pytest.mark.slow
def test_unpinned(pins: Pins) -> None:
    """With --unpinned, pip takes the newest version that mtls-run admits."""
    done = pins.run("--unpinned")
    assert done.returncode == 0, done.stderr
    assert pins.installed() == "2.0"
    assert "notice" not in done.stderr


@pytest.mark.slow
def test_a_folder_of_wheels_decides_by_itself(pins: Pins) -> None:
    """With --find-links, the versions are those in the folder."""
    done = pins.run("--find-links", pins.index)
    assert done.returncode == 0, done.stderr
    assert pins.installed() == "2.0"


@pytest.mark.slow
def test_a_script_without_a_lock_says_so(pins: Pins) -> None:
    """A copy with no run.lock beside it, or with somebody else's, lets pip choose, and says so."""
    lock = pins.folder / "requirements/run.lock"
    lock.write_text("dep==1.0\n")
    done = pins.run()
    assert done.returncode == 0, done.stderr
    assert pins.installed() == "2.0"
    assert "notice: requirements/run.lock is not beside this script: pip chooses" in done.stderr


@pytest.mark.slow
def test_a_wheel_that_needs_more_than_the_lock_has(pins: Pins) -> None:
    """A wheel of another release than the script is an error that says how to go on."""
    done = pins.run(needs="dep>=2")
    assert done.returncode == 1
    lock = pins.folder / "requirements/run.lock"
    assert f"mtls-run: error: mtls-run does not fit the versions in {lock}\n" in done.stderr
    assert "--unpinned" in done.stderr
    assert snapshot(pins.installer.home) == pins.installer.before


@pytest.mark.slow
def test_the_clone_installs_what_its_locks_pin(installer: Installer, tmp_path: Path) -> None:
    """From the clone: run.lock for what runs, and build.lock for the build, each by hash."""
    locks = [REPOSITORY / "requirements" / f"{name}.lock" for name in ("run", "build")]
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes")
    for lock in locks:
        subprocess.run([*pip, "--dest", tmp_path, "--requirement", lock], check=True, timeout=600)
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    done = installer.run("--python", sys.executable, env=env)
    assert done.returncode == 0, done.stderr
    version = installer.sandbox.execute([installer.link, "--version"], env=installer.env)
    assert (version.stdout, version.stderr) == (f"mtls-run {__version__}\n", "")
    assert not (installer.data / "venv/build").exists()
    python = installer.data / "venv/bin/python"
    freeze = ("-m", "pip", "freeze", "--exclude", "mtls-run")
    frozen = installer.sandbox.execute([python, *freeze], env=installer.env).stdout.split()
    pinned = {line.split()[0] for line in locks[0].read_text().splitlines() if "==" in line[:40]}
    assert frozen
    assert {_normal(name) for name in frozen} <= {_normal(name) for name in pinned}


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def test_the_lock_of_the_build_is_that_of_the_build_system() -> None:
    """It pins the backend that pyproject.toml names, in versions that the tests use too."""
    assert 'requires = ["hatchling>=' in (REPOSITORY / "pyproject.toml").read_text()
    built, tested = (
        set((REPOSITORY / f"requirements/{name}.lock").read_text().splitlines())
        for name in ("build", "test")
    )
    pinned = {line.split()[0] for line in built if "==" in line[:40]}
    assert any(line.startswith("hatchling==") for line in pinned)
    assert pinned <= {line.split()[0] for line in tested if "==" in line[:40]}


# --- tests/run


def test_tests_run_names_the_packages_before_it_asks_for_root(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """An ordinary user reads what is to be installed, and then sudo asks."""
    path = Path(bare_path(tmp_path / "bare"))
    for name, body in {
        "id": "echo 1000",
        "sudo": 'echo "sudo: $*" >&2; exit 1',
        "apt-get": "exit 9",
    }.items():
        python_stub(path, name, body)
    done = sandbox.execute([absolute("dash"), REPOSITORY / "tests/run"], env={"PATH": str(path)})
    assert (done.returncode, done.stdout) == (1, "")
    missing, plan, asked, *_ = done.stderr.splitlines()
    assert missing.startswith("tests/run: these Debian packages are missing: ")
    assert "apt-get install" in plan
    assert "fish" in plan
    assert asked == "sudo: -n apt-get update -qq"


# --- what it says


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "advice"),
    [
        ("/bin/bash", "~/.bashrc"),
        ("/usr/bin/zsh", "~/.zshrc"),
        pytest.param("/usr/bin/fish", "fish_add_path ~/.local/bin", marks=_TIER),
        pytest.param(None, "~/.profile", marks=_TIER),
    ],
)
def test_what_to_add_to_path_is_said_and_not_done(
    installer: Installer, shell: str | None, advice: str
) -> None:
    """The hint is for the user's shell, and the user's files are as they were."""
    done = installer.install(env={"SHELL": shell})
    hints = [line for line in done.stderr.splitlines() if "hint:" in line]
    assert len(hints) == 1
    assert advice in hints[0]
    assert {name: snapshot(installer.home)[name] for name in installer.before} == installer.before


@pytest.mark.slow
def test_no_hint_where_the_command_is_reached(installer: Installer) -> None:
    """With ~/.local/bin on PATH there is nothing to say, unless another mtls-run comes first."""
    reach = f"{installer.link.parent}:/usr/bin:/bin"
    assert installer.install(env={"PATH": reach}).stderr == ""
    other = python_stub(installer.sandbox.bin, "mtls-run", "")
    done = installer.install(env={"PATH": f"{installer.sandbox.bin}:{reach}"})
    assert f"remove the other mtls-run, which comes first on PATH: {other}" in done.stderr


@SHELLS
def test_help_is_on_stdout(installer: Installer, shell: str) -> None:
    """--help names every option, ends 0, and touches nothing."""
    done = installer.run("--help", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    options = "--python --wheel --unpinned --find-links --rc --shell --shims --uninstall"
    for option in options.split():
        assert option in done.stdout
    assert snapshot(installer.home) == installer.before


@pytest.mark.parametrize(
    ("args", "fact"),
    [
        (["--frob"], "unknown option --frob"),
        (["extra"], "unknown option extra"),
        (["--python"], "--python needs a value"),
        (["--shell"], "--shell needs a value"),
        (["--wheel", ""], "--wheel needs a value"),
        (["--wheel=nowhere/x.whl"], "no such file: nowhere/x.whl"),
        (["--find-links", "nowhere"], "no such directory: nowhere"),
        (["--python", "nowhere/python"], "nowhere/python: not found"),
    ],
)
@SHELLS
def test_wrong_arguments(installer: Installer, shell: str, args: list[str], fact: str) -> None:
    """A wrong argument ends 1 with one error that names it, and nothing is made."""
    done = installer.run(*args, shell=shell)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0].startswith("mtls-run: error: ")
    assert fact in done.stderr
    assert snapshot(installer.home) == installer.before


# --- what it refuses


@SHELLS
@pytest.mark.parametrize("home", [None, "relative", "{root}/nowhere", "/proc"])
def test_a_home_that_will_not_do(installer: Installer, shell: str, home: str | None) -> None:
    """Unset, relative, missing or not writable: an error that says which, not a half-made venv."""
    wheel = stand_in(installer.wheels, "1.0")
    args = ("--wheel", wheel, "--python", sys.executable)
    home = home and home.format(root=installer.sandbox.root)
    done = installer.run(*args, shell=shell, env={"HOME": home})
    assert done.returncode == 1
    fact = done.stderr.splitlines()[0]
    assert fact.startswith("mtls-run: error: ")
    assert (home or "HOME is not set") in fact


@SHELLS
def test_no_python(installer: Installer, shell: str, tmp_path: Path) -> None:
    """Without any Python the message says so and how to name one."""
    done = installer.run(shell=absolute(shell), env={"PATH": bare_path(tmp_path / "bare")})
    assert done.returncode == 1
    assert "mtls-run: error: no Python on PATH" in done.stderr
    assert "--python PYTHON" in done.stderr
    assert snapshot(installer.home) == installer.before


@pytest.mark.parametrize(
    ("body", "fact", "hint"),
    [
        ("exit 1", "does not start", "Python 3.9 or newer"),
        (
            # Runs the script's own question in a Python that believes itself to be older.
            'exec "$REAL" -c "import sys; sys.version_info = (3, 8, 18); exec(sys.argv[1])" "$2"',
            "is Python 3.8, and mtls-run needs 3.9 or newer",
            "Python 3.9 or newer",
        ),
        (
            (
                "CODE=\"import sys; sys.modules['ensurepip'] = None; exec(sys.argv[1])\"\n"
                'exec "$REAL" -c "$CODE" "$2"'
            ),
            "has no venv module with pip",
            f"python3.{sys.version_info.minor}-venv",
        ),
    ],
    ids=["broken", "old", "without-venv"],
)
@SHELLS
def test_a_python_that_will_not_do(
    installer: Installer, tmp_path: Path, shell: str, *, body: str, fact: str, hint: str
) -> None:
    """Broken, too old or without venv: named, with what to install, whether asked for or found."""
    stub = python_stub(tmp_path / "stub", "python3", body)
    named = installer.run("--python", stub, shell=shell)
    assert named.returncode == 1
    assert f"mtls-run: error: {stub} " in named.stderr
    assert fact in named.stderr

    bare = bare_path(tmp_path / "bare")
    found = installer.run(shell=absolute(shell), env={"PATH": f"{stub.parent}:{bare}"})
    assert found.returncode == 1
    assert "no Python on PATH can be used: python3 " in found.stderr
    assert fact in found.stderr
    assert hint in found.stderr
    assert snapshot(installer.home) == installer.before


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
@SHELLS
def test_what_is_not_ours_is_not_overwritten(installer: Installer, shell: str, kind: str) -> None:
    """A file, a link or a directory in the command's place stays, and nothing is installed."""
    installer.link.parent.mkdir(parents=True)
    if kind == "file":
        installer.link.write_text("mine\n")
    elif kind == "link":
        installer.link.symlink_to("/usr/bin/true")
    else:
        installer.link.mkdir()
    before = snapshot(installer.home)
    wheel = stand_in(installer.wheels, "1.0")
    done = installer.run("--wheel", wheel, "--python", sys.executable, shell=shell)
    assert done.returncode == 1
    assert f"mtls-run: error: {installer.link} exists" in done.stderr
    assert snapshot(installer.home) == before
    assert installer.run("--uninstall", shell=shell).returncode == 0
    assert snapshot(installer.home) == before


def test_a_script_without_a_clone_asks_for_a_wheel(installer: Installer, tmp_path: Path) -> None:
    """Copied elsewhere it takes no package by name from an index that anyone may publish to."""
    script = tmp_path / "install.sh"
    shutil.copy(SCRIPT, script)
    done = installer.run("--python", sys.executable, script=script)
    assert done.returncode == 1
    assert "this script is not in a clone of mtls-run" in done.stderr
    assert "--wheel" in done.stderr
    assert snapshot(installer.home) == installer.before


def test_half_a_script_does_nothing(installer: Installer, tmp_path: Path) -> None:
    """A download that broke off before the last line defines functions and calls none."""
    script = tmp_path / "install.sh"
    lines = SCRIPT.read_text().splitlines(keepends=True)
    assert lines[-1] == 'main "$@"\n'
    script.write_text("".join(lines[:-1]))
    done = installer.run(script=script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert snapshot(installer.home) == installer.before


# --- what it leaves alone


@pytest.mark.slow
@SHELLS_SLOWLY
def test_a_failed_installation_leaves_the_earlier_one(installer: Installer, shell: str) -> None:
    """Where pip fails, its last lines are shown and the command still answers."""
    installer.install("1.0", shell)
    empty = installer.sandbox.root / "empty"
    empty.mkdir()
    done = installer.run("--find-links", empty, "--python", sys.executable, shell=shell)
    assert done.returncode == 1
    assert "hatchling" in done.stderr  # from pip
    assert "mtls-run: error: pip could not install mtls-run" in done.stderr
    assert f"mtls-run: hint: {empty} needs" in done.stderr
    assert installer.installed().startswith("mtls-run 1.0")
    assert sorted(path.name for path in installer.data.iterdir()) == ["installed", "venv", "venv-1"]


@pytest.mark.slow
def test_a_failed_first_installation_leaves_nothing(installer: Installer) -> None:
    """A pip that reaches no index gets the hint about a folder of wheels; no file stays."""
    wheel = stand_in(installer.wheels, "1.0")
    broken = wheel.with_name("mtls_run-2.0-py3-none-any.whl")
    broken.write_bytes(b"no wheel")
    done = installer.run("--wheel", broken, "--unpinned", "--python", sys.executable)
    assert done.returncode == 1
    assert "if the index asks for a certificate: --find-links DIR" in done.stderr
    assert snapshot(installer.home) == installer.before


@pytest.mark.slow
def test_a_command_that_does_not_start_is_not_switched_to(installer: Installer) -> None:
    """A wheel whose program fails is an error, and the earlier one still answers."""
    installer.install("1.0")
    wheel = stand_in(installer.wheels, 'broken", 1/0, "')
    done = installer.run("--wheel", wheel, "--unpinned", "--python", sys.executable)
    assert done.returncode == 1
    assert "mtls-run: error: the installed mtls-run does not start" in done.stderr
    assert installer.installed().startswith("mtls-run 1.0")


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=_TIER)]
)
@SHELLS_SLOWLY
def test_an_interrupted_installation_leaves_the_earlier_one(
    installer: Installer, tmp_path: Path, shell: str, number: signal.Signals
) -> None:
    """Ctrl-C while the environment is made: what is half-made is removed, the command answers."""
    installer.install("1.0", shell)
    reached = tmp_path / "reached"
    body = f'case "$*" in *"-m venv"*) : >"{reached}"; exec sleep 60 ;; esac; exec "$REAL" "$@"'
    stub = python_stub(tmp_path / "stub", "python3", body)
    command = [*shell.split(), str(SCRIPT), "--python", str(stub)]
    with installer.sandbox.start(command, env=installer.env) as process:
        deadline = time.monotonic() + 30
        while not reached.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, number)
        process.communicate(timeout=30)
    assert process.returncode not in {0, None}
    assert installer.installed().startswith("mtls-run 1.0")
    assert sorted(path.name for path in installer.data.iterdir()) == ["installed", "venv", "venv-1"]


@pytest.mark.slow
def test_what_a_killed_installation_left_is_removed_by_the_next(installer: Installer) -> None:
    """A directory that was never switched to goes; a file that nobody of ours made stays."""
    (installer.data / "venv-1/bin").mkdir(parents=True)
    (installer.data / "venv.new").symlink_to("venv-1")
    (installer.data / "notes").write_text("mine\n")
    installer.install()
    assert sorted(path.name for path in installer.data.iterdir()) == [
        "installed",
        "notes",
        "venv",
        "venv-2",
    ]
    installer.run("--uninstall")
    assert [path.name for path in installer.data.iterdir()] == ["notes"]


@pytest.mark.slow
def test_uninstall_says_what_it_leaves(installer: Installer) -> None:
    """The user's profiles stay and are mentioned, as are passphrases in the keyring."""
    installer.install()
    config = installer.sandbox.write_config('default-profile = "corp"\n')
    done = installer.run("--uninstall")
    assert (done.returncode, done.stderr) == (0, "")
    assert "configuration" in done.stdout
    assert "keyring" in done.stdout
    assert config.exists()


@SHELLS
def test_uninstall_of_nothing(installer: Installer, shell: str) -> None:
    """Where nothing is installed it says so and ends 0."""
    done = installer.run("--uninstall", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "not installed" in done.stdout
    assert snapshot(installer.home) == installer.before
