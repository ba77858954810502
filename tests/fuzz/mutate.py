"""An input out of a seed: bytes, DER's elements, PEM's blocks, and lines of text are changed."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    import random

    Mutation = Callable[[random.Random, bytes, "tuple[bytes, ...]"], bytes]
    # [tag, content], which is bytes or a list of nodes; and what is said for its length, if a lie.
    Node = list[Any]
    Place = tuple[list[Node], int]
    Change = Callable[[random.Random, list[Place], tuple[bytes, ...]], None]

LARGEST = 64 * 1024
_BYTES = (0x00, 0x01, 0x7F, 0x80, 0x81, 0x82, 0x84, 0x88, 0xFF, 0x0A, 0x0D, 0x1B, 0x20, 0x2D, 0x30)
_NUMBERS = (0, 1, -1, 2, 127, 128, 255, 2**16, 2**31 - 1, 2**31, 10**9, 2**32, 2**63, 2**64, 2**521)
_TAGS: tuple[int, ...] = (
    0x01,
    0x02,
    0x03,
    0x04,
    0x05,
    0x06,
    0x0C,
    0x13,
    0x16,
    0x17,
    0x18,
    0x1E,
    0x24,
    0x30,
    0x31,
)
_TAGS += (0x80, 0xA0, 0xA1, 0xA3, 0x1F, 0x3F)
_LENGTHS: tuple[bytes, ...] = (
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\x81\x80",
    b"\x82\xff\xff",
    b"\x84\xff\xff\xff\xff",
)
_LENGTHS += (b"\x88" + b"\xff" * 8, b"\x84\x00\x00\x00\x05", b"\xfe" + b"\x00" * 125 + b"\x05")
# What says how something is encrypted, signed or meant; one in another's place.
_OID_TEXT = (
    "2a864886f70d01050c 2a864886f70d01050d 2a864886f70d010503 2a864886f70d01050a "
    "2a864886f70d01050e 2b06010401da47040b 2a864886f70d010c0101 2a864886f70d010c0103 "
    "2a864886f70d010c0106 2a864886f70d0209 2a864886f70d020b 60864801650304012a "
    "60864801650304010a60 2a864886f70d0307 2a864886f70d0302 2a864886f70d010101 "
    "2a864886f70d01010a 2a864886f70d01010b 2a8648ce3d0201 2a8648ce3d030107 2b81040022 "
    "2a8648ce380401 2a864886f70d010301 2b6570 2b6571 2b656e 2a864886f70d010701 "
    "2a864886f70d010706 2a864886f70d010703 2a864886f70d010c0a0101 2a864886f70d010c0a0102 "
    "2a864886f70d010c0a0103 2a864886f70d010c0a0105 2a864886f70d010c0a0106 551d25 551d13 551d11 "
    "551d0f 550403 2b06010505070302 551d2500 80 ffffffffffffffffffff7f"
)
_OIDS = tuple(map(bytes.fromhex, _OID_TEXT.split()))
_LABELS = (
    *(b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE", b"PRIVATE KEY", b"PKCS7"),
    *(b"RSA PRIVATE KEY", b"EC PRIVATE KEY", b"DSA PRIVATE KEY", b"ENCRYPTED PRIVATE KEY"),
    *(b"OPENSSH PRIVATE KEY", b"EC PARAMETERS", b"PUBLIC KEY", b"X509 CRL", b"CMS", b"A", b" "),
)
_HEADERS = (
    *(b"Proc-Type: 4,ENCRYPTED", b"DEK-Info: AES-256-CBC,00", b"DEK-Info: DES-EDE3-CBC,0123456789"),
    *(b"DEK-Info:", b"Comment: \x1b[2J", b":", b"Proc-Type: 4,MIC-CLEAR", b"DEK-Info: X,\xff"),
    b"DEK-Info: AES-128-CBC,00000000000000000000000000000000",
)
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 #]+)-----\r?\n(.*?)-----END \1-----\r?\n?", re.DOTALL)


def of(mutations: tuple[Mutation, ...], rng: random.Random, seeds: tuple[bytes, ...]) -> bytes:
    """Return a seed, changed once or a few times; seldom as it is."""
    data = rng.choice(seeds)
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 2, 3, 5, 8))):
        data = rng.choice(mutations)(rng, data, seeds)
    return data[:LARGEST]


# --- bytes


def noise(rng: random.Random, data: bytes, seeds: tuple[bytes, ...]) -> bytes:
    """Return the bytes with one place of them changed."""
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.choice((0, 1, 1, 2, 4, 16, 200)))
    kind = rng.randrange(8)
    if kind == 0 and data:
        at = min(at, len(data) - 1)
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + bytes([rng.choice(_BYTES)]) + data[at + 1 :]
    if kind == 2:
        return data[:at] + data[end:]
    if kind == 3:
        return data[:end] + data[at:]
    if kind == 4:
        return data[:at] + rng.randbytes(rng.choice((1, 2, 4, 30))) + data[at:]
    if kind == 5:
        return data[:at]
    if kind == 6:
        other = rng.choice(seeds)
        cut = rng.randrange(len(other) + 1)
        return data[:at] + other[cut:]
    return data[:at] + bytes([rng.choice(_BYTES)]) * rng.choice((1, 3, 300)) + data[end:]


# --- DER


def _element(data: bytes, start: int, end: int) -> tuple[int, int, int] | None:
    """Return tag, start and end of the content, for what is well-formed."""
    if start + 2 > end:
        return None
    tag, length = data[start], data[start + 1]
    start += 2
    if length > 0x80:
        size = length - 0x80
        if size > 4:
            return None
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    elif length == 0x80:
        return None
    return (tag, start, start + length) if start + length <= end else None


def _tree(data: bytes, start: int, end: int, deep: int = 0) -> list[Node] | None:
    """Return the elements there, each [tag, content]; None where it is not made of any."""
    found: list[Node] = []
    while start < end:
        one = _element(data, start, end)
        if one is None:
            return None
        tag, inside, start = one
        below = None
        if (tag & 0x20 or tag == 0x04) and start > inside and deep < 40:
            below = _tree(data, inside, start, deep + 1)
        found.append([tag, data[inside:start] if below is None else below])
    return found


def _length(length: int) -> bytes:
    if length < 0x80:
        return bytes([length])
    said = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(said)]) + said


def written(nodes: list[Node]) -> bytes:
    """Return the DER of these elements."""
    parts = []
    for node in nodes:
        tag, content = node[:2]
        inner = content if isinstance(content, bytes) else written(content)
        said = node[2] if len(node) > 2 else _length(len(inner))
        parts += [bytes([tag]), said, inner]
    return b"".join(parts)


def _all(nodes: list[Node]) -> list[Place]:
    found: list[Place] = []
    left = [nodes]
    while left:
        here = left.pop()
        for at, node in enumerate(here):
            found.append((here, at))
            if isinstance(node[1], list):
                left.append(node[1])
    return found


def tree(data: bytes) -> list[Node] | None:
    """Return the elements of DER, those in strings of bytes too; None where it is none."""
    return _tree(data, 0, len(data))


def nodes(of: list[Node]) -> list[Node]:
    """Return every element of a tree, each [tag, content], to be changed in place."""
    return [here[at] for here, at in _all(of)]


def der(rng: random.Random, data: bytes, seeds: tuple[bytes, ...]) -> bytes:
    """Return the DER with one element changed, and the lengths around it mended."""
    found = tree(data)
    if not found:
        return noise(rng, data, seeds)
    rng.choice(_CHANGES)(rng, _all(found), seeds)
    try:
        return written(found)
    except RecursionError:
        return data


def _take_away(rng: random.Random, every: list[Place], seeds: tuple[bytes, ...]) -> None:
    del seeds
    here, at = rng.choice(every)
    del here[at]


def _repeat(rng: random.Random, every: list[Place], seeds: tuple[bytes, ...]) -> None:
    del seeds
    here, at = rng.choice(every)
    here[at : at + 1] = [here[at]] * rng.choice((2, 2, 3, 20))


def _swap(rng: random.Random, every: list[Place], seeds: tuple[bytes, ...]) -> None:
    """Put one element in another's place, but none inside of itself."""
    del seeds
    (here, at), (there, place) = rng.choice(every), rng.choice(every)
    other = list(there[place])
    here[at] = [0x05, b""] if _is_inside(other, here) else other


