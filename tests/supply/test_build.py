"""Wheel and sdist: what is in them, and that whoever builds them gets the same bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest

from mtls_run import __version__
from tests.supply.lock import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

NAME = f"mtls_run-{__version__}"
WHEEL, SDIST = f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz"
NOT_BROUGHT = shutil.ignore_patterns(
    ".git", ".venv", ".tools", "dist", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis"
)
KINDS = {".py", ".typed", ".sh", ".bash", ".zsh", ".fish", ".ps1", ".cmd", ".md"}

# The build as `python -m build` has it, with a clock that may be wrong.
BUILD = """
import os, sys, time
os.umask(int(sys.argv[1], 8))
real, off = time.time, float(sys.argv[2])
time.time = lambda: real() + off
local = time.localtime
time.localtime = lambda at=None: local(time.time() if at is None else at)
from hatchling import build
os.makedirs("dist")
build.build_sdist("dist")
build.build_wheel("dist")
"""


@dataclass(frozen=True)
class Surroundings:
    """What may differ from one builder to the next."""

    umask: str
    zone: str
    off: int
    """How far the clock is off, in seconds."""
    stamp: int
    """When the files were changed last."""
    mode: int
    """What everyone may do with the files, or with directories and programs, less."""
    backwards: bool
    """Whether the files come into being in the opposite order."""
    epoch: int | None = None


HERE = Surroundings("022", "UTC", 0, 1_700_000_000, 0o777, backwards=False)
THERE = Surroundings("077", "Pacific/Chatham", 400 * 86400, 1_500_000_001, 0o700, backwards=True)


def brought(root: Path, place: str, found: Surroundings) -> Path:
    """Copy the sources to a place below the root, as these surroundings have them."""
    folder = root / place
    # One copy for all of a test, so that what is edited meanwhile makes no difference.
    whole = root / "whole"
    if not whole.exists():
        shutil.copytree(REPOSITORY, whole, ignore=NOT_BROUGHT)
    for path in sorted(whole.rglob("*"), reverse=found.backwards):
        target = folder / path.relative_to(whole)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            target.chmod(path.stat().st_mode & found.mode)
            os.utime(target, (found.stamp, found.stamp))
    return folder


def built(folder: Path, found: Surroundings) -> dict[str, bytes]:
    """Build wheel and sdist of the sources in the folder, and return both."""
    env = {
        "PATH": os.environ["PATH"],
        "TZ": found.zone,
        "PYTHONHASHSEED": str(found.off % 1000),
        "HOME": str(folder.parent),
    }
    if found.epoch is not None:
        env["SOURCE_DATE_EPOCH"] = str(found.epoch)
    command = [sys.executable, "-c", BUILD, found.umask, str(found.off)]
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in (folder / "dist").iterdir()}


@pytest.mark.parametrize("epoch", [None, 1_750_000_000])
def test_the_same_bytes(tmp_path: Path, epoch: int | None) -> None:
    """Directory, umask, zone, clock, the files' times, modes and order: none of them is in it."""
    pairs = (("one", HERE), ("another/far/away", THERE))
    made = []
    for place, found in pairs:
        given = Surroundings(**{**vars(found), "epoch": epoch})
        made.append(built(brought(tmp_path, place, given), given))
    assert set(made[0]) == set(made[1]) == {WHEEL, SDIST}
    assert made[0] == made[1]


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    """The package, the shims, manual, licence, and what every wheel has to say of itself."""
    folder = brought(tmp_path, "sources", HERE)
    (folder / "wrapper/mtls_run/__pycache__").mkdir()
    (folder / "wrapper/mtls_run/__pycache__/stray.cpython-311.pyc").touch()
    made = built(folder, HERE)
    (tmp_path / WHEEL).write_bytes(made[WHEEL])
    with zipfile.ZipFile(tmp_path / WHEEL) as archive:
        found = archive.namelist()
        told = archive.read(f"{NAME}.dist-info/METADATA").decode("utf-8")
    page = told.partition("\n\n")[2]  # as an index shows it
    assert page.startswith("# mtls-run\n\nmtls-run runs pip and uv")
    assert "```sh\nuv tool install mtls-run" in page
    assert "](docs/" not in page  # a link or a picture that an index does not have
    package, shims = folder / "wrapper/mtls_run", folder / "shims"
    expected = {
        f"mtls_run/{path.relative_to(package)}"
        for path in package.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    expected |= {f"mtls_run/shims/{path.name}" for path in shims.iterdir()}
    expected.add(f"{NAME}.data/data/share/man/man1/mtls-run.1")
    described = ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")
    expected |= {f"{NAME}.dist-info/{name}" for name in described}
    # The program is a script of ours, or the installer makes it.
    programs = {f"{NAME}.data/scripts/mtls-run", f"{NAME}.dist-info/entry_points.txt"}
    assert len(programs & set(found)) == 1
    assert sorted(set(found) - programs) == sorted(expected)
    assert {PurePath(name).suffix for name in found if name.startswith("mtls_run/")} <= KINDS


def test_the_sdist_makes_the_same_wheel(tmp_path: Path) -> None:
    """The sdist holds what wheel and tests need, and gives the wheel that the clone gives."""
    folder = brought(tmp_path, "sources", HERE)
    made = built(folder, HERE)
    (tmp_path / SDIST).write_bytes(made[SDIST])
    with tarfile.open(tmp_path / SDIST) as archive:
        names = archive.getnames()
        owners = {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in archive}
        archive.extractall(tmp_path / "unpacked")  # noqa: S202  # made a moment ago
    assert owners == {(0, 0, "", "")}
    assert all(name.startswith(f"{NAME}/") for name in names)
    folders = ("wrapper", "shims", "tests", "docs", ".ci", "requirements")
    pages = ("CHANGELOG.md", "SECURITY.md", "README.md", "LICENSE")
    files = (*pages, "install.sh", "mkdocs.yml", "pyproject.toml")
    expected = {
        str(path.relative_to(folder))
        for name in folders
        for path in (folder / name).rglob("*")
        if path.is_file()
    }
    expected |= {*files, ".gitignore", "PKG-INFO"}
    assert {name.partition("/")[2] for name in names} - {"hatch_build.py"} == expected
    assert built(tmp_path / "unpacked" / NAME, THERE)[WHEEL] == made[WHEEL]
