"""Strategies that change a seed: its bytes, its words, its PEM blocks, its elements of DER."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import DrawFn, SearchStrategy

    # [tag, content]: the content is bytes, or a list of nodes.
    Node = list[Any]

_NUMBERS = (0, 1, -1, 127, 255, 2**31 - 1, 2**31, 10**9, 2**63, 2**64, 2**521)
_TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x17, 0x1E, 0x24, 0x30, 0x31, 0x80, 0xA0)
# Object identifiers of encryption, signatures, curves, key usages and bags.
_OIDS = (
    bytes.fromhex("2a864886f70d01050c"),  # PBKDF2
    bytes.fromhex("2a864886f70d01050d"),  # PBES2
    bytes.fromhex("2b06010401da47040b"),  # scrypt
    bytes.fromhex("2a864886f70d010c0106"),  # RC2 with 40 bits
    bytes.fromhex("60864801650304012a"),  # AES-256-CBC
    bytes.fromhex("2a864886f70d01010a"),  # RSA-PSS
    bytes.fromhex("2a8648ce3d0201"),  # an EC key
    bytes.fromhex("2a8648ce380401"),  # a DSA key
    bytes.fromhex("2b6571"),  # Ed448
    bytes.fromhex("2a864886f70d010706"),  # encrypted data
    bytes.fromhex("2a864886f70d010c0a0106"),  # bags in a bag
    bytes.fromhex("551d25"),  # the extended key usage
    bytes.fromhex("551d13"),  # basic constraints
    bytes.fromhex("550403"),  # a common name
    b"\x80",
)
_LABELS = (
    *(b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE", b"PRIVATE KEY", b"PKCS7"),
    *(b"RSA PRIVATE KEY", b"EC PRIVATE KEY", b"ENCRYPTED PRIVATE KEY", b"PUBLIC KEY", b"A", b" "),
)
_LINES = (
    *(b"Proc-Type: 4,ENCRYPTED", b"DEK-Info: AES-256-CBC,00", b"DEK-Info:", b"DEK-Info: X,\xff"),
    *(b"Comment: \x1b[2J", b":", b"", b"\t", b"-----BEGIN CERTIFICATE-----"),
)
_ODD = (
    *(b"", b"\0", b"\xff", b"\xe2\x80\xae", b"\x1b[2J", b"\r", b"\n", b"\\", b'"', b"'", b"="),
    *(b"\xef\xbb\xbf", b"\xed\xa0\x80", b"9" * 400, b"[" * 300, b"{a=" * 200, b"a." * 300),
)
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\r?\n(.*?)-----END \1-----\r?\n?", re.DOTALL)
_DEEPEST = 40


def noise(*seeds: bytes, words: tuple[bytes, ...] = ()) -> SearchStrategy[bytes]:
    """Return seeds with a few places changed: to bytes, or to `words` that mean something there."""
    put = st.one_of(st.sampled_from([*_ODD, *words, *words]), st.binary(max_size=8))
    return _changed(seeds, lambda draw, data: _spoilt(draw, data, put))


def der(*seeds: bytes) -> SearchStrategy[bytes]:
    """Return DER with a few elements changed, and the lengths around them right."""
    return st.one_of(_changed(seeds, _der_changed), noise(*seeds))


def pem(*seeds: bytes) -> SearchStrategy[bytes]:
    """Return PEM with a few blocks changed, inside or outside of the base64."""
    return st.one_of(_changed(seeds, _pem_changed), noise(*seeds, words=_LINES))


@st.composite
def _changed(
    draw: DrawFn, seeds: tuple[bytes, ...], change: Callable[[DrawFn, bytes], bytes]
) -> bytes:
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 3))):
        data = change(draw, data)
    return data


def _spoilt(draw: DrawFn, data: bytes, put: SearchStrategy[bytes]) -> bytes:
    at = draw(st.integers(0, len(data)))
    taken = draw(st.sampled_from([0, 1, 1, 2, 4, 30, len(data)]))
    return data[:at] + draw(put) + data[at + taken :]


_BYTES = st.one_of(st.sampled_from(_ODD), st.binary(max_size=8))


def _pem_changed(draw: DrawFn, data: bytes) -> bytes:
    found = list(_PEM.finditer(data))
    if not found:
        return _spoilt(draw, data, _BYTES)
    one = draw(st.sampled_from(found))
    label, whole = one.group(1), one.group()
    kind = draw(st.sampled_from(["der", "der", "der", "label", "line", "twice", "away", "bytes"]))
    if kind == "der":
        try:
            content = base64.b64decode(one.group(2))
        except ValueError:
            content = one.group(2)
        whole = block(label, _der_changed(draw, content))
    elif kind == "label":
        whole = whole.replace(label, draw(st.sampled_from(_LABELS)), draw(st.sampled_from([1, 2])))
    elif kind == "line":
        lines = whole.split(b"\n")
        lines[1:1] = draw(st.lists(st.sampled_from(_LINES), min_size=1, max_size=3))
        whole = b"\n".join(lines)
    elif kind == "bytes":
        whole = _spoilt(draw, whole, _BYTES)
    else:
        whole *= 2 if kind == "twice" else 0
    return data[: one.start()] + whole + data[one.end() :]


def block(label: bytes, content: bytes) -> bytes:
    """Return one block of PEM."""
    text = base64.encodebytes(content)
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label, text, label)


def _der_changed(draw: DrawFn, data: bytes) -> bytes:
    found = tree(data)
    if not found:
        return _spoilt(draw, data, _BYTES)
    here, at = draw(st.sampled_from(_places(found)))
    node = here[at]
    kind = draw(st.sampled_from(["away", "twice", "tag", "oid", "number", "fill", "open", "nest"]))
    if kind == "away":
        del here[at]
    elif kind == "twice":
        here.insert(at, node)
    elif kind == "tag":
        here[at] = [draw(st.sampled_from(_TAGS)), node[1]]
    elif kind == "oid":
        here[at] = [0x06, draw(st.sampled_from(_OIDS))]
    elif kind == "number":
        here[at] = [0x02, number(draw(st.sampled_from(_NUMBERS)))]
    elif kind == "fill":
        here[at] = [node[0], draw(st.binary(max_size=40))]
    elif kind == "open":  # BER: no length, but an end
        return data.replace(written([node]), bytes([node[0] | 0x20, 0x80]) + written([node])[2:])
    else:
        for _ in range(draw(st.sampled_from([1, 5, 40]))):
            here[at] = [draw(st.sampled_from([0x30, 0x04, 0xA0])), [here[at]]]
    return written(found)


# --- elements of DER


def tree(data: bytes) -> list[Node] | None:
    """Return the elements of DER, those in strings of bytes too; None where it is none."""
    return _tree(data, 0, len(data))


def _tree(data: bytes, start: int, end: int, deep: int = 0) -> list[Node] | None:
    found: list[Node] = []
    while start < end:
        one = _element(data, start, end)
        if one is None:
            return None
        tag, inside, start = one
        below = None
        if (tag & 0x20 or tag == 0x04) and start > inside and deep < _DEEPEST:
            below = _tree(data, inside, start, deep + 1)
        found.append([tag, data[inside:start] if below is None else below])
    return found


def _element(data: bytes, start: int, end: int) -> tuple[int, int, int] | None:
    """Return tag, start and end of the content, for what is well-formed."""
    if start + 2 > end:
        return None
    tag, length = data[start], data[start + 1]
    start += 2
    if length > 0x80:
        size = length - 0x80
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    elif length == 0x80:
        return None
    return (tag, start, start + length) if start + length <= end else None


def _length(length: int) -> bytes:
    if length < 0x80:
        return bytes([length])
    said = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(said)]) + said


def written(nodes: list[Node]) -> bytes:
    """Return the DER of these elements."""
    parts = []
    for tag, content in nodes:
        inner = content if isinstance(content, bytes) else written(content)
        parts += [bytes([tag]), _length(len(inner)), inner]
    return b"".join(parts)


def _places(nodes: list[Node]) -> list[tuple[list[Node], int]]:
    found = [(nodes, at) for at in range(len(nodes))]
    for node in nodes:
        if isinstance(node[1], list):
            found += _places(node[1])
    return found


def nodes(of: list[Node]) -> list[Node]:
    """Return every element of a tree, each [tag, content], to be changed in place."""
    return [here[at] for here, at in _places(of)]


def number(value: int) -> bytes:
    """Return the content of an INTEGER."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
