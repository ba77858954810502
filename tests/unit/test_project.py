"""The project file: where it is looked for, what it may be, and what it may say."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtls_run.config import project
from mtls_run.errors import ConfigurationError
from mtls_run.passphrase.sources import FromFile, FromKeyring, FromPrompt
from tests.strangers import STRANGER, give_away, sees_everything
from tests.unit.support import Heard, working_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mtls_run.config.project import ProjectFile

OWN, SHARED = project.OWN, project.SHARED
TABLE = '[tool.mtls-run]\nprofile = "corp"\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the home directory."""
    return tmp_path / "home"


def find(
    start: Path, reporter: Heard | None = None, environ: Mapping[str, str] | None = None
) -> ProjectFile | None:
    """Return the project file that speaks for a directory."""
    return project.find(start, {**os.environ, **(environ or {})}, reporter or Heard())


def refusal(start: Path, environ: Mapping[str, str] | None = None) -> ConfigurationError:
    """Return the error of the project file that speaks for a directory."""
    with pytest.raises(ConfigurationError) as caught:
        find(start, environ=environ)
    assert "Traceback" not in caught.value.fact
    return caught.value


def path_found(start: Path) -> Path | None:
    """Return the path of the project file that speaks for a directory."""
    found = find(start)
    return None if found is None else found.path


def write(path: Path, text: str | bytes = 'profile = "corp"\n', mode: int = 0o644) -> Path:
    """Write a project file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


# --- where it is looked for


@pytest.mark.parametrize("depth", ["", "a", "a/b/c"])
@pytest.mark.parametrize(("name", "text"), [(OWN, 'profile = "corp"\n'), (SHARED, TABLE)])
def test_here_or_above(home: Path, depth: str, name: str, text: str) -> None:
    """It is found in the directory itself and from any below."""
    path = write(home / "project" / name, text)
    start = home / "project" / depth
    start.mkdir(parents=True, exist_ok=True)
    found = find(start)
    assert found is not None
    assert (found.path, found.directory) == (path, path.parent)
    assert found.names is not None
    assert found.names.value == "corp"
    assert str(found.names.origin) == f"{path}:{2 if name == SHARED else 1}"


def test_none(home: Path) -> None:
    """Without one there is none, be the directory there or not."""
    assert find(home) is None
    assert find(home / "gone/away") is None


@pytest.mark.parametrize("above", [OWN, SHARED])
@pytest.mark.parametrize("below", [OWN, SHARED])
def test_nearest(home: Path, above: str, below: str) -> None:
    """The nearest directory that has either speaks; what stands above is not even read."""
    write(home / "a" / above, "broken = mtls-run")
    path = write(home / "a/b" / below, TABLE if below == SHARED else 'profile = "corp"\n')
    (home / "a/b/c").mkdir()
    assert path_found(home / "a/b/c") == path


def test_both_in_one_directory(home: Path) -> None:
    """Of the two in one directory `.mtls-run.toml` counts, with a notice that names both."""
    own, shared = write(home / "p" / OWN, 'profile = "own"\n'), write(home / "p" / SHARED, TABLE)
    heard = Heard()
    found = find(home / "p", heard)
    assert found is not None
    assert found.path == own
    assert found.names is not None
    assert found.names.value == "own"
    (notice,) = heard.notices
    assert str(own) in notice
    assert str(shared) in notice


@pytest.mark.parametrize("text", ["", "[project]\nname = 'x'\n", "broken mtls-run ["])
def test_a_pyproject_beside_it(home: Path, text: str) -> None:
    """A pyproject.toml that has no say beside `.mtls-run.toml` is no matter, and no notice."""
    own = write(home / "p" / OWN)
    write(home / "p" / SHARED, text)
    heard = Heard()
    found = find(home / "p", heard)
    assert found is not None
    assert found.path == own
    assert heard.notices == []


def test_ends_at_home(tmp_path: Path, home: Path) -> None:
    """Started at home or below, the search looks at home and not above."""
    above = write(tmp_path / OWN)
    (home / "a/b").mkdir(parents=True)
    for start in (home, home / "a/b"):
        assert find(start) is None
    at_home = write(home / OWN)
    assert path_found(home / "a/b") == at_home
    assert path_found(home) == at_home
    at_home.unlink()
    assert path_found(tmp_path) == above


def test_beside_home(tmp_path: Path) -> None:
    """Started elsewhere, it goes on to the root: home's parent may hold the file."""
    above = write(tmp_path / OWN)
    for start in (tmp_path / "elsewhere/deep", tmp_path / "home-not"):
        start.mkdir(parents=True)
        assert path_found(start) == above


