"""Load a PKCS#11 module, and find tokens, certificates and private keys in it.

This is the one module that imports python-pkcs11. Nothing here may run before a fork whose child
uses the module: PKCS#11 promises a child nothing (version 2.40, section 6.6.1 and C_Initialize).
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pkcs11
from pkcs11 import Attribute, ObjectClass, TokenFlag

from mtls_run.errors import IdentityError
from mtls_run.identity import chain
from mtls_run.identity.pem import Block, Kind
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.output.text import quoted
from mtls_run.system import ownership
from mtls_run.system.record import replace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Callable

    from cryptography import x509

    # A session, an object, an attribute or a flag: python-pkcs11 0.9, on Python 3.9, has no types.
    Handle = Any

T = TypeVar("T")

# One lock for each module: python-pkcs11 loads it without CKF_OS_LOCKING_OK, so it need not be
# thread-safe. Each call gives up the GIL while the token works.
_modules: dict[str, Module] = {}
_loading = threading.Lock()

# Where systems keep a module that serves every token: p11-kit's proxy, and OpenSC's for cards.
_NAMES = {"win32": ("opensc-pkcs11.dll",), "linux": ("p11-kit-proxy.so", "opensc-pkcs11.so")}
_FOLDERS = {
    "win32": (r"C:\Program Files\OpenSC Project\OpenSC\pkcs11",),
    "darwin": ("/opt/homebrew/lib", "/usr/local/lib", "/Library/OpenSC/lib"),
    "linux": ("/usr/lib64", f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}", "/usr/lib"),
}
_SHOWN = 8
# The errors of an object or a session that is no longer there.
_RESET = (
    *("SessionHandleInvalid", "SessionClosed", "ObjectHandleInvalid", "KeyHandleInvalid"),
    "UserNotLoggedIn",
)
_FAULT = ("DeviceError", "FunctionFailed", "GeneralError")


@dataclass(frozen=True)
class Module:
    """A loaded module, and the lock that each call to it needs."""

    path: str
    library: Handle = field(repr=False)
    lock: threading.RLock = field(repr=False)
    process: int = field(default_factory=os.getpid)

    def tokens(self) -> list[Token]:
        """Return the tokens that are present and initialised, the slots in their order."""
        found = []
        with self.lock:
            for slot in self.library.get_slots(token_present=True):
                try:
                    token = slot.get_token()
                except pkcs11.PKCS11Error:  # pulled meanwhile, or not recognised
                    continue
                if token.flags & TokenFlag.TOKEN_INITIALIZED:
                    found.append(Token(self, token))
        return found


@dataclass(frozen=True)
class Token:
    """A token as it was when it was found."""

    module: Module
    raw: Handle = field(repr=False)

    @property
    def label(self) -> str:
        """Return the token's label."""
        return str(self.raw.label)

    @property
    def uri(self) -> Pkcs11Uri:
        """Return the URI of this token."""
        serial = self.raw.serial.decode("utf-8", "replace").rstrip(" \0")
        return Pkcs11Uri(token=self.label, serial=serial or None, module_path=self.module.path)

    def fits(self, uri: Pkcs11Uri) -> bool:
        """Return whether the URI means this token."""
        raw = self.raw
        own = {
            "token": self.label,
            "serial": self.uri.serial,
            "manufacturer": raw.manufacturer_id,
            "model": raw.model,
            "slot_id": raw.slot.slot_id,
        }
        wanted = {name: getattr(uri, name) for name in own}
        return all(value is None or value == own[name] for name, value in wanted.items())

    @property
    def needs_pin(self) -> bool:
        """Return whether the private keys are behind a PIN that mtls-run has to give."""
        return bool(self.raw.flags & TokenFlag.LOGIN_REQUIRED) and not self.asks_itself

    @property
    def asks_itself(self) -> bool:
        """Return whether the reader has a pad for the PIN (CKF_PROTECTED_AUTHENTICATION_PATH)."""
        return bool(self.raw.flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH)

    @property
    def mechanisms(self) -> set[Handle]:
        """Return the mechanisms of the token."""
        with self.module.lock:
            return set(self.raw.slot.get_mechanisms())

    def tries_left(self) -> str | None:
        """Return what the token says now of the tries that its PIN has left, or None."""
        try:
            with self.module.lock:
                flags = self.raw.slot.get_token().flags
        except pkcs11.PKCS11Error:
            return None
        return describe_tries(flags)


