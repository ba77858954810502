"""twine, poetry, pdm, hatch and flit: which words call them, and what each is handed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtls_run.cache.dependencies import Dependencies
from mtls_run.config import document
from mtls_run.errors import MtlsRunError, ToolError
from mtls_run.tools import registry
from mtls_run.tools.base import IN_MEMORY, Target, TlsFiles
from tests.unit.support import prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

BOTH = TlsFiles(identity="/id", bundle="/ca", native=False)
ROOTS_ALONE = TlsFiles(identity=None, bundle="/ca", native=False)
GATEWAY = TlsFiles(identity=None, bundle="/ca", native=False, proxy="http://127.0.0.1:1")
NAMES = ("twine", "poetry", "pdm", "hatch", "flit")
SOURCES = """
[[tool.poetry.source]]
name = "corp-int"
url = "https://pypi.corp.example/simple/"

[[tool.poetry.source]]
name = "my.corp"
url = "https://pypi.corp.example/simple/"
"""


def called(
    words: str, directory: Path, environ: Mapping[str, str] | None = None, *, check: bool = True
) -> Target:
    """Return the target of these words, set up by the files in `directory`."""
    tool, call = registry.recognise(words.split(), any_program=False)
    tool = tool.configured(call, environ or {}, directory, Dependencies())
    if check:
        tool.check_call(call, BOTH)
    return Target(tool, call, f"/bin/{tool.KIND}", None)


def refused(words: str, directory: Path, tls: TlsFiles = BOTH, **environ: str) -> MtlsRunError:
    """Return the error by which this call is refused."""
    target = called(words, directory, environ, check=False)
    with pytest.raises(ToolError) as caught:
        target.tool.check_call(target.call, tls)
    return caught.value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["{}", "/opt/bin/{}", "python3.12 -Im {}", "py -3.12 -m {}"])
def test_words(name: str, form: str) -> None:
    """A tool is called by its name, by a path to it, and as a module."""
    words = [*form.format(name).split(), "publish", "a b", "--", ""]
    tool, call = registry.recognise(words, any_program=False)
    assert (tool.KIND, call.kind, call.words) == (name, name, tuple(words))
    assert call.arguments == ("publish", "a b", "--", "")
    with pytest.raises(MtlsRunError, match=f"did you mean '{name}'"):
        registry.recognise([f"{name}x"], any_program=False, commands=registry.NAMES)


@pytest.mark.parametrize(
    ("words", "uses_network"),
    [
        ("twine upload dist/x", True),
        ("twine check dist/x", False),
        ("twine", False),
        ("twine --version", False),
        ("twine upload --help", False),
        ("poetry lock", True),
        ("poetry -C sub install", True),
        ("poetry -C config install", True),
        ("poetry config --list", False),
        ("poetry run tool --help", True),
        ("poetry run --help", False),
        ("poetry -V", False),
        ("pdm install", True),
        ("pdm -c file list", False),
        ("pdm config pypi.url x", False),
        ("pdm run --help", False),
        ("hatch -e test run x", True),
        ("hatch -e config build", True),
        ("hatch config show", False),
        ("hatch publish -h", False),
        ("flit publish", True),
        ("flit install", True),
        ("flit build", False),
        ("flit -f publish build", False),
    ],
)
def test_network(words: str, uses_network: bool) -> None:
    """Commands that use no network are known, wherever the options stand."""
    tool, call = registry.recognise(words.split(), any_program=False)
    assert (tool.skip_reason(call, {}) is None) == uses_network


@pytest.mark.parametrize(
    ("words", "publishes"),
    [
        ("twine upload x", True),
        ("poetry publish", True),
        ("poetry lock", False),
        ("pdm publish", True),
        ("pdm install publish", False),
        ("hatch publish", True),
        ("hatch -e publish build", False),
        ("flit publish", True),
        ("flit install", False),
    ],
)
def test_publishing(words: str, publishes: bool) -> None:
    """The gateway sends more than GET and HEAD for what publishes alone."""
    tool, call = registry.recognise(words.split(), any_program=False)
    assert tool.publishes(call) == publishes


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("twine upload a b", "upload --client-cert /id a b"),
        ("twine --no-color upload -- a", "--no-color upload --client-cert /id -- a"),
        ("twine upload --client-cert own a", "upload --client-cert own a"),
        ("twine upload --client own a", "upload --client own a"),
    ],
)
def test_flags_of_twine(words: str, expected: str, tmp_path: Path) -> None:
    """They stand after twine's command, which alone knows them, before the user's own words."""
    target = called(words, tmp_path)
    assert target.argv(prepared(target, BOTH).words("/id"))[1:] == tuple(expected.split())


def test_secrets_are_masked(tmp_path: Path) -> None:
    """Passwords are shown as ***, in every spelling, also behind `python -m`."""
    for words, shown in {
        "twine upload -p pw --password=pw x": "upload -p *** --password=*** x",
        "python -m twine upload -ppw x": "upload -p*** x",
        "poetry publish -p pw": "publish -p ***",
        "pdm publish -P pw": "publish -P ***",
        "hatch publish -a pw": "publish -a ***",
    }.items():
        target = called(words, tmp_path)
        assert target.tool.masked(target.call) == tuple(shown.split())


def test_twine_with_roots_of_the_user(tmp_path: Path) -> None:
    """REQUESTS_CA_BUNDLE would beat --cert in twine, so it is unset."""
    for word in ("--cert", "--cert="):
        target = called(f"twine upload {word} own x", tmp_path)
        found = prepared(target, BOTH).variables
        assert found["REQUESTS_CA_BUNDLE"] is None
        assert found["CURL_CA_BUNDLE"] is None
    plain = prepared(called("twine upload x", tmp_path), BOTH).variables
    assert (plain["TWINE_CERT"], plain["REQUESTS_CA_BUNDLE"]) == ("/ca", "/ca")


def test_sources_of_poetry(tmp_path: Path) -> None:
    """Each source gets both by its name; others in the environment are unset."""
    (tmp_path / "pyproject.toml").write_text(SOURCES)
    folder = tmp_path / "src/deep"
    folder.mkdir(parents=True)
    environ = {"POETRY_CERTIFICATES_OTHER_CLIENT_CERT": "/ambient", "POETRY_HTTP_BASIC_X": "kept"}
    expected = {
        "POETRY_CERTIFICATES_OTHER_CLIENT_CERT": None,
        "POETRY_CERTIFICATES_CORP_INT_CERT": "/ca",
        "POETRY_CERTIFICATES_CORP_INT_CLIENT_CERT": "/id",
        # poetry 2.5.1 keeps the dot, 1.8.5 does not
        "POETRY_CERTIFICATES_MY.CORP_CERT": "/ca",
        "POETRY_CERTIFICATES_MY.CORP_CLIENT_CERT": "/id",
        "POETRY_CERTIFICATES_MY_CORP_CERT": "/ca",
        "POETRY_CERTIFICATES_MY_CORP_CLIENT_CERT": "/id",
    }
    for words, start in {
        "poetry lock": folder,
        f"poetry -C {tmp_path} lock": Path("/"),
        "poetry install --directory=../..": folder,
        "poetry run x -C /nowhere": folder,
    }.items():
        found = prepared(called(words, start), BOTH, environ).variables
        of_poetry = {name: value for name, value in found.items() if name.startswith("POETRY_CERT")}
        assert of_poetry == expected, words


@pytest.mark.parametrize(
    ("host", "identity"),
    [
        ("pypi.corp.example", "/id"),
        ("*.corp.example", "/id"),
        ("pypi.corp.example:8443", None),
        ("other.example", None),
    ],
)
def test_sources_of_poetry_on_known_hosts(tmp_path: Path, host: str, identity: str | None) -> None:
    """A source on a host that the identity is not for gets the roots alone."""
    (tmp_path / "pyproject.toml").write_text(SOURCES)
    tls = TlsFiles(identity="/id", bundle="/ca", native=False, hosts=("else.example", host))
    found = prepared(called("poetry lock", tmp_path), tls).variables
    assert found["POETRY_CERTIFICATES_CORP_INT_CLIENT_CERT"] == identity
    assert found["POETRY_CERTIFICATES_CORP_INT_CERT"] == "/ca"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("poetry publish", "PYPI"),
        ("poetry publish -r corp", "CORP"),
        ("poetry publish --repository=Corp-x --build", "CORP_X"),
    ],
)
def test_repository_of_poetry(words: str, name: str, tmp_path: Path) -> None:
    """The repository that is published to gets both by its name."""
    found = prepared(called(words, tmp_path), BOTH).variables
    assert found[f"POETRY_CERTIFICATES_{name}_CLIENT_CERT"] == "/id"


def test_a_project_file_that_is_broken(tmp_path: Path) -> None:
    """It is an error with file and line, and no traceback."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = \n")
    for name in ("poetry", "pdm"):
        with pytest.raises(MtlsRunError, match=r"pyproject\.toml:2: the project file is not"):
            called(f"{name} install", tmp_path)