def test_home_by_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home directory named by a link is home where the link leads, from either side."""
    write(tmp_path / OWN)
    real = tmp_path / "volumes/home"
    (real / "a").mkdir(parents=True)
    write(tmp_path / "volumes" / OWN)
    (tmp_path / "link").symlink_to(real)
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    for start in (real / "a", tmp_path / "link/a", tmp_path / "link"):
        assert find(start) is None


def test_a_linked_directory(home: Path) -> None:
    """A directory reached by a link has the project file of where it really is."""
    path = write(home / "real" / OWN)
    (home / "real/sub").mkdir()
    write(home / "fake" / OWN)
    (home / "fake/link").symlink_to(home / "real/sub")
    assert path_found(home / "fake/link") == path


def test_a_relative_start(home: Path) -> None:
    """A relative directory is one of the current directory, and what is found is absolute."""
    path = write(home / "p" / OWN)
    (home / "p/sub").mkdir()
    with working_in(home / "p"):
        assert path_found(Path("sub")) == path
        assert path_found(Path()) == path


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o703, 0o2777])
@pytest.mark.parametrize("name", [OWN, SHARED])
def test_world_writable_directories(home: Path, mode: int, name: str) -> None:
    """A directory that everybody may write, sticky or not, is passed over; those above are not."""
    open_to_all = home / "a/open"
    write(open_to_all / name, TABLE if name == SHARED else 'profile = "corp"\n')
    (open_to_all / "below").mkdir()
    open_to_all.chmod(mode)
    try:
        assert find(open_to_all) is None
        assert find(open_to_all / "below") is None
        above = write(home / "a" / OWN)
        assert path_found(open_to_all / "below") == above
        inside = write(open_to_all / "below" / OWN)
        assert path_found(open_to_all / "below") == inside
    finally:
        open_to_all.chmod(0o700)


@pytest.mark.parametrize("mode", [0o775, 0o750, 0o755, 0o555])
def test_ordinary_directories(home: Path, mode: int) -> None:
    """A directory that a group may write is ordinary; what counts is who can write the file."""
    path = write(home / "p" / OWN)
    path.parent.chmod(mode)
    try:
        assert path_found(home / "p") == path
    finally:
        path.parent.chmod(0o700)


def test_a_directory_of_another_user(home: Path) -> None:
    """Another user's directory is passed over (git CVE-2022-24765); one's own is not."""
    path = write(home / "theirs" / OWN)
    (home / "theirs/mine").mkdir()
    given = give_away(home / "theirs", path)
    heard = Heard()
    found = find(home / "theirs/mine", heard)
    assert (found is None) is given
    assert any("belongs to" in detail for detail in heard.details) is given
    above = write(home / OWN)
    assert path_found(home / "theirs/mine") == (above if given else path)


def test_under_sudo(home: Path) -> None:
    """Under sudo the caller's repository counts; to anybody but root the variable says nothing."""
    path = write(home / "theirs" / OWN)
    given = give_away(home / "theirs", path)
    found = find(home / "theirs", environ={"SUDO_UID": str(STRANGER)})
    assert found is not None
    assert found.path == path
    assert (find(home / "theirs", environ={"SUDO_UID": "12345"}) is None) is given


