"""Real pips and uvs say the same of settings and indexes as `pip_settings` and `uv_indexes` do."""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import pytest

from mtls_run.config import pip_settings
from mtls_run.config.origin import Origin, Setting
from mtls_run.config.pip_settings import PipSettings
from mtls_run.errors import ConfigurationError
from mtls_run.tools import uv_indexes
from mtls_run.tools.base import PipScope
from tests.e2e.packages import wheel
from tests.e2e.toolbox import Tool, newest_uv, pips, uvs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.sandbox import Sandbox

pytestmark = pytest.mark.e2e

PIPS = pips("21.3", "24.0", "26.3")
UVS = uvs("0.2.11", "0.4.30", "0.13.9")

# Asks pip's own code for what the options of a command are, before any argument.
ASK = """
import json, sys
from pip._internal.commands import create_command
from pip._internal.models.index import PyPI
command = create_command(sys.argv[1], isolated=sys.argv[2] == "isolated")
found = command.parser.get_default_values()
url = getattr(found, "index_url", None)
print(json.dumps({
    "cert": found.cert,
    "client_cert": found.client_cert,
    "index_url": None if url == PyPI.simple_url else url,
    "extra_index_urls": getattr(found, "extra_index_urls", []),
}))
"""


@dataclass(frozen=True)
class Arrangement:
    """pip's files and variables; `{root}` in them is the sandbox's directory."""

    name: str
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    command: str = "install"
    isolated: bool = False
    since: tuple[int, ...] = (0,)
    """The first pip that has it this way, where the ones before differ."""
    silent: bool = False
    """Nothing that stands here counts; of every other arrangement something has to."""

    def __str__(self) -> str:
        return self.name


def globally(**said: str) -> str:
    """Return a [global] section that says this."""
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in said.items())


SITE1, SITE2 = "site1/pip/pip.conf", "site2/pip/pip.conf"
LEGACY, USER, VENV = "home/.pip/pip.conf", "config/pip/pip.conf", "venv/pip.conf"
NAMED = {"PIP_CONFIG_FILE": "{root}/named.conf"}
ALL = {name: globally(cert=f"/{n}") for n, name in enumerate((SITE1, SITE2, LEGACY, USER, VENV))}

# ProfileValues for a command of their own: the machine's /etc/pip.conf beats these two in [global].
FIRST = {SITE1: "[download]\ncert = /first\n"}
SECOND = {SITE2: "[download]\ncert = /second\n"}

