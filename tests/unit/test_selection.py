"""Which profile applies: the first source that has one, and it says what it won over."""

from __future__ import annotations

import itertools
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtls_run.config import project, project_trust
from mtls_run.config.origin import DEFAULT, Origin, Setting
from mtls_run.config.selection import Selection, select
from mtls_run.errors import ConfigurationError
from mtls_run.tools.base import PipScope
from tests.unit.support import Heard, configured, working_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.config.layers import Configuration

# The contract's order, best first. Each source names a profile of its own name, but for pip's
# settings, which are a profile without one.
SOURCES = ("flag", "variable", "project", "directories", "default", "pip")
NAMED = SOURCES[:-1]
# What is not even read where something before it has spoken.
ALONE = ("project", "pip")


@dataclass
class PipFiles:
    """Pip's settings by their variables, and how often it was asked which of them count."""

    cert: str | None = None
    client_cert: str | None = None
    asked: int = 0

    def scope(self) -> PipScope:
        """Return the scope of any call of pip."""
        self.asked += 1
        return PipScope(command="install")

    def environ(self) -> dict[str, str]:
        """Return the variables, and no file of pip's beside them."""
        said = {"PIP_CERT": self.cert, "PIP_CLIENT_CERT": self.client_cert}
        found = {name: value for name, value in said.items() if value is not None}
        return {"PIP_CONFIG_FILE": os.devnull, **found}


@dataclass
class Place:
    """A directory, and what says something about it."""

    configuration: Configuration
    directory: Path
    flag: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    pip: PipFiles | None = None
    reporter: Heard = field(default_factory=Heard)

    def select(self) -> Selection:
        """Return what is selected there."""
        environ = {"HOME": os.environ["HOME"], **self.environ}
        return select(
            self.configuration,
            environ if self.pip is None else {**environ, **self.pip.environ()},
            self.directory,
            self.reporter,
            flag=self.flag,
            pip_scope=None if self.pip is None else self.pip.scope,
        )


def place(tmp_path: Path, *sources: str, project_says: str = 'profile = "project"\n') -> Place:
    """Return a directory for which each of these sources names a profile of its own name."""
    directory = tmp_path / "home/project"
    directory.mkdir(exist_ok=True)
    text = 'default-profile = "default"\n' if "default" in sources else ""
    text += "".join(f"[profiles.{name}]\n" for name in NAMED)
    if "directories" in sources:
        text += '[[directories]]\npath = "~/project"\nprofile = "directories"\n'
    here = Place(configured(tmp_path, text), directory)
    if "flag" in sources:
        here.flag = "flag"
    if "variable" in sources:
        here.environ = {"MTLS_RUN_PROFILE": "variable"}
    if "project" in sources:
        (directory / project.OWN).write_text(project_says)
        found = project.find(directory, os.environ, Heard())
        assert found is not None
        project_trust.allow(found)
    if "pip" in sources:
        here.pip = PipFiles(cert="/pip/ca.pem")
    return here


def shown(tmp_path: Path, selection: Selection) -> list[tuple[str, str]]:
    """Return the winner and what it won over, in the words that the user reads."""
    assert selection.winner is not None
    choices = (selection.winner, *selection.won_over)
    return [(str(choice), str(choice.origin).replace(f"{tmp_path}/", "")) for choice in choices]


