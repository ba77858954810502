"""What has to hold for every configuration and every command line, tried with many of them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
import tomlkit
from hypothesis import strategies as st

from mtls_run.config import layers as configuration
from mtls_run.config import project, project_trust
from mtls_run.config.origin import Origin
from mtls_run.config.readers import not_a_path
from mtls_run.config.selection import Selection, select
from mtls_run.errors import ConfigurationError
from mtls_run.passphrase.sources import FromCommand, FromFile, FromKeyring, FromPrompt, FromVariable
from mtls_run.tools.base import PipScope
from tests.fuzz.examples import each_tier, for_all
from tests.unit.conftest import clean_environment
from tests.unit.support import Heard

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from mtls_run.config.layers import Configuration

__all__ = ["clean_environment"]

pytestmark = pytest.mark.fuzz
SAID = Origin("the test")


# --- configurations

EVERY_NAME = ("corp", "a.b", "X_1", "-", "0", "lab")
NAMES = st.sampled_from(EVERY_NAME)
# A path of a file; `~` is a home, a NUL no path's, and a variable or a URI no path.
PATHS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12
).filter(lambda text: not text.startswith("~") and not_a_path(text) is None)
SOURCES = st.one_of(
    st.just("keyring"),
    st.just("prompt"),
    st.builds(lambda path: {"file": path}, PATHS),
    st.builds(lambda name: {"env": name}, st.from_regex(r"[A-Z_]{1,9}", fullmatch=True)),
    st.builds(
        lambda words: {"command": ["op", *words]},
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5), max_size=3
        ),
    ),
)
DURATIONS = st.one_of(
    st.just("off"), st.builds("{}h{}m".format, st.integers(0, 999), st.integers(0, 99))
)
KEYS: dict[str, SearchStrategy[Any]] = {
    "client-cert": PATHS,
    "client-key": PATHS,
    "ca-cert": st.one_of(PATHS, st.lists(PATHS, max_size=3)),
    "roots": st.sampled_from(["system", "public", "environment", "none"]),
    "passphrase": SOURCES,
    "remember": DURATIONS,
    "extends": NAMES,
}
TABLES = st.dictionaries(NAMES, st.fixed_dictionaries({}, optional=KEYS), max_size=5)
LAYERS = st.fixed_dictionaries(
    {"profiles": TABLES},
    optional={"default-profile": NAMES, "expiry-notice-days": st.integers(0, 10**6)},
)
Tables = dict[str, dict[str, Any]]


def pair(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return the model's overlay: values replace, certificate and key as a pair."""
    if "client-cert" in over or "client-key" in over:
        base = {key: base[key] for key in base if key not in ("client-cert", "client-key")}
    return {**base, **over}


def model(name: str, layers: list[Tables]) -> dict[str, Any] | None:
    """Return what the contract says that a profile is; None where it says that it is an error."""
    laid: Tables = {}
    for layer in layers:
        for one, table in layer.items():
            laid[one] = pair(laid.get(one, {}), table)
    chain, current = [], name
    while True:
        if current in chain or current not in laid:
            return None
        chain.append(current)
        if "extends" not in laid[current]:
            break
        current = laid[current]["extends"]
    found: dict[str, Any] = {}
    for one in reversed(chain):
        found = pair(found, laid[one])
    found.pop("extends", None)
    if "client-cert" not in found and ("client-key" in found or "passphrase" in found):
        return None
    return found


def at(folder: Path) -> Callable[[Any], Any]:
    """Return what makes a path absolute, as a file in this directory means it."""
    return lambda said: folder / said


def meant(key: str, value: Any, folder: Path) -> object:
    """Return a value as the profile has it."""
    if key in ("client-cert", "client-key"):
        return folder / value
    if key == "ca-cert":
        return tuple(folder / one for one in ([value] if isinstance(value, str) else value))
    if key == "remember":
        hours, minutes = map(int, re.findall(r"\d+", value)) if value != "off" else (0, 0)
        return hours * 3600 + minutes * 60
    if key == "passphrase" and isinstance(value, dict):
        ((kind, detail),) = value.items()
        if kind == "command":
            return FromCommand(tuple(detail))
        return FromFile(folder / detail) if kind == "file" else FromVariable(detail)
    return {"keyring": FromKeyring(), "prompt": FromPrompt()}.get(value, value)


@each_tier(25, 400)
def test_layers_and_profiles_are_what_the_contract_says(tmp_path: Path, examples: int) -> None:
    """Any two files: every profile has the model's values, each from the file that says it."""
    for_all(examples, lambda system, user: agree(tmp_path, system, user), LAYERS, LAYERS)


