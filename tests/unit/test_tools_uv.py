"""uv is recognised, its commands are told apart, and versions that cannot are stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mtls_run.errors import ToolError, UsageError
from mtls_run.identity.kind import KeyKind
from mtls_run.tools import registry
from mtls_run.tools.base import TlsFiles, ToolCall, UserOverrides
from mtls_run.tools.command import TOOL as COMMAND
from mtls_run.tools.uv import TOOL as UV

if TYPE_CHECKING:
    from mtls_run.tools.base import Version

BOTH = TlsFiles(identity="/run/id.pem", bundle="/cache/ca.pem", native=False)
ROOTS = TlsFiles(identity=None, bundle="/cache/ca.pem", native=False)
NATIVE = TlsFiles(identity=None, bundle=None, native=True)


def call(words: str) -> ToolCall:
    """Return the call of uv that these words make."""
    return registry.recognise(words.split(), any_program=False)[1]


@pytest.mark.parametrize(
    ("words", "length"),
    [
        ("uv sync", 1),
        ("uvx ruff", 1),
        ("uv", 1),
        ("uv.exe sync", 1),
        ("./uv sync", 1),
        ("/opt/bin/uvx ruff", 1),
        ("python -m uv sync", 3),
        ("python3.12 -m uv sync", 3),
        ("py -3 -m uv sync", 4),
        ("python -W ignore -m uv sync", 5),
        ("python -Im uv sync", 3),
        ("python -muv sync", 2),
    ],
)
def test_recognised(words: str, length: int) -> None:
    """Each way to start uv is told, and where uv's own arguments begin."""
    for any_program in (True, False):
        tool, found = registry.recognise(words.split(), any_program=any_program)
        assert tool is UV
        assert found.kind == "uv"
        assert (*found.prefix, *found.arguments) == tuple(words.split())
        assert len(found.prefix) == length


@pytest.mark.parametrize(
    "words",
    ["uvw sync", "uvicorn app", "uv3 sync", "python uv", "python -m uvicorn", "python uv.py"],
)
def test_not_recognised(words: str) -> None:
    """What only resembles uv is another program."""
    _, found = registry.recognise(words.split(), any_program=True)
    assert (found.kind, found.prefix) == ("command", (words.split(maxsplit=1)[0],))
    with pytest.raises(UsageError):
        registry.recognise(words.split(), any_program=False)


NETWORK = [
    "uv pip install x",
    "uv pip sync r.txt",
    "uv pip compile r.in",
    "uv pip list --outdated",
    "uv pip tree --outdated",
    "uv pip uninstall -r https://h/r.txt",
    "uv pip --cert F install x",
    "uv --directory cache pip install x",
    "uv --cache-dir list sync",
    "uv --project help add x",
    "uv --color always pip --directory list install x",
    "uv --config-file=cache sync",
    "uv lock",
    "uv sync",
    "uv add x",
    "uv remove x",
    "uv run x",
    "uv run pytest --help",
    "uv run --with x -- y --version",
    "uv run --offline x",
    "uv run --script s.py",
    "uv tool run ruff --help",
    "uv tool run ruff",
    "uv tool install x",
    "uv tool upgrade x",
    "uv tool list --outdated",
    "uv venv",
    "uv venv .venv --clear",
    "uv venv --seed",
    "uv venv --python 3.13",
    "uv venv -p3.13",
    "uv python list",
    "uv python find",
    "uv python install",
    "uv python upgrade",
    "uv publish",
    "uv build",
    "uv export",
    "uv tree",
    "uv version --bump minor",
    "uv version 1.2.3",
    "uv self update",
    "uv init x",
    "uv some-command-to-come",
    "uv tool some-command-to-come",
    "uvx ruff",
    "uvx ruff --version",
    "uvx --from x y",
    "uvx --with x ruff --help",
    "python -m uv tool run ruff",
    "python -m uv sync",
]

LOCAL = [
    "uv",
    "uv --version",
    "uv -V",
    "uv --help",
    "uv -h",
    "uv -q --version",
    "uv help pip",
    "uv pip",
    "uv pip --help",
    "uv pip install --help",
    "uv pip list",
    "uv pip freeze",
    "uv pip show x",
    "uv pip check",
    "uv pip tree",
    "uv pip uninstall x",
    "uv pip uninstall -r r.txt",
    "uv --directory install pip list",
    "uv pip --directory install list",
    "uv cache dir",
    "uv cache clean",
    "uv cache prune --ci",
    "uv python dir",
    "uv tool list",
    "uv tool dir",
    "uv tool uninstall x",
    "uv tool update-shell",
    "uv tool run --help",
    "uv self version",
    "uv venv --help",
    "uv version",
    "uv version --short",
    "uv version --output-format json",
    "uv sync --help",
    "uv sync --offline",
    "uv --offline pip install x",
    "uv pip install --offline x",
    "uv run --help",
    "uv run -h",
    "uv generate-shell-completion bash",
    "uv workspace list",
    "uvx",
    "uvx --version",
    "uvx --help",
    "uvx -V",
    "python -m uv --version",
    "python -m uv pip list",
]


@pytest.mark.parametrize("words", NETWORK)
def test_uses_the_network(words: str) -> None:
    """What builds an HTTP client gets the profile; what is not known is taken to."""
    assert UV.skip_reason(call(words), {}) is None


