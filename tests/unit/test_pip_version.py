"""Which pip a real Python imports: the run after any change of that knows the version then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import pytest

from mtls_run.cache.dependencies import Dependencies, unchanged
from mtls_run.tools import pip_version, registry, version
from tests.e2e.toolbox import Tool
from tests.unit.support import working_in

# The interpreter itself, which has a pip and is of no virtual environment.
BASE = Path(sys.executable).resolve()
SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
OLD, NEW = (24, 0), (26, 2)
SCRIPT = "import sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"


def put(site: Path, release: tuple[int, ...]) -> None:
    """Install a small pip into a directory, in place of the one that is there.

    It answers for its version alone, much faster than a real one.
    """
    shown = ".".join(map(str, release))
    shutil.rmtree(site / "pip", ignore_errors=True)
    (site / "pip/_internal/cli").mkdir(parents=True)
    for package in ("_internal", "_internal/cli"):
        (site / "pip" / package / "__init__.py").write_text("")
    (site / "pip/__init__.py").write_text(f"__version__ = '{shown}'\n")
    (site / "pip/__main__.py").write_text("from pip._internal.cli.main import main\nmain()\n")
    (site / "pip/_internal/cli/main.py").write_text(
        "import os, pip\ndef main():\n"
        "    print(f'pip {pip.__version__} from {os.path.dirname(pip.__file__)} (python 3)')\n"
    )


def put_real(site: Path, release: tuple[int, ...]) -> None:
    """Put a real pip there, by a link."""
    shutil.rmtree(site / "pip", ignore_errors=True)
    (site / "pip").unlink(missing_ok=True)
    real = Tool("pip", ".".join(map(str, release))).ready().folder
    (site / "pip").symlink_to(real / SITE / "pip")


def answer(words: tuple[str, ...]) -> tuple[tuple[int, ...], Dependencies]:
    """Return the version of the pip that these words start, and what that rests on."""
    tool, call = registry.recognise([*words, "install"], any_program=False)
    rests_on = Dependencies()
    return version.ask(tool, call, words[0], os.environ, rests_on), rests_on


@dataclass
class Place:
    """A directory with a Python in it, and a current directory beside it."""

    root: Path
    python: Path

    @property
    def site(self) -> Path:
        """The Python's own directory of packages."""
        return self.root / "venv" / SITE

    @property
    def user_site(self) -> Path:
        """The user's directory of packages, which need not be there."""
        return Path(os.environ["HOME"]) / ".local" / SITE

    @property
    def here(self) -> Path:
        """The current directory."""
        return self.root / "here"

    def words(self, start: str) -> tuple[str, ...]:
        """Return the words that start pip: by its script, or as a module."""
        if start == "module":
            return (str(self.python), "-m", "pip")
        script = self.root / "bin/pip"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!{self.python}\n{SCRIPT}")
        script.chmod(0o755)
        return (str(script),)


def place(tmp_path: Path, *, system: bool = False, base: bool = False) -> Place:
    """Return a virtual environment without a pip, or the base Python itself."""
    (tmp_path / "here").mkdir()
    if base:
        if subprocess.run([BASE, "-m", "pip", "--version"], check=False).returncode != 0:
            pytest.skip(f"{BASE} has no pip")
        return Place(tmp_path, BASE)
    builder = venv.EnvBuilder(system_site_packages=system, symlinks=True, with_pip=False)
    builder.create(tmp_path / "venv")
    return Place(tmp_path, tmp_path / "venv/bin/python")


def assert_noticed(found: Place, start: str, change: Callable[[], object]) -> None:
    """Fail unless the old pip is stored, and the new one is told right after the change."""
    words = found.words(start)
    with working_in(found.here):
        release, rests_on = answer(words)
        for _ in range(2):
            release, rests_on = answer(words)
            assert release == OLD
            assert rests_on.reusable
        states = [(kind, path, state) for (kind, path), state in rests_on.states.items()]
        assert unchanged(states)
        change()
        assert not unchanged(states)
        assert answer(words)[0] == NEW


both = pytest.mark.parametrize("start", ["script", "module"])


@both
def test_upgraded_in_place(tmp_path: Path, start: str) -> None:
    """Pip is replaced where it is."""
    found = place(tmp_path)
    put(found.site, OLD)
    assert_noticed(found, start, lambda: put(found.site, NEW))


