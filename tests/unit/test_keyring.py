"""Use keyrings that are known to be safe, and refuse any other by its name."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from mtls_run.passphrase import keyring
from tests.unit.support import Heard

if TYPE_CHECKING:
    from pathlib import Path

REFUSED = {
    "keyring.backends.null.Keyring": "keeps nothing",
    "keyring.backends.fail.Keyring": "keeps nothing",
    "keyrings.alt.file.PlaintextKeyring": "stores in plain text",
    "keyrings.alt.file.EncryptedKeyring": "does not keep a secret from other programs",
    "keyrings.alt.Gnome.Keyring": "is not maintained",
    "somebody.Keyring": "is not one that mtls-run knows to be safe",
    "keyring.backends.SecretService": "is not one that mtls-run knows to be safe",
    "os.system": "is not one that mtls-run knows to be safe",
    "not even a name": "is not one that mtls-run knows to be safe",
}


def rc_file(tmp_path: Path, text: str) -> Path:
    """Write keyring's own settings, and return their file."""
    path = tmp_path / "config/python_keyring/keyringrc.cfg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refusal(environ: dict[str, str]) -> keyring.KeyringUnusableError:
    """Return why there is no keyring in this environment."""
    with pytest.raises(keyring.KeyringUnusableError) as caught:
        keyring.find(environ, Heard())
    return caught.value


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_variable(name: str) -> None:
    """An unsafe backend that PYTHON_KEYRING_BACKEND names is refused, with the reason."""
    error = refusal({"PYTHON_KEYRING_BACKEND": name})
    why = REFUSED[name]
    assert error.fact == f"the keyring backend {name}, chosen by PYTHON_KEYRING_BACKEND, {why}"
    assert keyring.ADMITTED[0] in (error.hint or "")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_settings(tmp_path: Path, name: str) -> None:
    """An unsafe backend that keyringrc.cfg names is refused, with the reason and the file."""
    path = rc_file(tmp_path, f"[backend]\ndefault-keyring={name}\n")
    error = refusal({})
    assert error.fact == f"the keyring backend {name}, chosen by {path}, {REFUSED[name]}"


def test_variable_beats_settings(tmp_path: Path) -> None:
    """The variable wins over the file, as it does for keyring."""
    rc_file(tmp_path, "[backend]\ndefault-keyring=from.the.file\n")
    assert "from.the.variable" in refusal({"PYTHON_KEYRING_BACKEND": "from.the.variable"}).fact


@pytest.mark.parametrize("by", ["variable", "settings"])
def test_chainer_is_looked_into(tmp_path: Path, by: str) -> None:
    """For a chain, the backend that keyring would use here is named and not used."""
    environ = {"PYTHON_KEYRING_BACKEND": keyring.CHAINER} if by == "variable" else {}
    if by == "settings":
        rc_file(tmp_path, f"[backend]\ndefault-keyring={keyring.CHAINER}\n")
    error = refusal(environ)
    assert error.fact.startswith("there is no usable keyring here: ")
    assert "chooses a chain of backends" in error.fact
    assert "keyrings.alt stores in plain text" in error.fact


def test_no_keyring_here() -> None:
    """Without a session bus there is no keyring, and the plain-text backend is not used."""
    error = refusal({})
    assert error.fact.startswith("there is no usable keyring here: ")
    assert "keyrings.alt stores in plain text" in error.fact
    assert error.hint


def test_named_and_not_viable() -> None:
    """A safe backend that does not work here is an error with the reason; no other is tried."""
    error = refusal({"PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring"})
    assert error.fact.startswith("there is no usable keyring here: your keyring (Secret Service) ")


@pytest.mark.parametrize(
    "text", ["no section\n", "[backend]\ndefault-keyring=x\ndefault-keyring=y\n", "[backend]\n\xff"]
)
def test_broken_settings(tmp_path: Path, text: str) -> None:
    """Broken settings of keyring are an error that names their file."""
    path = rc_file(tmp_path, "")
    path.write_bytes(text.encode("latin-1"))
    assert refusal({}).fact == f"keyring's own settings in {path} cannot be read"


@pytest.mark.parametrize(
    "text", ["", "[backend]\n", "[backend]\ndefault-keyring=\n", "[other]\nx=1\n"]
)
def test_settings_that_say_nothing(tmp_path: Path, text: str) -> None:
    """With settings that name no backend, mtls-run uses its own list."""
    rc_file(tmp_path, text)
    assert refusal({}).fact.startswith("there is no usable keyring here: ")


