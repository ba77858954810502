"""Whatever a file, a server or a command line holds, the end is an answer or an error in words."""

from __future__ import annotations

import base64
import json
import os
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from hypothesis import strategies as st

from mtls_run import cli, output
from mtls_run.config import document, edit, layers, pip_settings, project
from mtls_run.config.origin import Origin
from mtls_run.doctor.findings import CATALOGUE
from mtls_run.errors import MtlsRunError
from mtls_run.identity import checks
from mtls_run.identity.material import parse
from mtls_run.net import tls
from mtls_run.net.certificates import TrustStore
from mtls_run.output.text import printable
from mtls_run.passphrase import fetch
from mtls_run.passphrase.sources import FromFile
from mtls_run.roots import certificates
from mtls_run.secret import Secret
from mtls_run.system import recursion_guard, urls
from mtls_run.tools import pip_version, uv_indexes
from mtls_run.tools.base import PipScope, ToolCall
from mtls_run.tools.pip import TOOL as PIP
from mtls_run.tools.uv import TOOL as UV
from tests.fuzz import seeds
from tests.fuzz.examples import each_tier, for_all
from tests.fuzz.mutate import der, noise, pem
from tests.unit.conftest import clean_environment
from tests.unit.support import Heard

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["clean_environment"]

pytestmark = pytest.mark.fuzz
SAID = Origin("the test")
LONGEST_MESSAGE = 16 * 1024
Run = Callable[[Path, bytes], object]


def opened(*contents: bytes) -> None:
    """Open an identity as a run does; what is handed on opens again, as the same."""
    now = checks.utc_now()
    held = parse([(Path(f"/pki/file{number}"), data) for number, data in enumerate(contents, 1)])
    held.check_early(now)
    found = held.unlock(Secret(seeds.PASSPHRASE) if held.locked else None, now)
    again = parse([(Path("/pki/again"), found.exportable_pem().reveal())]).unlock(None, now)
    assert again.ready is not None, "not every tool reads what is handed on"
    assert again.leaf == found.leaf


def added(_: Path, data: bytes) -> None:
    """Read a file of CA certificates; the bundle made of it has the same certificates."""
    found = certificates.read_added(data, "/pki/root.pem", SAID)
    again = certificates.read_store(certificates.to_pem(found), "again")
    assert again == list(dict.fromkeys(found))
    assert TrustStore(found).names is not None


def store(_: Path, data: bytes) -> None:
    """Read a store of roots."""
    found = certificates.read_store(data, "/pki/store.pem")
    assert TrustStore(found).names is not None


def passphrase_file(folder: Path, data: bytes) -> None:
    """Read a passphrase's file: its one line, as it stands."""
    path = folder / "passphrase"
    path.touch(0o600)
    path.write_bytes(data)
    line = fetch.from_file(FromFile(path), "the test", lambda _path, _data: None).reveal()
    assert line
    assert data in (line, line + b"\n", line + b"\r\n", line + b"\r")


def configuration(folder: Path, data: bytes) -> None:
    """Read a configuration and build each of its profiles."""
    path = folder / "config.toml"
    path.write_bytes(data)
    found = layers.load({"MTLS_RUN_CONFIG": str(path)}, folder / "none.toml")
    for name in found.profiles:
        found.profile(name, SAID)


def edited(folder: Path, data: bytes) -> None:
    """Add a profile and remove it again: all other values stay."""
    path = folder / "config.toml"
    before = document.parse(path, data).tables
    profiles = before.get("profiles", {})
    if isinstance(profiles, dict) and "fuzz.x" not in profiles:
        more = edit.put_profile(data, "fuzz.x", {"client-cert": "~/x", "roots": "none"})
        after = document.parse(path, edit.drop(more, ("profiles", "fuzz.x"))).tables
        assert repr({**after, "profiles": {}}) == repr({**before, "profiles": {}})
    edit.set_default(data, "corp")


