"""What inputs are given to, and what may come of it: an answer, or an error of mtls-run's own."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from mtls_run import cli, output
from mtls_run.cache import dependencies, launches
from mtls_run.config import document, edit, layers, pip_settings, project
from mtls_run.config.origin import Origin, Setting
from mtls_run.config.profile import Profile
from mtls_run.doctor import index_answer, index_request, server_tls
from mtls_run.doctor.client_auth import LocalFacts
from mtls_run.doctor.indexes import Index
from mtls_run.doctor.transcript import Attempt, Transcript
from mtls_run.errors import MtlsRunError
from mtls_run.handoff import nested
from mtls_run.identity import checks, ready, source
from mtls_run.identity.material import gather, parse
from mtls_run.net import proxy, tls
from mtls_run.net.certificates import TrustStore
from mtls_run.net.errors import NetworkError
from mtls_run.net.tls import ClientIdentity, Handshake
from mtls_run.output import Reporter
from mtls_run.passphrase import fetch
from mtls_run.passphrase.sources import FromFile
from mtls_run.roots import certificates
from mtls_run.secret import Secret
from mtls_run.tools import pip, recursion_guard, uv, uv_indexes
from mtls_run.tools.base import ToolCall

from . import mutate, texts
from .seeds import PASSPHRASE

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from .mutate import Mutation
    from .seeds import Seeds

SAID = Origin("the test")
# A message is read by a person; what is longer was never meant to be shown.
LONGEST_MESSAGE = 16 * 1024
HOST = "index.example"
INDEX = Index(shown=f"https://{HOST}/simple/", origin="the test", host=HOST, target="/simple/")
_CONFIGURATION = mutate.words(
    *(b"client-cert", b"client-key", b"ca-cert", b"cert", b"roots", b"passphrase", b"extends"),
    *(
        b"[profiles.x]\n",
        b"[[directories]]\n",
        b"default-profile",
        b"'corp'",
        b"true",
        b"-1",
        b"1e9",
    ),
    *(b"{ file = 'x' }", b"{ env = 'A' }", b'{ command = ["x"] }', b"['a', 'b']", b"1979-05-27"),
    *(b"remember", b"'8h'", b"trusted-directories", b"expiry-notice-days", b"'~nobody/x'", b"''"),
    *(b"[tool.mtls-run]\n", b"[tool.uv]\n", b"profile = 'corp'\n", b"'~'", b'"\\u0000"', b"inf"),
)
_UV = mutate.words(
    *(b"index", b"[[index]]\n", b"[[tool.uv.index]]\n", b"url = 'https://u:p@h/'", b"index-url"),
    *(b"extra-index-url", b"['https://a/']", b"explicit = true", b"[pip]\n", b"[tool.uv.pip]\n"),
    *(b"members = ['*']", b"[tool.uv.workspace]\n", b"managed = false", b"name = 1", b"no-index"),
)
_PIP = mutate.words(
    *(b"[global]", b"[install]", b"[DEFAULT]", b"cert = /x", b"client-cert=~/x", b"index-url: x"),
    *(
        b"extra-index-url =\n    https://a\n    https://b\n",
        b"; x",
        b"# x",
        b"pypi-url",
        b"%(cert)s",
    ),
    *(b"INDEX_URL", b"--cert", b"proxy", b"[", b"]", b"  "),
)
_HTTP = mutate.words(
    *(
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 302 Found",
        b"Location: http://[::1",
        b"Location: //x:9999999/",
    ),
    *(b"Content-Type: text/html", b"Content-Type: application/json", b"Transfer-Encoding: chunked"),
    *(b"Content-Length: 99999999999", b"Date: Mon, 99 Foo 99999 25:61:61 +9999", b"<a href=x>"),
    *(
        b"<form>",
        b"<![",
        b"<!--",
        b"&#x110000;",
        b'{"projects": []}',
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ),
    *(
        b"Date: Mon, 23 Nov 1 00:00:00 -2359",
        b"Location: https://a:b@index.example/\x80",
        b"0\r\n\r\n",
    ),
    *(
        b"\r\n\r\n",
        b"\r\n",
        b"\xc5\xbf",
        b"%00",
        b"Location: ///",
        b"Location: https://index.example/x",
    ),
)
_FIELDS = mutate.words(
    b"1", b"7\0", b"end", b"profile", b"unchanged", b"inf", b"nan", b"1e400", b":"
)
_WORDS = mutate.words(
    *(
        b"--profile",
        b"-p",
        b"--",
        b"-q",
        b"-qv",
        b"--explain",
        b"--json",
        b"uv",
        b"pip",
        b"profile",
    ),
    *(b"--handoff", b"--handoff=memfd", b"-pNAME", b"--no-profile", b"-", b"--wrapped", b"-h"),
)
_URL = mutate.words(
    b"https://", b"user:pa/ss@", b"@", b"[::1]", b"/simple/", b"?", b"#", b":80", b"%40"
)


class ViolationError(AssertionError):
    """What has to hold for every input does not hold for this one."""


@dataclass(frozen=True)
class Target:
    """Something that is given inputs; `campaign.SHARES` says how many, beside the others."""

    name: str
    seeds: tuple[bytes, ...]
    mutations: tuple[Mutation, ...]
    run: Callable[[bytes], object]

    def input(self, rng: random.Random) -> bytes:
        """Return an input."""
        return mutate.of(self.mutations, rng, self.seeds)

    def accepts(self, data: bytes, traces: Iterable[bytes]) -> bool:
        """Give it an input; tell whether it was taken. Raises whatever must not come of one."""
        try:
            self.run(data)
        except MtlsRunError as error:
            judge(error, traces)
            return False
        except NetworkError as error:
            judge_network(error)
            return False
        return True


def judge(error: MtlsRunError, traces: Iterable[bytes]) -> None:
    """Raise ViolationError where an error is not what a user may see."""
    if not error.fact or not error.hint:
        raise ViolationError("an error without a fact or without a hint")
    said = _printed(lambda: Reporter(verbose=True).error(error))
    lines = said.split("\n")
    if not all(line.isprintable() for line in lines):
        raise ViolationError("a character that is not printable")
    expected = ["mtls-run: error: ", "mtls-run: hint: "] + ["mtls-run: finding: "] * bool(
        error.code
    )
    if lines.pop() or [line.startswith(e) for line, e in zip(lines, expected)] != [True] * len(
        lines
    ):
        raise ViolationError("more lines than an error has")
    if len(said) > LONGEST_MESSAGE:
        raise ViolationError(f"a message of {len(said) // 1024} KiB")
    shown = f"{said}{error!r}{error!s}".encode("utf-8", "surrogateescape")
    if any(trace in shown for trace in traces):
        raise ViolationError("a secret in the message")
    if error.__cause__ is not None:
        raise ViolationError("a cause, which may hold a secret, is shown in a traceback")


def judge_network(error: NetworkError) -> None:
    """Raise ViolationError if the reason is too long for a message."""
    if len(error.reason) > LONGEST_MESSAGE:
        raise ViolationError("a network error with too long a reason")


def _printed(say: Callable[[], object]) -> str:
    stream, before = io.StringIO(), sys.stderr
    sys.stderr = stream
    try:
        say()
    finally:
        sys.stderr = before
    return stream.getvalue()


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise ViolationError(what)


def all_of(seeds: Seeds, folder: Path) -> dict[str, Target]:
    """Return every target by its name; files that they need are written below `folder`."""
    found = [
        *_of_identities(seeds, folder),
        *_of_roots(seeds),
        *_of_kept(seeds, folder),
        *_of_settings(folder),
        *_of_tools(folder),
        *_of_servers(seeds),
        *_of_words(),
    ]
    return {one.name: one for one in found}


# --- identities


def _open(*contents: bytes) -> object:
    """Do with an identity's files what a run does, and hand on what they are."""
    now = checks.utc_now()
    named = [(Path(f"/pki/file{number}"), data) for number, data in enumerate(contents, 1)]
    material = parse(named)
    material.check_early(now)
    found = material.unlock(Secret(PASSPHRASE) if material.locked else None, now)
    notice = checks.expiry_notice(found.leaf, found.where, now, 10**6)
    pem = found.pem().reveal()
    again = parse([(Path("/pki/again"), pem)]).unlock(None, now)
    _expect(again.ready is not None, "what is handed on is not what every tool reads")
    _expect(again.leaf == found.leaf, "what is handed on is another certificate")
    _expect(len(found.fingerprint) == 64, "no fingerprint")
    return notice, found.described, found.kind.name


