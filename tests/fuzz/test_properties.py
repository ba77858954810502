"""What has to hold for every configuration and every command line, tried with many of them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtls_run import cli
from mtls_run.config import edit, project, project_trust
from mtls_run.config import layers as configuration
from mtls_run.config.origin import Origin, Setting
from mtls_run.config.pip_settings import PipSettings
from mtls_run.config.selection import Situation, select
from mtls_run.errors import ConfigurationError
from mtls_run.passphrase.sources import FromCommand, FromFile, FromKeyring, FromPrompt, FromVariable
from mtls_run.tools import uv_indexes
from mtls_run.tools.registry import ADAPTERS, recognise
from tests.unit.conftest import clean_environment
from tests.unit.support import Heard

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from mtls_run.config.layers import Configuration

__all__ = ["clean_environment"]

pytestmark = [pytest.mark.slow, pytest.mark.fuzz]
SAID = Origin("the test")
INPUTS: dict[str, int] = {}


@pytest.fixture(autouse=True)
def _counted(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """Record how many examples the test has."""
    record_property("inputs", INPUTS[request.function.__name__])


def many(count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the settings for so many examples, none of which depends on a run before."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        INPUTS[test.__name__] = count
        return settings(
            max_examples=count,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        )(test)

    return decorate


# --- configurations

NAMES = st.sampled_from(["corp", "a.b", "X_1", "-", "0", "lab"])
# A path of a file; `~` is a home, and a NUL no path's.
PATHS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12
).filter(lambda text: not text.startswith("~"))
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


def meant(key: str, value: Any, folder: Path) -> object:  # noqa: ANN401 - as TOML has it
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


@many(400)
@given(system=LAYERS, user=LAYERS)
def test_layers_and_profiles_are_what_the_contract_says(
    tmp_path: Path, system: dict[str, Any], user: dict[str, Any]
) -> None:
    """Any two files: every profile has the model's values, each said by the file that says it."""
    paths = []
    for name, layer in (("system", system), ("user", user)):
        paths.append(tmp_path / name / "config.toml")
        paths[-1].parent.mkdir(exist_ok=True)
        paths[-1].write_text(tomlkit.dumps(layer), encoding="utf-8")
    known = {**system["profiles"], **user["profiles"]}
    default = user.get("default-profile", system.get("default-profile"))
    extended = [table["extends"] for table in merged(system, user).values() if "extends" in table]
    environ = {"MTLS_RUN_CONFIG": str(paths[1])}
    names = [*extended, *([default] if default else [])]
    if any(name not in known for name in names):
        with pytest.raises(ConfigurationError) as caught:
            configuration.load(environ, paths[0])
        place = rf"{re.escape(str(tmp_path))}/(system|user)/config\.toml:\d+: "
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


MISTAKES = st.sampled_from(
    [
        'client-crt = "x"',
        "client-cert = 1",
        "roots = 'sistem'",
        "passphrase = 'hunter2 is no source'",
        "passphrase = { file = 'a', env = 'B' }",
        "remember = '8 hours'",
        "extends = 'no such'",
        "ca-cert = [1]",
        "client-cert = ''",
        "= 1",
        "x",
        "[profiles.corp]",
        "roots = ",
        'client-key = "a" "b"',
    ]
)


@many(800)
@given(
    before=st.lists(st.sampled_from(["", "# words", "# more = 1"]), max_size=6), mistake=MISTAKES
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, before: list[str], mistake: str) -> None:
    """Wherever a mistake stands, the error has the file, the very line, and a hint."""
    path = tmp_path / "config.toml"
    lines = ["[profiles.corp]", *before, mistake]
    path.write_text("\n".join([*lines, "", "[profiles.other]", ""]))
    with pytest.raises(ConfigurationError) as caught:
        configuration.load({"MTLS_RUN_CONFIG": str(path)}, tmp_path / "none.toml")
    assert caught.value.fact.startswith(f"{path}:{len(lines)}: ")
    assert caught.value.hint
    assert "hunter2" not in caught.value.fact + caught.value.hint


# --- precedence


@many(400)
@given(
    says=st.dictionaries(
        st.sampled_from(["flag", "variable", "project", "directories", "default", "pip"]),
        NAMES,
    ),
    depth=st.integers(0, 3),
)
def test_precedence(
    tmp_path_factory: pytest.TempPathFactory, says: dict[str, str], depth: int
) -> None:
    """Whatever the sources say, and however far below: the first of the contract's order wins."""
    home = tmp_path_factory.mktemp("home", numbered=True)
    here = home / "work" / "/".join("abc"[:depth])
    here.mkdir(parents=True, exist_ok=True)
    names = ["corp", "a.b", "X_1", "-", "0", "lab"]
    text = f'default-profile = "{says["default"]}"\n' if "default" in says else ""
    text += "".join(f'[profiles."{name}"]\n' for name in names)
    text += f'[[directories]]\npath = "{home}"\nprofile = "corp"\n' if "directories" in says else ""
    if "directories" in says:
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
    pip = PipSettings(cert=Setting(Path("/ca.pem"), SAID))
    selected = select(
        Situation(
            flag=says.get("flag"),
            environ=environ,
            directory=here,
            configuration=configuration.load(environ, home / "none.toml"),
            reporter=Heard(),
            pip=(lambda: pip) if "pip" in says else None,
        )
    )
    order = ("flag", "variable", "project", "directories", "default", "pip")
    first = next((source for source in order if source in says), None)
    if first is None:
        assert selected.profile is None
        return
    assert selected.profile is not None
    assert selected.profile.name == (None if first == "pip" else says[first])