def of_pdm(words: str, directory: Path, user: str = "", *hosts: str) -> dict[str, object]:
    """Return the settings that pdm is handed for these words, by an identity for `hosts`."""
    file = directory / "user.toml"
    file.write_text(user)
    target = called(words, directory, {"PDM_CONFIG_FILE": str(file)})
    found = target.tool.settings("/id", hosts)
    assert found is not None
    assert file.read_text() == user
    assert found[0] == "PDM_CONFIG_FILE"
    return document.parse(Path("settings"), found[1]).tables


def test_settings_of_pdm(tmp_path: Path) -> None:
    """The user's settings stay, and each source of the project and of the user has the identity."""
    (tmp_path / "pyproject.toml").write_text('[[tool.pdm.source]]\nname = "corp"\nurl = "x"\n')
    (tmp_path / "pdm.toml").write_text('[pypi.local]\nurl = "y"\n')
    user = '[pypi]\nurl = "z"\nca_certs = "old"\n[pypi.own]\npassword = "pw"\nclient_key = "k"\n'
    assert of_pdm("pdm install", tmp_path, user + "[python]\nuse_venv = true\n") == {
        "pypi": {
            "url": "z",
            "client_cert": "/id",
            "corp": {"client_cert": "/id"},
            "local": {"client_cert": "/id"},
            "own": {"password": "pw", "client_cert": "/id"},
        },
        "repository": {},
        "python": {"use_venv": True},
    }