# --- pyproject.toml


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[project]\nname = 'x'\n",
        b"[tool.other]\nprofile = 'corp'\n",
        b"[project]\ndependencies = ['mtls-run']\n",
        b"[mtls-run]\nprofile = 'corp'\n",
        b"tool = 'mtls-run'\n",
        b"tool = ['mtls-run']\n",
        b"# mtls-run\n",
        b"[tool\nbroken = [",
        b"\xff\xfe\x00not UTF-8",
        b"name = '\x00'",
        b"#" * (10 * 1024 * 1024),
        b"x = 1\n" * 2_000_000,
    ],
    ids=lambda content: repr(content[:20]),
)
def test_pyproject_without_the_table(home: Path, content: bytes) -> None:
    """A pyproject.toml without the table is passed over, broken, huge or not; the next speaks."""
    write(home / "a/b" / SHARED, content)
    assert find(home / "a/b") is None
    above = write(home / "a" / OWN)
    assert path_found(home / "a/b") == above


def test_pyproject_without_the_table_is_anybodys(home: Path) -> None:
    """One that merely mentions mtls-run may be anybody's, and be written by anybody."""
    path = write(home / "p" / SHARED, "[project]\ndependencies = ['mtls-run']\n", 0o666)
    assert find(home / "p") is None
    path.chmod(0o644)
    give_away(path)
    assert find(home / "p") is None


@pytest.mark.parametrize("kind", ["directory", "fifo", "dangling", "loop", "socket", "unreadable"])
def test_pyproject_that_is_no_file(home: Path, kind: str) -> None:
    """What stands in pyproject.toml's place and is no file says nothing."""
    path = home / "p" / SHARED
    path.parent.mkdir()
    PUT[kind](path)
    assert find(home / "p") is None


@pytest.mark.parametrize(
    "text",
    [
        '[tool]\nmtls-run = { profile = "corp" }\n',
        'tool.mtls-run.profile = "corp"\n',
        '[tool."mtls-run"]\nprofile = "corp"\n',
        "[tool.'mtls-run']\nprofile = 'corp'\n",
        "\ufeff[tool.mtls-run]\r\nprofile = 'corp'\r\n",
    ],
)
def test_spellings_of_the_table(home: Path, text: str) -> None:
    """The table is the table, however TOML spells it, with CRLF and a BOM as well."""
    path = write(home / "p" / SHARED, text)
    found = find(home / "p")
    assert found is not None
    assert found.names is not None
    assert (found.path, found.names.value) == (path, "corp")


@pytest.mark.parametrize("spelt", ['"mtls\\u002drun"', '"\\u006dtls-run"', '"mtls\\u002Drun"'])
def test_a_table_hidden_by_escapes(home: Path, spelt: str) -> None:
    """A table whose name no reviewer can search for says nothing, or is as little believed."""
    write(home / "p" / SHARED, f"[tool.{spelt}]\nroots = 'none'\n")
    plain = write(home / "q" / SHARED, "[tool.mtls-run]\nroots = 'none'\n")
    hidden, shown = find(home / "p"), find(plain.parent)
    assert shown is not None
    assert hidden is None or hidden.says == shown.says


@pytest.mark.parametrize("value", ["1", "'corp'", "[]", "[{profile = 'corp'}]"])
def test_pyproject_where_the_table_is_none(home: Path, value: str) -> None:
    """Something else under the table's name is an error with its line."""
    path = write(home / "p" / SHARED, f"\n[tool]\nmtls-run = {value}\n")
    error = refusal(home / "p")
    assert error.fact.startswith(f"{path}:3: ")
    assert "a table" in str(error.hint)


def test_pyproject_that_is_broken_beside_the_table(home: Path) -> None:
    """A pyproject.toml with the table and an error of TOML is an error with its line."""
    path = write(home / "p" / SHARED, f"{TABLE}x = [\n")
    assert refusal(home / "p").fact.startswith(f"{path}:")


