"""A key in a token, as far as no token is needed: flags, PIN pads, and how the extra is added."""

from __future__ import annotations

import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pkcs11
import pytest
import sslcontext
from pkcs11 import TokenFlag

from mtls_run.config.origin import Setting
from mtls_run.errors import MtlsRunError
from mtls_run.identity import cryptoki, token, token_signer
from mtls_run.identity.pkcs11_uri import parse
from mtls_run.secret import Secret
from tests.pki import Authority
from tests.unit.support import SAID, profile

if TYPE_CHECKING:
    from typing import Any

LOGIN = TokenFlag.TOKEN_INITIALIZED | TokenFlag.LOGIN_REQUIRED


class Reader:
    """Stands for a token whose flags no software token has; `logins` are the PINs that it got."""

    label, serial, manufacturer_id, model = "Card", b"1", "Maker", "Model"

    def __init__(self, flags: TokenFlag, refusal: type[Exception] | None = None) -> None:
        self.flags, self.refusal = flags, refusal
        self.logins: list[object] = []
        self.slot = SimpleNamespace(
            slot_id=0, get_token=lambda: self, get_mechanisms=lambda: {pkcs11.Mechanism.ECDSA}
        )

    def open(self, user_pin: object = None) -> Any:
        """Open a session, and fail where it is to."""
        if user_pin is not None:
            self.logins.append(user_pin)
            if self.refusal is not None:
                raise self.refusal
        return SimpleNamespace(close=lambda: None, get_objects=lambda _: iter(()))


def identity(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> token.TokenIdentity:
    """Return the identity of a profile whose token this is."""
    library = SimpleNamespace(get_slots=lambda **_: [SimpleNamespace(get_token=lambda: reader)])
    module = cryptoki.Module("/m.so", library, threading.RLock())
    monkeypatch.setitem(cryptoki._modules, "/m.so", module)  # noqa: SLF001 - no module is loaded
    uri = Setting(parse("pkcs11:token=Card?module-path=/m.so"), SAID)
    return token.TokenIdentity(profile(), uri, uri)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (TokenFlag.USER_PIN_COUNT_LOW, "a wrong PIN was tried before"),
        (TokenFlag.USER_PIN_COUNT_LOW | TokenFlag.USER_PIN_FINAL_TRY, "one try is left"),
        (TokenFlag.USER_PIN_LOCKED, "the PIN is locked"),
    ],
)
def test_tries_in_words(flags: TokenFlag, words: str) -> None:
    """The graver flag counts."""
    assert (cryptoki.describe_tries(flags | LOGIN) or "").startswith(words)
    assert cryptoki.describe_tries(LOGIN) is None


def test_a_reader_with_a_pad_asks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """CKF_PROTECTED_AUTHENTICATION_PATH: mtls-run needs no PIN and gives none."""
    reader = Reader(LOGIN | TokenFlag.PROTECTED_AUTHENTICATION_PATH)
    found = identity(reader, monkeypatch)
    facts = found.inspect()
    assert (facts.needs_pin, facts.asks_itself) == (False, True)
    with pytest.raises(MtlsRunError, match="no client certificate"):
        found.open(None)
    assert reader.logins == [pkcs11.PROTECTED_AUTH]


def test_a_locked_token_gets_no_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the token says that it is locked, the PIN is not tried."""
    reader = Reader(LOGIN | TokenFlag.USER_PIN_LOCKED)
    with pytest.raises(MtlsRunError, match="the PIN of the token Card is locked") as caught:
        identity(reader, monkeypatch).open(Secret(b"1"))
    assert caught.value.code == "token-locked"
    assert "PUK" in caught.value.hint
    assert reader.logins == []


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (pkcs11.PinIncorrect, "passphrase-wrong"),
        (pkcs11.PinInvalid, "passphrase-wrong"),
        (pkcs11.PinLenRange, "passphrase-wrong"),
        (pkcs11.PinLocked, "token-locked"),
        (pkcs11.PinExpired, "token-failed"),
        (pkcs11.DeviceError, "token-failed"),
    ],
)
def test_what_a_login_may_answer(
    refusal: type[Exception], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each refusal is one try, whatever is called afterwards."""
    reader = Reader(LOGIN | TokenFlag.USER_PIN_FINAL_TRY, refusal)
    found = identity(reader, monkeypatch)
    codes = []
    for _ in range(3):
        with pytest.raises(MtlsRunError) as caught:
            found.open(Secret(b"1234"))
        codes.append(caught.value.code)
        assert "1234" not in caught.value.fact + caught.value.hint
    assert codes == [code] * 3
    assert len(reader.logins) == 1


def test_a_token_without_a_pin_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No PIN, or one that is not UTF-8, never reaches the token."""
    reader = Reader(LOGIN)
    for pin in (None, Secret(b"\xff")):
        with pytest.raises(MtlsRunError):
            identity(reader, monkeypatch).open(pin)
    assert reader.logins == []


def test_an_openssl_that_cannot_sign_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found before the PIN is given; the hint names another Python."""

    def refuse(*_: object) -> None:
        raise sslcontext.UnsupportedOpenSSLError("linked statically")

    monkeypatch.setattr(sslcontext, "load_identity", refuse)
    leaf = Authority.create("Root").issue("alice").certificate
    with pytest.raises(MtlsRunError, match="cannot sign by a token: linked statically") as caught:
        token_signer.check_openssl(leaf)
    assert "--python /usr/bin/python3 'mtls-run[gateway,pkcs11]'" in caught.value.hint


def test_a_module_is_not_used_after_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """PKCS#11 promises nothing to the child of a process that has loaded a module."""
    found = identity(Reader(LOGIN), monkeypatch)
    monkeypatch.setattr("os.getpid", lambda: 1)
    with pytest.raises(RuntimeError, match="was loaded before a fork"):
        found.inspect()


@pytest.mark.slow
def test_commands_need_no_extra() -> None:
    """Every management command can be imported without the packages of the extras."""
    code = (
        "import importlib, sys\n"
        "sys.modules.update(dict.fromkeys(('h11', 'pkcs11', 'sslcontext')))\n"
        "from mtls_run.cli import SUBCOMMANDS\n"
        "for name in (*SUBCOMMANDS, 'profile_cli'):\n"
        "    importlib.import_module(f'mtls_run.commands.{name}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.stderr == b""
    assert done.returncode == 0
