"""doctor and the indexes that other tools than pip and uv are set up for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.support import ready

if TYPE_CHECKING:
    from tests.conftest import Sandbox

HOST = "https://127.0.0.1:1"  # nothing listens there

# What is written where, what doctor names as the origin, and which path of the URL it tries.
SETTINGS = {
    "twine": (".pypirc", "[corp]\nrepository = {}/up/\npassword = s3cret", "[corp] in ~/.pypirc"),
    "twine's variable": ("TWINE_REPOSITORY_URL", "{}/up/", "TWINE_REPOSITORY_URL"),
    "flit": ("FLIT_INDEX_URL", "{}/up/", "FLIT_INDEX_URL"),
    "poetry": (
        "src/pyproject.toml",
        '[[tool.poetry.source]]\nname = "corp"\nurl = "{}/up/"',
        "~/src/pyproject.toml:3",
    ),
    "poetry publish": (
        "CONFIG/pypoetry/config.toml",
        '[repositories.corp]\nurl = "{}/up/"',
        "CONFIG/pypoetry/config.toml:2",
    ),
    "poetry's variable": (
        "POETRY_REPOSITORIES_CORP_URL",
        "{}/up/",
        "POETRY_REPOSITORIES_CORP_URL",
    ),
    "pdm": (
        "src/pyproject.toml",
        '[[tool.pdm.source]]\nname = "corp"\nurl = "{}/${{NAME}}/"',
        "~/src/pyproject.toml:3",
    ),
    "pdm's default": (
        "CONFIG/pdm/config.toml",
        '[pypi]\nurl = "{}/up/"\npassword = "s3cret://x"',
        "CONFIG/pdm/config.toml:2",
    ),
    "pdm publish": (
        "src/pdm.toml",
        '[repository.corp]\nurl = "{}/up/"',
        "~/src/pdm.toml:2",
    ),
    "hatch": (
        "CONFIG/hatch/config.toml",
        '[publish.index.repos]\ncorp = "{}/up/"',
        "CONFIG/hatch/config.toml:2",
    ),
    "hatch with a table": (
        "CONFIG/hatch/config.toml",
        '[publish.index.repos.corp]\nurl = "{}/up/"',
        "CONFIG/hatch/config.toml:2",
    ),
    "pipenv": (
        "src/Pipfile",
        '[[source]]\nurl = "https://pypi.org/simple"\n[[source]]\nurl = "{}/${{NAME}}/"',
        "~/src/Pipfile:4",
    ),
    "pipenv's mirror": ("PIPENV_PYPI_MIRROR", "{}/up/", "PIPENV_PYPI_MIRROR"),
}


def real(place: str, sandbox: Sandbox) -> str:
    """Return the path that `place` stands for."""
    folders = {"CONFIG": sandbox.env["XDG_CONFIG_HOME"], "~": str(sandbox.home)}
    for short, folder in folders.items():
        place = place.replace(f"{short}/", f"{folder}/")
    return place


def diagnosed(sandbox: Sandbox, env: dict[str, str]) -> dict[str, Any]:
    """Return what doctor finds in ~/src/deep."""
    folder = sandbox.home / "src" / "deep"
    folder.mkdir(parents=True, exist_ok=True)
    if not (sandbox.home / "src" / "pyproject.toml").exists():
        sandbox.write("src/pyproject.toml", '[project]\nname = "demo"\n')
    env = {"NAME": "up", **env}
    done = sandbox.run("doctor", "--json", "--timeout", "2", cwd=folder, env=env)
    assert "s3cret" not in done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture
def healthy(sandbox: Sandbox) -> Sandbox:
    """Return a sandbox with a valid profile, pip and uv."""
    ready(sandbox)
    sandbox.env["PATH"] = str(sandbox.bin)
    sandbox.fake_tool("uv")
    sandbox.fake_tool("pip")
    return sandbox


@pytest.mark.parametrize("name", SETTINGS)
def test_an_index_of_each_tool_is_tried(healthy: Sandbox, name: str) -> None:
    """Each setting leads doctor to its URL, and to no public one; the origin names the setting."""
    place, text, origin = SETTINGS[name]
    env = {}
    if place.isupper():
        env[place] = text.format(HOST)
    else:
        healthy.write(real(place, healthy), text.format(HOST) + "\n")
    answer = diagnosed(healthy, env)
    assert [one["url"] for one in answer["urls"]] == [f"{HOST}/up/"], answer
    worst = answer["findings"][-1]
    assert worst["code"] == "connection-refused"
    assert worst["origin"] == real(origin, healthy)


@pytest.mark.parametrize("folder", ["deep", "else"])
def test_a_public_index_is_not_tried(healthy: Sandbox, folder: str) -> None:
    """PyPI, as `pipenv` writes it into each Pipfile and .pypirc often has it, is no company's."""
    healthy.write(".pypirc", "[pypi]\nrepository = https://upload.pypi.org/legacy/\n")
    healthy.write(f"src/{folder}/Pipfile", '[[source]]\nurl = "https://pypi.org/simple"\n')
    answer = diagnosed(healthy, {})
    assert answer["urls"] == []
    assert [one["code"] for one in answer["findings"]] == ["key-unencrypted", "no-index"]


def test_a_tool_that_is_set_up_is_named_with_its_version(healthy: Sandbox) -> None:
    """A twine on PATH is among the tools where settings name an index for it, and only there."""
    healthy.fake_tool("twine", version="version 7.0.0 (keyring: 25.6.0)")
    assert "twine" not in {row["what"] for row in diagnosed(healthy, {})["machine"]}
    answer = diagnosed(healthy, {"TWINE_REPOSITORY_URL": f"{HOST}/up/"})
    rows = {row["what"]: row["value"] for row in answer["machine"]}
    assert rows["twine"] == f"7.0.0, {healthy.bin}/twine"


def test_the_same_url_of_several_tools_is_tried_once(healthy: Sandbox) -> None:
    """It has every origin that names it."""
    env = {"PIP_INDEX_URL": f"{HOST}/up/", "PIPENV_PYPI_MIRROR": f"{HOST}/up/"}
    answer = diagnosed(healthy, env)
    assert [one["url"] for one in answer["urls"]] == [f"{HOST}/up/"]
    assert answer["findings"][-1]["origin"] == "PIP_INDEX_URL, PIPENV_PYPI_MIRROR"


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (".pypirc", "password = s3cret\n[corp]\n"),
        (".pypirc", "[corp]\npassword s3cret\n"),
        ("src/Pipfile", '[[source]\npassword = "s3cret"\n'),
        ("CONFIG/pdm/config.toml", '[repository.corp\npassword = "s3cret"\n'),
    ],
)
def test_a_broken_file_is_a_finding_without_its_text(
    healthy: Sandbox, place: str, text: str
) -> None:
    """Twine and flit read the same file: it is reported once, and the rest is examined."""
    healthy.write(real(place, healthy), text)
    answer = diagnosed(healthy, {"PIP_INDEX_URL": f"{HOST}/up/"})
    broken = [one for one in answer["findings"] if one["code"] == "config-invalid"]
    assert len(broken) == 1
    told = broken[0]["fact"] + (broken[0]["origin"] or "")
    assert str(healthy.home / real(place, healthy)) in told
    assert [one["url"] for one in answer["urls"]] == [f"{HOST}/up/"]
