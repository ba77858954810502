"""Values and files that cannot be what they were meant for are named, with what mends them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mtls_run.cache.dependencies import Dependencies, unchanged
from mtls_run.config import pip_settings, readers
from mtls_run.config.origin import Origin
from mtls_run.errors import ConfigurationError, PassphraseError, RootsError
from mtls_run.passphrase import fetch, keyring
from mtls_run.passphrase.sources import FromCommand, FromFile
from mtls_run.roots import resolve as roots
from mtls_run.tools.base import PipScope
from tests.pki import Authority
from tests.unit.support import Heard, profile

ONE, TWO = Authority.create("One"), Authority.create("Two")
PHRASE = "secret pass 1"


# --- a passphrase in another encoding


ENCODED = {
    "UTF-16 with a mark": (PHRASE + "\r\n").encode("utf-16"),
    "UTF-16, big-endian": b"\xfe\xff" + PHRASE.encode("utf-16-be"),
    "UTF-16, Cyrillic": "пароль\n".encode("utf-16"),
    "UTF-16LE": (PHRASE + "\n").encode("utf-16-le"),
    "UTF-16BE": (PHRASE + "\n").encode("utf-16-be"),
    "UTF-8 with a byte order mark": PHRASE.encode("utf-8-sig"),
}


def from_file(path: Path) -> bytes:
    """Return the passphrase that is read from the file."""
    return fetch.from_file(FromFile(path), "c.toml:3", profile().verify).reveal()


@pytest.mark.parametrize("form", ENCODED)
def test_encoded_passphrase_file(form: str, tmp_path: Path) -> None:
    """UTF-16 and a byte order mark are named, and the hint rewrites the file as private."""
    path = tmp_path / "it's.txt"
    path.write_bytes(ENCODED[form])
    path.chmod(0o600)
    with pytest.raises(PassphraseError) as caught:
        from_file(path)
    assert form.split(",", maxsplit=1)[0].split(" with a mark", maxsplit=1)[0] in caught.value.fact
    subprocess.run(["sh", "-c", caught.value.hint], check=True)
    assert from_file(path).decode() == ("пароль" if "Cyrillic" in form else PHRASE)


@pytest.mark.parametrize("form", ENCODED)
def test_encoded_output_of_a_command(form: str, tmp_path: Path) -> None:
    """What a program prints in another encoding is named too."""
    path = tmp_path / "printed"
    path.write_bytes(ENCODED[form])
    with pytest.raises(PassphraseError, match="is UTF-") as caught:
        fetch.from_command(FromCommand(("cat", str(path))), "c.toml:3", {"PATH": "/usr/bin:/bin"})
    assert caught.value.hint == fetch.PLAIN


# --- paths that are none


NO_PATHS = {
    "$HOME/pki/ca.pem": "a path with a variable",
    "${HOME}/pki/ca.pem": "a path with a variable",
    "$env:USERPROFILE\\ca.pem": "a path with a variable",
    "%USERPROFILE%\\ca.pem": "a path with a variable",
    "C:\temp\new.pem": "a path with a control character",
    "~\new.pem": "a path with a control character",
    "C:\\pki\\ca.pem": "a path of Windows",
    "c:/pki/ca.pem": "a path of Windows",
    "\\\\server\\pki\\ca.pem": "a path of Windows",
    "pkcs11:token=Lab;object=ca": "a URI",
    "file:///etc/ca.pem": "a URI",
    "https://pki.corp.example/ca.pem": "a URI",
    "op://vault/ca/pem": "a URI",
}


@pytest.mark.parametrize("value", NO_PATHS)
def test_what_is_no_path(value: str) -> None:
    """A variable, a path of Windows or a URI is named, and not looked for as a file."""
    place = readers.Place("ca-cert", Origin("c.toml:3"), Path("/etc"))
    for reader, given in ((readers.read_path, value), (readers.read_paths, [value])):
        with pytest.raises(ConfigurationError) as caught:
            reader(given, place)
        assert caught.value.fact.startswith(f"c.toml:3: `ca-cert` is {NO_PATHS[value]}")
    with pytest.raises(ConfigurationError, match="is a "):
        readers.read_passphrase({"file": value}, place)


@pytest.mark.parametrize("value", ["a$HOME/x", "x:y.pem", "a/C:/x", "$", "100%", "pkcs11/ca.pem"])
def test_unusual_paths(value: str) -> None:
    """Names of files that only look like one of those are paths."""
    place = readers.Place("ca-cert", Origin("c.toml:3"), Path("/etc"))
    assert readers.read_path(value, place) == Path("/etc") / value


def test_what_is_no_path_for_pip(tmp_path: Path) -> None:
    """Pip expands no variable either: a path of pip's own settings is named in the same way."""
    environ = {"HOME": str(tmp_path), "PIP_CERT": "$HOME/ca.pem"}
    with pytest.raises(ConfigurationError, match=r"PIP_CERT: \$HOME/ca.pem is a path with a var"):
        pip_settings.read(environ, PipScope())


# --- CA certificates in a directory


def directory(tmp_path: Path) -> Path:
    """Return a directory with two CA certificates, and with what else lies in such ones."""
    path = tmp_path / "cas"
    path.mkdir()
    (path / "one.pem").write_bytes(ONE.pem)
    (path / "two.crt").write_bytes(TWO.pem)
    (path / "README").write_text("the company's CAs")
    (path / "key.pem").write_bytes(ONE.issue("x").key_pem())
    (path / "nested").mkdir()
    return path


@pytest.mark.parametrize("hashed", [False, True])
def test_directory_of_cas(tmp_path: Path, hashed: bool) -> None:
    """`ca-cert` may be a directory, with the links of `openssl rehash` or without."""
    path = directory(tmp_path)
    if hashed:
        subprocess.run(["openssl", "rehash", path], check=False, capture_output=True)
        assert len(list(path.glob("*.0"))) == 2
    rests_on = Dependencies()
    found = roots.resolve(profile(roots="none", ca_cert=(path,)), {}, rests_on)
    assert found.bundle is not None
    assert sorted(found.bundle.content.split(b"-----END CERTIFICATE-----\n")) == sorted(
        (ONE.pem + TWO.pem).split(b"-----END CERTIFICATE-----\n")
    )
    states = [(*key, state) for key, state in rests_on.states.items()]
    assert unchanged(states)
    (path / "three.pem").write_bytes(ONE.pem)
    assert not unchanged(states)


def test_directory_without_cas(tmp_path: Path) -> None:
    """A directory without certificates is an error that names it and its setting."""
    for content in (None, b"-----BEGIN CERTIFICATE-----\ncut off"):
        if content is not None:
            (tmp_path / "ca.pem").write_bytes(content)
        with pytest.raises(RootsError) as caught:
            roots.resolve(profile(roots="none", ca_cert=(tmp_path,)), {})
        assert f"{tmp_path}, `ca-cert` at " in caught.value.fact


# --- a machine without D-Bus


def test_no_session_bus() -> None:
    """Without D-Bus the other sources come first; to start a keyring comes last."""
    with pytest.raises(keyring.KeyringUnusableError) as caught:
        keyring.find({}, Heard())
    assert "needs D-Bus, and there is no session bus: " in caught.value.fact
    assert caught.value.hint.startswith('passphrase = { file = "…" }, { env = "NAME" } or "prompt"')