@pytest.mark.parametrize(
    ("start", "there"),
    [("script", False), pytest.param("module", True, marks=pytest.mark.slow)],
)
def test_upgraded_in_the_users_site(tmp_path: Path, start: str, there: bool) -> None:
    """`pip install --user -U pip` puts a new pip before the old one, of which no file changes."""
    found = place(tmp_path, base=True)
    words = found.words(start)
    if there:
        found.user_site.mkdir(parents=True)
    with working_in(found.here):
        own, rests_on = answer(words)
        assert rests_on.reusable
        newer = NEW if own != NEW else OLD
        assert answer(words)[0] == own
        put(found.user_site, newer)
        assert answer(words)[0] == newer
        shutil.rmtree(found.user_site / "pip")
        assert answer(words)[0] == own


@both
def test_environment_with_system_packages(tmp_path: Path, start: str) -> None:
    """Such a virtual environment uses the pip of outside until it gains its own."""
    found = place(tmp_path, system=True)
    put(found.user_site, OLD)
    assert_noticed(found, start, lambda: put(found.site, NEW))


@both
def test_pth_file(tmp_path: Path, start: str) -> None:
    """A new .pth file, and an old one that says something else, may put another pip first."""
    found = place(tmp_path)
    put(found.site, OLD)
    put(tmp_path / "other", NEW)
    first = f"import sys; sys.path.insert(0, {str(tmp_path / 'other')!r})\n"
    path = found.site / "first.pth"
    assert_noticed(found, start, lambda: path.write_text(first))
    path.write_text(f"#{first[1:]}")
    assert_noticed(found, start, lambda: path.write_text(first))


@both
@pytest.mark.parametrize("there", [False, True], ids=["absent", "empty"])
def test_python_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str, there: bool
) -> None:
    """A pip appears in a directory that PYTHONPATH names, itself there or not."""
    found = place(tmp_path)
    put(found.site, OLD)
    if there:
        (tmp_path / "brought").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "brought"))
    assert_noticed(found, start, lambda: put(tmp_path / "brought", NEW))


@both
def test_python_path_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    """PYTHONPATH is set, and names another pip."""
    found = place(tmp_path)
    put(found.site, OLD)
    put(tmp_path / "brought", NEW)
    words = found.words(start)
    with working_in(found.here):
        assert answer(words)[0] == OLD
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "brought"))
        assert answer(words)[0] == NEW


def test_wheel_on_the_python_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pip that is imported from a wheel is replaced by another wheel of the same name."""
    found = place(tmp_path)
    wheel, unpacked = tmp_path / "pip.whl", tmp_path / "unpacked"

    def pack(release: tuple[int, ...]) -> None:
        put(unpacked, release)
        with zipfile.ZipFile(wheel, "w") as archive:
            for file in unpacked.rglob("*.py"):
                archive.write(file, file.relative_to(unpacked))

    pack(OLD)
    monkeypatch.setenv("PYTHONPATH", str(wheel))
    words = found.words("module")
    with working_in(found.here):
        assert answer(words)[0] == OLD
        pack(NEW)
        assert answer(words)[0] == NEW


@both
def test_sitecustomize(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    """A sitecustomize that appears, or changes, may put another pip first."""
    found = place(tmp_path)
    put(found.site, OLD)
    put(tmp_path / "other", NEW)
    (tmp_path / "brought").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "brought"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    path = tmp_path / "brought/sitecustomize.py"
    first = f"import sys; sys.path.insert(0, {str(tmp_path / 'other')!r})\n"
    assert_noticed(found, start, lambda: path.write_text(first))
    path.write_text("")
    assert_noticed(found, start, lambda: path.write_text(first))


def test_current_directory(tmp_path: Path) -> None:
    """`python -m pip` imports a pip that appears in the current directory."""
    found = place(tmp_path)
    put(found.site, OLD)
    assert_noticed(found, "module", lambda: put(found.here, NEW))


@pytest.mark.parametrize("options", [("-W", "ignore"), ("-I",), ("-X", "utf8", "-u")])
def test_options_of_the_interpreter(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Options before `-m pip` count for what is imported."""
    found = place(tmp_path)
    put(found.site, OLD)
    words = (str(found.python), *options, "-m", "pip")
    with working_in(found.here):
        release, rests_on = answer(words)
        assert (release, rests_on.reusable) == (OLD, True)
        put(found.here, NEW)
        assert answer(words)[0] == (OLD if options == ("-I",) else NEW)