def _halves(data: bytes) -> tuple[bytes, ...]:
    """Return the two files that an input is made of, where it is made of two."""
    first, mark, second = data.partition(b"\0--next file--\0")
    return (first, second) if mark else (data,)


def _of_identities(seeds: Seeds, folder: Path) -> list[Target]:
    outer = folder / "outer.pem"
    outer.write_bytes(seeds.outer_file)
    profile = Profile("corp", SAID, client_cert=Setting(outer, SAID))
    material = gather(profile)
    assert material is not None
    opened = material.unlock(Secret(PASSPHRASE), checks.utc_now())
    handed = folder / "handed.pem"
    handed.write_bytes(opened.pem().reveal())
    value = nested.record(profile, material.digest, opened.fingerprint, str(handed)).encode()

    def honour(data: bytes) -> None:
        environ = {nested.VARIABLE: os.fsdecode(data.replace(b"\0", b""))}
        found = nested.honoured(environ, profile, material, checks.utc_now())
        _expect(found is None or found.identity.leaf == opened.leaf, "another identity is honoured")

    def remembered(data: bytes) -> None:
        found = nested.checked(data, material, checks.utc_now())
        _expect(found is None or found.leaf == opened.leaf, "another identity is used again")

    return [
        Target("identity PEM", seeds.pem, (mutate.pem, mutate.pem, mutate.noise), _open),
        Target(
            "identity DER",
            seeds.der,
            (mutate.der, mutate.der, mutate.noise),
            lambda data: _open(data, seeds.key_pem),
        ),
        Target(
            "key DER",
            seeds.key_der,
            (mutate.der, mutate.der, mutate.noise),
            lambda data: _open(seeds.cert_pem, data),
        ),
        Target("identity PKCS#12", seeds.p12, (mutate.der, mutate.der, mutate.noise), _open),
        Target(
            "encrypted key",
            seeds.locked,
            (mutate.pem, mutate.der, mutate.noise),
            lambda data: _open(seeds.cert_pem, data),
        ),
        Target("MTLS_RUN_ACTIVE", (value,), (_FIELDS, mutate.noise), honour),
        Target(
            "remembered identity",
            (handed.read_bytes(), seeds.pem[0]),
            (mutate.pem, mutate.noise),
            remembered,
        ),
    ]