def project_file(folder: Path, data: bytes) -> None:
    """Find a project file, under either of its names, and the files that it names."""
    below = folder / "project" / "sub"
    below.mkdir(parents=True, exist_ok=True)
    for name in (project.OWN, project.SHARED):
        (below.parent / project.OWN).unlink(missing_ok=True)
        (below.parent / name).write_bytes(data)
        found = project.find(below, {"HOME": str(folder)}, Heard())
        if found is not None:
            found.named_files()


def pip_file(folder: Path, data: bytes) -> None:
    """Read pip's settings; what is handed to uv of them can be a variable."""
    (folder / "pip.conf").write_bytes(data)
    environ = {"PIP_CONFIG_FILE": str(folder / "pip.conf"), "HOME": str(folder)}
    found = pip_settings.read(environ, PipScope(command="install"))
    assert not [v for v in uv_indexes.variables(found).values() if "\0" in v]


def uv_file(folder: Path, data: bytes) -> None:
    """Read uv's settings, from either file that may hold them."""
    below = folder / "uv"
    below.mkdir(exist_ok=True)
    environ = {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "none"),
        "UV_INDEX": "https://x",
    }
    for name in ("uv.toml", "pyproject.toml"):
        (below / "uv.toml").unlink(missing_ok=True)
        (below / name).write_bytes(data)
        uv_indexes.named_for_uv(["pip", "install"], {"HOME": str(folder)}, below)
        for one in uv_indexes.configured(environ, below):
            urls.without_password(one.value)


class Script:
    """A connection on which the server says this, whatever it is sent."""

    def __init__(self, data: bytes) -> None:
        self._pieces = [data[at : at + 700] for at in range(0, len(data), 700)]

    def send(self, data: bytes, deadline: float) -> None:
        """Take anything."""

    def receive(self, size: int, deadline: float) -> bytes:
        """Return the next piece."""
        del size, deadline
        return self._pieces.pop(0) if self._pieces else b""

    def close(self) -> None:
        """Do nothing."""


def server_flight(_: Path, data: bytes) -> None:
    """Shake hands with a server; the problem, if any, is one of OpenSSL's."""
    trusted = TrustStore([seeds.CERTIFICATE])
    found = tls.Tls(Script(data), "index.example", trusted).handshake(2.0**40)
    assert found.problem is None or found.problem.number > 0


def typed(_: Path, data: bytes) -> None:
    """Read a command line: the tool's words are the last of those that were typed."""
    words = [os.fsdecode(word) for word in data.split(b"\0")]
    found = cli.parse(words)
    rest = [*([found.subcommand] if found.subcommand else []), *found.words]
    assert rest == words[len(words) - len(rest) :]


def guarded(_: Path, data: bytes) -> None:
    """Read the variable that ends a circle of programs."""
    call = ToolCall(kind="uv", prefix=("uv",), arguments=("pip", "install"))
    value = os.fsdecode(data.replace(b"\0", b""))
    recursion_guard.read(call, {recursion_guard.VARIABLE: value}).enter("/bin/sh", {})


def shown(_: Path, data: bytes) -> None:
    """Show a URL: no character of it moves the cursor."""
    text = data.decode("utf-8", "surrogateescape")
    urls.without_password(text)
    assert printable(urls.without_passwords(text)).isprintable()


def version(_: Path, data: bytes) -> None:
    """Read what a tool answers for its version: numbers, or none."""
    text = data.decode("utf-8", "replace")
    for tool in (PIP, UV):
        assert all(type(part) is int for part in tool.parse_version(text) or ())
    pip_version.location(text)


