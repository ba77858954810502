"""pip is recognised, its words are read as pip reads them, and each version gets what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mtls_run.errors import ToolError, UsageError
from mtls_run.identity.kind import KeyKind
from mtls_run.tools import pip_version, registry
from mtls_run.tools.base import TlsFiles, UserOverrides
from mtls_run.tools.pip import TOOL as PIP

if TYPE_CHECKING:
    from mtls_run.tools.base import ToolCall

BOTH = TlsFiles(identity="/run/id.pem", bundle="/cache/ca.pem", native=False)


def call(*arguments: str) -> ToolCall:
    """Return the call of pip with these arguments."""
    return registry.recognise(["pip", *arguments], any_program=False)[1]


@pytest.mark.parametrize(
    ("words", "length"),
    [
        ("pip install x", 1),
        ("pip3 install x", 1),
        ("pip3.9 install x", 1),
        ("pip3.13 install x", 1),
        ("pip.exe install x", 1),
        ("./pip install x", 1),
        ("/opt/venv/bin/pip3.11 install x", 1),
        ("pip", 1),
        ("python -m pip install x", 3),
        ("python3 -m pip install x", 3),
        ("python3.12 -m pip install x", 3),
        ("python3.13t -m pip install x", 3),
        ("pypy3 -m pip install x", 3),
        ("pypy3.10 -m pip install x", 3),
        ("pythonw -m pip install x", 3),
        ("python.exe -m pip install x", 3),
        ("/opt/venv/bin/python -m pip install x", 3),
        ("py -m pip install x", 3),
        ("py -3 -m pip install x", 4),
        ("py -3.12 -m pip install x", 4),
        ("py -3.12-64 -m pip install x", 4),
        ("py -V:3.12 -m pip install x", 4),
        ("python -mpip install x", 2),
        ("python -Im pip install x", 3),
        ("python -Impip install x", 2),
        ("python -I -m pip install x", 4),
        ("python -W ignore -m pip install x", 5),
        ("python -Wignore -m pip install x", 4),
        ("python -IW ignore -m pip install x", 5),
        ("python -X dev -m pip install x", 5),
        ("python -Xdev -m pip install x", 4),
        ("python -bb -u -m pip install x", 5),
        ("python --check-hash-based-pycs always -m pip install x", 5),
    ],
)
def test_recognised(words: str, length: int) -> None:
    """Each way to start pip is told, and where pip's own arguments begin."""
    for any_program in (True, False):
        tool, found = registry.recognise(words.split(), any_program=any_program)
        assert tool is PIP
        assert found.kind == "pip"
        assert (*found.prefix, *found.arguments) == tuple(words.split())
        assert len(found.prefix) == length


@pytest.mark.parametrize(
    "words",
    [
        "pipxx install x",
        "pip4 install x",
        "pip3.x install x",
        "pip-3 install x",
        "pip-compile",
        "pipenvs install",
        "python x.py -m pip",
        "python -c 1 -m pip",
        "python -Ic 1 -m pip",
        "python - -m pip",
        "python -m",
        "python",
        "python -m pipxx install",
        "python -m pip.__main__ install",
        "python -W -m pip install",
        "python -m venv -m pip",
        "python3-config -m pip",
        "pythonic -m pip",
        "make pip",
    ],
)
def test_not_recognised(words: str) -> None:
    """What only resembles pip is another program: an error by itself, a command after `--`."""
    assert registry.recognise(words.split(), any_program=True)[1].kind == "command"
    with pytest.raises(UsageError, match="unknown command") as caught:
        registry.recognise(words.split(), any_program=False)
    assert (caught.value.hint or "").startswith("to run any program: mtls-run -- ")


NETWORK = [
    "install x",
    "install --upgrade pip",
    "-v install x",
    "-q -q install x",
    "--isolated install x",
    "--cache-dir list install x",
    "--log debug install x",
    "--timeout 5 install x",
    "--timeout=5 install x",
    "--python show install x",
    "--cert freeze install x",
    "--cer cache install x",
    "--client-cert cache install x",
    "--proxy http://p install x",
    "install -- --help",
    "install x -- -h",
    "download x",
    "wheel x",
    "lock x",
    "index versions x",
    "search x",
    "list --outdated",
    "list -o",
    "list --uptodate",
    "list -u",
    "list --outd",
    "list --upt",
    "list -vo",
    "uninstall -r https://h/requirements.txt",
    "uninstall -rhttps://h/requirements.txt",
    "some-command-to-come",
    "--some-option-to-come install x",
]

