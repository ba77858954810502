"""pip's indexes reach `uv pip` in pip's order, unless indexes are named for uv already."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mtls_run.config.origin import Setting
from mtls_run.config.pip_settings import PipSettings
from mtls_run.tools import uv_configuration, uv_indexes
from tests.unit.support import SAID

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

A, B, C = "https://a/simple", "https://b/simple", "https://c/simple"
INSTALL = ("pip", "install", "x")


def settings(index: str | None, *extra: str) -> PipSettings:
    """Return pip's settings with these indexes."""
    return PipSettings(
        index_url=None if index is None else Setting(index, SAID),
        extra_index_urls=tuple(Setting(url, SAID) for url in extra),
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (settings(None), {}),
        (settings(A), {"UV_INDEX_URL": A, "UV_EXTRA_INDEX_URL": A}),
        (settings(A, B), {"UV_INDEX_URL": B, "UV_EXTRA_INDEX_URL": A}),
        (settings(A, B, C), {"UV_INDEX_URL": C, "UV_EXTRA_INDEX_URL": f"{A} {B}"}),
        (settings(A, B, A), {"UV_INDEX_URL": B, "UV_EXTRA_INDEX_URL": A}),
        (settings(A, A), {"UV_INDEX_URL": A, "UV_EXTRA_INDEX_URL": A}),
        (settings(None, A, B), {"UV_EXTRA_INDEX_URL": f"{A} {B}"}),
        (
            settings("file:///a b", C),
            {"UV_INDEX_URL": C, "UV_EXTRA_INDEX_URL": "file:///a%20b"},
        ),
    ],
)
def test_variables(found: PipSettings, expected: dict[str, str]) -> None:
    """The last index is uv's default one, the others come before it in pip's order."""
    assert uv_indexes.variables(found) == expected


class Place:
    """A directory tree with an environment in which uv has no configuration."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.here = root / "home/src/project"
        self.here.mkdir(parents=True)
        self.environ = {
            "HOME": str(root / "home"),
            "XDG_CONFIG_DIRS": str(root / "xdg"),
        }

    def write(self, name: str, text: str) -> Path:
        """Write a file, given relative to the project."""
        path = self.root / os.path.normpath(self.here / name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def named(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        below: str = ".",
    ) -> str | None:
        """Return what names indexes for uv, when it is started below the project."""
        directory = self.here / below
        directory.mkdir(parents=True, exist_ok=True)
        environ = {**self.environ, **(env or {})}
        return uv_indexes.named_for_uv(arguments or INSTALL, environ, directory)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return an empty project; the machine's own uv.toml is not read."""
    monkeypatch.setattr(uv_configuration, "_SYSTEM", str(tmp_path / "etc/uv/uv.toml"))
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("pip", "install", "x"), None),
        (("pip", "install", "--index", A, "x"), "--index"),
        (("pip", "install", "x", f"--index={A}"), "--index"),
        (("pip", "install", "--default-index", A), "--default-index"),
        (("pip", "install", f"--default-index={A}"), "--default-index"),
        (("pip", "install", "--index-url", A), "--index-url"),
        (("pip", "install", f"--extra-index-url={A}"), "--extra-index-url"),
        (("pip", "install", "--no-index"), "--no-index"),
        (("pip", "install", "-i", A), "-i"),
        (("pip", "install", f"-i{A}"), "-i"),
        (("pip", "install", f"-i={A}"), "-i"),
        (("pip", "install", "-qvi", A), "-i"),
        (("pip", "install", "-rmain.in"), None),
        (("pip", "install", "-qcpip.txt"), None),
        (("pip", "install", "--index-strategy", "unsafe-best-match"), None),
        (("pip", "install", "--indexes"), None),
        (("pip", "install", "i", "index-url"), None),
        (("pip", "install", "--", "--index-url", A), None),
        (("pip", "install", "--", "-i"), None),
    ],
)
def test_flags(place: Place, arguments: tuple[str, ...], expected: str | None) -> None:
    """A flag for indexes counts in each form that uv takes, up to `--`."""
    assert place.named(*arguments) == expected


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"UV_INDEX": A}, "UV_INDEX"),
        ({"UV_DEFAULT_INDEX": A}, "UV_DEFAULT_INDEX"),
        ({"UV_INDEX_URL": A}, "UV_INDEX_URL"),
        ({"UV_EXTRA_INDEX_URL": A}, "UV_EXTRA_INDEX_URL"),
        ({"UV_INDEX_URL": ""}, None),
        ({"UV_INDEX": " "}, None),
        ({"UV_NO_INDEX": "1"}, None),
        ({"UV_INDEX_CORP_USERNAME": "me"}, None),
        ({"PIP_INDEX_URL": A}, None),
    ],
)
def test_environment(place: Place, env: dict[str, str], expected: str | None) -> None:
    """A variable that uv reads for indexes counts, an empty one does not."""
    assert place.named(env=env) == expected