def test_the_whole_file_or_the_table(home: Path) -> None:
    """Of pyproject.toml the table alone is what is said; of `.mtls-run.toml` every byte."""

    def says(name: str, text: str) -> str:
        path = write(home / "p" / name, text)
        found = find(home / "p")
        assert found is not None
        path.unlink()
        return found.says

    table = '[tool.mtls-run]\nroots = "none"\nca-cert = ["a", "b"]\n'
    shared = says(SHARED, table)
    assert shared == says(SHARED, f"[project]\ndependencies = ['x']\n{table}[tool.x]\ny = 1\n")
    assert shared == says(SHARED, '[tool]\nmtls-run = {ca-cert = ["a","b"], roots = "none"}\n')
    for other in (
        table.replace("none", "public"),
        table.replace('"a", "b"', '"b", "a"'),
        table.replace('["a", "b"]', '"a"'),
        f'{table}remember = "8h"\n',
    ):
        assert says(SHARED, other) != shared
    own = says(OWN, 'roots = "none"\n')
    assert own != says(OWN, 'roots = "none"\n\n')
    assert own == says(OWN, 'roots = "none"\n')


# --- what may stand in the place of .mtls-run.toml


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _directory(path: Path) -> None:
    path.mkdir()


def _socket(path: Path) -> None:
    with working_in(path.parent), socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path.name)


def _dangling(path: Path) -> None:
    path.symlink_to("gone")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _unreadable(path: Path) -> None:
    write(path, "", 0o000)


PUT: dict[str, Callable[[Path], None]] = {
    "fifo": _fifo,
    "directory": _directory,
    "socket": _socket,
    "dangling": _dangling,
    "loop": _loop,
    "unreadable": _unreadable,
}


@pytest.mark.parametrize("kind", ["fifo", "directory", "socket", "dangling", "loop"])
def test_no_file(home: Path, kind: str) -> None:
    """What is no file is an error that names it, at once, with the way past it."""
    path = home / "p" / OWN
    path.parent.mkdir()
    PUT[kind](path)
    began = time.monotonic()
    error = refusal(home / "p")
    assert time.monotonic() - began < 5
    assert str(path) in error.fact
    assert "--profile" in str(error.hint)


def test_unreadable(home: Path) -> None:
    """A file that may not be read is an error, not none; root reads it."""
    path = write(home / "p" / OWN, mode=0o000)
    if sees_everything():
        assert path_found(home / "p") == path
        return
    error = refusal(home / "p")
    assert error.fact == f"cannot read the project file {path}: Permission denied"
    assert "--profile" in str(error.hint)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"#" * (10 * 1024 * 1024), "is larger than"),
        (b"x = 1\n" * 2_000_000, "is larger than"),
        (b'profile = "co\x00rp"\n', ":1: "),
        (b"\x00" * 100, ":1: "),
        (b'\nprofile = "\xe4"\n', ":2: the project file is not UTF-8"),
        (b"\xff\xfep\x00", ":1: the project file is not UTF-8"),
        (b'profile = "corp"\nprofile = "corp"\n', ":2: "),
        (b"\n\nprofile = corp\n", ":3: "),
        (b'profile = "corp\n', ":1: "),
        (b"x = " + b"[" * 100_000, "nested too deeply"),
        (b"x = " + b"{a=" * 100_000, "nested too deeply"),
        (b"x = 1" + b"0" * 5000, OWN),
        (b"a." * 3000 + b"a = 1", OWN),
        (b"[" + b"a." * 3000 + b"a]\n", OWN),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
def test_content_that_is_none(home: Path, content: bytes, words: str) -> None:
    """What is no TOML in UTF-8 of a sensible size is an error of the file, and no other failure."""
    path = write(home / "p" / OWN, content)
    error = refusal(home / "p")
    assert str(path) in error.fact
    assert words in error.fact