@both
def test_another_python(tmp_path: Path, start: str) -> None:
    """The interpreter is a link, and leads to another Python."""
    found = place(tmp_path)
    put(found.site, OLD)
    words = found.words(start)
    other = tmp_path / "other"
    venv.EnvBuilder(symlinks=True, with_pip=False).create(other)
    put(other / SITE, NEW)

    def turn() -> None:
        shutil.rmtree(tmp_path / "venv")
        (tmp_path / "venv").symlink_to("other")

    with working_in(found.here):
        assert answer(words)[0] == OLD
        turn()
        assert answer(words)[0] == NEW


@both
def test_configuration_of_the_environment(tmp_path: Path, start: str) -> None:
    """pyvenv.cfg lets system packages in, and pip is the user's from then on."""
    found = place(tmp_path, system=True)
    put(found.user_site, NEW)
    put(found.site.parent / "old", OLD)
    config = tmp_path / "venv/pyvenv.cfg"
    text = config.read_text()
    config.write_text(text.replace("= true", "= false"))
    (found.site / "old.pth").write_text("../old\n")

    def let_in() -> None:
        (found.site / "old.pth").unlink()
        config.write_text(text)

    assert_noticed(found, start, let_in)


def test_which_starts_cannot_be_told(tmp_path: Path) -> None:
    """A launcher or a wrapper chooses a Python by itself, so that it is asked each time."""
    found = place(tmp_path)
    put(found.site, OLD)
    said = f"pip 24.0 from {found.site}/pip (python 3)"
    for name, content in (
        ("python", f'#!/bin/sh\nexec {found.python} "$@"\n'),
        ("pip", f'#!/bin/sh\nexec {found.python} -m pip "$@"\n'),
        ("pip", f"#!/usr/bin/env python3\n{SCRIPT}"),
        ("pip", f"#!python3\n{SCRIPT}"),
    ):
        path = tmp_path / name
        path.write_text(content)
        path.chmod(0o755)
        words = [str(path), *(["-m", "pip"] if name == "python" else [])]
        _, call = registry.recognise([*words, "install"], any_program=False)
        assert pip_version.rests_on(call, str(path), said, os.environ) is None, content
    (tmp_path / "py").symlink_to(found.python)
    shutil.copy(BASE, tmp_path / "mise")
    (tmp_path / "python3").symlink_to("mise")
    for name in ("py", "python3"):
        words = [str(tmp_path / name), "-m", "pip", "install"]
        _, call = registry.recognise(words, any_program=False)
        found_rests_on = pip_version.rests_on(call, words[0], said, os.environ)
        assert (found_rests_on is None) is (name != "py" or BASE.name == "py"), name


def test_modules_of_the_current_directory_do_not_run(tmp_path: Path) -> None:
    """Python's -c searches that directory first: a clone's json.py would run."""
    found = place(tmp_path)
    put(found.site, OLD)
    marker = tmp_path / "it-ran"
    for module in ("json", "site", "os", "codecs"):
        (found.here / f"{module}.py").write_text(f"open({str(marker)!r}, 'a').write({module!r})\n")
    with working_in(found.here):
        release, rests_on = answer(found.words("script"))
    assert (release, rests_on.reusable) == (OLD, True)
    assert not marker.exists(), marker.read_text()


def test_long_first_line(tmp_path: Path) -> None:
    """The script that pip writes for a long path, which sh reads first, is told too."""
    folder = tmp_path / ("a" * 100) / ("b c" * 20)
    folder.mkdir(parents=True)
    found = place(folder)
    put(found.site, OLD)
    script = tmp_path / "pip"
    script.write_text(f"#!/bin/sh\n'''exec' \"{found.python}\" \"$0\" \"$@\"\n' '''\n{SCRIPT}")
    script.chmod(0o755)
    assert subprocess.run([script, "--version"], check=False).returncode == 0
    with working_in(found.here):
        release, rests_on = answer((str(script),))
        assert (release, rests_on.reusable) == (OLD, True)
        put(found.site, NEW)
        assert answer((str(script),))[0] == NEW
