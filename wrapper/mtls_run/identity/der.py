"""As much of DER (X.690) as it takes to tell one structure from another."""

from __future__ import annotations

INTEGER, OCTETS, OID, SEQUENCE = 0x02, 0x04, 0x06, 0x30
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