@dataclass(frozen=True)
class Found:
    """A certificate in a token, with its label and id there."""

    certificate: x509.Certificate
    uri: Pkcs11Uri


def describe_tries(flags: Handle) -> str | None:
    """Return what these flags of a token say of its PIN's tries, or None where they say nothing."""
    if flags & TokenFlag.USER_PIN_LOCKED:
        return "the PIN is locked"
    if flags & TokenFlag.USER_PIN_FINAL_TRY:
        return "one try is left before the PIN is locked"
    if flags & TokenFlag.USER_PIN_COUNT_LOW:
        return "a wrong PIN was tried before, so fewer tries are left"
    return None


def default_module() -> str | None:
    """Return the module that this system keeps for every token, or None."""
    platform = "linux" if sys.platform.startswith("linux") else sys.platform
    for folder in _FOLDERS.get(platform, _FOLDERS["linux"]):
        for name in _NAMES.get(platform, ("p11-kit-proxy.so", "opensc-pkcs11.so")):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                return path
    return None


def load(uri: Pkcs11Uri, origin: object) -> Module:
    """Return the URI's module, loaded once in this process; raise IdentityError where it cannot be.

    A module is code. One that other users can write is not loaded.
    """
    path = uri.module_path or default_module()
    if path is None:
        raise IdentityError(
            f"{origin}: the URI names no PKCS#11 module, and this system has no usual one",
            hint="name it: pkcs11:…?module-path=/usr/lib/…/opensc-pkcs11.so",
            code="token-missing",
        )
    with _loading:
        if path not in _modules:
            _modules[path] = Module(path, _library(path, origin), threading.RLock())
        found = _modules[path]
        if found.process != os.getpid():
            raise RuntimeError(f"{path} was loaded before a fork")
        return found


def _library(path: str, origin: object) -> Handle:
    try:
        writers = ownership.other_writers(Path(path).stat())
    except OSError as error:
        raise IdentityError(
            f"{origin}: cannot load the PKCS#11 module {path}: {error.strerror or error}",
            hint="name a module that is installed: module-path=/usr/lib/…/opensc-pkcs11.so",
            code="token-missing",
        ) from None
    if writers:
        raise IdentityError(
            f"{origin}: {writers} can write the PKCS#11 module {path}",
            hint=f"chmod go-w {quoted(path)}",
            code="token-missing",
        )
    try:
        return pkcs11.lib(path)
    except (pkcs11.PKCS11Error, RuntimeError) as error:
        raise IdentityError(
            f"{origin}: cannot load the PKCS#11 module {path}: {reason(error)}",
            hint=f"see whether it works by itself: pkcs11-tool --module {quoted(path)} -L",
            code="token-missing",
        ) from None


def find_token(uri: Pkcs11Uri, origin: object) -> Token:
    """Return the one token that the URI means; raise IdentityError that lists what is there."""
    module = load(uri, origin)
    try:
        present = module.tokens()
    except pkcs11.PKCS11Error as error:
        raise unusable(f"the PKCS#11 module {module.path}", error) from None
    fitting = [token for token in present if token.fits(uri)]
    if len(fitting) == 1:
        return fitting[0]
    shown = _listed([str(token.uri) for token in fitting or present])
    if fitting:
        raise IdentityError(
            f"{origin}: {len(fitting)} tokens fit the URI: {shown}",
            hint="name one of them by its serial: pkcs11:serial=…",
            code="identity-ambiguous",
        )
    raise IdentityError(
        f"{origin}: no token fits the URI; {module.path} has {shown or 'no token'}",
        hint="insert the token, or name one that is there" if present else "insert the token",
        code="token-missing",
    )


