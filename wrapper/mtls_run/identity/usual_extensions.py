"""The extensions that certificates usually have, read strictly: any other is not an ordinary one's.

What a reader of certificates makes of a malformed extension differs from one to the next, and so
does what is malformed. Here a certificate has these, in these forms (RFC 5280, section 4.2), or it
is for cryptography to judge. Each function raises ValueError.
"""

from __future__ import annotations

from mtls_run import der

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_MAIL, _HOST, _URI, _ADDRESS, _OTHER = 0x81, 0x82, 0x86, 0x87, 0xA0
_KEY_IDENTIFIER = 0x80
_FIRST, _IA5 = 0xA0, 0x16
_NO_AUTHORITY = b"\x30\x00"
_AUTHORITY = b"\x30\x03\x01\x01\xff"
_WITH_LENGTH = b"\x30\x06\x01\x01\xff\x02\x01"
_ENCIPHER_ONLY = 0x01
_ADDRESS_SIZES = (4, 16)
_CPS = bytes.fromhex("2b06010505070201")
_LARGEST = 2**31


def check(name: bytes, value: bytes, *, critical: bool) -> None:
    """Raise ValueError where the extension is not a usual one, or not in its usual form.

    `name` is the content of its object identifier. uv ends on a critical one that it does not know.
    """
    read = _READERS.get(name)
    if read is None or (critical and name not in _MAY_BE_CRITICAL):
        raise ValueError
    read(value)


def _constraints(value: bytes) -> None:
    ends = value[len(_WITH_LENGTH) :]
    with_length = value.startswith(_WITH_LENGTH) and len(ends) == 1 and ends[0] < der.LONG_FORM
    if value not in (_NO_AUTHORITY, _AUTHORITY) and not with_length:
        raise ValueError


def _usage(value: bytes) -> None:
    unused, *bits = der.inside(value, der.BITS)
    if len(bits) != 1 or not bits[0] >> unused & 1 or bits[0] & _ENCIPHER_ONLY:
        raise ValueError


def _purposes(value: bytes) -> None:
    found = der.elements(der.inside(value, der.SEQUENCE))
    if not found or any(tag != der.OID for tag, _ in found):
        raise ValueError


def _identifier(value: bytes) -> None:
    if not der.inside(value, der.OCTETS):
        raise ValueError


def _authority_key(value: bytes) -> None:
    ((tag, _),) = der.elements(der.inside(value, der.SEQUENCE))
    if tag != _KEY_IDENTIFIER:
        raise ValueError


def _names(value: bytes) -> None:
    found = der.elements(der.inside(value, der.SEQUENCE))
    if not found:
        raise ValueError
    for tag, content in found:
        if tag == _ADDRESS:
            if len(content) not in _ADDRESS_SIZES:
                raise ValueError
        elif tag == _OTHER:
            (kind, _), (explicit, inner) = der.elements(content)
            if (kind, explicit, len(der.elements(inner))) != (der.OID, _FIRST, 1):
                raise ValueError
        elif tag in (_MAIL, _HOST, _URI):
            content.decode("ascii")
        else:
            raise ValueError


def _uri(tag: int, content: bytes) -> None:
    if tag != _URI:
        raise ValueError
    content.decode("ascii")


def _access(value: bytes) -> None:
    found = der.elements(der.inside(value, der.SEQUENCE))
    if not found:
        raise ValueError
    for tag, description in found:
        (kind, _), (location, content) = der.elements(description)
        if (tag, kind) != (der.SEQUENCE, der.OID):
            raise ValueError
        _uri(location, content)


def _lists(value: bytes) -> None:
    """Read the URLs of revocation lists."""
    found = der.elements(der.inside(value, der.SEQUENCE))
    if not found:
        raise ValueError
    for tag, point in found:
        if tag != der.SEQUENCE:
            raise ValueError
        named = der.elements(der.inside(der.inside(point, _FIRST), _FIRST))
        if not named:
            raise ValueError
        for location, content in named:
            _uri(location, content)


def _policies(value: bytes) -> None:
    found = der.elements(der.inside(value, der.SEQUENCE))
    if not found or len({content for _, content in found}) != len(found):
        raise ValueError
    for tag, policy in found:
        (kind, _), *qualifiers = der.elements(policy)
        if (tag, kind) != (der.SEQUENCE, der.OID) or len(qualifiers) > 1:
            raise ValueError
        for listed, several in qualifiers:
            if listed != der.SEQUENCE or not several:
                raise ValueError
            for one, qualifier in der.elements(several):
                said, (written, text) = der.elements(qualifier)
                if (one, said, written) != (der.SEQUENCE, (der.OID, _CPS), _IA5):
                    raise ValueError
                text.decode("ascii")


def _template(value: bytes) -> None:
    (kind, _), *versions = der.elements(der.inside(value, der.SEQUENCE))
    if kind != der.OID or len(versions) > 2:  # noqa: PLR2004 - major and minor
        raise ValueError
    for tag, number in versions:
        if tag != der.INTEGER or der.number(number) >= _LARGEST:
            raise ValueError


def _anything(value: bytes) -> None:
    """Take what neither cryptography nor a tool reads."""
    if len(der.elements(value)) != 1:
        raise ValueError


_READERS: dict[bytes, Callable[[bytes], None]] = {
    bytes.fromhex(name): read
    for name, read in (
        ("551d13", _constraints),
        ("551d0f", _usage),
        ("551d25", _purposes),
        ("551d0e", _identifier),
        ("551d23", _authority_key),
        ("551d11", _names),
        ("551d1f", _lists),
        ("551d20", _policies),
        ("2b06010505070101", _access),
        ("2b0601040182371507", _template),  # Microsoft's certificate template
        ("2b060104018237150a", _anything),  # its application policies
        ("2b0601040182371902", _anything),  # its security identifier
        ("6086480186f8420101", _anything),  # Netscape's type of certificate
        ("6086480186f842010d", _anything),  # its comment, which OpenSSL still writes
    )
}
_MAY_BE_CRITICAL = tuple(map(bytes.fromhex, ("551d13", "551d0f", "551d25")))
