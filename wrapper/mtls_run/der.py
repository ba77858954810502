"""As much of DER (X.690) as it takes to tell one structure from another.

What is read strictly (`elements`, `check`) is DER and nothing else, or a ValueError: what is odd is
for the library to judge.
"""

from __future__ import annotations

BOOLEAN, INTEGER, BITS, OCTETS, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
SEQUENCE, SET, CONSTRUCTED = 0x30, 0x31, 0x20
# cryptography's parser keeps no longer ones; those in use have some ten bytes.
_LONGEST_OID = 63
_LONGEST_PART = 17  # of 7 bits each; its numbers have 128
_HIGH_TAG, _MORE, _TRUE, _DEEPEST = 0x1F, 0x80, b"\xff", 32
INDEFINITE, LONG_FORM, LONGEST_LENGTH = 0x80, 0x80, 4


def header(data: bytes, offset: int) -> tuple[int, int, int] | None:
    """Return tag, offset of the content and its length at `offset`; length -1 is indefinite."""
    if offset + 2 > len(data):
        return None
    tag, first = data[offset], data[offset + 1]
    if first == INDEFINITE:
        return tag, offset + 2, -1
    if first < LONG_FORM:
        return tag, offset + 2, first
    size = first - LONG_FORM
    start = offset + 2 + size
    if size > LONGEST_LENGTH or start > len(data):
        return None
    return tag, start, int.from_bytes(data[offset + 2 : start], "big")


def first_two(data: bytes) -> tuple[tuple[int, int], int] | None:
    """Return (tag, value where it is a small integer) of the first element, the second's tag."""
    outer = header(data, 0)
    if outer is None or outer[0] != SEQUENCE:
        return None
    first = header(data, outer[1])
    if first is None or first[2] < 0:
        return None
    tag, start, length = first
    number = int.from_bytes(data[start : start + length], "big") if length <= 1 else -1
    second = header(data, start + length)
    return ((tag, number), second[0] if second else 0)


def first_element(data: bytes) -> bytes | None:
    """Return the first DER SEQUENCE in `data`, without what follows it; None where it is none.

    OpenSSL's TRUSTED CERTIFICATE is a certificate, followed by what it is trusted for.
    """
    outer = header(data, 0)
    if outer is None or outer[0] != SEQUENCE or outer[2] < 0 or outer[1] + outer[2] > len(data):
        return None
    return data[: outer[1] + outer[2]]


def elements(content: bytes) -> list[tuple[int, bytes]]:
    """Return (tag, content) of the elements that `content` consists of; raises ValueError."""
    found, start = [], 0
    while start < len(content):
        one = header(content, start)
        if one is None or content[start] & _HIGH_TAG == _HIGH_TAG:
            raise ValueError
        tag, inside, length = one
        if length < 0 or inside + length > len(content) or inside - start != _shortest(length):
            raise ValueError
        start = inside + length
        found.append((tag, content[inside:start]))
    return found


def inside(data: bytes, tag: int) -> bytes:
    """Return the content of the one element, of this tag, that `data` is; raises ValueError."""
    ((found, content),) = elements(data)
    if found != tag:
        raise ValueError
    return content


def encoded(tag: int, content: bytes) -> bytes:
    """Return an element."""
    length = len(content)
    if length < LONG_FORM:
        return bytes((tag, length)) + content
    size = _shortest(length) - 2
    return bytes((tag, LONG_FORM + size)) + length.to_bytes(size, "big") + content


def check(content: bytes, depth: int = 0) -> None:
    """Raise ValueError where `content` is not elements, all the way down, as DER has them."""
    if depth > _DEEPEST:
        raise ValueError
    for tag, value in elements(content):
        if tag & CONSTRUCTED:
            check(value, depth + 1)
        elif not _is_sound(tag, value):
            raise ValueError


def number(content: bytes) -> int:
    """Return the whole number, not negative, in an INTEGER's content; raises ValueError."""
    if not _is_sound(INTEGER, content) or content[0] & 0x80:
        raise ValueError
    return int.from_bytes(content, "big")


def _shortest(length: int) -> int:
    """Return how long the header of a content of this length is, at its shortest."""
    return 2 if length < LONG_FORM else 2 + (length.bit_length() + 7) // 8


def _is_sound(tag: int, value: bytes) -> bool:
    """Tell whether DER writes a value of this universal type so, where it is one known here."""
    if tag == INTEGER:
        needless = len(value) > 1 and value[0] in (0x00, 0xFF) and value[0] >> 7 == value[1] >> 7
        return bool(value) and not needless
    if tag == BOOLEAN:
        return value in (b"\0", _TRUE)
    if tag == OID:
        return 0 < len(value) <= _LONGEST_OID and value[-1] < _MORE and _has_sound_parts(value)
    if tag == BITS:
        unused = value[0] if value else 8
        empty = len(value) == 1
        return unused < 8 and not (unused and (empty or value[-1] & ((1 << unused) - 1)))  # noqa: PLR2004
    return tag != NULL or not value


def _has_sound_parts(identifier: bytes) -> bool:
    """Tell whether no part begins with a byte that adds nothing, or is longer than anybody's."""
    length = 0
    for byte in identifier:
        if (not length and byte == _MORE) or length == _LONGEST_PART:
            return False
        length = length + 1 if byte & _MORE else 0
    return True