ARRANGEMENTS = [
    Arrangement("nothing", silent=True),
    Arrangement("site1 alone", FIRST, command="download"),
    Arrangement("site2 beats site1", {**FIRST, **SECOND}, command="download"),
    Arrangement("legacy beats site", {SITE2: ALL[SITE2], LEGACY: ALL[LEGACY]}),
    Arrangement("user beats legacy", {LEGACY: ALL[LEGACY], USER: ALL[USER]}),
    Arrangement("venv beats user", ALL),
    Arrangement("named beats venv", {**ALL, "named.conf": globally(cert="/named")}, NAMED),
    Arrangement(
        "named turns user off",
        {USER: ALL[USER], "named.conf": globally(x="1")},
        NAMED,
        silent=True,
    ),
    Arrangement("named is not there", {USER: ALL[USER]}, NAMED),
    Arrangement("named is empty", {USER: ALL[USER]}, {"PIP_CONFIG_FILE": ""}),
    Arrangement(
        "named from here",
        {"home/here.conf": globally(cert="/here")},
        {"PIP_CONFIG_FILE": "here.conf"},
    ),
    Arrangement("null device", ALL, {"PIP_CONFIG_FILE": os.devnull, "PIP_CLIENT_CERT": "/v"}),
    Arrangement(
        "named is site1",
        {**FIRST, **SECOND},
        {"PIP_CONFIG_FILE": "{root}/" + SITE1},
        command="download",
        since=(26,),
    ),
    Arrangement(
        "relative XDG",
        {**FIRST, "home/here/pip/pip.conf": "[download]\ncert = /relative\n"},
        {"XDG_CONFIG_HOME": "here"},
        command="download",
        since=(26, 3),
    ),
    Arrangement(
        "command beats global",
        {SITE1: "[install]\ncert = /install\n[download]\ncert = /download\n", USER: ALL[USER]},
    ),
    Arrangement(
        "other command",
        {SITE1: "[install]\ncert = /install\n[download]\ncert = /download\n", USER: ALL[USER]},
        command="wheel",
    ),
    Arrangement(
        "case of a section",
        {USER: "[Global]\ncert = /a\n[INSTALL]\ncert = /b\n"},
        silent=True,
    ),
    Arrangement("variable beats all", ALL, {"PIP_CERT": "/v"}),
    Arrangement("variable in small letters", ALL, {"PIP_cert": "/v"}),
    Arrangement("variable with dashes", ALL, {"PIP___CLIENT_CERT": "/v"}),
    Arrangement(
        "no variables", ALL, {"pip_cert": "/a", "PIP_CERTS": "/b", "PIP_INSTALL_CERT": "/c"}
    ),
    Arrangement("empty variable", ALL, {"PIP_CERT": "", "PIP_INDEX_URL": ""}),
    Arrangement(
        "empty value",
        {
            SITE1: "[global]\ncert = /a\nclient-cert = /b\n[install]\nclient-cert = /c\n",
            USER: "[global]\ncert =\nclient-cert =\n",
        },
    ),
    Arrangement("spelt with _", {USER: "[global]\nclient_cert = /a\nIndex_URL: http://b/\n"}),
    Arrangement("spelt with dashes", {USER: "[global]\n--client-cert = /a\n__cert = /b\n"}),
    Arrangement(
        "pypi-url", {USER: globally(**{"index-url": "http://a/", "pypi-url": "http://b/"})}
    ),
    Arrangement("[DEFAULT]", {USER: "[DEFAULT]\ncert = /a\n[install]\nclient-cert = /b\n"}),
    Arrangement("[DEFAULT] alone", {USER: "[DEFAULT]\ncert = /a\n"}, silent=True),
    Arrangement("home directory", {USER: globally(cert="~/a.pem")}, {"PIP_CLIENT_CERT": "~/b.pem"}),
    Arrangement("relative paths", {USER: globally(cert="a.pem")}, {"PIP_CLIENT_CERT": "../b.pem"}),
    Arrangement("on the next line", {USER: "[global]\ncert =\n  /a.pem\n"}),
    Arrangement("in quotes", {USER: globally(cert='"/a b.pem" # c', client_cert="/a b.pem ;c")}),
    Arrangement("percent", {USER: globally(cert="/%(x)s%%${HOME}$HOME")}),
    Arrangement(
        "indexes",
        {
            SITE1: globally(**{"extra-index-url": "http://s/"}),
            USER: "[global]\nindex-url = http://a/\nextra-index-url =\n  http://b/ http://c/\n\thttp://d/\n",
        },
    ),
    Arrangement(
        "indexes by variables",
        {USER: globally(**{"extra-index-url": "http://s/"})},
        {"PIP_INDEX_URL": "http://a/", "PIP_EXTRA_INDEX_URL": " http://b/  http://c/ "},
    ),
    Arrangement(
        "isolated", {**ALL, "named.conf": "[x]\n"}, {**NAMED, "PIP_CERT": "/v"}, isolated=True
    ),
    Arrangement(
        "isolated without venv",
        {LEGACY: ALL[LEGACY], USER: ALL[USER]},
        {"PIP_CERT": "/v"},
        isolated=True,
        silent=True,
    ),
    Arrangement("line ends", {USER: "[global]\r\ncert = /a\r\n\r\n; x\rclient-cert = /b\r\n"}),
]


@dataclass(frozen=True)
class Settled:
    """An arrangement as it stands in a sandbox."""

    sandbox: Sandbox
    environ: dict[str, str]
    prefix: Path

    def ask(self, tool: Tool, arrangement: Arrangement) -> subprocess.CompletedProcess[str]:
        """Ask this pip, as the virtual environment's own, for its options."""
        (packages,) = tool.ready().folder.glob("lib/python*/site-packages")
        mode = "isolated" if arrangement.isolated else ""
        return subprocess.run(
            [str(self.prefix / "bin/python"), "-c", ASK, arrangement.command, mode],
            env={**self.environ, "PYTHONPATH": str(packages)},
            cwd=self.sandbox.home,
            capture_output=True,
            text=True,
            check=False,
        )


def settle(sandbox: Sandbox, arrangement: Arrangement) -> Settled:
    """Write the arrangement's files, and make the virtual environment."""
    prefix = sandbox.root / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    for name, text in arrangement.files.items():
        sandbox.write(sandbox.root / name, text)
    environ = sandbox.environment(
        {
            "PIP_CONFIG_FILE": None,  # with the sandbox's own no file at all would be read
            "XDG_CONFIG_DIRS": f"{sandbox.root / 'site1'}:{sandbox.root / 'site2'}",
            **{k: v.replace("{root}", str(sandbox.root)) for k, v in arrangement.env.items()},
        }
    )
    return Settled(sandbox, environ, prefix)