def agree(folder: Path, system: dict[str, Any], user: dict[str, Any]) -> None:
    """Fail unless these two files mean what the model says."""
    paths = []
    for name, layer in (("system", system), ("user", user)):
        paths.append(folder / name / "config.toml")
        paths[-1].parent.mkdir(exist_ok=True)
        paths[-1].write_text(tomlkit.dumps(layer), encoding="utf-8")
    known = {**system["profiles"], **user["profiles"]}
    default = user.get("default-profile", system.get("default-profile"))
    extended = [table["extends"] for table in merged(system, user).values() if "extends" in table]
    environ = {"MTLS_RUN_CONFIG": str(paths[1])}
    if any(name not in known for name in [*extended, *([default] if default else [])]):
        with pytest.raises(ConfigurationError) as caught:
            configuration.load(environ, paths[0])
        place = rf"{re.escape(str(folder))}/(system|user)/config\.toml:\d+: "
        assert re.match(place, caught.value.fact)
        return
    found = configuration.load(environ, paths[0])
    assert (found.default_profile and found.default_profile.value) == default
    days = user.get("expiry-notice-days", system.get("expiry-notice-days", 14))
    assert found.expiry_notice_days.value == days
    for name in known:
        _agrees(found, name, [system["profiles"], user["profiles"]], paths)


def merged(*layers: dict[str, Any]) -> Tables:
    """Return the tables of profiles laid over each other."""
    laid: Tables = {}
    for layer in layers:
        for name, table in layer["profiles"].items():
            laid[name] = pair(laid.get(name, {}), table)
    return laid


def _agrees(found: Configuration, name: str, layers: list[Tables], paths: list[Path]) -> None:
    expected = model(name, layers)
    if expected is None:
        with pytest.raises(ConfigurationError) as caught:
            found.profile(name, SAID)
        assert re.search(r"config\.toml:\d+: ", caught.value.fact)
        return
    built = found.profile(name, SAID)
    for key in KEYS:
        if key == "extends":
            continue
        setting = getattr(built, key.replace("-", "_"))
        if key not in expected:
            assert setting is None or str(setting.origin) == "default", key
            continue
        folder = Path(str(setting.origin).rpartition(":")[0]).parent
        assert folder in [path.parent for path in paths]
        assert setting.value == meant(key, expected[key], folder), key


# --- precedence


ORDER = ("flag", "variable", "project", "directories", "default", "pip")


@each_tier(20, 300)
def test_precedence(tmp_path_factory: pytest.TempPathFactory, examples: int) -> None:
    """Whatever the sources say, and however far below: the first of the contract's order wins."""

    def first_wins(says: dict[str, str], depth: int) -> None:
        home = tmp_path_factory.mktemp("home", numbered=True)
        here = home / "work" / "/".join("abc"[:depth])
        here.mkdir(parents=True, exist_ok=True)
        selected = _select(home, here, says)
        first = next((source for source in ORDER if source in says), None)
        assert (selected.profile is None) == (first is None)
        if first is not None and selected.profile is not None:
            assert selected.profile.name == (None if first == "pip" else says[first])

    sources = st.dictionaries(st.sampled_from(ORDER), NAMES)
    for_all(examples, first_wins, sources, st.integers(0, 3))


def _select(home: Path, here: Path, says: dict[str, str]) -> Selection:
    text = f'default-profile = "{says["default"]}"\n' if "default" in says else ""
    text += "".join(f'[profiles."{name}"]\n' for name in EVERY_NAME)
    if "directories" in says:
        text += f'[[directories]]\npath = "{home}"\nprofile = "corp"\n'
        text += f'[[directories]]\npath = "work"\nprofile = "{says["directories"]}"\n'
    config = home / "config.toml"
    config.write_text(text)
    if "project" in says:
        (home / "work" / project.OWN).write_text(f'profile = "{says["project"]}"\n')
        found = project.find(here, {"HOME": str(home)}, Heard())
        assert found is not None
        project_trust.allow(found)
    environ = {"MTLS_RUN_CONFIG": str(config), "HOME": str(home)}
    environ.update({"MTLS_RUN_PROFILE": says["variable"]} if "variable" in says else {})
    environ["PIP_CONFIG_FILE"] = os.devnull
    environ.update({"PIP_CERT": "/ca.pem"} if "pip" in says else {})
    return select(
        configuration.load(environ, home / "none.toml"),
        environ,
        here,
        Heard(),
        flag=says.get("flag"),
        pip_scope=PipScope,
    )