BOTH = """
from keyring.util import platform_
from mtls_run.passphrase import keyring as keyring_store
print(platform_.config_root() / "keyringrc.cfg", keyring_store.settings_file(), sep="\\n")
"""


@pytest.mark.parametrize("base", [None, "", "/somewhere/else"])
def test_where_the_settings_are(base: str | None) -> None:
    """mtls-run looks for keyring's settings where keyring does."""
    environ = {"HOME": "/home/of-somebody"}
    if base is not None:
        environ["XDG_CONFIG_HOME"] = base
    done = subprocess.run(
        [sys.executable, "-c", BOTH], env=environ, capture_output=True, text=True, check=True
    )
    keyrings, ours = done.stdout.splitlines()
    assert ours == keyrings


FIND = """
import os, sys
from mtls_run.output import Reporter
from mtls_run.passphrase import keyring as keyring_store
try:
    keyring_store.find(os.environ, Reporter())
except keyring_store.KeyringUnusableError as error:
    print(error.fact)
"""


@pytest.mark.parametrize("by", ["variable", "settings"])
def test_unknown_class_is_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """Neither keyring-path nor the class that a setting names makes a module run."""
    marker, hostile = tmp_path / "imported", tmp_path / "hostile"
    hostile.mkdir()
    (hostile / "evil.py").write_text(
        f"open({str(marker)!r}, 'w').close()\n"
        "from keyring.backend import KeyringBackend\n"
        "class Keyring(KeyringBackend):\n    priority = 9\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(hostile))
    text = f"[backend]\nkeyring-path={hostile}\n"
    if by == "variable":
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "evil.Keyring")
    else:
        text += "default-keyring=evil.Keyring\n"
    rc_file(tmp_path, text)
    command = [sys.executable, "-c", FIND]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "the keyring backend evil.Keyring, chosen by" in done.stdout
    assert not marker.exists()
    # The trap would work on who is not careful.
    subprocess.run([sys.executable, "-c", "import evil"], check=True)
    assert marker.exists()


class Kept:
    """A backend that keeps passwords in memory."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, account: str) -> str | None:
        """Return what is kept."""
        return self.held.get((service, account))

    def set_password(self, service: str, account: str, password: str) -> None:
        """Keep it."""
        self.held[service, account] = password

    def delete_password(self, service: str, account: str) -> None:
        """Forget it."""
        del self.held[service, account]


class Refusing:
    """A backend that raises this error each time."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_password(self, service: str, account: str) -> str:  # noqa: ARG002  # keyring's
        """Fail."""
        raise self.error


@pytest.mark.parametrize("passphrase", [b"x", "pässwörd ☃".encode(), b"\xff\xfe", b" a\n"])
def test_store(passphrase: bytes) -> None:
    """A passphrase is stored under service and account, byte for byte."""
    from mtls_run.secret import Secret  # noqa: PLC0415

    backend = Kept()
    store = keyring.Store("kept", backend, Heard())
    assert store.get("corp") is None
    assert not store.forget("corp")
    store.set("corp", Secret(passphrase))
    assert list(backend.held) == [("mtls-run", "corp")]
    found = store.get("corp")
    assert found is not None
    assert found.reveal() == passphrase
    assert store.get("other") is None
    assert store.forget("corp")
    assert backend.held == {}


def test_failing_store() -> None:
    """An exception of a backend becomes one line that names the backend."""
    locked = type("KeyringLocked", (Exception,), {})
    for error, fact in (
        (RuntimeError("no bus\nmore"), "kept: no bus"),
        (ValueError(), "kept: ValueError"),
        (locked("x"), "kept is locked, and was not unlocked"),
    ):
        store = keyring.Store("kept", Refusing(error), Heard())
        with pytest.raises(keyring.KeyringUnusableError) as caught:
            store.get("corp")
        assert caught.value.fact == fact
        assert caught.value.__cause__ is None


class Slow(Kept):
    """A backend that waits for somebody at a dialog."""

    def get_password(self, service: str, account: str) -> str | None:  # noqa: ARG002  # keyring's
        """Answer after two seconds."""
        time.sleep(2)
        return "late"


def test_slow_store() -> None:
    """A slow backend is announced and waited for."""
    heard = Heard()
    found = keyring.Store("slow", Slow(), heard).get("corp")
    assert found is not None
    assert found.reveal() == b"late"
    assert heard.notices == ["waiting for slow, which may be asking for its password in a dialog"]
