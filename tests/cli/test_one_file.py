"""mtls-run as one file: a user who has it, a Python, and nothing else."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ISSUER, alice, failed
from tests.e2e.matrix import pythons
from tests.sandbox import SYSTEM_PATH, Sandbox
from tests.strangers import give_away
from tests.tokens import PIN, SoftToken, identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Done = subprocess.CompletedProcess[str]

REPOSITORY = Path(__file__).parents[2]
BUILD = REPOSITORY / "wrapper/onefile/build.py"
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
NOBODY = 65534
# A tool that another user can run too: it prints what it was handed.
TOOL = """#!/bin/sh
[ "$1" != --version ] || { echo 'uv 0.13.9'; exit; }
umask
head -n 1 "$SSL_CLIENT_CERT"
echo "$@"
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file, built once from this clone."""
    path = tmp_path_factory.mktemp("built") / "mtls-run"
    done = subprocess.run(
        [sys.executable, BUILD, path], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return path


class Fresh:
    """A user's home with the file in it, and a PATH with Python and a tool."""

    def __init__(self, sandbox: Sandbox, built: Path) -> None:
        self.home = sandbox.home
        self.file = self.home / "bin/mtls-run"
        self.file.parent.mkdir()
        shutil.copy(built, self.file)
        (sandbox.bin / PYTHON).symlink_to(os.path.realpath(sys.executable))
        sandbox.write(sandbox.bin / "uv", TOOL, 0o755)
        sandbox.write("alice.pem", alice().pem())
        self.temporary = sandbox.root / "tmp"
        self.sandbox = sandbox
        self.env = {"HOME": str(self.home), "PATH": sandbox.env["PATH"]}
        self.env |= {"TMPDIR": str(self.temporary), "PIP_CONFIG_FILE": os.devnull}
        self.place = self.home / ".cache/mtls-run"

    def run(
        self, *words: str | Path, env: Mapping[str, str] | None = None, start: tuple[str, ...] = ()
    ) -> Done:
        """Run the file with these words in an environment that is otherwise empty."""
        return subprocess.run(
            [*start, self.file, *words],
            env={**self.env, **(env or {})},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def set_up(self) -> Done:
        """Make a profile."""
        return self.run("profile", "add", "corp", "--client-cert", "alice.pem", "--default")

    def unpacked(self, place: Path | None = None) -> Path:
        """Return the only directory that was unpacked in this place."""
        (found,) = (place or self.place).glob("app-*")
        return found


@pytest.fixture
def fresh(sandbox: Sandbox, built: Path) -> Fresh:
    """Return a user who has nothing but the file."""
    return Fresh(sandbox, built)


def test_it_runs_a_tool_with_nothing_else_installed(fresh: Fresh) -> None:
    """The first run unpacks it. The tool gets the identity, its arguments and the user's umask."""
    assert fresh.set_up().returncode == 0
    shutil.rmtree(fresh.place)
    for umask in (0o022, 0o002, 0o777):
        done = fresh.run(
            *("uv", "sync", "a b", ""), start=("sh", "-c", f'umask {umask:o}; exec "$@"', "sh")
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        expected = [f"{umask:04o}", "-----BEGIN CERTIFICATE-----", "sync a b "]
        assert done.stdout.splitlines() == expected
        shutil.rmtree(fresh.place)


@pytest.fixture
def newcomer(built: Path) -> Iterator[Fresh]:
    """Return the same where another user can go: pytest closes its own directories to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Fresh(Sandbox.create(Path(folder, "sandbox")), built)


@pytest.mark.slow  # which runs as root, who can be another user
def test_a_user_of_the_machine_who_has_just_come(newcomer: Fresh) -> None:
    """Another user than the one who built it, with a new home, does all of it."""
    python = shutil.which(PYTHON, path=SYSTEM_PATH)
    start: tuple[str, ...] = ()
    owned = (newcomer.home, newcomer.home / "alice.pem", newcomer.temporary)
    if python is not None and give_away(*owned):
        (newcomer.sandbox.bin / PYTHON).unlink()
        start = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    words = ("profile", "add", "corp", "--client-cert", "alice.pem", "--default")
    for done in (newcomer.run(*words, start=start), newcomer.run("uv", "sync", start=start)):
        assert (done.returncode, done.stderr) == (0, ""), done
    assert "BEGIN CERTIFICATE" in done.stdout
    assert newcomer.unpacked().stat().st_uid == (NOBODY if start else os.geteuid())


def test_it_is_unpacked_once(fresh: Fresh) -> None:
    """Ten first runs at once and all later ones use one directory, and leave no other."""
    with ThreadPoolExecutor(10) as pool:
        runs = [pool.submit(fresh.run, "--version") for _ in range(10)]
    assert {(run.result().returncode, run.result().stderr) for run in runs} == {(0, "")}
    assert list(fresh.place.iterdir()) == [fresh.unpacked()]
    before = fresh.unpacked().stat()
    assert before.st_mode & 0o777 == 0o700
    assert fresh.run("--version").returncode == 0
    assert fresh.unpacked().stat() == before


@pytest.mark.parametrize("name", ["mtls-run", "mtls run.pyz"])
def test_shells_and_shims_start_it_by_its_name(fresh: Fresh, name: str) -> None:
    """`init` and `shims` name the file itself, whatever it is called."""
    fresh.file = fresh.file.rename(fresh.file.with_name(name))
    assert fresh.set_up().returncode == 0
    code = fresh.run("init", "bash")
    assert code.returncode == 0, code
    script = f"{code.stdout}\nuv sync"
    done = subprocess.run(
        ["bash", "-c", script], env=fresh.env, capture_output=True, text=True, check=False
    )
    assert "BEGIN CERTIFICATE" in done.stdout, done
    assert fresh.run("shims", "install", "--dir", fresh.home / "shims").returncode == 0
    assert shlex.quote(str(fresh.file)) in (fresh.home / "shims/uv").read_text()


def test_a_key_in_a_token(fresh: Fresh, tmp_path: Path) -> None:
    """A key in a token opens, although nothing can be installed beside the file."""
    token = SoftToken(tmp_path / "hsm")
    identity(token, ISSUER, "p256")
    words = ("--client-cert", token.uri(), "--host", "pypi.corp.example", "--passphrase", "env:CP")
    done = fresh.run("profile", "add", "corp", *words, env={**token.environ, "CP": PIN})
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "CN=alice, 364 days left" in done.stdout


def test_a_file_without_the_bit_says_so(fresh: Fresh) -> None:
    """Python can run it, and a shell cannot."""
    fresh.file.chmod(0o644)
    failed(fresh.run("init", "bash", start=("sh",)), "is not executable", "chmod +x ")


def read_only(fresh: Fresh) -> tuple[str, ...]:
    """Have a home that cannot be written, also not by root."""
    assert fresh.set_up().returncode == 0
    shutil.rmtree(fresh.home / ".cache")
    fresh.home.chmod(0o555)
    if os.geteuid() != 0:
        return ()
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def test_a_home_that_cannot_be_written(fresh: Fresh) -> None:
    """It is unpacked into a private temporary directory, once, and `uninstall` removes that."""
    start = read_only(fresh)
    for _ in range(2):
        done = fresh.run("uv", "sync", start=start)
        assert (done.returncode, done.stderr) == (0, ""), done
    place = fresh.temporary / f"mtls-run-app-{os.geteuid()}"
    assert fresh.unpacked(place).is_dir()
    assert place.stat().st_mode & 0o777 == 0o700
    fresh.run("uninstall", start=start)
    assert list(place.iterdir()) == []
    fresh.home.chmod(0o755)


def test_nowhere_to_unpack(fresh: Fresh) -> None:
    """Without any directory it is one error with each reason, and no traceback."""
    start = read_only(fresh)
    fresh.temporary.joinpath(f"mtls-run-app-{os.geteuid()}").write_text("in the way")
    done = fresh.run("uv", "sync", start=start)
    fresh.home.chmod(0o755)
    failed(done, "Permission denied; ", "XDG_CACHE_HOME=DIR")
    assert "in the way" not in done.stderr


@pytest.mark.parametrize(
    "home",
    ["/nonexistent", *(pytest.param(home, marks=pytest.mark.slow) for home in ("relative", ""))],
)
def test_no_home_is_made(fresh: Fresh, home: str) -> None:
    """A home that does not exist, or is no path, is no place to unpack."""
    done = fresh.run("--version", env={"HOME": home, "XDG_CACHE_HOME": "relative"})
    assert (done.returncode, done.stderr) == (0, ""), done
    assert fresh.unpacked(fresh.temporary / f"mtls-run-app-{os.geteuid()}").is_dir()
    assert not (fresh.home / "relative").exists()


def open_to_all(place: Path) -> None:
    """Let everyone write there."""
    place.chmod(0o777)


def somebody_elses(place: Path) -> None:
    """Have another user own it."""
    if not give_away(place):
        pytest.skip("it takes root to give a directory away")


@pytest.mark.parametrize(
    "spoil",
    [open_to_all, pytest.param(somebody_elses, marks=pytest.mark.slow)],  # which runs as root
)
def test_a_directory_of_others_is_not_used(fresh: Fresh, spoil: Callable[[Path], None]) -> None:
    """No code is unpacked to where another user could change it."""
    fresh.place.mkdir(parents=True)
    spoil(fresh.place)
    done = fresh.run("--version")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert list(fresh.place.glob("app-*")) == []


@pytest.mark.parametrize(
    "module",
    [
        "_cffi_backend.*.so",
        pytest.param("cryptography/hazmat/bindings/_rust.*.so", marks=pytest.mark.slow),
        pytest.param("click/core.py", marks=pytest.mark.slow),
    ],
)
def test_a_module_that_cannot_be_loaded(fresh: Fresh, module: str) -> None:
    """It is named, with a command that mends it."""
    assert fresh.set_up().returncode == 0
    (path,) = fresh.unpacked().glob(module)
    shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
    path.unlink()
    done = fresh.run("profile", "list")
    failed(done, "cannot load ", f"unpack it again: rm -r {fresh.unpacked()}\n")
    subprocess.run(["rm", "-r", fresh.unpacked()], check=True)
    assert fresh.run("profile", "list").returncode == 0


@pytest.mark.slow
def test_another_python(fresh: Fresh) -> None:
    """It says which Python it is for, before anything is unpacked and after."""
    link = fresh.sandbox.bin / PYTHON
    others = [path for name, path in pythons.found().items() if f"python{name}" != PYTHON]
    fresh.env["PATH"] = f"{fresh.sandbox.bin}:{fresh.sandbox.root / 'run'}"
    for other in others:
        link.unlink()
        link.symlink_to(other)
        failed(fresh.run("uv", "sync"), f"is for {PYTHON} on ", "built for this Python")
        assert not fresh.place.exists()
    link.unlink()
    link.symlink_to(os.path.realpath(sys.executable))
    assert fresh.run("--version").returncode == 0
    for other in others:
        link.unlink()
        link.symlink_to(other)
        failed(fresh.run("uv", "sync"), f"is for {PYTHON}, and ", "or use the file for python3.")
    link.unlink()
    failed(fresh.run("uv", "sync"), f"{PYTHON} was not found", "install it")


def test_a_newer_file_removes_what_an_older_one_unpacked(fresh: Fresh) -> None:
    """What a run in progress still needs stays."""
    idle, busy = fresh.place / "app-1", fresh.place / "app-2"
    for folder in (idle, busy):
        folder.mkdir(parents=True)
    fresh.place.chmod(0o700)
    held = os.open(busy, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)
    assert fresh.run("--version").returncode == 0
    os.close(held)
    assert (idle.exists(), busy.exists()) == (False, True)


def test_uninstall_removes_what_was_unpacked(fresh: Fresh) -> None:
    """It says how to remove the file."""
    done = fresh.run("uninstall")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert not fresh.place.exists()
    assert done.stdout.endswith(f"to remove mtls-run itself: rm {fresh.file}\n")


@pytest.mark.slow
def test_the_same_bytes(built: Path, tmp_path: Path) -> None:
    """Whoever builds it, wherever and whenever, gets the same file."""
    clone = tmp_path / "elsewhere"
    for name in ("wrapper", "shims", "requirements", "LICENSE"):
        source = REPOSITORY / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        clone.mkdir(exist_ok=True)
        copy(source, clone / name)
    env = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Pacific/Chatham", "LANG": "C"}
    build = clone / "wrapper/onefile/build.py"
    subprocess.run(
        [sys.executable, build, tmp_path / "other"], env=env, check=True, capture_output=True
    )
    assert (tmp_path / "other").read_bytes() == built.read_bytes()
