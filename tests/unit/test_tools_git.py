"""git, curl, pipx and pipenv: their commands, the user's own words, and git's settings."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run.cache.launches import Launch, WithIdentity
from mtls_run.tools import registry, tox
from mtls_run.tools.base import Target, TlsFiles, ToolCall, UserOverrides
from mtls_run.tools.curl import TOOL as CURL
from mtls_run.tools.git import TOOL as GIT

BOTH = TlsFiles(identity="/id", bundle="/ca", native=False)
ALONE = TlsFiles(
    identity="/id", bundle="/ca", native=False, hosts=("a.example", "*.b.example:8443")
)


def call(words: str) -> ToolCall:
    """Return the call that these words make."""
    return registry.recognise(words.split(), any_program=False)[1]


NETWORK = """\
git clone https://h/r
git -C d fetch
git pull
git push --help-me
git log -p
git commit
git commit -m -h
git st
git -c alias.x=!curl x
git submodule update
curl https://h/
curl -o -V https://h/
pipx install x
pipx run x --help
pipx list --outdated
python -m pipx upgrade-all
pipenv install
pipenv --python 3.13
pipenv run pip --help
pipenv uninstall x
"""
LOCAL = """\
git
git --version
git -C d status
git rev-parse HEAD
git config --get http.proxy
git clone -h
git -h
curl
curl --version
pipx
pipx list
pipx --version
pipx install --help
python3 -m pipx environment
pipenv --venv
pipenv graph
pipenv lock --help
"""


@pytest.mark.parametrize("words", NETWORK.splitlines())
def test_network(words: str) -> None:
    """What may connect gets the identity."""
    tool, found = registry.recognise(words.split(), any_program=False)
    assert tool.skip_reason(found, {}) is None


@pytest.mark.parametrize("words", LOCAL.splitlines())
def test_no_network(words: str) -> None:
    """What only looks around here starts at once."""
    tool, found = registry.recognise(words.split(), any_program=False)
    assert tool.skip_reason(found, {}) is not None


@pytest.mark.parametrize(
    ("words", "cert", "client_cert"),
    [
        ("git -c http.sslCert=x clone u", None, "x"),
        ("git -c HTTP.SSLCERT=x -C d fetch", None, "x"),
        ("git -c http.https://h/.sslCert=x fetch", None, "x"),
        ("git clone -c http.sslCAInfo=x u", "x", None),
        ("git clone --config=http.sslCAInfo=x u", "x", None),
        ("git clone u -- -c http.sslCert=x", None, None),
        ("git commit -c http.sslCert=x", None, None),
        ("git -c user.name=http.sslCert=x commit", None, None),
        ("curl --cert x u", None, "x"),
        ("curl -E x:secret u", None, "x"),
        (r"curl -sE C\:x:secret u", None, "C:x"),
        ("curl -sSEx u", None, "x"),
        ("curl -o -E u", None, None),
        ("curl -oE u", None, None),
        ("curl --cacert x u", "x", None),
        ("curl --capath x u", "x", None),
        ("pipx install x --pip-args=--client-cert=y", None, "y"),
        ("pipenv install --extra-pip-args --cert=y x", "y", None),
        ("pipx install x --pip-args='--cert", None, None),
    ],
)
def test_overrides(words: str, cert: str | None, client_cert: str | None) -> None:
    """What the user says to the tool of trust and identity is seen, and nothing else is."""
    tool, found = registry.recognise(words.split(), any_program=False)
    seen = tool.overrides(found)
    assert (seen.cert, seen.client_cert) == (cert, client_cert)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("git -c http.extraHeader=secret fetch", "git -c http.extraHeader=*** fetch"),
        ("git clone https://u:secret@h/r", "git clone https://u:***@h/r"),
        ("curl -H secret -b secret -u secret u", "curl -H *** -b *** -u *** u"),
        ("curl -E x:secret --oauth2-bearer secret u", "curl -E *** --oauth2-bearer *** u"),
    ],
)
def test_secrets(words: str, shown: str) -> None:
    """A secret on the command line is not shown."""
    tool, found = registry.recognise(words.split(), any_program=False)
    assert Target(tool, found, words.split(maxsplit=1)[0]).shown() == tuple(shown.split())


def test_curl_without_its_settings() -> None:
    """Curl passes over .curlrc where -q comes first, so our flags come after it."""
    for first, expected in (("-q", 2), ("--disable", 2), ("-qsS", 2), ("-qE", 1), ("-s", 1)):
        assert len(call(f"curl {first} x https://h/").prefix) == expected


def test_curl_flags() -> None:
    """Curl is handed what the user has not given, and a colon in a path does not end it."""
    own = UserOverrides(cert="x", client_cert="y")
    assert CURL.flags(None, BOTH, own) == ()
    found = CURL.flags(None, TlsFiles(identity="/a:b", bundle="/ca", native=False), UserOverrides())
    assert found[:2] == ("--cacert", "/ca")
    assert found[-2:] == ("--cert", r"/a\:b")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("git version 2.39.5", (2, 39, 5)),
        ("git version 2.39.5 (Apple Git-154)", (2, 39, 5)),
        ("git version 2.45.1.windows.1", (2, 45, 1)),
        ("git version 2.31.0-rc1", (2, 31)),
        ("hub version 2", None),
        ("git version", None),
    ],
)
def test_version_of_git(answer: str, expected: tuple[int, ...] | None) -> None:
    """Each vendor says more than the version."""
    assert GIT.parse_version(answer) == expected


@pytest.mark.parametrize("identity", ["/id", WithIdentity()])
def test_git_before_2_31(identity: str | WithIdentity) -> None:
    """An old git is told by flags, and a new one is not."""
    tls = TlsFiles(identity=identity, bundle="/ca", native=False)
    assert GIT.flags((2, 31), tls, UserOverrides()) == ()
    words = Launch(GIT.flags((2, 30, 2), tls, UserOverrides()), {}).words("/id")
    assert "http.sslCAInfo=/ca" in words
    assert "http.sslKey=/id" in words
    assert words[::2] == ("-c",) * (len(words) // 2)


def settings(environ: dict[str, str]) -> list[tuple[str, str]]:
    """Return git's settings in this environment, as git reads them."""
    return [
        (environ[f"GIT_CONFIG_KEY_{n}"], environ[f"GIT_CONFIG_VALUE_{n}"])
        for n in range(int(environ.get("GIT_CONFIG_COUNT") or "0"))
    ]


