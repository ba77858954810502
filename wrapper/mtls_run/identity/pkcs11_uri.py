"""Read the URI of a key or certificate in a token (RFC 7512)."""

from __future__ import annotations

import difflib
import re
from urllib.parse import unquote_to_bytes

from mtls_run.system.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEME = "pkcs11:"

# RFC 7512, section 2.3: each attribute of the path, and the field that holds it.
_PATH = {
    "token": "token",
    "serial": "serial",
    "manufacturer": "manufacturer",
    "model": "model",
    "slot-id": "slot_id",
    "object": "object",
    "id": "id",
    "type": "type",
}
_QUERY = {"module-path": "module_path"}
_TYPES = ("cert", "private")
_SECRET = ("pin-value", "pin-source")
_OTHERS = {
    "module-name": "name the module's file: module-path=/usr/lib/…/opensc-pkcs11.so",
    "slot-description": "use slot-id, or the token's own token and serial",
    "slot-manufacturer": "use slot-id, or the token's own token and serial",
    "library-description": "name the module's file: module-path=/usr/lib/…/opensc-pkcs11.so",
    "library-manufacturer": "name the module's file: module-path=/usr/lib/…/opensc-pkcs11.so",
    "library-version": "name the module's file: module-path=/usr/lib/…/opensc-pkcs11.so",
}
_PIN_HINT = (
    "name the place of the PIN in the profile: "
    'passphrase = "keyring" | "prompt" | { command = […] } | { file = "…" } | { env = "NAME" }'
)
# What stands unescaped in a value: `pk11-pchar` of RFC 7512, without `&`, which ends a query's.
_PLAIN = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:[]@!$'()*+,="
)
_ALLOWED = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&/?|]|%[0-9A-Fa-f]{2}|[^\x00-\x7f])*")
_LARGEST_SLOT = 2**64 - 1


class UriError(ValueError):
    """The text is no URI that mtls-run takes; `hint` says what mends it. It repeats no PIN."""

    def __init__(self, fact: str, hint: str) -> None:
        super().__init__(fact)
        self.fact = fact
        self.hint = hint


class Pkcs11Uri(Record):
    """The attributes of a token and of an object in it; None for what the URI leaves open."""

    token: str | None = None
    object: str | None = None
    id: bytes | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot_id: int | None = None
    type: str | None = None
    module_path: str | None = None

    def __str__(self) -> str:
        """Return the URI in one spelling, from which `parse` makes an equal one."""
        path = ";".join(self._written(_PATH))
        query = "&".join(self._written(_QUERY))
        return f"{SCHEME}{path}{'?' if query else ''}{query}"

    def _written(self, names: dict[str, str]) -> list[str]:
        found = []
        for name, field in names.items():
            value = getattr(self, field)
            if isinstance(value, bytes):  # RFC 7512, section 2.3: every byte of an id escaped
                found.append(f"{name}={''.join(f'%{byte:02X}' for byte in value)}")
            elif value is not None:
                found.append(f"{name}={_escaped(str(value), also='/' if names is _QUERY else '')}")
        return found


def is_uri(text: str) -> bool:
    """Return whether the text is meant as a URI of a token, and not as a path."""
    return text[: len(SCHEME)].lower() == SCHEME


def parse(text: str) -> Pkcs11Uri:
    """Return what the URI names; raise UriError for what mtls-run does not take."""
    if not is_uri(text):
        raise UriError("a URI of a token begins with pkcs11:", "see RFC 7512")
    path, _, query = text[len(SCHEME) :].partition("?")
    found: dict[str, Any] = {}
    for part, separator, known in ((path, ";", _PATH), (query, "&", _QUERY)):
        for item in filter(None, part.split(separator)):
            name, equals, value = item.partition("=")
            _check_name(name, known)
            if known[name] in found:
                raise UriError(f"the URI has `{name}` twice", f"keep one `{name}`")
            if not equals:
                raise UriError(f"`{name}` of the URI has no value", f"write {name}=…")
            found[known[name]] = _value(name, value)
    return Pkcs11Uri(**found)


def _check_name(name: str, known: dict[str, str]) -> None:
    if name in known:
        return
    if name in _SECRET:
        raise UriError(f"the URI has `{name}`, and mtls-run takes no PIN from a URI", _PIN_HINT)
    if name in _OTHERS:
        raise UriError(f"mtls-run does not take `{name}` in a URI", _OTHERS[name])
    shown = name if re.fullmatch(r"[A-Za-z0-9-]{1,40}", name) else "…"
    both = {**_PATH, **_QUERY}
    if name in both:
        where = "after `?`" if name in _QUERY else "before `?`"
        raise UriError(f"`{name}` is in the wrong part of the URI", f"write `{name}` {where}")
    close = difflib.get_close_matches(name, both, n=1, cutoff=0.6)
    known_ones = f"known: {', '.join(both)}"
    hint = f"did you mean `{close[0]}`?" if close else known_ones
    raise UriError(f"unknown attribute `{shown}` in the URI", hint)


def _unescaped(name: str, text: str) -> bytes:
    if not _ALLOWED.fullmatch(text):
        raise UriError(
            f"the value of `{name}` in the URI has a character that has to be escaped",
            "write a space as %20, a semicolon as %3B, a percent sign as %25",
        )
    try:
        return unquote_to_bytes(text)
    except UnicodeEncodeError:  # a word of a command line that is not UTF-8
        raise _not_utf8(name) from None


def _value(name: str, text: str) -> object:
    raw = _unescaped(name, text)
    if name == "id":
        if not raw:
            raise UriError("`id` of the URI is empty", "write each byte as %XX, or leave `id` out")
        return raw
    try:
        value = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _not_utf8(name) from None
    if "\0" in value:
        raise UriError(f"`{name}` of the URI has a zero byte", f"leave `{name}` out")
    if name == "slot-id":
        if not re.fullmatch(r"[0-9]{1,20}", value, re.ASCII) or int(value) > _LARGEST_SLOT:
            raise UriError(
                "`slot-id` of the URI is not a number", "write slot-id=0, or leave it out"
            )
        return int(value)
    if name == "type" and value not in _TYPES:
        raise UriError(
            f"`type` of the URI is neither {' nor '.join(_TYPES)}",
            "leave `type` out: mtls-run looks for the certificate and its key",
        )
    if name == "module-path" and not _is_absolute(value):
        raise UriError(
            "`module-path` of the URI is not an absolute path",
            "write it in full: module-path=/usr/lib/…/opensc-pkcs11.so",
        )
    return value


def _not_utf8(name: str) -> UriError:
    return UriError(f"`{name}` of the URI is not UTF-8", "escape it as UTF-8")


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or bool(re.match(r"[A-Za-z]:[\\/]", path))


def _escaped(value: str, also: str) -> str:
    plain = _PLAIN | set(also.encode())
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in value.encode("utf-8"))