@pytest.mark.slow
@pytest.mark.parametrize("arrangement", ARRANGEMENTS, ids=str)
def test_settings_are_those_of_pip(
    sandbox: Sandbox, arrangement: Arrangement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What wins here is what wins in pip itself, old and new."""
    settled = settle(sandbox, arrangement)
    monkeypatch.chdir(sandbox.home)
    found = pip_settings.read(
        settled.environ,
        PipScope(
            command=arrangement.command,
            environment=str(settled.prefix),
            isolated=arrangement.isolated,
        ),
    )
    # The machine's own /etc/pip.conf is read as well; this is about what the test has written.
    settings = [found.cert, found.client_cert, found.index_url, *found.extra_index_urls]
    origins = [str(setting.origin) for setting in settings if setting is not None]
    ours = [one for one in origins if one in arrangement.env or _is_in(sandbox, one)]
    assert bool(ours) != arrangement.silent, origins
    asked = [tool for tool in PIPS if tool.release >= arrangement.since]
    assert asked
    for tool in asked:
        done = settled.ask(tool, arrangement)
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        for key, setting in (("cert", found.cert), ("client_cert", found.client_cert)):
            expected = None if said[key] is None else sandbox.home / said[key]
            assert (setting and setting.value) == expected, (tool, key)
        assert (found.index_url and found.index_url.value) == said["index_url"], tool
        assert [extra.value for extra in found.extra_index_urls] == said["extra_index_urls"], tool


def _is_in(sandbox: Sandbox, origin: str) -> bool:
    """Tell whether this is FILE:LINE of a file that the test wrote."""
    file = sandbox.home / origin.rpartition(":")[0]
    return sandbox.root in file.parents and file.is_file()


BROKEN = [
    Arrangement("no section", {USER: "cert = /a\n"}),
    Arrangement("no value", {USER: "[global]\ncert\n"}),
    Arrangement("twice", {USER: "[global]\ncert = /a\ncert = /b\n"}),
    Arrangement("section twice", {USER: "[global]\n[install]\n[global]\n"}),
    Arrangement("byte order mark", {USER: "\ufeff[global]\ncert = /a\n"}),
    Arrangement(
        "both spellings", {USER: "[global]\nclient-cert = /a\nclient_cert = /b\n"}, since=(26,)
    ),
    Arrangement("not UTF-8", {USER: "[global]\ncert = /a\ncert2 = \udcff\n"}),
]


@pytest.mark.parametrize(
    "arrangement",
    [BROKEN[0], *(pytest.param(one, marks=pytest.mark.slow) for one in BROKEN[1:])],
    ids=str,
)
def test_what_pip_refuses_is_an_error(
    sandbox: Sandbox, arrangement: Arrangement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that pip itself cannot take is an error here too, with the file's name."""
    bare = Arrangement(arrangement.name, {}, arrangement.env)
    settled = settle(sandbox, bare)
    for name, text in arrangement.files.items():
        sandbox.write(sandbox.root / name, text.encode("utf-8", "surrogateescape"))
    monkeypatch.chdir(sandbox.home)
    with pytest.raises(ConfigurationError) as raised:
        pip_settings.read(settled.environ, PipScope(command="install"))
    assert str(sandbox.root / USER) in raised.value.fact
    for tool in PIPS:
        if tool.release >= arrangement.since:
            done = settled.ask(tool, arrangement)
            assert done.returncode != 0, (tool, done.stdout)
            assert "Configuration file " in done.stderr


def test_indexes_as_pip_shows_them(sandbox: Sandbox) -> None:
    """The indexes that an installing pip says it looks in are those, in this order."""
    said = globally(
        **{"index-url": "http://127.0.0.1:9/a/", "extra-index-url": "http://127.0.0.1:9/b/"}
    )
    environ = sandbox.environment(
        {"PIP_CONFIG_FILE": None, "PIP_RETRIES": "0", "PIP_NO_COLOR": "1"}
    )
    sandbox.write(sandbox.root / USER, said)
    found = pip_settings.read(environ, PipScope(command="install"))
    urls = [found.index_url, *found.extra_index_urls]
    assert None not in urls
    shown = ", ".join(one.value for one in urls if one is not None)
    for tool in PIPS:
        command = [str(tool.ready().program), "install", "--target", "t", "shared-pkg"]
        done = sandbox.execute(command, env={"PIP_CONFIG_FILE": None, **environ})
        assert f"Looking in indexes: {shown}\n" in done.stdout, tool


@dataclass
class Index:
    """A package index on this machine, and what it was asked for."""

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(root: Path, **versions: str) -> Iterator[Index]:
    """Serve a PEP 503 index that has each of these packages in one version."""
    for name, version in versions.items():
        page = root / "simple" / name.replace("_", "-") / "index.html"
        page.parent.mkdir(parents=True)
        file = f"{name}-{version}-py3-none-any.whl"
        page.with_name(file).write_bytes(wheel(name, version, f"VERSION = '{version}'\n"))
        page.write_text(f'<!DOCTYPE html><html><body><a href="{file}">{file}</a></body></html>')
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Index(f"http://127.0.0.1:{server.server_port}/simple/", asked)
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Market:
    """Two indexes that have `shared-pkg`: the company's 1.0, and the public one's 9.0."""

    sandbox: Sandbox
    company: Index
    public: Index

    def install(
        self, tool: Tool, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> dict[str, str]:
        """Install with uv, which must not warn, and return the versions that it installed."""
        target = self.sandbox.root / "target"
        command = [str(tool.ready().program), "pip", "install", "--no-cache"]
        command += ["--target", str(target), "--python", sys.executable, *words]
        done = self.sandbox.execute(command, env=env, cwd=cwd)
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr.lower(), done.stderr
        installed = [info.name.split("-") for info in target.glob("*.dist-info")]
        return {name: version.removesuffix(".dist") for name, version, *_ in installed}


@pytest.fixture
def market(sandbox: Sandbox, tmp_path: Path) -> Iterator[Market]:
    """Serve the two indexes."""
    with ExitStack() as stack:
        company = serving(tmp_path / "company", shared_pkg="1.0", company_pkg="1.1")
        public = serving(tmp_path / "public", shared_pkg="9.0", public_pkg="9.1")
        yield Market(sandbox, stack.enter_context(company), stack.enter_context(public))


def handed(index: Index | None, *extra: Index) -> dict[str, str]:
    """Return the variables for pip settings that name these indexes."""
    said = Origin("the test")
    return uv_indexes.variables(
        PipSettings(
            index_url=Setting(index.url, said) if index else None,
            extra_index_urls=tuple(Setting(one.url, said) for one in extra),
        )
    )


@pytest.mark.parametrize("tool", UVS, ids=str)
def test_company_outranks_public(market: Market, tool: Tool) -> None:
    """With the public index as the extra one, it is asked for what the company lacks, no more."""
    env = handed(market.company, market.public)
    found = market.install(tool, "shared-pkg", "company-pkg", "public-pkg", env=env)
    assert found == {"shared_pkg": "1.0", "company_pkg": "1.1", "public_pkg": "9.1"}
    assert {path.split("/")[2] for path in market.public.asked} == {"public-pkg"}


@pytest.mark.parametrize("tool", UVS, ids=str)
def test_order_is_pips(market: Market, tool: Tool) -> None:
    """The first index in pip's order wins, whichever it is: the order, not the version, decides."""
    env = handed(market.public, market.company)
    found = market.install(tool, "shared-pkg", "company-pkg", env=env)
    assert found == {"shared_pkg": "9.0", "company_pkg": "1.1"}


@pytest.mark.parametrize("tool", UVS, ids=str)
@pytest.mark.parametrize("option", ["--extra-index-url", "--index-url"])
def test_requirements_file_cannot_outrank(market: Market, tool: Tool, option: str) -> None:
    """An index that a requirements file names comes behind the company's, also a lone one."""
    requirements = market.sandbox.write(
        "requirements.txt", f"{option} {market.public.url}\nshared-pkg\n"
    )
    found = market.install(tool, "-r", str(requirements), env=handed(market.company))
    assert found == {"shared_pkg": "1.0"}
    assert market.public.asked == []


@pytest.mark.parametrize("tool", UVS, ids=str)
def test_extra_alone_comes_before_uvs_default(market: Market, tool: Tool) -> None:
    """An extra index without index-url is asked before the default index, which stays uv's own."""
    env = handed(None, market.company)
    # Stands for uv's own default here, so that nobody outside of this machine is asked.
    words = ("--index-url", market.public.url)
    found = market.install(tool, "shared-pkg", "public-pkg", *words, env=env)
    assert found == {"shared_pkg": "1.0", "public_pkg": "9.1"}


@pytest.mark.parametrize("tool", UVS[1:], ids=str)
def test_todays_variables_are_not_for_every_uv(market: Market, tool: Tool) -> None:
    """The variables that replace ours work from 0.4.23 on; with ours set as well, they win."""
    env = {**handed(market.company), "UV_INDEX": market.public.url}
    assert market.install(tool, "shared-pkg", env=env) == {"shared_pkg": "9.0"}
    assert uv_indexes.named_for_uv(["pip"], env, market.sandbox.home) == "UV_INDEX"


def test_no_index_is_no_variable(market: Market) -> None:
    """UV_NO_INDEX, which is not among those that name indexes, means nothing to uv."""
    env = {**handed(market.company), "UV_NO_INDEX": "1"}
    assert market.install(newest_uv(), "shared-pkg", env=env) == {"shared_pkg": "1.0"}


PROJECT = '[project]\nname = "x"\nversion = "1"\n'
PUBLIC = '[tool.uv]\nindex-url = "{public}"\n'

# A name, the files of a project, the directory that uv is started in, its words, and the file that
# names the public index, or None where none that counts does.
Case = tuple[str, dict[str, str], str, tuple[str, ...], Optional[str]]
CONFIGURED: list[Case] = [
    ("uv.toml", {"uv.toml": 'index-url = "{public}"\n'}, "a", (), "uv.toml:1"),
    ("pip table", {"uv.toml": '[pip]\nindex-url = "{public}"\n'}, ".", (), "uv.toml:2"),
    ("table", {"pyproject.toml": f"{PROJECT}{PUBLIC}"}, ".", (), "pyproject.toml:5"),
    (
        "index",
        {"pyproject.toml": '[[tool.uv.index]]\nurl = "{public}"\n'},
        ".",
        (),
        "pyproject.toml:1",
    ),
    (
        "explicit",
        {"pyproject.toml": '[[tool.uv.index]]\nname = "p"\nurl = "{public}"\nexplicit = true\n'},
        ".",
        (),
        None,
    ),
    (
        "passed over",
        {"a/pyproject.toml": PROJECT, "pyproject.toml": PUBLIC},
        "a",
        (),
        "pyproject.toml:2",
    ),
    (
        "below the project",
        {"pyproject.toml": PROJECT, "src/uv.toml": 'index-url = "{public}"\n'},
        "src",
        (),
        None,
    ),
    (
        "member",
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["m/*"]\n',
            "m/a/pyproject.toml": f"{PROJECT}{PUBLIC}",
        },
        "m/a",
        (),
        None,
    ),
    (
        "root of a member",
        {
            "pyproject.toml": f'{PUBLIC}[tool.uv.workspace]\nmembers = ["m/*"]\n',
            "m/a/pyproject.toml": PROJECT,
        },
        "m/a",
        (),
        "pyproject.toml:2",
    ),
    (
        "excluded member",
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["m/*"]\nexclude = ["m/a"]\n',
            "m/a/pyproject.toml": f"{PROJECT}{PUBLIC}",
        },
        "m/a",
        (),
        "m/a/pyproject.toml:5",
    ),
    (
        "user",
        {"../../config/uv/uv.toml": 'index-url = "{public}"\n'},
        ".",
        (),
        "../../config/uv/uv.toml:1",
    ),
    ("no config", {"uv.toml": 'index-url = "{public}"\n'}, ".", ("--no-config",), None),
    (
        "directory",
        {"a/uv.toml": 'index-url = "{public}"\n'},
        ".",
        ("--directory", "a"),
        "a/uv.toml:1",
    ),
    ("project", {"a/uv.toml": 'index-url = "{public}"\n'}, ".", ("--project=a",), "a/uv.toml:1"),
    (
        "named",
        {"n.toml": 'index-url = "{public}"\n', "uv.toml": "offline = true\n"},
        ".",
        ("--config-file", "n.toml"),
        "n.toml:1",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("tool", UVS[1:], ids=str)
@pytest.mark.parametrize("case", CONFIGURED, ids=lambda case: case[0])
def test_configuration_is_found_where_uv_finds_it(market: Market, tool: Tool, case: Case) -> None:
    """What names indexes for uv is what uv itself reads; else it takes those handed over."""
    _, files, start, words, expected = case
    project = market.sandbox.home / "project"
    for name, text in files.items():
        path = Path(os.path.normpath(project / name))
        market.sandbox.write(path, text.replace("{public}", market.public.url))
    directory = project / start
    directory.mkdir(exist_ok=True)
    environ = market.sandbox.environment()
    named = uv_indexes.named_for_uv(["pip", "install", *words], environ, directory)
    assert (None if named is None else os.path.relpath(named, project)) == expected
    env = {} if named else handed(market.company)
    found = market.install(tool, *words, "shared-pkg", env=env, cwd=directory)
    assert found == {"shared_pkg": "9.0" if named else "1.0"}