def _of_roots(seeds: Seeds) -> list[Target]:
    def added(data: bytes) -> None:
        ders = certificates.read_added(data, "/pki/root.pem", SAID)
        _expect(
            certificates.read_store(certificates.to_pem(ders), "again")
            == list(dict.fromkeys(ders)),
            "a bundle that does not hold what was read",
        )
        TrustStore(ders).names  # noqa: B018 - as doctor does

    def store(data: bytes) -> None:
        ders = certificates.read_store(data, "/pki/store.pem")
        text = certificates.to_pem(ders)
        _expect(certificates.read_store(text, "again") == list(dict.fromkeys(ders)), "other roots")
        TrustStore(ders).names  # noqa: B018

    mixed = (mutate.pem, mutate.pem, mutate.noise)
    return [
        Target("ca-cert", (*seeds.roots, *seeds.der), (*mixed, mutate.der), added),
        Target("store of roots", seeds.roots, mixed, store),
    ]


# --- what mtls-run keeps for itself


def _of_kept(seeds: Seeds, folder: Path) -> list[Target]:
    contents = [(folder / "ready.pem", seeds.pem[0])]
    contents[0][0].write_bytes(seeds.pem[0])
    named = source.digest(contents)
    parsed = parse(contents).unlock(None, checks.utc_now())
    ready.keep(named, parsed)
    (verdict,) = Path(os.environ["XDG_CACHE_HOME"], "mtls-run/verdicts").glob(f"*{named}")
    environ = {"HOME": os.environ["HOME"], "A": "1"}
    (folder / "looked-at").write_text("x")
    os.utime(folder / "looked-at", (1, 1))
    time.sleep(0.15)  # what is that new is not kept: see `witness.RACY`
    seen = dependencies.listen(environ)
    dependencies.file(folder / "looked-at")
    seen.environ.get("A")
    launch = launches.Launch(
        changes={"A": None, "SSL_CERT_FILE": "/x"},
        flags=("--cert", "/x"),
        unchanged=False,
        remembered=None,
        stand_in=None,
    )
    launches.keep("the key", launch, seen)
    dependencies.stop()
    (entry,) = Path(os.environ["XDG_CACHE_HOME"], "mtls-run", launches.FOLDER).iterdir()

    def recall(data: bytes) -> None:
        verdict.write_bytes(data)
        found = ready.recall(contents, time.time())
        _expect(found is None or found.not_before <= time.time() <= found.not_after, "too late")

    def find(data: bytes) -> None:
        entry.write_bytes(data)
        found = launches.find("the key", environ)
        if found is not None:
            words = [*found.flags, *found.environ(environ), *found.environ(environ).values()]
            _expect(all("\0" not in word for word in words), "a word that no program can be given")

    passphrase = folder / "passphrase"
    passphrase.touch(0o600)

    def from_file(data: bytes) -> None:
        passphrase.write_bytes(data)
        secret = fetch.from_file(FromFile(passphrase), "the test", lambda _path, _data: None)
        line = secret.reveal()
        _expect(bool(line) and data in (line, line + b"\n", line + b"\r\n", line + b"\r"), "not it")

    return [
        Target("verdict", (verdict.read_bytes(),), (_FIELDS, mutate.noise), recall),
        Target(
            "kept launch",
            (entry.read_bytes(), _shorter(entry.read_bytes())),
            (_FIELDS, mutate.noise),
            find,
        ),
        Target(
            "passphrase file",
            (PASSPHRASE + b"\n", b"word\r\n", b"\xff\xfe\n"),
            (mutate.noise, mutate.words(b"\r\n", b"\n\n", b"x" * 5000)),
            from_file,
        ),
    ]