def _retag(rng: random.Random, every: list[Place], seeds: tuple[bytes, ...]) -> None:
    del seeds
    here, at = rng.choice(every)
    here[at][0] = rng.choice(_TAGS)


def _lie(rng: random.Random, every: list[Place], seeds: tuple[bytes, ...]) -> None:
    """Say another length than there is."""
    del seeds
    here, at = rng.choice(every)
    here[at][2:] = [rng.choice(_LENGTHS)]


def _fill(rng: random.Random, every: list[Place], seeds: tuple[bytes, ...]) -> None:
    here, at = rng.choice(every)
    content = here[at][1]
    if isinstance(content, bytes) and rng.random() < 0.6:
        here[at][1] = noise(rng, content, seeds)
    else:
        here[at][1] = rng.randbytes(rng.choice((0, 1, 8, 40)))


def _rename(rng: random.Random, every: list[Place], seeds: tuple[bytes, ...]) -> None:
    """Name another algorithm, curve or attribute."""
    del seeds
    places = [(here, at) for here, at in every if here[at][0] == 0x06]
    if places:
        here, at = rng.choice(places)
        here[at] = [0x06, rng.choice(_OIDS)]


def _recount(rng: random.Random, every: list[Place], seeds: tuple[bytes, ...]) -> None:
    """Say another number: a version, a serial number, rounds."""
    del seeds
    places = [(here, at) for here, at in every if here[at][0] == 0x02]
    if places:
        here, at = rng.choice(places)
        here[at] = [0x02, number(rng.choice(_NUMBERS))]