def expected(tmp_path: Path, sources: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return how each of the sources shows itself."""
    config = (tmp_path / "user/config.toml").read_text().splitlines()
    rule = config.index('path = "~/project"') + 2 if "directories" in sources else 0
    words = {
        "flag": ("profile flag", "--profile"),
        "variable": ("profile variable", "MTLS_RUN_PROFILE"),
        "project": ("profile project", "home/project/.mtls-run.toml:1"),
        "directories": ("profile directories", f"user/config.toml:{rule}"),
        "default": ("profile default", "user/config.toml:1"),
        "pip": ("pip's settings", "PIP_CERT"),
    }
    first, *others = sources
    return [words[name] for name in (first, *(name for name in others if name not in ALONE))]


COMBINATIONS = [names for count in (1, 2, 6) for names in itertools.combinations(SOURCES, count)]


@pytest.mark.parametrize("sources", COMBINATIONS, ids="-".join)
def test_precedence(tmp_path: Path, sources: tuple[str, ...]) -> None:
    """Of two sources, and of all, the first in the contract's order wins, and says what it beat."""
    here = place(tmp_path, *sources)
    found = here.select()
    assert found.profile is not None
    assert shown(tmp_path, found) == expected(tmp_path, sources)
    winner = sources[0]
    assert found.profile.name == (None if winner == "pip" else winner)
    assert found.winner is not None
    assert found.profile.origin is found.winner.origin
    if here.pip is not None:
        assert here.pip.asked == (1 if winner == "pip" else 0)
    assert here.reporter.notices == []


def test_none_applies(tmp_path: Path) -> None:
    """Where nothing names a profile none applies, though there are some."""
    assert place(tmp_path).select() == Selection(None)


def test_pip_says_nothing(tmp_path: Path) -> None:
    """Settings of pip that name neither `cert` nor `client-cert` choose nothing."""
    here = place(tmp_path)
    here.pip = PipFiles()
    assert here.select() == Selection(None)
    assert here.pip.asked == 1


@pytest.mark.parametrize(
    ("cert", "client"), [("/ca.pem", "/me.pem"), (None, "/me.pem"), ("/ca.pem", None)]
)
def test_what_pip_means(tmp_path: Path, cert: str | None, client: str | None) -> None:
    """Pip's `cert` is added to the system's roots, and what is set for uv wins over all of it."""
    here = place(tmp_path)
    here.pip = PipFiles(cert=cert, client_cert=client)
    found = here.select().profile
    assert found is not None
    assert (found.name, found.yields) == (None, True)
    assert (found.roots.value, found.roots.origin) == ("system", DEFAULT)
    assert found.client_cert == (client and Setting(Path(client), Origin("PIP_CLIENT_CERT")))
    assert (found.ca_cert and found.ca_cert.value) == (cert and (Path(cert),))
    assert found.origin == Origin("PIP_CLIENT_CERT" if client else "PIP_CERT")


def test_a_profile_of_its_own(tmp_path: Path) -> None:
    """A project file that holds a profile itself wins without a name, by its path."""
    says = 'roots = "public"\n'
    here = place(tmp_path, "project", "directories", "default", "pip", project_says=says)
    found = here.select()
    assert found.profile is not None
    assert (found.profile.name, found.profile.roots.value) == (None, "public")
    assert shown(tmp_path, found)[0] == (
        "the profile in the project file",
        "home/project/.mtls-run.toml",
    )
    assert [choice.name for choice in found.won_over] == ["directories", "default"]


def test_empty_variable(tmp_path: Path) -> None:
    """An empty MTLS_RUN_PROFILE names nothing."""
    here = place(tmp_path, "default")
    here.environ = {"MTLS_RUN_PROFILE": ""}
    found = here.select()
    assert found.profile is not None
    assert found.profile.name == "default"


@pytest.mark.parametrize("name", ["", "nobody", "a/b", "defaul", "default\n", "\x1b[2Jdefault"])
def test_wrong_name(tmp_path: Path, name: str) -> None:
    """A name that is given and that no profile has is an error, never passed over."""
    here = place(tmp_path, "default", "pip")
    here.flag = name
    with pytest.raises(ConfigurationError, match=r"^--profile: "):
        here.select()
    here.flag, here.environ = None, {"MTLS_RUN_PROFILE": name or "?"}
    with pytest.raises(ConfigurationError, match=r"^MTLS_RUN_PROFILE: "):
        here.select()


# --- the project file is not read where the user chooses


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _directory(path: Path) -> None:
    path.mkdir()


def _socket(path: Path) -> None:
    with working_in(path.parent), socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path.name)


def _broken(path: Path) -> None:
    path.write_text("profile = \n")


def _unknown(path: Path) -> None:
    path.write_text('profile = "nobody"\n')


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("chosen", [("flag",), ("variable",), ("flag", "variable")])
@pytest.mark.parametrize("put", [_fifo, _directory, _socket, _broken, _unknown, _loop])
def test_project_file_not_read(tmp_path: Path, put: object, chosen: tuple[str, ...]) -> None:
    """Whatever stands in the project file's place: who chooses a profile has it, without a word."""
    assert callable(put)
    here = place(tmp_path, *chosen, "default")
    put(here.directory / project.OWN)
    found = here.select()
    assert found.profile is not None
    assert found.profile.name == chosen[0]
    assert [choice.name for choice in found.won_over] == [*chosen[1:], "default"]
    here.flag, here.environ = None, {}
    with pytest.raises(ConfigurationError, match=r"\.mtls-run\.toml"):
        here.select()


# --- whether the project file counts


@pytest.mark.parametrize("anyway", ["directories", "default"])
def test_the_name_that_applies_anyway(tmp_path: Path, anyway: str) -> None:
    """To name the profile that would apply needs no `allow`, and the project file is the winner."""
    here = place(tmp_path, anyway, "pip")
    (here.directory / project.OWN).write_text(f'profile = "{anyway}"\n')
    found = here.select()
    assert found.profile is not None
    assert found.profile.name == anyway
    assert str(found.profile.origin) == f"{here.directory}/.mtls-run.toml:1"
    assert [choice.name for choice in found.won_over] == [anyway]


@pytest.mark.parametrize(
    ("sources", "named"),
    [
        ((), "default"),
        (("default",), "directories"),
        (("directories", "default"), "default"),
        (("pip",), "default"),
    ],
)
def test_any_other_name(tmp_path: Path, sources: tuple[str, ...], named: str) -> None:
    """To name another of the user's profiles, be it that of a weaker source, takes `allow`."""
    here = place(tmp_path, *sources)
    (here.directory / project.OWN).write_text(f'profile = "{named}"\n')
    with pytest.raises(ConfigurationError, match=f"names profile {named}, and is not allowed"):
        here.select()
    assert here.pip is None or here.pip.asked == 0