def _shorter(launch: bytes) -> bytes:
    """Return a kept launch whose last group has a field less."""
    *fields, end = launch.split(b"\0")
    count = next(n for n in range(len(fields)) if fields[-n - 1] == str(n).encode())
    said = str(count - 1).encode()
    return b"\0".join([*fields[: -count - 1], said, *fields[-count:-1], end])


# --- settings


class _Quiet(Reporter):
    def notice(self, fact: str) -> None:
        """Say nothing."""

    def detail(self, fact: str) -> None:
        """Say nothing."""


def _of_settings(folder: Path) -> list[Target]:
    home = Path(os.environ["HOME"])
    config = folder / "config.toml"
    (folder / "project" / "sub").mkdir(parents=True, exist_ok=True)
    nowhere = folder / "nothing.toml"

    def configured(data: bytes) -> None:
        config.write_bytes(data)
        try:
            found = layers.load({"MTLS_RUN_CONFIG": str(config)}, nowhere)
            for name in found.profiles:
                found.profile(name, SAID)
        except MtlsRunError as error:
            if not re.match(rf"{re.escape(str(config))}:\d+: |the test: ", error.fact):
                _expect("nested too deeply" in error.fact, f"no file and line: {error.fact[:80]}")
            raise

    def edited(data: bytes) -> None:
        tables = document.parse(config, data).tables
        if "profiles" not in tables or isinstance(tables["profiles"], dict):
            added = edit.put_profile(data, "fuzz.x", {"client-cert": "~/x", "roots": "none"})
            lines = set(data.removeprefix(b"\xef\xbb\xbf").splitlines())
            held = isinstance(tables.get("profiles"), dict) and "fuzz.x" in tables["profiles"]
            after = set(added.removeprefix(b"\xef\xbb\xbf").splitlines())
            _expect(held or lines <= after | {b""}, "a line has changed")
            gone = document.parse(config, edit.drop(added, ("profiles", "fuzz.x"))).tables
            held = tables.get("profiles", {}).pop("fuzz.x", None) is not None
            _expect(_plain(gone) == _plain(tables) or held, "not as it was")
        edit.set_default(data, "corp")

    def projected(data: bytes) -> None:
        for name in (project.OWN, project.SHARED):
            (folder / "project" / project.OWN).unlink(missing_ok=True)
            (folder / "project" / name).write_bytes(data)
            found = project.find(folder / "project" / "sub", {"HOME": str(home)}, _Quiet())
            if found is not None:
                found.named_files()

    return [
        Target("configuration", texts.CONFIGURATIONS, (_CONFIGURATION,), configured),
        Target("edits of it", texts.CONFIGURATIONS, (_CONFIGURATION,), edited),
        Target("project file", texts.PROJECT_FILES, (_CONFIGURATION,), projected),
    ]