def test_flag_beats_variable_beats_file(place: Place) -> None:
    """What is named is the first that wins in uv."""
    path = place.write("uv.toml", f'index-url = "{A}"\n')
    env = {"UV_INDEX": A}
    assert place.named("pip", "install", "-i", A, env=env) == "-i"
    assert place.named(env=env) == "UV_INDEX"
    assert place.named() == f"{path}:1"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'index-url = "{A}"', 2),
        (f'extra-index-url = ["{A}"]', 2),
        ("no-index = true", 2),
        (f'index = [{{ url = "{A}" }}]', 2),
        (f'offline = true\n\n[[index]]\nname = "a"\nurl = "{A}"', 4),
        (f'[[index]]\nurl = "{A}"\nexplicit = true\n[[index]]\nurl = "{B}"', 5),
        (f'[pip]\n\nindex-url = "{A}"', 4),
        (f'[pip]\nextra-index-url = ["{A}"]', 3),
        (f'[[pip.index]]\nurl = "{A}"', 2),
        ("", None),
        ("no-index = false\nextra-index-url = []\nindex = []", None),
        ('index-strategy = "unsafe-best-match"\n[pip]\nno-index = false', None),
        (f'[[index]]\nname = "a"\nurl = "{A}"\nexplicit = true', None),
        (f'find-links = ["{A}"]', None),
        ('index = "not a list"', None),
        ("pip = 3", None),
    ],
)
@pytest.mark.parametrize("name", ["uv.toml", "pyproject.toml"])
def test_keys(place: Place, name: str, text: str, line: int | None) -> None:
    """Each key for indexes counts, in both files; an explicit index is no preference."""
    if name == "pyproject.toml":
        text = text.replace("[[", "[[tool.uv.").replace("[pip]", "[tool.uv.pip]")
        text = f"[tool.uv]\n{text}\n"
    else:
        text = f"# uv\n{text}\n"
    path = place.write(name, text)
    assert place.named() == (None if line is None else f"{path}:{line}")


URL = f'index-url = "{A}"\n'
TABLE = f"[tool.uv]\n{URL}"
PROJECT = '[project]\nname = "x"\nversion = "1"\n'


@pytest.mark.parametrize(
    ("files", "below", "expected"),
    [
        ({"uv.toml": URL}, "a/b", "uv.toml:1"),
        ({"../uv.toml": URL}, ".", "../uv.toml:1"),
        ({"uv.toml": URL, "pyproject.toml": TABLE}, ".", "uv.toml:1"),
        # The nearest counts alone, even if it says nothing of indexes.
        ({"uv.toml": "", "pyproject.toml": TABLE, "../uv.toml": URL}, ".", None),
        ({"pyproject.toml": "[tool.uv]\n", "../uv.toml": URL}, ".", None),
        ({"pyproject.toml": "[tool.other]\n", "../uv.toml": URL}, ".", "../uv.toml:1"),
        ({"pyproject.toml": PROJECT, "../pyproject.toml": TABLE}, ".", "../pyproject.toml:2"),
        # A project is looked at from its own directory on, as the workspace that it is.
        ({"pyproject.toml": PROJECT, "src/uv.toml": URL}, "src", None),
        ({"pyproject.toml": "[tool.x]\n", "src/uv.toml": URL}, "src", "src/uv.toml:1"),
        (
            {"pyproject.toml": f"{PROJECT}[tool.uv]\nmanaged = false\n", "src/uv.toml": URL},
            "src",
            "src/uv.toml:1",
        ),
        # A member's own settings are nothing to its workspace.
        (
            {
                "pyproject.toml": f'{TABLE}[tool.uv.workspace]\nmembers = ["./packages/*"]\n',
                "packages/a/pyproject.toml": f'{PROJECT}[tool.uv]\nindex-url = "{B}"\n',
            },
            "packages/a",
            "pyproject.toml:2",
        ),
        (
            {
                "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n',
                "packages/a/pyproject.toml": f"{PROJECT}{TABLE}",
                "packages/a/uv.toml": URL,
            },
            "packages/a/src",
            None,
        ),
        (
            {
                "pyproject.toml": (
                    '[tool.uv.workspace]\nmembers = ["packages/*"]\nexclude = ["packages/a"]\n'
                ),
                "packages/a/pyproject.toml": f"{PROJECT}{TABLE}",
            },
            "packages/a",
            "packages/a/pyproject.toml:5",
        ),
        (
            {
                "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n',
                "other/a/pyproject.toml": f"{PROJECT}{TABLE}",
            },
            "other/a",
            "other/a/pyproject.toml:5",
        ),
        ({"pyproject.toml": "[tool.uv.workspace]\n", "src/uv.toml": URL}, "src", None),
    ],
)
def test_which_file(place: Place, files: dict[str, str], below: str, expected: str | None) -> None:
    """The configuration is the one that uv would find from there."""
    for name, text in files.items():
        place.write(name, text)
    found = place.named(below=below)
    shown = None if found is None else os.path.relpath(found, place.here)
    assert shown == expected