def certificates(session: Handle, token: Token) -> list[Found]:
    """Return the X.509 certificates that the session can see, each with its URI."""
    found = []
    for item in session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}):
        value = attribute(item, Attribute.VALUE)
        if not value:
            continue
        block = Block(
            Kind.CERTIFICATE,
            "DER",
            bytes(value),
            is_pem=False,
            where=token.label,
            file=token.label,
        )
        try:
            certificate = chain.load(block)
        except IdentityError:
            continue  # attribute certificates, WTLS
        found.append(Found(certificate, object_uri(item, token)))
    return found


def private_keys(session: Handle, token: Token) -> list[tuple[Handle, Pkcs11Uri]]:
    """Return the private keys that the session can see, each with its URI."""
    keys = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
    return [(key, object_uri(key, token)) for key in keys]


def object_uri(item: Handle, token: Token) -> Pkcs11Uri:
    """Return the URI of an object in the token."""
    label = attribute(item, Attribute.LABEL)
    identifier = attribute(item, Attribute.ID)
    return replace(token.uri, object=label or None, id=bytes(identifier or b"") or None)


def attribute(item: Handle, which: Handle) -> Handle:
    """Return the attribute of the object, or None where the token does not say it."""
    try:
        return item[which]
    except (pkcs11.PKCS11Error, NotImplementedError, ValueError):
        return None


def means(uri: Pkcs11Uri, one: Pkcs11Uri) -> bool:
    """Return whether the URI means the object that `one` names in full."""
    return (uri.object is None or uri.object == one.object) and (uri.id is None or uri.id == one.id)


def listing(uri: Pkcs11Uri, origin: object) -> Iterator[tuple[Token, list[Found]]]:
    """Yield each token that the URI may mean, and the certificates that show without a PIN."""
    for token in load(uri, origin).tokens():
        if token.fits(uri):
            with token.module.lock:
                try:
                    session = token.raw.open()
                    found = certificates(session, token)
                    session.close()
                except pkcs11.PKCS11Error:
                    found = []
            yield token, [one for one in found if means(uri, one.uri)]


def reason(error: BaseException) -> str:
    """Return a PKCS#11 error in words, with its name in the standard."""
    name = type(error).__name__
    words = {
        **dict.fromkeys(("TokenNotPresent", "DeviceRemoved"), "the token was removed"),
        **dict.fromkeys(_RESET, "the token was removed or reset"),
        **dict.fromkeys(_FAULT, "the token reports a fault"),
        "MechanismInvalid": "the token has no such mechanism",
        "MechanismParamInvalid": "the token refuses the mechanism's parameters",
        "KeyTypeInconsistent": "the key is of another kind",
        "UserPinNotInitialized": "the token has no user PIN yet",
        "PinExpired": "the PIN has expired",
    }
    text = str(error)
    said = words.get(name, text or "it gives no reason")
    return f"{said} ({name})" if isinstance(error, pkcs11.PKCS11Error) and name in words else said


def unusable(what: str, error: BaseException) -> IdentityError:
    """Return the error for a token or module that failed."""
    return IdentityError(
        f"{what}: {reason(error)}",
        hint="insert the token again, then run mtls-run again",
        code="token-failed",
    )


def guarded(token: Token, call: Callable[[], T]) -> T:
    """Return what the call returns, made under the module's lock; a fault becomes an error."""
    try:
        with token.module.lock:
            return call()
    except pkcs11.PKCS11Error as error:
        raise unusable(f"the token {token.label}", error) from None


def log_out(token: Token, session: Handle) -> None:
    """End the session; the token logs out with the last one."""
    try:
        with token.module.lock:
            session.close()
    except pkcs11.PKCS11Error:
        return  # the token is gone, and with it the session


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