def _of_tools(folder: Path) -> list[Target]:
    home = Path(os.environ["HOME"])
    (folder / "uv").mkdir(exist_ok=True)

    def of_pip(data: bytes) -> None:
        (folder / "pip.conf").write_bytes(data)
        environ = {"PIP_CONFIG_FILE": str(folder / "pip.conf"), "HOME": str(home)}
        found = pip_settings.read(environ, command="install", prefix=None)
        for name, value in uv_indexes.variables(found).items():
            _expect("\0" not in value, f"{name} cannot be set")
            output.shown_word(value)

    def of_uv(data: bytes) -> None:
        environ = {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "none"),
            "UV_INDEX": "https://x",
        }
        for name in ("uv.toml", "pyproject.toml"):
            (folder / "uv" / "uv.toml").unlink(missing_ok=True)
            (folder / "uv" / name).write_bytes(data)
            uv_indexes.named_for_uv(["pip", "install"], {"HOME": str(home)}, folder / "uv")
            for one in uv_indexes.configured(environ, folder / "uv"):
                uv_indexes.without_password(one.value)

    return [
        Target("pip's settings", texts.PIP_FILES, (_PIP,), of_pip),
        Target("uv's settings", texts.UV_FILES, (_UV,), of_uv),
    ]


def _plain(tables: dict[str, object]) -> str:
    """Return the values, an empty table of profiles counted as none."""
    return repr({key: value for key, value in tables.items() if (key, value) != ("profiles", {})})


# --- servers


class Script:
    """A wire that says what it was given, in pieces, whatever it is sent."""

    def __init__(self, data: bytes) -> None:
        size = 1 + data[0] * 8 if data else 1
        self._pieces = [data[at : at + size] for at in range(1, len(data), size)][:500]

    def send(self, data: bytes, deadline: float) -> None:
        """Take anything."""

    def receive(self, size: int, deadline: float) -> bytes:
        """Return the next piece."""
        del deadline
        piece = self._pieces.pop(0) if self._pieces else b""
        if piece[size:]:
            self._pieces.insert(0, piece[size:])
        return piece[:size]

    def close(self) -> None:
        """Do nothing."""


class Spoilt:
    """A wire to a server in this process, whose bytes are changed on their way.

    `script` has the server's newest protocol, then for each change: how many bytes on (two bytes),
    and what is put there in place of the byte.
    """

    def __init__(self, server_side: object, script: bytes) -> None:
        self._server = server_side
        self._said = 0
        self._changes: dict[int, int] = {}
        at = 0
        for start in range(1, len(script) - 2, 3):
            at += int.from_bytes(script[start : start + 2], "big") % 1500
            self._changes[at] = script[start + 2]

    def send(self, data: bytes, deadline: float) -> None:
        """Give it to the server."""
        del deadline
        self._server.bio_write(data)  # type: ignore[attr-defined]

    def receive(self, size: int, deadline: float) -> bytes:
        """Return what the server says to it."""
        from OpenSSL import SSL  # noqa: PLC0415

        del deadline
        with contextlib.suppress(SSL.Error):
            self._server.do_handshake()  # type: ignore[attr-defined]
        try:
            data = bytearray(self._server.bio_read(size))  # type: ignore[attr-defined]
        except SSL.WantReadError:
            return b""
        for at in range(len(data)):
            if self._said + at in self._changes:
                data[at] = self._changes[self._said + at]
        self._said += len(data)
        return bytes(data)

    def close(self) -> None:
        """Do nothing."""