@pytest.mark.parametrize("spelling", ["separate", "joined", "variable"])
@pytest.mark.parametrize(
    ("names", "value", "expected"),
    [
        (("--directory", "UV_WORKING_DIR"), "../other", "../other/uv.toml:1"),
        (("--project", "UV_PROJECT"), "../other", "../other/uv.toml:1"),
        (("--project", "UV_PROJECT"), "../project3/pyproject.toml", "../project3/pyproject.toml:2"),
        (("--config-file", "UV_CONFIG_FILE"), "../named.toml", "../named.toml:1"),
        (("--config-file", "UV_CONFIG_FILE"), "../nowhere.toml", None),
    ],
)
def test_elsewhere(
    place: Place, spelling: str, names: tuple[str, str], value: str, expected: str | None
) -> None:
    """Options and variables that move uv, or name its file, are followed."""
    place.write("../other/uv.toml", URL)
    place.write("../project3/pyproject.toml", TABLE)
    place.write("../named.toml", URL)
    option, variable = names
    words = {"separate": (option, value), "joined": (f"{option}={value}",), "variable": ()}
    env = {variable: value} if spelling == "variable" else {}
    found = place.named("pip", "install", *words[spelling], "x", env=env)
    assert (None if found is None else os.path.relpath(found, place.here)) == expected


def test_directory_moves_the_rest(place: Place) -> None:
    """--project and --config-file are relative to --directory; UV_CONFIG_FILE beats --no-config."""
    place.write("../a/named.toml", URL)
    place.write("../a/b/uv.toml", URL)
    moved = ("pip", "install", "--directory", "../a")
    found = place.named(*moved, "--project", "b")
    assert found is not None
    assert os.path.relpath(found, place.here) == "../a/b/uv.toml:1"
    found = place.named(
        *moved, "--no-config", "--project", "b", env={"UV_CONFIG_FILE": "named.toml"}
    )
    assert found is not None
    assert os.path.relpath(found, place.here) == "../a/named.toml:1"


@pytest.mark.parametrize(
    ("arguments", "env", "read"),
    [
        ((*INSTALL, "--no-config"), {}, False),
        ((*INSTALL, "--isolated"), {}, False),
        (INSTALL, {"UV_NO_CONFIG": "1"}, False),
        (INSTALL, {"UV_NO_CONFIG": "True"}, False),
        (INSTALL, {"UV_NO_CONFIG": "0"}, True),
        (INSTALL, {"UV_NO_CONFIG": ""}, True),
        (INSTALL, {"UV_ISOLATED": "1"}, True),
        (("pip", "install", "--", "--no-config"), {}, True),
    ],
)
def test_no_configuration(
    place: Place, arguments: tuple[str, ...], env: dict[str, str], read: bool
) -> None:
    """Where uv is told to look for no configuration, none counts."""
    place.write("uv.toml", URL)
    assert (place.named(*arguments, env=env) is not None) == read


def test_user_and_system_files(place: Place) -> None:
    """The user's and the machine's uv.toml lie under the project's, whatever that one says."""
    etc = place.write("../../../etc/uv/uv.toml", URL)
    place.write("uv.toml", "offline = true\n")
    assert place.named() == f"{etc}:1"
    assert place.named(env={"UV_NO_SYSTEM_CONFIG": "1"}) is None
    xdg = place.write("../../../xdg/uv/uv.toml", f"\n{URL}")
    assert place.named() == f"{xdg}:2"
    assert place.named(env={"XDG_CONFIG_DIRS": f":{xdg.parents[1]}"}) == f"{etc}:1"
    user = place.write("../../.config/uv/uv.toml", URL)
    assert place.named() == f"{user}:1"
    assert place.named(env={"XDG_CONFIG_HOME": "relative"}) == f"{user}:1"
    other = place.write("../../other/uv/uv.toml", URL)
    assert place.named(env={"XDG_CONFIG_HOME": str(other.parents[1])}) == f"{other}:1"


@pytest.mark.parametrize("name", ["uv.toml", "pyproject.toml"])
@pytest.mark.parametrize("kind", ["broken", "directory", "fifo"])
def test_unreadable_configuration(place: Place, name: str, kind: str) -> None:
    """A configuration that cannot be read is left to uv, which passes a pyproject.toml over."""
    path = place.here / name
    if kind == "broken":
        path.write_text("not = = toml\n")
    elif kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    above = place.write("../uv.toml", URL)
    assert place.named() == (None if name == "uv.toml" else f"{above}:1")