TARGETS: dict[str, tuple[SearchStrategy[bytes], Run]] = {
    "identity PEM": (pem(*seeds.PEM), lambda _, data: opened(data)),
    "identity DER": (der(seeds.CERTIFICATE), lambda _, data: opened(data, seeds.SEPARATE_KEY)),
    "key DER": (der(seeds.SEPARATE_KEY), lambda _, data: opened(seeds.CERT_PEM, data)),
    "identity PKCS#12": (der(*seeds.PKCS12), lambda _, data: opened(data)),
    "encrypted key": (pem(*seeds.LOCKED), lambda _, data: opened(seeds.CERT_PEM, data)),
    "ca-cert": (st.one_of(pem(*seeds.ROOTS), der(seeds.CERTIFICATE)), added),
    "store of roots": (pem(*seeds.ROOTS), store),
    "passphrase file": (noise(b"word\r\n", b"\xff\xfe\n"), passphrase_file),
    "configuration": (noise(*seeds.CONFIGURATIONS, words=seeds.TOML_WORDS), configuration),
    "edits of it": (noise(*seeds.CONFIGURATIONS, words=seeds.TOML_WORDS), edited),
    "project file": (noise(*seeds.PROJECT_FILES, words=seeds.TOML_WORDS), project_file),
    "pip's settings": (noise(*seeds.PIP_FILES, words=seeds.PIP_WORDS), pip_file),
    "uv's settings": (noise(*seeds.UV_FILES, words=seeds.TOML_WORDS), uv_file),
    "TLS bytes": (noise(*seeds.flights()), server_flight),
    "argv": (
        noise(
            b"--profile\0corp\0uv\0pip\0install",
            b"-qp\0x\0--\0make\0-j\0",
            words=(b"--profile", b"\0-p\0", b"\0--\0", b"-qv", b"--handoff=memfd", b"-pNAME", b"-"),
        ),
        typed,
    ),
    "MTLS_RUN_TRAIL": (
        noise(b"1:77:3:2:123456:/usr/bin/uv:/x/uv", b"1:1:24:0:0:/bin/pip", words=(b":", b"inf")),
        guarded,
    ),
    "URL": (
        noise(
            b"https://user:secret@index.example:8443/simple/?a=b#c",
            b"u:p@h/x y",
            words=(b"https://", b"user:pa/ss@", b"@", b"[::1]", b"?", b"#", b":80", b"%40"),
        ),
        shown,
    ),
    "version answer": (
        noise(
            b"pip 26.3 from /x/pip (python 3.13)\n",
            b"uv 0.13.9 (abc 2026-01-01)\n",
            words=(b"pip", b"1.2.3", b"\xc2\xb2", b"9" * 5000, b"24.1b2"),
        ),
        version,
    ),
}


def judge(error: MtlsRunError) -> None:
    """Fail unless the error is one that a user may see."""
    stream = StringIO()
    with redirect_stderr(stream):
        output.Reporter(verbose=True).error(error)
    said = stream.getvalue()
    assert len(said) < LONGEST_MESSAGE
    assert len(said.splitlines()) == 2 + bool(error.code)
    for line in said.splitlines():
        assert line.isprintable()
        assert line.startswith("mtls-run: ")
    assert seeds.PASSPHRASE.decode() not in f"{said}{error!r}"
    assert error.code is None or error.code in CATALOGUE
    assert error.__cause__ is None, "a traceback shows the cause, which may hold a secret"


def check(folder: Path, target: str, data: bytes) -> None:
    """Give the target this input; fail unless the end is an answer or an error in words."""
    try:
        TARGETS[target][1](folder, data)
    except MtlsRunError as error:
        judge(error)


@each_tier(80, 1000)
@pytest.mark.parametrize("target", TARGETS)
def test_changed(tmp_path: Path, target: str, examples: int) -> None:
    """A changed seed comes to an answer or to an error in words, and to nothing else."""
    for_all(examples, lambda data: check(tmp_path, target, data), TARGETS[target][0])


REGRESSIONS = json.loads(Path(__file__).with_name("regressions.json").read_text("ascii"))


@pytest.mark.parametrize("case", REGRESSIONS, ids=lambda case: str(case["name"]))
def test_regression(tmp_path: Path, case: dict[str, str]) -> None:
    """An input that once came to something else does so no more."""
    check(tmp_path, case["target"], base64.b64decode(case["input"]))
