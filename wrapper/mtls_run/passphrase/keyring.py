"""Look up and store passphrases in the user's keyring, by backends that are known to be safe.

The keyring library imports any class that PYTHON_KEYRING_BACKEND or keyringrc.cfg names, extends
sys.path from that file, and silently settles for a null, failing or plain-text backend
(keyring #117, #370; poetry #3483). mtls-run compares those names with a list. It refuses a backend
that is not in the list, and never imports it.
"""

from __future__ import annotations

import configparser
import importlib
import os
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from mtls_run import passphrase
from mtls_run.errors import PassphraseError
from mtls_run.secret import Secret
from mtls_run.system import hardening, progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.output import Reporter

T = TypeVar("T")

SERVICE = "mtls-run"
_MOST_ENTRIES = 20  # of one account; with more, the keyring does not delete
# A keyring may wait for a person at a dialog, which nobody sees on a build machine.
PATIENCE, ANNOUNCED_AFTER = 30.0, 1.5

_FIRST_ON_LINUX = "keyring.backends.SecretService.Keyring"
_LINUX = (
    _FIRST_ON_LINUX,
    "keyring.backends.libsecret.Keyring",
    "keyring.backends.kwallet.DBusKeyring",
    "keyring.backends.kwallet.DBusKeyringKWallet4",
)
ADMITTED = {
    "darwin": ("keyring.backends.macOS.Keyring",),
    "win32": ("keyring.backends.Windows.WinVaultKeyring",),
}.get(sys.platform, _LINUX)
# What people call them.
_NAMES = {
    _FIRST_ON_LINUX: "your keyring (Secret Service)",
    "keyring.backends.libsecret.Keyring": "your keyring (libsecret)",
    "keyring.backends.kwallet.DBusKeyring": "your keyring (KWallet)",
    "keyring.backends.kwallet.DBusKeyringKWallet4": "your keyring (KWallet 4)",
    "keyring.backends.macOS.Keyring": "your keychain",
    "keyring.backends.Windows.WinVaultKeyring": "your keyring (Windows Credential Manager)",
}
CHAINER = "keyring.backends.chainer.ChainerBackend"
UNLOCK = "start the keyring, or unlock it (log in to the desktop, or answer its dialog)"
_VARIABLE = "PYTHON_KEYRING_BACKEND"
_BUS = "DBUS_SESSION_BUS_ADDRESS"
_ELSEWHERE = (
    'passphrase = { file = "…" }, { env = "NAME" } or "prompt"; or start a keyring: log in to the '
    "desktop"
)
# No backend of this package hides a secret from whoever can read the user's files.
_ALT = "keyrings.alt."
# Backends that users meet, and why mtls-run refuses them.
_REFUSED = {
    "keyring.backends.null.Keyring": "keeps nothing",
    "keyring.backends.fail.Keyring": "keeps nothing",
    "keyrings.alt.file.PlaintextKeyring": "stores in plain text",
    "keyrings.alt.Gnome.Keyring": "is not maintained",
}


class KeyringUnusableError(PassphraseError):
    """No keyring can be used; `fact` says why."""

    code = "keyring-failed"


@dataclass(frozen=True)
class Store:
    """A keyring that is safe to use, with its name for messages."""

    name: str
    backend: Any
    reporter: Reporter

    def get(self, account: str) -> Secret | None:
        """Return the passphrase of `account`, or None; raise KeyringUnusableError."""
        found = self._patiently(lambda: self.backend.get_password(SERVICE, account))
        return None if found is None else Secret(found.encode("utf-8", "surrogateescape"))

    def set(self, account: str, passphrase: Secret) -> None:
        """Store the passphrase as the only one of `account`; raise KeyringUnusableError.

        Another program's entry is deleted first. keyring would write a second one beside it, since
        it stores one attribute more than it asks for, and would then read either.
        """
        self.forget(account)
        text = passphrase.reveal().decode("utf-8", "surrogateescape")
        self._patiently(lambda: self.backend.set_password(SERVICE, account, text))

    def forget(self, account: str) -> bool:
        """Delete every passphrase of `account`; return whether there was one."""
        found = False
        for _ in range(_MOST_ENTRIES):
            if self.get(account) is None:
                break
            self._patiently(lambda: self.backend.delete_password(SERVICE, account))
            found = True
        return found

    def _patiently(self, ask: Callable[[], T]) -> T:
        return _patiently(ask, self.name, self.reporter)


