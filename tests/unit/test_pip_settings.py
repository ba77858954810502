"""pip's own settings are read as pip reads them; what is broken is an error with file and line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run.config import document, pip_settings
from mtls_run.config.pip_settings import PipSettings
from mtls_run.errors import ConfigurationError
from mtls_run.tools.base import PipScope
from tests.unit.support import working_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mtls_run.config.origin import Setting


class Machine:
    """A machine whose pip files are all below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {
            "HOME": str(root / "home"),
            "XDG_CONFIG_DIRS": f"{root / 'site1'}:{root / 'site2'}",
            "XDG_CONFIG_HOME": str(root / "config"),
        }
        self.files = {
            "site1": root / "site1/pip/pip.conf",
            "site2": root / "site2/pip/pip.conf",
            "etc": root / "etc/pip.conf",
            "legacy": root / "home/.pip/pip.conf",
            "user": root / "config/pip/pip.conf",
            "venv": root / "venv/pip.conf",
            "named": root / "named.conf",
        }

    def write(self, name: str, text: str | bytes) -> Path:
        """Write one of pip's files."""
        path = self.files[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def read(
        self,
        command: str | None = "install",
        *,
        venv: bool = False,
        isolated: bool = False,
        env: Mapping[str, str | None] | None = None,
    ) -> PipSettings:
        """Return the settings; None in `env` takes a variable away."""
        environ = {k: v for k, v in {**self.environ, **(env or {})}.items() if v is not None}
        prefix = self.root / "venv" if venv else None
        scope = PipScope(command, None if prefix is None else str(prefix), isolated)
        return pip_settings.read(environ, scope)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine without any pip file; its /etc is its own."""
    monkeypatch.setattr(pip_settings, "_ETC", str(tmp_path / "etc"))
    return Machine(tmp_path)


def shown(setting: Setting[Any] | None) -> tuple[str, str] | None:
    """Return the value and where it was said."""
    return None if setting is None else (str(setting.value), str(setting.origin))


def test_nothing_said(machine: Machine) -> None:
    """With no file and no variable there is nothing, and no file of the machine's own is read."""
    assert machine.read(venv=True) == PipSettings(None, None, None, ())


ORDER = ["site1", "site2", "etc", "legacy", "user", "venv"]


@pytest.mark.parametrize("count", range(1, len(ORDER) + 1))
def test_later_file_beats_earlier(machine: Machine, count: int) -> None:
    """Of the files that are there, the one that pip reads last wins."""
    for name in ORDER[:count]:
        machine.write(name, f"[global]\ncert = /{name}\n")
    last = ORDER[count - 1]
    found = machine.read(venv=True).cert
    assert shown(found) == (f"/{last}", f"{machine.files[last]}:2")


def test_venv_file_is_for_its_own_pip(machine: Machine) -> None:
    """A virtual environment's file counts for its own pip alone."""
    machine.write("venv", "[global]\ncert = /venv\n")
    assert machine.read().cert is None
    assert shown(machine.read(venv=True).cert) == ("/venv", f"{machine.files['venv']}:2")


def test_named_file_stands_for_the_users(machine: Machine) -> None:
    """PIP_CONFIG_FILE beats every file and switches the user's off, the machine's not."""
    for name in ("etc", "legacy", "user", "venv", "named"):
        machine.write(name, f"[global]\n{'cert' if name != 'user' else 'client-cert'} = /{name}\n")
    machine.write("etc", "[global]\nindex-url = https://etc/\n")
    found = machine.read(venv=True, env={"PIP_CONFIG_FILE": str(machine.files["named"])})
    assert shown(found.cert) == ("/named", f"{machine.files['named']}:2")
    assert found.client_cert is None
    assert found.index_url is not None


@pytest.mark.parametrize("named", ["", "/nowhere/pip.conf"])
def test_named_file_that_is_not_there(machine: Machine, named: str) -> None:
    """A PIP_CONFIG_FILE that is empty or not there changes nothing."""
    machine.write("user", "[global]\ncert = /user\n")
    assert shown(machine.read(env={"PIP_CONFIG_FILE": named}).cert) is not None


def test_named_file_relative_to_here(machine: Machine) -> None:
    """PIP_CONFIG_FILE is relative to the current directory, and `~` in it is nothing special."""
    machine.write("named", "[global]\ncert = /named\n")
    with working_in(machine.root):
        assert machine.read(env={"PIP_CONFIG_FILE": "named.conf"}).cert is not None
        assert machine.read(env={"PIP_CONFIG_FILE": "~/../named.conf"}).cert is None


def test_null_device_turns_all_files_off(machine: Machine) -> None:
    """PIP_CONFIG_FILE=/dev/null leaves the variables alone to speak."""
    for name in ORDER:
        machine.write(name, "no INI")
    found = machine.read(venv=True, env={"PIP_CONFIG_FILE": os.devnull, "PIP_CERT": "/v"})
    assert found == machine.read(env={"PIP_CONFIG_FILE": os.devnull, "PIP_CERT": "/v"})
    assert shown(found.cert) == ("/v", "PIP_CERT")


def test_named_twice_keeps_its_first_place(machine: Machine) -> None:
    """A file that is reached in two ways is read once, in its first place (pip 26.3)."""
    machine.write("site1", "[global]\ncert = /site1\n")
    machine.write("etc", "[global]\ncert = /etc\n")
    found = machine.read(env={"PIP_CONFIG_FILE": str(machine.files["site1"])})
    assert shown(found.cert) == ("/etc", f"{machine.files['etc']}:2")


def test_isolated(machine: Machine) -> None:
    """With pip's --isolated variables and the user's files are left out, and no others."""
    machine.write("etc", "[global]\ncert = /etc\n")
    machine.write("legacy", "[global]\ncert = /legacy\n")
    machine.write("user", "[global]\ncert = /user\n")
    machine.write("named", "[global]\nclient-cert = /named\n")
    found = machine.read(env={"PIP_CERT": "/variable"}, isolated=True)
    assert shown(found.cert) == ("/etc", f"{machine.files['etc']}:2")
    named = {"PIP_CONFIG_FILE": str(machine.files["named"])}
    found = machine.read(env=named, isolated=True)
    assert shown(found.client_cert) == ("/named", f"{machine.files['named']}:2")


@pytest.mark.parametrize(
    ("command", "expected"),
    [("install", "/install"), ("download", "/download"), ("wheel", "/global"), (None, "/global")],
)
def test_section_of_the_command(machine: Machine, command: str | None, expected: str) -> None:
    """The command's own section beats [global], also one that an earlier file has."""
    machine.write("etc", "[install]\ncert = /install\n[download]\ncert = /download\n")
    machine.write("user", "[global]\ncert = /global\n[Global]\ncert = /case\n[:x:]\ncert = /x\n")
    found = machine.read(command).cert
    assert found is not None
    assert str(found.value) == expected


@pytest.mark.parametrize("name", ["PIP_CERT", "PIP_cert", "PIP_Cert", "PIP___CERT"])
def test_variable_beats_every_file(machine: Machine, name: str) -> None:
    """A PIP_* variable wins, whatever the case of what follows PIP_."""
    machine.write("venv", "[global]\ncert = /venv\n[install]\ncert = /install\n")
    assert shown(machine.read(venv=True, env={name: "/v"}).cert) == ("/v", name)


@pytest.mark.parametrize("name", ["pip_cert", "PIP_CERTS", "CERT", "PIP_INSTALL_CERT", "XPIP_CERT"])
def test_variable_that_is_no_setting(machine: Machine, name: str) -> None:
    """What merely looks like one of the variables says nothing."""
    assert machine.read(env={name: "/v"}).cert is None


def test_empty_variable_unsets_nothing(machine: Machine) -> None:
    """An empty variable is as if it were not set."""
    machine.write("user", "[global]\ncert = /user\n")
    assert shown(machine.read(env={"PIP_CERT": ""}).cert) is not None


def test_empty_value_unsets_in_its_section_alone(machine: Machine) -> None:
    """An empty value takes back what an earlier file said in this section, and in no other."""
    machine.write("etc", "[global]\ncert = /etc\nclient-cert = /id\n[install]\nclient-cert = /in\n")
    machine.write("user", "[global]\ncert =\nclient-cert =\n")
    assert machine.read("install").cert is None
    assert shown(machine.read("install").client_cert) == ("/in", f"{machine.files['etc']}:5")
    assert machine.read("download").client_cert is None
    machine.write("user", "[install]\nclient-cert =\n")
    assert shown(machine.read("install").client_cert) == ("/id", f"{machine.files['etc']}:3")


@pytest.mark.parametrize(
    "line",
    [
        "client-cert = /id",
        "client_cert=/id",
        "CLIENT-CERT : /id",
        "--client-cert = /id",
        "__Client_Cert=/id",
    ],
)
def test_spellings(machine: Machine, line: str) -> None:
    """A key is spelt with `-` or `_`, in any case, with pip's own dashes before it."""
    path = machine.write("user", f"# comment\n\n[global]\n{line}\n")
    found = machine.read().client_cert
    assert found is not None
    assert (str(found.value).strip(), str(found.origin)) == ("/id", f"{path}:4")


def test_pypi_url_is_index_url(machine: Machine) -> None:
    """--pypi-url is another name of --index-url to pip; the one that was said last wins."""
    machine.write("etc", "[global]\nindex-url = https://a/\npypi-url = https://b/\n")
    assert shown(machine.read().index_url) == ("https://b/", f"{machine.files['etc']}:3")


def test_default_section(machine: Machine) -> None:
    """[DEFAULT] lies under the sections that are in the same file, and is none itself."""
    text = "[DEFAULT]\ncert = /default\nclient-cert = /default\n"
    machine.write("etc", text)
    assert machine.read().cert is None
    path = machine.write("etc", f"{text}[install]\nclient-cert = /install\n")
    assert shown(machine.read().cert) == ("/default", f"{path}:2")
    assert shown(machine.read().client_cert) == ("/install", f"{path}:5")
    assert machine.read("download").cert is None


def test_extra_indexes(machine: Machine) -> None:
    """The list is split at whitespace; one that is said later replaces it whole."""
    text = "[global]\nindex-url = https://a/\nextra-index-url =\n    https://b/ https://c/\n\thttps://d/\n"
    path = machine.write("user", text)
    found = machine.read()
    assert shown(found.index_url) == ("https://a/", f"{path}:2")
    assert [shown(one) for one in found.extra_index_urls] == [
        (f"https://{name}/", f"{path}:3") for name in "bcd"
    ]
    found = machine.read(env={"PIP_EXTRA_INDEX_URL": "https://e/"})
    assert [shown(one) for one in found.extra_index_urls] == [("https://e/", "PIP_EXTRA_INDEX_URL")]


@pytest.mark.parametrize("said", ["a.pem", "./x/../a.pem"])
def test_paths_are_relative_to_here(machine: Machine, said: str) -> None:
    """A relative path is relative to the current directory, not to the file that says it."""
    machine.write("user", f"[global]\ncert = {said}\n")
    with working_in(machine.root):
        found = machine.read().cert
    assert found is not None
    assert found.value == machine.root / said


@pytest.mark.parametrize(
    ("home", "said", "expected"),
    [
        ("/h/", "~/a.pem", "/h/a.pem"),
        ("/h", "~", "/h"),
        ("/", "~/a.pem", "/a.pem"),
        ("/h", "/x/~/a.pem", "/x/~/a.pem"),
    ],
)
def test_home_directory(machine: Machine, home: str, said: str, expected: str) -> None:
    """`~` is the home directory of the environment that the tool gets."""
    found = machine.read(env={"HOME": home, "PIP_CLIENT_CERT": said}).client_cert
    assert found is not None
    assert str(found.value) == expected


@pytest.mark.parametrize("named", [None, "", "   ", "relative/dir"])
def test_user_file_without_xdg(machine: Machine, named: str | None) -> None:
    """Without an absolute XDG_CONFIG_HOME the user's file is in ~/.config."""
    path = machine.root / "home/.config/pip/pip.conf"
    path.parent.mkdir(parents=True)
    path.write_text("[global]\ncert = /dotconfig\n")
    found = machine.read(env={"XDG_CONFIG_HOME": named}).cert
    assert shown(found) == ("/dotconfig", f"{path}:2")


def test_macos_files(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS the user's file is in Application Support where pip's directory is there."""
    monkeypatch.setattr(sys, "platform", "darwin")
    env = {"XDG_DATA_DIRS": str(machine.root / "data"), "XDG_CONFIG_HOME": None}
    path = machine.root / "data/pip/pip.conf"
    support = machine.root / "home/Library/Application Support/pip/pip.conf"
    for file in (path, machine.root / "home/.config/pip/pip.conf", support):
        found = machine.read(env=env).cert
        assert found is None or str(found.value) != str(file)
        file.parent.mkdir(parents=True)
        file.write_text(f"[global]\ncert = {file}\n")
        found = machine.read(env=env).cert
        assert found is not None
        assert str(found.value) == str(file)


def test_windows_files(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows the files are pip.ini, in ProgramData, the home directory and AppData."""
    monkeypatch.setattr(sys, "platform", "win32")
    env = {name: str(machine.root / name) for name in ("PROGRAMDATA", "APPDATA")}
    files = [
        machine.root / "PROGRAMDATA/pip/pip.ini",
        machine.root / "home/pip/pip.ini",
        machine.root / "APPDATA/pip/pip.ini",
        machine.root / "venv/pip.ini",
    ]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text(f"[global]\ncert = {file}\n")
        found = machine.read(env=env, venv=True).cert
        assert found is not None
        assert str(found.value) == str(file)


def test_other_settings_cannot_hurt(machine: Machine) -> None:
    """Keys that are no matter here may be empty, odd, or stand twice."""
    path = machine.write(
        "user",
        "[global]\ntimeout = many\ntrusted-host = a\ntrusted_host = b\nno-index = maybe\n"
        "[list]\nformat = %(x)s ${y}\nformat = z\n[install]\ncert = /%(x)s/100%\n",
    )
    assert shown(machine.read().cert) == ("/%(x)s/100%", f"{path}:10")


BROKEN: list[tuple[str, str | bytes, str, str]] = [
    ("both spellings", "[global]\nclient-cert = /a\nclient_cert = /b\n", ":3: ", "keep one"),
    ("twice", "[global]\ncert = /a\n\ncert = /b\n", ":4: ", "keep one"),
    ("section twice", "[global]\n[install]\n[global]\n", ":3: ", "merge the two sections"),
    ("no section", "index-url = https://u:hunter2@h/\n[global]\n", ":1: ", "[global]"),
    ("no value", "[global]\n\nindex-url hunter2\nother\n", ":3: ", "key = value"),
    ("no key", "[global]\n= hunter2\n", ":2: ", "key = value"),
    ("not UTF-8", b"[global]\nx = 1\nindex-url = https://u:hunter2@h/\xff\n", ":3: ", "pip config"),
    ("byte order mark", "\ufeff[global]\ncert = /a\n", ":1: ", "without one"),
    ("NUL", "[global]\ncert = /a\0b\n", ":2: ", "pip config"),
]


@pytest.mark.parametrize(
    ("text", "where", "hint"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_broken_file(machine: Machine, text: str | bytes, where: str, hint: str) -> None:
    """A file that pip refuses is an error with file, line and hint, and without its content."""
    path = machine.write("user", text)
    with pytest.raises(ConfigurationError) as raised:
        machine.read()
    error = raised.value
    assert error.fact.startswith(f"{path}{where}")
    assert hint in (error.hint or "")
    assert "hunter2" not in f"{error.fact}{error.hint}"
    assert error.__suppress_context__ or error.__context__ is None


def test_unreadable_files(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory, a FIFO or a file too large in a file's place is an error, never a hang."""
    path = machine.files["user"]
    path.mkdir(parents=True)
    messages = [_message(machine)]
    path.rmdir()
    os.mkfifo(path)
    messages.append(_message(machine))
    path.unlink()
    monkeypatch.setattr(document, "LARGEST", 1024 * 1024)
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    messages.append(_message(machine))
    for message, reason in zip(messages, ["directory", "regular file", "larger than 1 MiB"]):
        assert reason in message


def _message(machine: Machine) -> str:
    with pytest.raises(ConfigurationError) as raised:
        machine.read()
    assert str(machine.files["user"]) in raised.value.fact
    assert raised.value.hint
    return raised.value.fact


def test_masked_file(machine: Machine) -> None:
    """A link to the null device in a file's place is a file that says nothing."""
    path = machine.files["user"]
    path.parent.mkdir(parents=True)
    path.symlink_to(os.devnull)
    assert machine.read() == PipSettings()


def test_dangling_link(machine: Machine) -> None:
    """A link to nothing is a file that is not there, as to pip."""
    path = machine.files["user"]
    path.parent.mkdir(parents=True)
    path.symlink_to(machine.root / "nowhere")
    assert machine.read() == PipSettings()


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines(machine: Machine, ends: str) -> None:
    """Lines are counted as pip reads them, past comments, blank lines and continued values."""
    lines = ["; c", "[other]", "x = 1", "  [global]", "", "   2", "[global]", "#", "cert = /é"]
    path = machine.write("user", ends.join(lines))
    assert shown(machine.read().cert) == ("/é", f"{path}:9")


LINES = ["[global]", "[install]", "[DEFAULT]", "cert = /a", "cert: /b", "client_cert=/c", "  /d"]
LINES += ["# x", "", "cert =", "other = 1", "other", "[x", "index-url = u", "\tcert = /e"]


@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_any_file(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    """Whatever the lines, a value's line is one that names its key, or the file is an error."""
    path = tmp_path_factory.mktemp("any") / "pip.conf"
    path.write_text("\n".join(lines))
    environ = {"HOME": "/h", "PIP_CONFIG_FILE": str(path), "XDG_CONFIG_DIRS": "/nowhere"}
    try:
        found = pip_settings.read(environ, PipScope(command="install"))
    except ConfigurationError as error:
        assert error.fact.startswith(f"{path}:")  # noqa: PT017 - either way is right here
        return
    for setting, key in ((found.cert, "cert"), (found.client_cert, "client_cert")):
        if setting is not None and str(setting.origin).startswith(f"{path}:"):
            line = int(str(setting.origin).rpartition(":")[2])
            assert lines[line - 1].strip().startswith(key)