@pytest.mark.parametrize("words", LOCAL)
def test_uses_no_network(words: str) -> None:
    """What builds none is started at once, and the reason is said."""
    assert (UV.skip_reason(call(words), {}) or "").startswith("uv")


@pytest.mark.parametrize(
    ("words", "environ", "skipped"),
    [
        ("uv sync", {"UV_OFFLINE": "1"}, True),
        ("uv sync", {"UV_OFFLINE": "true"}, True),
        ("uv sync", {"UV_OFFLINE": "0"}, False),
        ("uv sync", {"UV_OFFLINE": ""}, False),
        ("uv run x", {"UV_OFFLINE": "1"}, False),
        ("uvx ruff", {"UV_OFFLINE": "1"}, False),
        ("uv venv", {"UV_OFFLINE": "1"}, True),
    ],
)
def test_variables_decide_too(words: str, environ: dict[str, str], skipped: bool) -> None:
    """Variables of uv that mean the same as a flag are read as such."""
    assert (UV.skip_reason(call(words), environ) is not None) is skipped


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("uv 0.13.9 (abc 2026-01-01)\n", (0, 13, 9)),
        ("uv 0.2.11\n", (0, 2, 11)),
        ("uvx 0.4.0", (0, 4, 0)),
        ("uv-tool-uvx 0.2.0", (0, 2, 0)),
        ("uv 0.9.30+12 (abc)", (0, 9, 30)),
        ("uv 0.9.30-rc.1", (0, 9, 30)),
        ("uv x.y", None),
        ("uv", None),
        ("", None),
        ("pip 26.3 from /x (python 3.13)", None),
        ("mise 2026.1.1", None),
    ],
)
def test_version(output: str, version: Version | None) -> None:
    """The version is the number after uv's name, and nothing else is one."""
    assert UV.parse_version(output) == version


P256, P384, P521 = (KeyKind(f"EC P-{n}", rustls=True) for n in (256, 384, 521))
RSA, SHORT_RSA = KeyKind("RSA 2048", rustls=True), KeyKind("RSA 1024", rustls=False)
ED448 = KeyKind("Ed448", rustls=False)

GATES: list[tuple[Version, TlsFiles, KeyKind | None, str | None]] = [
    ((0, 2, 11), BOTH, None, None),
    ((0, 2, 10), BOTH, None, "uv 0.2.10 cannot present a client certificate; uv 0.2.11 and newer"),
    ((0, 2, 10), ROOTS, None, None),
    ((0, 1, 19), ROOTS, None, None),
    ((0, 1, 18), ROOTS, None, "uv 0.1.18 cannot use the profile's roots; uv 0.1.19 and newer"),
    ((0, 1, 18), NATIVE, None, "uv 0.1.18 cannot use the profile's roots"),
    ((0, 1, 19), NATIVE, None, None),
    ((0, 2, 11), BOTH, P256, None),
    ((0, 2, 11), BOTH, P384, None),
    ((0, 2, 11), BOTH, RSA, None),
    (
        (0, 10, 99),
        BOTH,
        P521,
        "uv 0.10.99 cannot use a client certificate with a P-521 key; uv 0.11.0",
    ),
    ((0, 11, 0), BOTH, P521, None),
    (
        (0, 13, 9),
        BOTH,
        SHORT_RSA,
        "uv 0.13.9 cannot use a client certificate with a key of kind RSA 1024",
    ),
    ((0, 13, 9), BOTH, ED448, "uv 0.13.9 cannot use a client certificate with a key of kind Ed448"),
]


@pytest.mark.parametrize(("version", "tls", "key", "fact"), GATES)
def test_gates(version: Version, tls: TlsFiles, key: KeyKind | None, fact: str | None) -> None:
    """A version that would go on without what it is handed is stopped, and told which can."""
    if fact is None:
        UV.check(version, tls, key)
        return
    with pytest.raises(ToolError) as caught:
        UV.check(version, tls, key)
    assert caught.value.fact.startswith(fact)
    assert caught.value.status == 125
    assert caught.value.hint


def test_version_matters() -> None:
    """The version is asked for wherever anything is handed on."""
    assert UV.version_matters(BOTH)
    assert UV.version_matters(NATIVE)
    assert not UV.version_matters(TlsFiles(identity=None, bundle=None, native=False))


def test_no_flags() -> None:
    """Uv is given variables alone: a flag that a version does not know would end it."""
    given = call("uv pip install --cert F x")
    assert UV.overrides(given) == UserOverrides(cert="F")
    assert UV.overrides(call("uv run x --cert F")) == UserOverrides()  # it is x's
    for version in ((0, 2, 11), (0, 13, 9)):
        assert UV.flags(version, BOTH, UserOverrides()) == ()
        assert UV.own_variables(version, BOTH, UserOverrides(), {}) == {}


def test_any_command() -> None:
    """Another program is started as it is: no question, no flag, no gate, never skipped."""
    tool, found = registry.recognise(["make", "-j", "all"], any_program=True)
    assert tool is COMMAND
    assert found == ToolCall(kind="command", prefix=("make",), arguments=("-j", "all"))
    assert COMMAND.skip_reason(found, {}) is None
    assert COMMAND.overrides(found) == UserOverrides()
    assert COMMAND.parse_version("make 4") is None
    assert not COMMAND.version_matters(BOTH)
    assert COMMAND.flags(None, BOTH, UserOverrides()) == ()
    assert COMMAND.own_variables(None, BOTH, UserOverrides(), {}) == {}
    COMMAND.check(None, BOTH, ED448)