@pytest.mark.parametrize("is_default", [True, False])
def test_pdm_shows_it_to_the_hosts_of_the_identity(tmp_path: Path, is_default: bool) -> None:
    """Where the hosts are known, a source or a repository elsewhere has none, as PyPI has none."""
    corp, other = "https://pypi.corp.example/simple/", "https://pypi.example/simple/"
    sources = f'[[tool.pdm.source]]\nname = "{{}}"\nurl = "{corp}"\n'
    sources += f'[[tool.pdm.source]]\nname = "other"\nurl = "{other}"\n'
    (tmp_path / "pyproject.toml").write_text(sources.format("pypi" if is_default else "corp"))
    user = f'[repository.a]\nurl = "{corp}"\n[repository.b]\nurl = "{other}"\n'
    identity = {"client_cert": "/id"}
    expected = identity if is_default else {"corp": identity}
    assert of_pdm("pdm lock", tmp_path, user, "pypi.corp.example") == {
        "pypi": {**expected, "other": {}},
        "repository": {"a": {"url": corp, **identity}, "b": {"url": other}},
    }


@pytest.mark.parametrize(
    ("words", "repository", "expected"),
    [
        ("pdm publish", "", {"pypi": {"client_cert": "/id"}}),
        (
            "pdm publish -r corp",
            '[repository.corp]\nurl = "https://x"\n',
            {"corp": {"url": "https://x", "client_cert": "/id"}},
        ),
        (
            "pdm publish --repository=https://x",
            '[repository.corp]\nurl = "https://x"\n',
            {"corp": {"url": "https://x", "client_cert": "/id"}},
        ),
        (
            "pdm publish --repo https://y",
            "",
            {"mtls-run": {"url": "https://y", "client_cert": "/id"}},
        ),
    ],
)
def test_repository_of_pdm(
    words: str, repository: str, expected: dict[str, object], tmp_path: Path
) -> None:
    """The repository that is published to has the identity, by its name or its URL."""
    assert of_pdm(words, tmp_path, repository)["repository"] == expected