# --- command lines

WORDS = st.one_of(
    st.text(max_size=6),
    st.binary(max_size=6).map(os.fsdecode),
    st.sampled_from(
        ["--", "-", "", "-p", "--profile", "--help", "install", "=", "--cert", "-m", "run"]
    ),
)
OPTIONS = st.lists(
    st.sampled_from(
        [
            *(["-q"], ["--quiet"], ["-p", "corp"], ["-pcorp"], ["--profile=corp"]),
            *(["--profile", "corp"], ["--handoff", "memfd"], ["--handoff=supervise"]),
            *(["--explain"], ["--explain", "--json"]),
        ]
    ),
    max_size=4,
)
TOOLS = st.sampled_from(
    [["pip"], ["pip3"], ["/x/pip3.11"], ["uv"], ["uvx"], ["./uv"], ["python3", "-m", "pip"]]
)


@many(1500)
@given(options=OPTIONS, tool=TOOLS, words=st.lists(WORDS, max_size=8), dashes=st.booleans())
def test_arguments_are_what_was_typed(
    options: list[list[str]], tool: list[str], words: list[str], dashes: bool
) -> None:
    """Whatever options stand before the tool, its words are those that were typed."""
    typed = [word for option in options for word in option] + (["--"] if dashes else [])
    found = cli.parse([*typed, *tool, *words])
    assert found.subcommand is None
    assert found.words == (*tool, *words)
    call = recognise(found.words, any_program=False)
    assert (*call.prefix, *call.arguments) == found.words
    adapter = ADAPTERS[call.kind]
    adapter.overrides(call)
    adapter.pip_command(call)
    adapter.skip_reason(call, {})


# --- edits

COMMENTS = st.sampled_from(["", "# words\n", "\n\n", "  # more\n", "\t\n"])


@many(800)
@given(
    tables=st.lists(
        st.tuples(NAMES, st.sampled_from(["roots = 'none'", "'roots'=\"public\" # x"]))
    ),
    between=st.lists(COMMENTS, min_size=8, max_size=8),
    ends=st.sampled_from(["\n", "\r\n"]),
    name=st.sampled_from(["new", "new.er", "corp"]),
    values=st.dictionaries(
        st.sampled_from(["client-cert", "client-key", "roots"]),
        st.text(st.characters(codec="utf-8"), max_size=9),
        min_size=1,
    ),
)
def test_edits_keep_every_other_byte(
    tables: list[tuple[str, str]],
    between: list[str],
    ends: str,
    name: str,
    values: dict[str, str],
) -> None:
    """A profile that comes and goes leaves each line of the others as it was, byte by byte."""
    distinct = [(n, t) for n, t in dict(tables).items() if n != name]
    text = "default-profile = 'x'   # first\n"
    for (one, line), words in zip(distinct, between):
        text += f'{words}[profiles."{one}"]\n{line}\n'
    before = text.replace("\n", ends).encode()
    added = edit.put_profile(before, name, values)
    assert added.startswith(before.rstrip())
    changed = edit.put_profile(added, name, {"roots": "none"})
    assert changed.startswith(before.rstrip())
    gone = edit.drop(changed, ("profiles", name))
    assert gone.rstrip() == before.rstrip()
    assert {line for line in gone.split(b"\n") if line.strip()} <= set(before.split(b"\n"))


# --- URLs

PARTS = st.text(st.characters(codec="utf-8", exclude_characters="@/?#:"), min_size=0, max_size=6)


@many(1500)
@given(
    scheme=st.sampled_from(["https", "http", "git+ssh", "socks5h"]),
    user=PARTS,
    junk=st.text(st.characters(codec="utf-8", exclude_characters="/?#"), max_size=6),
    where=st.tuples(
        st.sampled_from(["index.example", "[::1]", "10.0.0.1", "h"]), st.sampled_from(["", ":8443"])
    ),
    rest=st.sampled_from(["", "/", "/simple/?a=b#c", "?x=@y", "/a@b/"]),
)
def test_no_password_is_shown(
    scheme: str, user: str, junk: str, where: tuple[str, str], rest: str
) -> None:
    """Whatever stands around it, a password in a URL is not in what is shown, and the host is."""
    host, port = where
    shown = uv_indexes.without_password(f"{scheme}://{user}:hunter2{junk}@{host}{port}{rest}")
    assert "hunter2" not in shown
    assert shown.endswith(f"@{host}{port}{rest}")