def started(tls: TlsFiles, environ: dict[str, str]) -> dict[str, str]:
    """Return the environment of a tool that is started from this one."""
    return Launch((), GIT.shared_variables(tls, environ)).environ(environ, None)


OWN = st.lists(
    st.tuples(
        st.sampled_from(["user.name", "http.proxy", "http.sslCert", "http.https://h/.sslKey"]),
        st.sampled_from(["x", ""]),
    ),
    max_size=4,
)


@given(own=OWN)
def test_settings_are_appended(own: list[tuple[str, str]]) -> None:
    """What was there stays, but for its last settings of TLS; a nested run adds nothing."""
    environ = {"GIT_CONFIG_COUNT": str(len(own))}
    for n, (key, value) in enumerate(own):
        environ.update({f"GIT_CONFIG_KEY_{n}": key, f"GIT_CONFIG_VALUE_{n}": value})
    once = started(BOTH, environ)
    ours = settings(started(BOTH, {}))
    found = settings(once)
    assert found[-len(ours) :] == ours
    kept = found[: -len(ours)]
    assert own[: len(kept)] == kept
    assert all("ssl" in key for key, _ in own[len(kept) :])
    assert started(BOTH, once) == once
    without = started(TlsFiles(identity=None, bundle=None, native=True), once)
    assert settings(without) == kept
    assert f"GIT_CONFIG_KEY_{len(kept)}" not in without


@pytest.mark.parametrize("count", ["x", "-1", "1e3", "9" * 10, "²"])
def test_a_count_that_is_none(count: str) -> None:
    """Git ends at it; nothing is made of it here."""
    found = started(BOTH, {"GIT_CONFIG_COUNT": count})
    assert found == {"GIT_CONFIG_COUNT": count}


def test_known_hosts() -> None:
    """An identity with hosts is set for these alone, the roots for every host."""
    found = dict(settings(started(ALONE, {})))
    assert found["http.sslCAInfo"] == "/ca"
    assert "http.sslCert" not in found
    for host in ALONE.hosts:
        assert found[f"http.https://{host}/.sslCert"] == "/id"
        assert found[f"http.https://{host}/.sslKey"] == "/id"


def test_gateway_and_a_setting_for_one_host() -> None:
    """The gateway's CA and proxy are set for each host too, where a user's own would win."""
    tls = TlsFiles(None, "/ca", native=False, proxy="http://mtls-run:x@h:1", hosts=ALONE.hosts)
    found = dict(settings(started(tls, {})))
    for url in ("", "https://a.example/."):
        assert found[f"http.{url}sslCAInfo"] == "/ca"
        assert found[f"http.{url}proxy"] == tls.proxy


def test_npm_gets_an_identity_for_known_hosts() -> None:
    """Npm takes a certificate for a registry alone; its name has what no shell can write."""
    name = "npm_config_//a.example/:certfile"
    assert registry.shared_variables(ALONE, {})[name] == "/id"
    assert not [one for one in registry.shared_variables(BOTH, {}) if "certfile" in one]


def test_tox_passes_on_what_it_would_drop() -> None:
    """The user's own override comes first, and a nested run does not repeat ours."""
    before = {"TOX_OVERRIDE": "testenv.deps=x"}
    variables = {**registry.shared_variables(BOTH, {}), "UNSET": None}
    text = tox.pass_on(variables, before)["TOX_OVERRIDE"]
    assert isinstance(text, str)
    own, testenv, *_ = text.split(";")
    assert own == "testenv.deps=x"
    key, _, names = testenv.partition("+=")
    assert key == "testenv.passenv"
    assert {"SSL_CLIENT_CERT", "MTLS_RUN_*", "GIT_CONFIG_*"} < set(names.split(","))
    assert "UNSET" not in names
    assert tox.pass_on(variables, {"TOX_OVERRIDE": text})["TOX_OVERRIDE"] == text


def test_git_is_found_by_its_name_alone() -> None:
    """`python -m git` is another program (GitPython)."""
    assert call("/usr/bin/git fetch").kind == "git"
    words = ["python", "-m", "git", "fetch"]
    assert registry.recognise(words, any_program=True)[1].kind == "command"
    assert os.path.basename(call("git.exe fetch").prefix[0]) == "git.exe"