def _leave_open(rng: random.Random, every: list[Place], seeds: tuple[bytes, ...]) -> None:
    """Give an element no length but an end (BER)."""
    del seeds
    here, at = rng.choice(every)
    tag, content = here[at][:2]
    inner = content if isinstance(content, bytes) else written(content)
    here[at] = [tag | 0x20, inner + b"\0\0", b"\x80"]


def _nest(rng: random.Random, every: list[Place], seeds: tuple[bytes, ...]) -> None:
    del seeds
    here, at = rng.choice(every)
    for _ in range(rng.choice((1, 5, 40, 300))):
        here[at] = [rng.choice((0x30, 0x04, 0xA0, 0x24)), [here[at]]]


_CHANGES: tuple[Change, ...] = (
    _take_away,
    _repeat,
    _swap,
    _retag,
    _lie,
    _fill,
    _fill,
    _rename,
    _recount,
    _recount,
)
_CHANGES += (_leave_open, _nest)


def _is_inside(node: Node, where: list[Node]) -> bool:
    return isinstance(node[1], list) and (
        node[1] is where or any(_is_inside(one, where) for one in node[1])
    )


def number(value: int) -> bytes:
    """Return the content of an INTEGER."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


# --- PEM


def _block(label: bytes, content: bytes, width: int = 64) -> bytes:
    text = base64.b64encode(content)
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label, b"\n".join(lines), label)


def pem(rng: random.Random, data: bytes, seeds: tuple[bytes, ...]) -> bytes:
    """Return the PEM with one block changed, inside of its base64 or around it."""
    found = list(_PEM.finditer(data))
    if not found:
        return noise(rng, data, seeds)
    one = rng.choice(found)
    label, whole = one.group(1), one.group()
    kind = rng.randrange(10)
    if kind <= 3:
        try:
            content = base64.b64decode(one.group(2))
        except ValueError:
            content = one.group(2)
        whole = _block(label, der(rng, content, seeds))
    elif kind == 4:
        whole = whole.replace(label, rng.choice(_LABELS), rng.choice((1, 2)))
    elif kind == 5:
        lines = whole.split(b"\n")
        lines[1:1] = rng.choices(_HEADERS, k=rng.choice((1, 2))) + rng.choice(([], [b""]))
        whole = b"\n".join(lines)
    elif kind == 6:
        whole = whole * rng.choice((2, 3, 40)) if rng.random() < 0.5 else b""
    elif kind == 7:
        other = rng.choice(found).group()
        return data.replace(whole, b"").replace(other, other + whole)
    elif kind == 8:
        whole = noise(rng, whole, seeds)
    else:
        whole = rng.choice(
            (
                whole.replace(b"\n", b"\r\n"),
                whole.replace(b"\n", b"\r"),
                whole.replace(b"\n", b" \t\n"),
                whole.replace(b"\n", b"", 2),
                whole.replace(b"A", b"-"),
                whole.replace(b"=", b""),
                _block(label, whole, 7),
                whole.decode("latin-1").encode("utf-16"),
            )
        )
    return data[: one.start()] + whole + data[one.end() :]


# --- text


def words(*dictionary: bytes) -> Mutation:
    """Return what changes lines and tokens of a text, with words that mean something there."""
    common: tuple[bytes, ...] = (
        b"",
        b"\0",
        b"\xff",
        b"\xe2\x80\xae",
        b"\x1b[2J",
        b"\r",
        b"\n",
        b"\\",
        b'"',
        b"'",
        b"=",
    )
    common += (b"\xef\xbb\xbf", b"\xed\xa0\x80", b"9" * 400, b"[" * 300, b"{a=" * 200, b"a." * 300)
    every = (*dictionary, *dictionary, *common)

    def change(rng: random.Random, data: bytes, seeds: tuple[bytes, ...]) -> bytes:
        kind = rng.randrange(6)
        if kind == 0:
            return noise(rng, data, seeds)
        pattern = rb"(\n)" if kind <= 2 else rb"([\s=,;:/@\[\]{}\"'<>]+)"
        parts = re.split(pattern, data)
        at = rng.randrange(len(parts))
        if kind in (1, 3):
            parts[at] = rng.choice(every)
        elif kind in (2, 4):
            parts.insert(at, rng.choice((rng.choice(parts), rng.choice(every))))
        else:
            del parts[at]
        return b"".join(parts)

    return change