LOCAL = [
    "",
    "--version",
    "-V",
    "--help",
    "-h",
    "-q --version",
    "install --help",
    "install -h",
    "install x --help",
    "download --help",
    "help install",
    "list",
    "list --format=json",
    "list -v",
    "list --not-required",
    "-q list",
    "--python x list",
    "freeze",
    "show x",
    "check",
    "config list",
    "cache purge",
    "debug",
    "hash f",
    "completion --bash",
    "inspect",
    "uninstall x",
    "uninstall -y x",
    "uninstall -r requirements.txt",
    "--cache-dir x",
]


@pytest.mark.parametrize("words", NETWORK)
def test_uses_the_network(words: str) -> None:
    """What may open a connection gets the profile; what is not known is taken to."""
    assert PIP.skip_reason(call(*words.split()), {}) is None


@pytest.mark.parametrize("words", LOCAL)
def test_uses_no_network(words: str) -> None:
    """What opens no connection is started at once, and the reason is said."""
    reason = PIP.skip_reason(call(*words.split()), {})
    assert reason is not None
    assert reason.startswith("pip ")


@pytest.mark.parametrize("name", ["PIP_OUTDATED", "PIP_UPTODATE"])
def test_list_by_variable(name: str) -> None:
    """A variable can make `pip list` ask the index."""
    assert PIP.skip_reason(call("list"), {name: "1"}) is None
    assert PIP.skip_reason(call("list"), {name: ""}) is not None


@pytest.mark.parametrize(
    ("words", "cert", "client_cert"),
    [
        ("install x", None, None),
        ("install --cert F x", "F", None),
        ("install --cert=F x", "F", None),
        ("--cert F install x", "F", None),
        ("--cert=F install x", "F", None),
        ("install x --client-cert F", None, "F"),
        ("install x --client-cert=F", None, "F"),
        ("--client-cert F --cert G install x", "G", "F"),
        ("install --cer F x", "F", None),
        ("install --cer=F x", "F", None),
        ("install --ce F x", "F", None),
        ("install --cl F x", None, "F"),
        ("install --client-c=F x", None, "F"),
        ("install --cert F --cert G x", "G", None),
        ("--cert F install --cert=G x", "G", None),
        ("install --cert= x", "", None),
        ("install -- --cert F", None, None),
        ("install x -- --client-cert=F", None, None),
        ("install --certificate F x", None, None),
        ("install --client-certs F", None, None),
        ("install cert=F", None, None),
        ("install -cert F", None, None),
        ("install --cert", "", None),
    ],
)
def test_overrides(words: str, cert: str | None, client_cert: str | None) -> None:
    """What the user says of trust and identity is read as optparse reads it, the last of each."""
    assert PIP.overrides(call(*words.split())) == UserOverrides(cert=cert, client_cert=client_cert)


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("pip 26.3 from /x/pip (python 3.13)\n", (26, 3)),
        ("pip 24.2 from /x (python 3.9)", (24, 2)),
        ("pip 21.3.1 from /a b/pip (python 3.9)", (21, 3, 1)),
        ("pip 24.1b2 from /x (python 3.9)", (24, 1)),
        ("pip 25.0.dev0 from /x (python 3.9)", (25, 0)),
        ("pip 26 from /x (python 3.9)", (26,)),
        ("", None),
        ("pip", None),
        ("pip x", None),
        ("uv 0.13.9", None),
        ("pipx 1.7.1", None),
        ("WARNING: something\npip 26.3 from /x", None),
    ],
)
def test_version(output: str, version: tuple[int, ...] | None) -> None:
    """The version is the number after pip's name, and nothing else is one."""
    assert PIP.parse_version(output) == version


