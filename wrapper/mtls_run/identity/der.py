"""Read the outer structure of DER and BER (X.690), and no more of it than mtls-run needs.

`encode` writes the outermost element of a key whose inner ones are copied.
"""

from __future__ import annotations

from typing import NamedTuple

INTEGER, OCTETS, OID, SEQUENCE, CONSTRUCTED = 0x02, 0x04, 0x06, 0x30, 0x20
_LONG_TAG, _LONG_LENGTH, _LONGEST_LENGTH = 0x1F, 0x80, 4
_END_OF_CONTENTS = b"\0\0"
# Tools nest open lengths (BER) some ten levels deep, and write a string in thousands of parts.
_DEEPEST = 64
_MOST_ELEMENTS = 2**16


class Element(NamedTuple):
    """One element: its tag, its content, and the offset after it."""

    tag: int
    content: bytes
    after: int


def element(data: bytes, offset: int = 0, depth: int = 0) -> Element:
    """Return the element at `offset`; raise ValueError if it is cut off or nested too deeply."""
    start = offset + 2
    if start > len(data) or data[offset] & _LONG_TAG == _LONG_TAG or depth > _DEEPEST:
        raise ValueError
    tag, length = data[offset], data[offset + 1]
    if length == _LONG_LENGTH:  # it ends where an element says so
        end = start
        while data[end : end + 2] != _END_OF_CONTENTS:
            end = element(data, end, depth + 1).after
        return Element(tag, data[start:end], end + len(_END_OF_CONTENTS))
    if length > _LONG_LENGTH:
        size = length - _LONG_LENGTH
        length = int.from_bytes(data[start : start + size], "big")
        start += size
        if size > _LONGEST_LENGTH:
            raise ValueError
    end = start + length
    if end > len(data):
        raise ValueError
    return Element(tag, data[start:end], end)


def children(data: bytes) -> list[Element]:
    """Return the elements that `data` consists of; raise ValueError if it is cut off."""
    found: list[Element] = []
    offset = 0
    while offset < len(data):
        if len(found) >= _MOST_ELEMENTS:
            raise ValueError
        found.append(element(data, offset))
        offset = found[-1].after
    return found


def octets(string: Element, depth: int = 0) -> bytes:
    """Return the bytes of an OCTET STRING, which BER may write in parts; raise ValueError."""
    if string.tag == OCTETS:
        return string.content
    if string.tag != OCTETS | CONSTRUCTED or depth > _DEEPEST:
        raise ValueError
    return b"".join(octets(part, depth + 1) for part in children(string.content))


def dotted(content: bytes) -> str:
    """Return an OBJECT IDENTIFIER as numbers with dots; raise ValueError where it is empty."""
    numbers = [0]
    for byte in content:
        numbers[-1] = numbers[-1] << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(0)
    first, *others = numbers[:-1] or [-1]
    if first < 0:
        raise ValueError
    top = min(first // 40, 2)
    return ".".join(map(str, (top, first - 40 * top, *others)))


def encode(tag: int, content: bytes) -> bytes:
    """Return an element of DER."""
    size = len(content)
    if size < _LONG_LENGTH:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG_LENGTH + len(length)]) + length + content