@pytest.mark.parametrize(
    "value", ["a." * 3000 + "a = 1", "x = 1" + "0" * 5000, "x = " + "[" * 9999]
)
def test_content_that_is_none_in_pyproject(home: Path, value: str) -> None:
    """The same in the table of pyproject.toml."""
    path = write(home / "p" / SHARED, f"[tool.mtls-run]\n{value}\n")
    assert str(path) in refusal(home / "p").fact


def test_a_long_list_is_no_hang(home: Path) -> None:
    """A mistake after a list of thousands of lines is told at once: nobody has allowed this yet."""
    path = write(home / "p" / OWN, "ca-cert = [\n" + '"a",\n' * 2000 + "]\nzz = 1\n")
    began = time.monotonic()
    error = refusal(home / "p")
    assert time.monotonic() - began < 5
    assert error.fact.startswith(str(path))
    assert "`zz`" in error.fact


# --- owners


def test_a_file_of_another_user(home: Path) -> None:
    """Another user's file in one's own directory is an error that names the owner."""
    path = write(home / "p" / OWN)
    if not give_away(path):
        assert path_found(home / "p") == path
        return
    error = refusal(home / "p")
    assert error.fact == f"the project file {path} belongs to {pwd.getpwuid(STRANGER).pw_name}"
    assert "--profile" in str(error.hint)
    assert refusal(home / "p", {"SUDO_UID": "12345"}).fact == error.fact
    found = find(home / "p", environ={"SUDO_UID": str(STRANGER)})
    assert found is not None


def test_judged_at_its_target(home: Path) -> None:
    """A link is as good as what it leads to: whose the link is does not matter."""
    theirs, mine = write(home / "theirs"), write(home / "mine", 'profile = "mine"\n')
    for name, target in (("to-theirs", theirs), ("to-mine", mine)):
        (home / name).mkdir()
        (home / name / OWN).symlink_to(target)
    given = give_away(theirs, home / "to-mine" / OWN)
    found = find(home / "to-mine")
    assert found is not None
    assert found.path == home / "to-mine" / OWN
    if given:
        assert "belongs to" in refusal(home / "to-theirs").fact
    else:
        assert path_found(home / "to-theirs") == home / "to-theirs" / OWN
    mine.chmod(0o666)
    assert "every user can write" in refusal(home / "to-mine").fact


def test_root_owned(home: Path) -> None:
    """Root's read-only file is accepted, here a file of the system that a link leads to."""
    path = home / "p" / OWN
    path.parent.mkdir()
    path.symlink_to("/etc/passwd")
    assert Path("/etc/passwd").stat().st_uid == 0
    assert "not valid TOML" in refusal(home / "p").fact
    path.unlink()
    write(path, mode=0o444)
    assert path_found(home / "p") == path


@pytest.mark.parametrize(
    ("mode", "accepted"),
    [(0o644, True), (0o600, True), (0o444, True), (0o666, False), (0o646, False), (0o602, False)],
)
@pytest.mark.parametrize("name", [OWN, SHARED])
def test_writable_by_everybody(home: Path, name: str, mode: int, accepted: bool) -> None:
    """A file that everybody may write is an error that says how to mend it."""
    path = write(home / "p" / name, TABLE if name == SHARED else 'profile = "corp"\n', mode)
    if accepted:
        assert path_found(home / "p") == path
        return
    error = refusal(home / "p")
    assert error.fact == f"every user can write the project file {path}"
    assert error.hint == f"chmod go-w {path}"


def test_writable_by_a_group(home: Path) -> None:
    """The user's private group may write the file, a shared one may not."""
    path = write(home / "p" / OWN, mode=0o664)
    if sees_everything():
        os.chown(path, 0, 0)
        assert path_found(home / "p") == path
        os.chown(path, 0, STRANGER)
        assert refusal(home / "p").fact == f"its group can write the project file {path}"
        return
    user = pwd.getpwuid(os.geteuid())
    for gid in os.getgroups():
        os.chown(path, -1, gid)
        group = grp.getgrgid(gid)
        private = gid == user.pw_gid and group.gr_name == user.pw_name
        if private and set(group.gr_mem) <= {user.pw_name}:
            assert path_found(home / "p") == path
        else:
            assert "its group can write" in refusal(home / "p").fact
    path.chmod(0o644)
    assert path_found(home / "p") == path


