"""A new identity of the ordinary kind, checked without cryptography, whose import is five starts.

One PEM, unencrypted and in order, as most of them are: a leaf, its chain, its key. What a glance
takes, `Material.unlock` takes too; whatever it does not take, for any reason, is `material`'s to
judge and to put into words. (docs/decisions/0011-a-glance.md)
"""

from __future__ import annotations

import binascii

from mtls_run import der, memory, openssl
from mtls_run.digests import sha256

from . import digest, numbers, outline
from .ready import Ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import Contents
    from .outline import Outline, PublicKey

_CERTIFICATE, _PKCS8, _PKCS1 = b"CERTIFICATE", b"PRIVATE KEY", b"RSA PRIVATE KEY"
_BEGIN, _END, _TAIL = b"-----BEGIN ", b"-----END ", b"-----"
# A leaf, an issuer or two: more is for those who put chains in order.
_MOST_BLOCKS = 6
_LARGEST_KEY = 16 * 1024
_TWO_PRIMES, _RSA_NUMBERS = 0, 9
_POINT = 0xA1  # [1] of an EC private key (RFC 5915)
_NAMED_CURVE = 0xA0


def look(contents: Contents, now: float) -> Ready | None:
    """Return the identity in these bytes if it is an ordinary one and in order, else None."""
    if len(contents) != 1:
        return None
    (path, data) = contents[0]
    try:
        memory.close()
        *certificates, (label, key) = blocks(data)
        if not certificates or any(name != _CERTIFICATE for name, _ in certificates):
            return None
        chain = [content for _, content in certificates]
        outlines = [outline.read(content) for content in chain]
        leaf = outlines[0]
        _check_order(outlines)
        _check_key(label, key, leaf.key)
    except (ValueError, IndexError, OSError):  # no descriptor is left to import by
        return None
    if not leaf.not_before <= now <= leaf.not_after or not openssl.serves(data, chain[-1]):
        return None
    return Ready(
        ready=path,
        digest=digest(contents),
        fingerprint=sha256(chain[0]).hexdigest(),
        kind=leaf.key.kind,
        described="",
        not_before=leaf.not_before,
        not_after=leaf.not_after,
    )


def blocks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return (label, DER) of each block of a PEM that has nothing else but blank lines after them.

    Raises ValueError where anything is written otherwise than every tool reads it (`formats`).
    """
    found: list[tuple[bytes, bytes]] = []
    lines = data.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    at = 0
    while at < len(lines):
        label = lines[at][len(_BEGIN) : -len(_TAIL)]
        end = lines.index(_END + label + _TAIL, at)
        body = lines[at + 1 : end]
        if lines[at] != _BEGIN + label + _TAIL or not body or len(found) == _MOST_BLOCKS:
            raise ValueError
        text = b"".join(body)
        content = binascii.a2b_base64(text)
        # Written back it is the same: no character was passed over, and none is missing.
        if not all(body) or binascii.b2a_base64(content, newline=False) != text:
            raise ValueError
        found.append((label, content))
        at = end + 1
    return found


def _check_order(outlines: list[Outline]) -> None:
    """Raise ValueError where a name does not lead to the next one, or one of them is a root's.

    That each is signed by the next, OpenSSL tells: with one certificate of each name (as OpenSSL
    compares names) and of each key, and the last of them as its anchor, it has no other way.
    """
    names = {outline.canonical(one.subject) for one in outlines}
    keys = {(one.key.algorithm, one.key.bits) for one in outlines}
    if len(names) != len(outlines) or len(keys) != len(outlines):
        raise ValueError
    for below, above in zip(outlines, outlines[1:]):
        if below.issuer != above.subject or above.issuer == above.subject:
            raise ValueError


def _check_key(label: bytes, key: bytes, public: PublicKey) -> None:
    """Raise ValueError where the key is not, by its numbers, the one with this public half."""
    if len(key) > _LARGEST_KEY:
        raise ValueError
    der.check(key)
    if label == _PKCS8:
        key = _of_pkcs8(key, public)
    elif label != _PKCS1:
        raise ValueError
    if public.numbers is not None:
        _check_rsa(der.inside(key, der.SEQUENCE), public.numbers)
    elif label == _PKCS1:
        raise ValueError
    elif public.size:
        _check_ec(der.inside(key, der.SEQUENCE), public)
    else:
        der.inside(key, der.OCTETS)


def _of_pkcs8(key: bytes, public: PublicKey) -> bytes:
    """Return the private key in PKCS#8, which has to be of the algorithm of its public half."""
    (first, version), (second, algorithm), (third, inner) = der.elements(
        der.inside(key, der.SEQUENCE)
    )
    if (first, second, third) != (der.INTEGER, der.SEQUENCE, der.OCTETS):
        raise ValueError
    if der.number(version) or algorithm != public.algorithm:
        raise ValueError
    der.check(inner)
    return inner


def _check_rsa(content: bytes, public: tuple[int, int]) -> None:
    values = outline.whole_numbers(content)
    if len(values) != _RSA_NUMBERS or values[0] != _TWO_PRIMES:
        raise ValueError
    n, e, *others = values[1:]
    if (n, e) != public or not numbers.fit(n, e, *others):
        raise ValueError


def _check_ec(content: bytes, public: PublicKey) -> None:
    """Raise ValueError where an EC private key lacks its public half, or has another one."""
    (first, version), (second, scalar), *options = der.elements(content)
    if (first, second) != (der.INTEGER, der.OCTETS) or der.number(version) != 1:
        raise ValueError
    given = dict(options)
    if len(given) != len(options) or not given.keys() <= {_NAMED_CURVE, _POINT}:
        raise ValueError
    if len(scalar) != public.size or not 0 < int.from_bytes(scalar, "big") < public.order:
        raise ValueError
    if der.inside(given.get(_POINT, b""), der.BITS) != public.bits:
        raise ValueError
    curve = given.get(_NAMED_CURVE)
    if curve is not None and not public.algorithm.endswith(curve):
        raise ValueError