@dataclass(frozen=True)
class Found:
    """The passphrase in the keyring of this name, or None.

    `directly` tells that `look_up_directly` finds it.
    """

    passphrase: Secret | None
    keyring: str
    directly: bool


def look_up(environ: Mapping[str, str], reporter: Reporter, account: str) -> Found:
    """Return what the keyring has for `account`; raise KeyringUnusableError."""
    found = look_up_directly(environ, account, reporter)
    if found is not None:
        return Found(found, _NAMES[_FIRST_ON_LINUX], directly=True)
    store = find(environ, reporter)
    return Found(store.get(account), store.name, directly=False)


def look_up_directly(
    environ: Mapping[str, str], account: str, reporter: Reporter | None = None
) -> Secret | None:
    """Return what an unlocked Secret Service stores for `account`, or None.

    `find` would look there first, at three times the cost. Raises KeyringUnusableError where there
    is no answer: after half a minute, or with no reporter to say so, before a person notices.
    """
    configured = _configured(environ)
    is_chosen = configured is None or configured[0] in (CHAINER, _FIRST_ON_LINUX)
    # These variables change where keyring's backend looks.
    is_steered = any(name.startswith("KEYRING_PROPERTY_") for name in os.environ)
    if not is_chosen or is_steered or ADMITTED[0] != _FIRST_ON_LINUX:
        return None

    def look() -> bytes | None:
        try:
            return passphrase.secret_service.look_up(SERVICE, account)
        except Exception:  # noqa: BLE001 - keyring meets the same error, and `find` reports it
            return None

    found = _patiently(look, _NAMES[_FIRST_ON_LINUX], reporter)
    return None if found is None else Secret(found)


def find(environ: Mapping[str, str], reporter: Reporter) -> Store:
    """Return the keyring to use; raise KeyringUnusableError, which names the refused ones."""
    hardening.disable_core_dumps()  # a secret is about to be read or written
    configured = _configured(environ)
    if configured is None or configured[0] == CHAINER:
        candidates = ADMITTED
    elif configured[0] in ADMITTED:
        candidates = (configured[0],)
    else:
        name, origin = configured
        raise KeyringUnusableError(
            f"the keyring backend {name}, chosen by {origin}, {_why_refused(name)}",
            hint=f"{_remove_setting(origin)}; or name {ADMITTED[0]} there",
            code="keyring-plain-text" if name.startswith(_ALT) else "keyring-failed",
        )
    reasons: list[KeyringUnusableError] = []
    for name in candidates:
        try:
            backend = _patiently(lambda name=name: _load(name), _NAMES[name], reporter)  # type: ignore[misc]
        except KeyringUnusableError as error:
            reasons.append(error)
        else:
            return Store(_NAMES[name], backend, reporter)
    is_locked = any(reason.code == "keyring-locked" for reason in reasons)
    raise KeyringUnusableError(
        _nothing_usable([reason.fact for reason in reasons], configured),
        hint=UNLOCK if is_locked else _ELSEWHERE,
        code="keyring-locked" if is_locked else "keyring-absent",
    )


def _remove_setting(origin: str) -> str:
    """Return how to take away the setting of a backend, a variable or a line of a file."""
    if origin == _VARIABLE:
        return f"unset {origin}"
    return f"remove the line `default-keyring` from {origin}"


def _why_refused(name: str) -> str:
    if name in _REFUSED:
        return _REFUSED[name]
    if name.startswith(_ALT):
        return "does not keep a secret from other programs"
    return "is not one that mtls-run knows to be safe"


def _nothing_usable(reasons: list[str], configured: tuple[str, str] | None) -> str:
    """Return why there is no keyring, and which others the library would have settled for."""
    fact = f"there is no usable keyring here: {reasons[0]}"
    if configured is not None:
        fact += f" ({configured[1]} chooses a chain of backends)"
    others = [name for name in _others() if name not in ADMITTED]
    if others:
        # The package is what a person installed, and not the class.
        named = [f"{'.'.join(name.split('.')[:2])} {_why_refused(name)}" for name in others]
        fact += f"; not used: {'; '.join(dict.fromkeys(named))}"
    return fact