def test_variables_of_pdm(tmp_path: Path) -> None:
    """What requests needs would end pdm beside a client certificate; without one it stays."""
    target = called("pdm install", tmp_path)
    found = prepared(target, BOTH).variables
    assert found["SSL_CERT_FILE"] == "/ca"
    assert (found["REQUESTS_CA_BUNDLE"], found["CURL_CA_BUNDLE"]) == (None, None)
    assert (found["PDM_PUBLISH_CA_CERTS"], found["PDM_CONFIG_FILE"]) == (None, IN_MEMORY)
    for tls in (ROOTS_ALONE, GATEWAY):
        found = prepared(target, tls).variables
        assert found["REQUESTS_CA_BUNDLE"] == "/ca"
        assert "PDM_CONFIG_FILE" not in found
    assert target.tool.settings(None) is None


def test_what_pdm_would_prefer(tmp_path: Path) -> None:
    """A certificate that the project names, or a flag, stops the run, with its origin."""
    project, local = tmp_path / "pyproject.toml", tmp_path / "pdm.toml"
    project.write_text('[[tool.pdm.source]]\nname = "corp"\nclient_cert = "evil.pem"\n')
    assert refused("pdm lock", tmp_path).fact.startswith(f"pdm prefers client_cert at {project}:3")
    project.write_text('[[tool.pdm.source]]\nname = "corp"\nca_certs = "evil.pem"\n')
    assert (
        f"ca_certs at {project}:3 makes pdm refuse" in refused("pdm lock", tmp_path, GATEWAY).fact
    )
    project.unlink()
    project.write_text("")
    local.write_text('[pypi.corp]\nclient_cert = "evil.pem"\n')
    assert f"client_cert at {local}:2" in refused("pdm lock", tmp_path).fact
    local.unlink()
    assert refused("pdm publish --ca-certs own", tmp_path).fact.startswith(
        "pdm prefers --ca-certs own"
    )
    error = refused("pdm -c own.toml lock", tmp_path)
    assert error.hint == "name it by the variable: PDM_CONFIG_FILE=own.toml mtls-run pdm …"


def test_versions_of_pdm(tmp_path: Path) -> None:
    """One that cannot read its settings from memory is refused, before 2.27.0."""
    tool = called("pdm lock", tmp_path).tool
    assert (tool.version_matters(BOTH), tool.version_matters(ROOTS_ALONE)) == (True, False)
    tool.check((2, 27, 0), BOTH, None)
    tool.check((2, 20, 1), GATEWAY, None)
    with pytest.raises(ToolError, match=r"pdm 2\.26\.9 cannot .*; pdm 2\.27\.0 and newer can"):
        tool.check((2, 26, 9), BOTH, None)


def test_variables_of_hatch(tmp_path: Path) -> None:
    """A path of roots beside a client certificate makes hatch upload anonymously: it is unset."""
    target = called("hatch publish", tmp_path, {"HATCH_CONFIG": "none"})
    found = prepared(target, BOTH).variables
    assert (found["SSL_CERT_FILE"], found["HATCH_INDEX_CA_CERT"]) == ("/ca", None)
    assert (found["HATCH_INDEX_CLIENT_CERT"], found["HATCH_INDEX_CLIENT_KEY"]) == ("/id", "/id")
    found = prepared(target, ROOTS_ALONE).variables
    assert (found["HATCH_INDEX_CA_CERT"], found["HATCH_INDEX_CLIENT_CERT"]) == ("/ca", None)