# --- what it may say


def said(home: Path, text: str, name: str = OWN) -> ProjectFile:
    """Return what a project file with this text says."""
    write(home / "p" / name, text)
    found = find(home / "p")
    assert found is not None
    return found


def test_a_profile_of_its_own(home: Path) -> None:
    """Every key of a profile is read; paths are relative to the file, `~` is home."""
    text = """
client-cert = "pki/me.pem"
client-key = "/abs/key.pem"
ca-cert = ["ca.pem", "~/ca.pem", "../up.pem"]
roots = "none"
passphrase = { file = "secret" }
extends = "base"
remember = "1h"
"""
    here = home / "p"
    for name, prefix, first in ((OWN, "", 2), (SHARED, "[tool.mtls-run]", 2)):
        found = said(home, prefix + text, name)
        assert found.names is None
        assert {key: setting.value for key, setting in found.settings.items()} == {
            "client-cert": here / "pki/me.pem",
            "client-key": Path("/abs/key.pem"),
            "ca-cert": (here / "ca.pem", home / "ca.pem", here / "../up.pem"),
            "roots": "none",
            "passphrase": FromFile(here / "secret"),
            "extends": "base",
            "remember": 3600,
        }
        lines = [str(setting.origin) for setting in found.settings.values()]
        assert lines == [f"{here / name}:{first + number}" for number in range(7)]
        (here / name).unlink()


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ('passphrase = "keyring"', FromKeyring()),
        ('passphrase = "prompt"', FromPrompt()),
    ],
)
def test_passphrase_of_the_user(home: Path, text: str, source: object) -> None:
    """The keyring and the prompt are the user's, and may be named."""
    assert said(home, text).settings["passphrase"].value == source


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{ command = ["touch", "marker"] }', "command"),
        ('{ command = ["./run"] }', "command"),
        ('{ env = "HOME" }', "variable"),
    ],
)
@pytest.mark.parametrize("name", [OWN, SHARED])
def test_no_programs(home: Path, name: str, text: str, kind: str) -> None:
    """A command or a variable for the passphrase is refused with its line."""
    head = "[tool.mtls-run]\n" if name == SHARED else "\n"
    path = write(home / "p" / name, f'{head}roots = "none"\npassphrase = {text}\n')
    error = refusal(home / "p")
    assert error.fact == f"{path}:3: a project file may not name a {kind} for the passphrase"
    assert "your own configuration" in str(error.hint)


@pytest.mark.parametrize(
    ("key", "close"),
    [
        ("clientcert", "client-cert"),
        ("client_cert", "client-cert"),
        ("ca_cert", "ca-cert"),
        ("profil", "profile"),
        ("root", "roots"),
        ("extend", "extends"),
        ("pasphrase", "passphrase"),
    ],
)
@pytest.mark.parametrize("name", [OWN, SHARED])
def test_unknown_key(home: Path, name: str, key: str, close: str) -> None:
    """An unknown key is an error with file, line and the nearest right spelling."""
    head = "[tool.mtls-run]\n" if name == SHARED else "\n"
    path = write(home / "p" / name, f'{head}\n# why\n{key} = "x"\n')
    error = refusal(home / "p")
    assert error.fact.startswith(f"{path}:4: unknown key")
    assert f"`{key}`" in error.fact
    assert error.hint == f"did you mean `{close}`?"


