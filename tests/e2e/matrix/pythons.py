"""The Pythons of this machine, and environments of each: mtls-run's wheel, and every pip.

Nothing here is made before a cell asks for it, and then once in a session, by whichever worker
comes first. How they are found is told by `found`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.toolbox import FOLDER, PIP_NEWEST, RUNS_ON, Tool, newest_uv

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[3]
OLDEST, LAST = 9, 19
VARIABLE = "TEST_PYTHONS"
LOCK = REPOSITORY / "requirements" / "run.lock"
EXTRAS = {"h11", "sslcontext", "python-pkcs11", "asn1crypto", "truststore"}
_ASK = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable, sep='\\n')"
_OWN = f"{sys.version_info[0]}.{sys.version_info[1]}"


def pip_for(python: str) -> str:
    """Return a version of pip that runs on this Python, such as 3.9, and on the tests' own."""
    minor = max(int(python.partition(".")[2]), sys.version_info[1])
    return "25.0.1" if minor <= RUNS_ON["25.0.1"][1][1] else PIP_NEWEST


def found() -> dict[str, Path]:
    """Return the interpreters of this machine by their versions, such as 3.9, the oldest first.

    TEST_PYTHONS names some, as PATH names directories; `python3.9` and so on are looked for on
    PATH; and there is the one that runs the tests. The answers are cached: asking takes long.
    """
    asked = _candidates()
    cached = FOLDER / "pythons.json"
    key = [[name, path, Path(path).stat().st_mtime_ns] for name, path in asked]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(cached.read_text())
        if content["asked"] == key and all(Path(path).exists() for path in content["found"]):
            return _ordered({name: Path(path) for path, name in content["found"].items()})
    answers = _answers(asked)
    FOLDER.mkdir(exist_ok=True)
    part = cached.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps({"asked": key, "found": {str(p): n for n, p in answers.items()}}))
    part.replace(cached)
    return _ordered(answers)


def _candidates() -> list[tuple[str, str]]:
    """Return versions, where a name says one, and programs; the first of a version counts."""
    named = [path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path]
    minors = [f"3.{minor}" for minor in range(OLDEST, LAST + 1)]
    on_path = [(minor, shutil.which(f"python{minor}")) for minor in minors]
    return [*[("", path) for path in named], *[(n, path) for n, path in on_path if path]]


def _answers(asked: list[tuple[str, str]]) -> dict[str, Path]:
    running = []
    for version, path in asked:
        # What stands for several Pythons, as a shim of pyenv does, is asked for this one.
        environment = {**os.environ, **({"PYENV_VERSION": version} if version else {})}
        process = subprocess.Popen(
            [path, "-I", "-c", _ASK],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        running.append(process)
    answers: dict[str, Path] = {}
    for process in running:
        words = process.communicate()[0].splitlines()
        if process.returncode == 0 and len(words) == 2:
            answers.setdefault(words[0], Path(words[1]).resolve())
    oldest = {name: path for name, path in answers.items() if _minor(name) >= OLDEST}
    oldest[_OWN] = Path(sys.executable).resolve()
    return oldest


def _ordered(answers: dict[str, Path]) -> dict[str, Path]:
    return {name: answers[name] for name in sorted(answers, key=_minor)}


def _minor(name: str) -> int:
    return int(name.split(".")[1])


@dataclass(frozen=True)
class Environments:
    """The environments of one session, in a directory that all its workers share."""

    folder: Path
    pythons: dict[str, Path]

    @classmethod
    def create(cls, folder: Path) -> Environments:
        """Return the environments below this directory; none of them is made yet."""
        return cls(folder, found())

    def mtls_run(self, name: str) -> Path:
        """Return the program, as its wheel installs it into an environment of this Python."""
        wheel, folder = self._wheel(), self.folder / f"mtls-run-{name}"
        with self._once(folder) as made:
            if not made:
                wheels = self._dependencies(name)
                extras = f"mtls-run[gateway,pkcs11] @ {wheel.as_uri()}"
                self.venv(name, folder, "--find-links", wheels, extras)
        return folder / "bin" / "mtls-run"

    def pip(self, version: str, name: str) -> Path:
        """Return the `bin` of an environment of this Python that has this pip, to be shared."""
        folder = self.folder / f"pip-{version}-{name}"
        with self._once(folder) as made:
            if not made:
                self.with_pip(version, name, folder)
        return folder / "bin"

    def with_pip(self, version: str, name: str, folder: Path) -> None:
        """Make an environment of this Python that has this pip, and no other package."""
        Tool("pip", version).ready()
        self.venv(name, folder, "--find-links", FOLDER / "wheels", f"pip=={version}")

    def venv(self, name: str, folder: Path, *install: str | Path) -> None:
        """Make an environment of this Python, and install into it from local files alone."""
        uv = newest_uv().ready().program
        environment = {
            "HOME": str(self.folder),
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "UV_CACHE_DIR": str(self.folder / "uv-cache"),
            "UV_PYTHON_DOWNLOADS": "never",
        }
        options = ["--quiet", "--offline", "--no-config"]
        python = str(self.pythons[name])
        _checked([str(uv), "venv", *options, "--python", python, str(folder)], environment)
        if install:
            command = [str(uv), "pip", "install", *options, "--no-index"]
            command += ["--python", str(folder / "bin" / "python"), *map(str, install)]
            _checked(command, environment)

    def _wheel(self) -> Path:
        dist = self.folder / "dist"
        with self._once(dist) as made:
            if not made:
                command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
                command += ["--no-build-isolation", "--wheel-dir", str(dist), str(REPOSITORY)]
                _checked(command)
        (wheel,) = dist.glob("mtls_run-*.whl")
        return wheel

    def _dependencies(self, name: str) -> Path:
        """Return a directory with the wheels of all that mtls-run needs on this Python."""
        folder = FOLDER / f"dependencies-python{name}"
        made_from = f"{self.pythons[name]}\n{LOCK.read_text()}\n{_extras()}"
        mark = folder / ".complete"
        FOLDER.mkdir(exist_ok=True)
        with locked(FOLDER / f".{folder.name}.lock"):
            if not mark.exists() or mark.read_text() != made_from:
                shutil.rmtree(folder, ignore_errors=True)
                pip = Tool("pip", pip_for(name)).ready().program
                command = [str(pip), "--python", str(self.pythons[name]), "download", "--quiet"]
                command += ["--only-binary", ":all:", "--require-hashes", "--dest", str(folder)]
                folder.mkdir()
                extras = folder / "extras.lock"
                extras.write_text(_extras())
                _checked([*command, "--requirement", str(LOCK), "--requirement", str(extras)])
                mark.write_text(made_from)
        return folder

    @contextlib.contextmanager
    def _once(self, folder: Path) -> Iterator[bool]:
        """Yield whether this directory was made before; if not, it is gone, and made by then."""
        with locked(self.folder / f".{folder.name}.lock") as mark:
            made = mark.read_text() == "made"
            if not made:
                shutil.rmtree(folder, ignore_errors=True)  # what somebody did not bring to an end
            yield made
            mark.write_text("made")


def _extras() -> str:
    """Return the lines of the lock with what the extras of mtls-run add."""
    kept, keep = [], False
    for line in LOCK.with_name("test.lock").read_text().split("\n"):
        if line and not line.startswith((" ", "#")):
            keep = line.partition("==")[0] in EXTRAS
        if keep:
            kept.append(line)
    return "\n".join(kept)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[Path]:
    """Hold a lock that no other process holds meanwhile, on a file that is there afterwards."""
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield path


def _checked(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