def test_roots_that_hatch_would_prefer(tmp_path: Path) -> None:
    """A `ca-cert` of the user's configuration, or a flag, stops the upload, with its origin."""
    config = tmp_path / "hatch.toml"
    for section in ("publish.index", "publish.index.repos.corp"):
        config.write_text(f'[{section}]\nurl = "x"\nca-cert = "own"\n')
        for words in ("hatch publish", "hatch --config hatch.toml publish"):
            found = refused(words, tmp_path, HATCH_CONFIG=str(config))
            assert found.fact.startswith(f"ca-cert at {config}:3 would make hatch upload without")
        called("hatch build", tmp_path, {"HATCH_CONFIG": str(config)})
    error = refused("hatch publish --ca-cert own", tmp_path, HATCH_CONFIG="none")
    assert error.fact.startswith("--ca-cert own would make hatch upload without")


def test_hatch_and_the_gateway(tmp_path: Path) -> None:
    """`publish` ignores proxies, so the gateway is refused for it, and for nothing else."""
    error = refused("hatch publish", tmp_path, GATEWAY, HATCH_CONFIG="none")
    assert "ignores proxies" in error.fact
    target = called("hatch build", tmp_path)
    target.tool.check_call(target.call, GATEWAY)


def test_versions_of_hatch(tmp_path: Path) -> None:
    """One that knows no client certificate is refused for `publish` alone, before 1.4.0."""
    tool = called("hatch publish", tmp_path, {"HATCH_CONFIG": "none"}).tool
    assert tool.version_matters(BOTH)
    assert not called("hatch build", tmp_path).tool.version_matters(BOTH)
    tool.check((1, 4, 0), BOTH, None)
    with pytest.raises(ToolError, match=r"hatch 1\.3\.0 cannot .*; hatch 1\.4\.0 and newer can"):
        tool.check((1, 3, 0), BOTH, None)


def test_flit_needs_the_gateway(tmp_path: Path) -> None:
    """No flit can present a certificate from a file; the hint is what can."""
    error = refused("flit publish --repository x", tmp_path)
    assert error.hint == "mtls-run --handoff gateway -- flit publish"
    called("flit install", tmp_path)
    target = called("flit publish", tmp_path, check=False)
    for tls in (GATEWAY, ROOTS_ALONE):
        target.tool.check_call(target.call, tls)


@pytest.mark.parametrize(
    ("name", "answer", "version"),
    [
        ("flit", "Flit 4.2.0\n", (4, 2, 0)),
        ("poetry", "Poetry (version 2.5.1)\n", (2, 5, 1)),
        ("pdm", "PDM, version 2.29.4\n", (2, 29, 4)),
        ("hatch", "Hatch, version 1.18.2rc1\n", (1, 18, 2)),
        ("twine", "twine version 7.0.0 (readme-renderer: 46.0, requests: 2.34.2)\n", (7, 0, 0)),
        ("twine", "pip 26.3 from /x (python 3.13)\n", None),
        ("twine", "twine\n", None),
        ("twine", "", None),
    ],
)
def test_versions(name: str, answer: str, version: tuple[int, ...] | None) -> None:
    """Each tool's answer to --version is understood; another program's is not."""
    assert registry.load(name).parse_version(answer) == version


def test_variables_of_a_command() -> None:
    """What can be said by variables reaches a tool that another program starts."""
    tool, call = registry.recognise(["make"], any_program=True)
    found = prepared(Target(tool, call, "/bin/make"), BOTH).variables
    assert (found["TWINE_CERT"], found["HATCH_INDEX_CLIENT_CERT"]) == ("/ca", "/id")
    assert found["HATCH_INDEX_CA_CERT"] is None