@pytest.mark.parametrize(
    "says", ['roots = "none"\n', 'ca-cert = "ca.pem"\n', 'extends = "default"\n']
)
def test_a_profile_of_its_own_is_asked_for(tmp_path: Path, says: str) -> None:
    """A profile in the project file counts only once it is allowed, also one that only extends."""
    here = place(tmp_path, "default")
    (here.directory / project.OWN).write_text(says)
    with pytest.raises(ConfigurationError, match=r"a profile of its own .* is not allowed"):
        here.select()


# --- the rules for directories

DIRECTORIES = """
[profiles.outer]
[profiles.inner]
[[directories]]
path = "~/src"
profile = "outer"
[[directories]]
path = "~/src/deep/inner"
profile = "inner"
"""


def chosen_in(configuration: Configuration, directory: Path) -> str | None:
    """Return the name of the profile that applies in the directory."""
    found = Place(configuration, directory).select().profile
    return None if found is None else found.name


@pytest.mark.parametrize("turned", [False, True], ids=["short first", "long first"])
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("src", "outer"),
        ("src/x", "outer"),
        ("src/deep", "outer"),
        ("src/deep/inner", "inner"),
        ("src/deep/inner/x/y", "inner"),
        ("src/deep/inner-not", "outer"),
        ("srcs", None),
        (".", None),
        ("link", "inner"),
        ("link/x", "inner"),
        ("src/out", None),
        ("gone/../src", "outer"),
    ],
)
def test_longest_match(tmp_path: Path, where: str, expected: str | None, turned: bool) -> None:
    """The longest directory at or above the current one wins, in any order, symlinks resolved."""
    home = tmp_path / "home"
    for folder in ("src/x", "src/deep/inner/x/y", "src/deep/inner-not", "srcs", "gone"):
        (home / folder).mkdir(parents=True)
    (home / "link").symlink_to("src/deep/inner")
    (home / "src/out").symlink_to("../srcs")
    text = DIRECTORIES
    if turned:
        profiles, first, second = text.split("[[directories]]")
        text = f"{profiles}[[directories]]{second}[[directories]]{first}"
    assert chosen_in(configured(tmp_path, text), home / where) == expected


def test_rule_by_a_link(tmp_path: Path) -> None:
    """A rule that names a link is a rule for where the link leads."""
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "home/link").symlink_to(real)
    text = '[profiles.a]\n[[directories]]\npath = "~/link"\nprofile = "a"\n'
    assert chosen_in(configured(tmp_path, text), real) == "a"
    assert chosen_in(configured(tmp_path, text), tmp_path / "home") is None


def test_longest_is_of_where_the_links_lead(tmp_path: Path) -> None:
    """A long name that leads to a short path is shorter than the real path below it."""
    home = tmp_path / "home"
    (home / "a/b").mkdir(parents=True)
    (home / "a-very-long-name").mkdir()
    (home / "a-very-long-name/and-a-link").symlink_to(home / "a")
    text = """
    [profiles.short]
    [profiles.long]
    [[directories]]
    path = "~/a-very-long-name/and-a-link"
    profile = "short"
    [[directories]]
    path = "~/a/b"
    profile = "long"
    """
    assert chosen_in(configured(tmp_path, text), home / "a/b") == "long"
    assert chosen_in(configured(tmp_path, text), home / "a") == "short"


def test_relative_rule(tmp_path: Path) -> None:
    """A relative path is relative to the file that has it, wherever the run starts."""
    (tmp_path / "user/below").mkdir(parents=True)
    text = '[profiles.a]\n[[directories]]\npath = "../user/below"\nprofile = "a"\n'
    configuration = configured(tmp_path, text)
    for current in (tmp_path, tmp_path / "user/below"):
        with working_in(current):
            assert chosen_in(configuration, tmp_path / "user/below") == "a"
            assert chosen_in(configuration, tmp_path / "user") is None
    with working_in(tmp_path / "user"):
        assert chosen_in(configuration, Path("below")) == "a"


def test_root_directory(tmp_path: Path) -> None:
    """A rule for `/` is the shortest of all."""
    text = f"""
    [profiles.all]
    [profiles.here]
    [[directories]]
    path = "/"
    profile = "all"
    [[directories]]
    path = "{tmp_path}"
    profile = "here"
    """
    configuration = configured(tmp_path, text)
    for where, expected in ((Path("/"), "all"), (Path("/etc"), "all"), (tmp_path / "x", "here")):
        assert chosen_in(configuration, where) == expected


def test_fleet_and_user(tmp_path: Path) -> None:
    """The user's rule for a directory replaces the fleet's, though it be spelt another way."""
    (tmp_path / "home/src").mkdir()
    (tmp_path / "home/link").symlink_to("src")
    fleet = """
    default-profile = "fleet"
    [profiles.fleet]
    [[directories]]
    path = "~/src"
    profile = "fleet"
    """
    user = '[profiles.mine]\n[[directories]]\npath = "~/link"\nprofile = "mine"\n'
    configuration = configured(tmp_path, user, fleet)
    assert chosen_in(configuration, tmp_path / "home/src") == "mine"
    assert chosen_in(configuration, tmp_path / "home") == "fleet"