def _of_servers(seeds: Seeds) -> list[Target]:
    trusted = TrustStore([seeds.root_der])
    opened = parse([(Path("/pki/alice"), seeds.pem[0])]).unlock(None, checks.utc_now())
    identity = ClientIdentity(opened.leaf, opened.intermediates, opened.key)
    known = LocalFacts(now=checks.utc_now(), leaf=opened.leaf, roots=trusted.names)
    contexts = seeds.server_contexts()

    def shown(found: Handshake) -> None:
        if found.error is not None:
            judge_network(found.error)
        for one in server_tls.judge(INDEX, found, known):
            _expect(bool(one.fact and one.action), "a finding without words")

    def said(data: bytes) -> None:
        shown(tls.Tls(Script(data), HOST, trusted).handshake(time.monotonic() + 5))

    def live(data: bytes) -> None:
        from OpenSSL import SSL  # noqa: PLC0415

        connection = SSL.Connection(contexts[data[0] % len(contexts) if data else 0], None)
        connection.set_accept_state()
        with_identity = identity if data[:1] > b"\x7f" else None
        client = tls.Tls(Spoilt(connection, data), HOST, trusted, with_identity)
        shown(client.handshake(time.monotonic() + 5))

    def answered(data: bytes) -> None:
        found = index_request.get(Script(data), HOST, "/simple/", None, 5)
        attempt = Attempt(Handshake(finished=True), answer=found)
        for one in index_answer.judge(Transcript(INDEX, anonymous=attempt), known):
            _expect(bool(one.fact and one.action), "a finding without words")

    def tunnelled(data: bytes) -> None:
        way = proxy.Proxy("http", "proxy.example", 3128, "http://proxy.example:3128", "the test")
        proxy.tunnel(Script(data), way, HOST, 443, 5)

    def named(data: bytes) -> None:
        text, _, excepted = data.decode("utf-8", "surrogateescape").partition("\n")
        INDEX.proxy({"https_proxy": text, "no_proxy": excepted})

    return [
        Target("TLS bytes", seeds.flights, (mutate.noise,), said),
        Target("TLS live", seeds.scripts, (mutate.noise,), live),
        Target("HTTP answer", texts.ANSWERS, (_HTTP, mutate.noise), answered),
        Target("proxy's answer", texts.TUNNELS, (_HTTP, mutate.noise), tunnelled),
        Target("proxy's URL", texts.PROXIES, (_URL,), named),
    ]


# --- words


def _of_words() -> list[Target]:
    def typed(data: bytes) -> None:
        words = [os.fsdecode(word) for word in data.split(b"\0")]
        found = cli.parse(words)
        rest = [*([found.subcommand] if found.subcommand else []), *found.words]
        _expect(rest == words[len(words) - len(rest) :], "words that were not typed")

    def trailed(data: bytes) -> None:
        value = os.fsdecode(data.replace(b"\0", b""))
        call = ToolCall(kind="uv", prefix=("uv",), arguments=("pip", "install"))
        found = recursion_guard.read(call, {recursion_guard.VARIABLE: value})
        found.followed("/bin/sh", {})

    def shown(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        uv_indexes.without_password(text)
        _expect(output.printable(output.shown_word(text)).isprintable(), "not printable")

    def version(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        for adapter in (pip, uv):
            found = adapter.parse_version(text)
            _expect(found is None or all(type(part) is int for part in found), "no version")
        pip.location(text)

    mark = os.getpid()
    return [
        Target(
            "argv",
            (b"--profile\0corp\0uv\0pip\0install", b"-qp\0x\0--\0make\0-j\0", b"profile\0add\0x"),
            (_WORDS, mutate.noise),
            typed,
        ),
        Target(
            "MTLS_RUN_TRAIL",
            (f"1:{mark}:3:2:123456:/usr/bin/uv:/x/uv".encode(), b"1:1:24:0:0:/bin/pip"),
            (_FIELDS, mutate.noise),
            trailed,
        ),
        Target(
            "URL",
            (
                b"https://user:secret@index.example:8443/simple/?a=b#c",
                b"u:p@h/x y",
                b"git+ssh://a@b",
            ),
            (_URL, mutate.noise),
            shown,
        ),
        Target(
            "version answer",
            (b"pip 26.3 from /x/pip (python 3.13)\n", b"uv 0.13.9 (abc 2026-01-01)\n"),
            (
                mutate.noise,
                mutate.words(b"pip", b"uv", b"1.2.3", b"\xc2\xb2", b"9" * 5000, b"24.1b2"),
            ),
            version,
        ),
    ]