@pytest.mark.parametrize(
    "text",
    [
        'trusted-directories = ["."]',
        'default-profile = "corp"',
        "expiry-notice-days = 1",
        '[profiles.corp]\nroots = "none"',
        '[[directories]]\npath = "."\nprofile = "corp"',
        "allow = true",
    ],
)
@pytest.mark.parametrize("name", [OWN, SHARED])
def test_only_the_user_says(home: Path, name: str, text: str) -> None:
    """What concerns more than one profile is the user's to say (mise GHSA-436v-8fw5-4mj8)."""
    if name == SHARED:
        text = text.replace("[[dir", "[[tool.mtls-run.dir").replace("[prof", "[tool.mtls-run.prof")
        text = f"[tool.mtls-run]\n{text}"
    path = write(home / "p" / name, f"{text}\n")
    line = 2 if name == SHARED else 1
    assert refusal(home / "p").fact.startswith(f"{path}:{line}: unknown key")


@pytest.mark.parametrize(
    "other", ['roots = "none"', 'ca-cert = "ca.pem"', 'extends = "base"', "zz = 1"]
)
@pytest.mark.parametrize("first", [True, False])
def test_a_name_and_more(home: Path, other: str, first: bool) -> None:
    """A file that names a profile holds nothing else, in either order."""
    lines = ['profile = "corp"', other]
    path = write(home / "p" / OWN, "\n".join(lines if first else lines[::-1]) + "\n")
    error = refusal(home / "p")
    assert error.fact.startswith(f"{path}:{1 if first else 2}: ")
    assert f"`{other.split(maxsplit=1)[0]}`" in error.fact
    assert "names a profile" in error.fact


@pytest.mark.parametrize(
    "name", ["", "a/b", "../x", "a b", "a\\nb", "\\u001b[2J", "ä", "file:/x", "a\\u0000"]
)
def test_names(home: Path, name: str) -> None:
    """A name that cannot name a profile is an error with its line, for `extends` as well."""
    for key in ("profile", "extends"):
        path = write(home / "p" / OWN, f'{key} = "{name}"\n')
        assert refusal(home / "p").fact.startswith(f"{path}:1: ")


@pytest.mark.parametrize(
    "text",
    [
        "profile = 1",
        'profile = ["corp"]',
        "ca-cert = 1",
        "ca-cert = [1]",
        'client-cert = ["a"]',
        'client-cert = ""',
        'client-cert = "a\\u0000b"',
        'roots = "nowhere"',
        "passphrase = 'hunter2 hunter2'",
        "passphrase = {}",
        'passphrase = { file = "a", env = "B" }',
        'remember = "long"',
        'cert = "a"\nca-cert = "b"',
    ],
)
def test_wrong_values(home: Path, text: str) -> None:
    """A wrong type or value is an error with file and line, and repeats no passphrase."""
    path = write(home / "p" / OWN, f"{text}\n")
    error = refusal(home / "p")
    assert error.fact.startswith(f"{path}:1: ")
    assert "hunter2" not in f"{error.fact}{error.hint}"


def test_named_files(home: Path) -> None:
    """The files that count as named are those below the project, links judged at both ends."""
    here = home / "p"
    write(here / "real/ca.pem", "")
    write(home / "outside.pem", "")
    (here / "out").symlink_to(home / "outside.pem")
    (home / "in").symlink_to(here / "real")
    found = said(
        home,
        f"""
client-cert = "missing.pem"
client-key = "~/outside.pem"
ca-cert = ["real/ca.pem", "out", "{home}/in/ca.pem", "/etc/passwd", "../outside.pem", "real/ca.pem"]
passphrase = {{ file = "./sub/../secret" }}
""",
    )
    assert set(map(Path, found.named_files())) == {
        here / "missing.pem",
        here / "real/ca.pem",
        here / "out",
        home / "in/ca.pem",
        here / "sub/../secret",
    }


def test_a_name_beside_the_project(home: Path) -> None:
    """A directory whose name merely begins like the project's is not below it."""
    found = said(home, 'ca-cert = "../p-evil/ca.pem"\n')
    assert found.named_files() == ()