def _others() -> list[str]:
    """Return the other backends that keyring finds in this installation."""
    import keyring.backend  # noqa: PLC0415 - costs five starts of Python

    try:
        backends = keyring.backend.get_all_keyring()
    except Exception:  # noqa: BLE001 - a KEYRING_PROPERTY_ that a backend does not take
        return []
    names = []
    for backend in backends:
        name = f"{type(backend).__module__}.{type(backend).__qualname__}"
        if name not in (CHAINER, "keyring.backends.fail.Keyring", "keyring.backends.null.Keyring"):
            names.append(name)
    return sorted(names)


def _configured(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the backend that the user's keyring settings name, and which setting does."""
    named = environ.get(_VARIABLE)
    if named:
        return named, _VARIABLE
    path = settings_file()
    if not os.path.lexists(path):
        return None
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
        named = parser.get("backend", "default-keyring", fallback="").strip()
    except (configparser.Error, UnicodeDecodeError, OSError):
        raise KeyringUnusableError(
            f"keyring's own settings in {path} cannot be read", hint="repair or remove that file"
        ) from None
    return (named, path) if named else None


def settings_file() -> str:
    """Return the path of keyring's own settings, which keyring.util.platform_ also returns."""
    if not sys.platform.startswith("linux"):
        from keyring.util import platform_  # noqa: PLC0415 - see below

        return os.path.join(platform_.config_root(), "keyringrc.cfg")
    # Importing keyring costs more than a start of Python. A test compares the two paths.
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(base, "python_keyring", "keyringrc.cfg")


def _load(name: str) -> object:
    """Return a backend of the class `name`; raise what it raises where it does not work here."""
    module, _, attribute = name.rpartition(".")
    kind = getattr(importlib.import_module(module), attribute)
    _ = kind.priority  # raises RuntimeError, saying why, where the backend cannot serve
    return kind()


def _patiently(ask: Callable[[], T], name: str, reporter: Reporter | None) -> T:
    """Return what `ask` returns, or raise KeyringUnusableError where it fails or takes too long.

    `reporter` says after a while that it waits. With None, it takes too long by then.
    """
    answers: list[T] = []
    failures: list[Exception] = []

    def work() -> None:
        try:
            answers.append(ask())
        except Exception as error:  # noqa: BLE001 - backends raise what their libraries raise
            failures.append(error)

    # A thread that never returns ends with the process, or with exec. It must not take signals
    # until then: the supervisor of a tool waits for them in the main thread.
    worker = threading.Thread(target=work, daemon=True)
    with progress.signals_blocked():
        worker.start()
    worker.join(ANNOUNCED_AFTER)
    if worker.is_alive() and reporter is not None:
        reporter.notice(f"waiting for {name}, which may be asking for its password in a dialog")
        worker.join(PATIENCE - ANNOUNCED_AFTER)
    if failures:
        raise _failed(name, failures[0]) from None
    if not answers:
        fact = f"{name} did not answer within {PATIENCE:.0f} s"
        raise KeyringUnusableError(fact, hint=UNLOCK, code="keyring-locked")
    return answers[0]


def _failed(name: str, error: Exception) -> KeyringUnusableError:
    if type(error).__name__ in ("KeyringLocked", "LockedException"):
        fact = f"{name} is locked, and was not unlocked"
        return KeyringUnusableError(fact, hint=UNLOCK, code="keyring-locked")
    if sys.platform.startswith("linux") and (_BUS in str(error) or isinstance(error, OSError)):
        why = str(error) if isinstance(error, OSError) else f"{_BUS} is unset"
        fact = f"{name} needs D-Bus, and there is no session bus: {why}"
        return KeyringUnusableError(fact, hint=_ELSEWHERE, code="keyring-absent")
    words = str(error).splitlines()
    fact = f"{name}: {words[0].rstrip('.') if words else type(error).__name__}"
    return KeyringUnusableError(fact, hint=UNLOCK)