def test_location() -> None:
    """The directory of the pip that answered is told, blanks and parentheses in it included."""
    assert pip_version.location("pip 26.3 from /a (b)/pip (python 3.13)\n") == "/a (b)/pip"
    assert pip_version.location("pip 26.3") is None


ID, CA, LEGACY = ("--client-cert", "/run/id.pem"), ("--cert", "/cache/ca.pem"), "legacy-certs"


@pytest.mark.parametrize(
    ("version", "overrides", "expected"),
    [
        ((24, 0), UserOverrides(), (*CA, *ID)),
        ((24, 1, 2), UserOverrides(), (*CA, *ID)),
        (
            (24, 2),
            UserOverrides(),
            (*CA, f"--use-deprecated={LEGACY}", *ID),
        ),
        (
            (26, 3),
            UserOverrides(),
            (*CA, f"--use-deprecated={LEGACY}", *ID),
        ),
        ((26, 3), UserOverrides(cert="mine", client_cert=None), ID),
        ((26, 3), UserOverrides(cert="", client_cert=None), ID),
        (
            (26, 3),
            UserOverrides(cert=None, client_cert="mine"),
            (*CA, f"--use-deprecated={LEGACY}"),
        ),
        ((26, 3), UserOverrides(cert="mine", client_cert="mine"), ()),
    ],
)
def test_flags(
    version: tuple[int, ...], overrides: UserOverrides, expected: tuple[str, ...]
) -> None:
    """The flags are those that the user has not given, and legacy-certs from pip 24.2 on."""
    assert PIP.flags(version, BOTH, overrides) == expected


def test_flags_without_parts() -> None:
    """Without an identity, or without a bundle, its flag is left out."""
    nothing = UserOverrides()
    assert PIP.flags((26, 3), TlsFiles(identity=None, bundle=None, native=True), nothing) == ()
    only = TlsFiles(identity="/i", bundle=None, native=True)
    assert PIP.flags((26, 3), only, nothing) == ("--client-cert", "/i")
    assert PIP.version_matters(BOTH)
    assert PIP.version_matters(only)
    assert not PIP.version_matters(TlsFiles(identity="/i", bundle=None, native=False))


def test_verifier_of_the_system() -> None:
    """Where the system itself verifies, pip before 24.2, which cannot let it, stops."""
    verifier = TlsFiles(identity="/i", bundle=None, native=True)
    PIP.check((24, 2), verifier, None)
    PIP.check((24, 1), BOTH, None)
    with pytest.raises(ToolError, match=r"pip 24\.1 cannot use the operating system's verifier"):
        PIP.check((24, 1), verifier, None)


@pytest.mark.parametrize(
    ("version", "before", "expected"),
    [
        ((24, 0), {}, {}),
        ((24, 2), {}, {"PIP_USE_DEPRECATED": "legacy-certs"}),
        ((26, 3), {"PIP_USE_DEPRECATED": "legacy-resolver"}, "legacy-resolver legacy-certs"),
        ((26, 3), {"PIP_USE_DEPRECATED": "legacy-certs"}, "legacy-certs"),
    ],
)
def test_variables(
    version: tuple[int, ...], before: dict[str, str], expected: dict[str, str] | str
) -> None:
    """legacy-certs goes to pip's children by variable, beside what the user has deprecated."""
    nothing = UserOverrides()
    wanted = {"PIP_USE_DEPRECATED": expected} if isinstance(expected, str) else expected
    assert PIP.own_variables(version, BOTH, nothing, before) == wanted


def test_user_cert_is_not_beaten() -> None:
    """REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE beat --cert (pip #10147), so they go where it is."""
    overrides = UserOverrides(cert="mine", client_cert=None)
    expected = {"REQUESTS_CA_BUNDLE": None, "CURL_CA_BUNDLE": None}
    assert PIP.own_variables((26, 3), BOTH, overrides, {}) == expected


def test_every_key_is_taken() -> None:
    """Pip signs with whatever OpenSSL does, in every version."""
    for key in (None, KeyKind("EC P-521", rustls=True), KeyKind("Ed448", rustls=False)):
        PIP.check((21, 3), BOTH, key)
