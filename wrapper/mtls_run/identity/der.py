"""Read the outer structure of DER and BER (X.690), and no more of it than mtls-run needs."""

from __future__ import annotations

from typing import NamedTuple

INTEGER, OCTETS, OID, SEQUENCE, CONSTRUCTED = 0x02, 0x04, 0x06, 0x30, 0x20
_LONG_TAG, _LONG_LENGTH, _LONGEST_LENGTH = 0x1F, 0x80, 4
_END_OF_CONTENTS = b"\0\0"
# Lengths may be left open (BER) in what is open itself. Tools do so some ten levels deep.
_DEEPEST = 64
_MOST_ELEMENTS = 2**16


class Element(NamedTuple):
    """One element: its tag, its content, and the offset after it."""

    tag: int
    content: bytes
    after: int


def header(data: bytes, offset: int) -> tuple[int, int, int] | None:
    """Return the tag, the offset of the content and its length at `offset`, or None.

    The length -1 stands for an indefinite one (BER).
    """
    if offset + 2 > len(data) or data[offset] & _LONG_TAG == _LONG_TAG:
        return None
    tag, first = data[offset], data[offset + 1]
    if first < _LONG_LENGTH:
        return tag, offset + 2, first
    size = first - _LONG_LENGTH
    start = offset + 2 + size
    if size > _LONGEST_LENGTH or start > len(data):
        return None
    return tag, start, int.from_bytes(data[offset + 2 : start], "big") if size else -1


def first_two(data: bytes) -> tuple[tuple[int, int], int] | None:
    """Return the tags of the first two elements in the SEQUENCE that `data` starts with, or None.

    The first tag comes with the element's value, or -1 where that is no small integer.
    """
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


def first_sequence(data: bytes) -> bytes | None:
    """Return the SEQUENCE that `data` starts with, without what follows it, or None.

    OpenSSL's TRUSTED CERTIFICATE is a certificate, followed by what it is trusted for.
    """
    try:
        found = element(data)
    except ValueError:
        return None
    return data[: found.after] if found.tag == SEQUENCE else None


def element(data: bytes, offset: int = 0, depth: int = 0) -> Element:
    """Return the element at `offset`; raise ValueError if it is cut off or nested too deeply."""
    found = header(data, offset)
    if found is None or depth > _DEEPEST:
        raise ValueError
    tag, start, length = found
    if length >= 0:
        end = after = start + length
    else:
        end = start
        while data[end : end + 2] != _END_OF_CONTENTS:
            end = element(data, end, depth + 1).after
        after = end + len(_END_OF_CONTENTS)
    if after > len(data):
        raise ValueError
    return Element(tag, data[start:end], after)


def children(data: bytes) -> list[Element]:
    """Return the elements that `data` consists of; raise ValueError if it consists of others."""
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
