"""A certificate's outline: what its DER says before anybody asks what names and extensions mean.

For the ordinary certificate alone (RFC 5280): whatever is unusual in one is a ValueError here, and
for cryptography to read.
"""

from __future__ import annotations

from mtls_run import der
from mtls_run.record import Record

from . import usual_extensions as extensions_read
from . import validity
from .kind import KeyKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_RSA = bytes.fromhex("06092a864886f70d0101010500")  # with the NULL of its parameters
_EC = bytes.fromhex("06072a8648ce3d0201")
_ED25519 = bytes.fromhex("06032b6570")
# The orders of their groups (FIPS 186-4, appendix D.1.2).
_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P384 = (1 << 384) - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D
_P521 = (1 << 521) - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7
_CURVES = {
    bytes.fromhex("06082a8648ce3d030107"): ("P-256", 32, _P256),
    bytes.fromhex("06052b81040022"): ("P-384", 48, _P384),
    bytes.fromhex("06052b81040023"): ("P-521", 66, _P521),
}
# Whole AlgorithmIdentifiers of signatures, each with the parameters that it has to have: RSA with
# SHA-256 to SHA-512, ECDSA with the same, Ed25519.
_SIGNED_BY = frozenset(
    bytes.fromhex(said)
    for said in (
        *(f"06092a864886f70d01010{last}0500" for last in "bcd"),
        *(f"06082a8648ce3d04030{last}" for last in "234"),
        "06032b6570",
    )
)
_VERSION_3 = bytes.fromhex("020102")
_RSA_BITS = range(2048, 8193)
# What every uv takes (0.2.11 on): ring no smaller one, aws-lc no larger one.
_EXPONENTS = range(65537, 1 << 33)
_TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii"}  # UTF8String, PrintableString, IA5String
_PRINTABLE = 0x13
_OF_PRINTABLE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"
)
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_LONGEST_SERIAL = 20
_UNCOMPRESSED = 0x04
# UTCTime has two digits of the year (RFC 5280, section 4.1.2.5.1).
_CENTURY_BEGINS = 50


class PublicKey(Record):
    """A public key; `algorithm` is its AlgorithmIdentifier's content, `bits` what its key is.

    `numbers` are an RSA key's modulus and exponent; `size` is the bytes of an EC private key, and
    `order` what it is below.
    """

    kind: KeyKind
    algorithm: bytes
    bits: bytes
    numbers: tuple[int, int] | None = None
    size: int = 0
    order: int = 0


class Outline(Record):
    """What a certificate says of itself; names are their DER, times are seconds since 1970."""

    issuer: bytes
    subject: bytes
    not_before: int
    not_after: int
    key: PublicKey


def read(certificate: bytes) -> Outline:
    """Return the outline of the certificate; raises ValueError where it is not an ordinary one."""
    der.check(certificate)
    body, algorithm, signature = der.elements(der.inside(certificate, der.SEQUENCE))
    if (body[0], algorithm[0], signature[0]) != (der.SEQUENCE, der.SEQUENCE, der.BITS):
        raise ValueError
    version, serial, signed_by, issuer, validity, subject, key, extensions = der.elements(body[1])
    expected = (_VERSION, der.INTEGER, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE)
    found = (version[0], serial[0], signed_by[0], issuer[0], validity[0], subject[0])
    if found != expected or (key[0], extensions[0]) != (der.SEQUENCE, _EXTENSIONS):
        raise ValueError
    if version[1] != _VERSION_3 or signed_by != algorithm or algorithm[1] not in _SIGNED_BY:
        raise ValueError
    if not der.number(serial[1]) or len(serial[1]) > _LONGEST_SERIAL:
        raise ValueError
    _check_name(issuer[1])
    _check_name(subject[1])
    _check_extensions(der.inside(extensions[1], der.SEQUENCE))
    begin, end = (_time(tag, text) for tag, text in der.elements(validity[1]))
    return Outline(issuer[1], subject[1], begin, end, _public_key(key[1]))


def _check_name(name: bytes) -> None:
    for tag, part in der.elements(name):
        if tag != der.SET:
            raise ValueError
        (kind, _), (written, text) = der.elements(der.inside(part, der.SEQUENCE))
        if kind != der.OID or written not in _TEXTS or not text:
            raise ValueError
        text.decode(_TEXTS[written])  # UnicodeDecodeError is a ValueError
        if written == _PRINTABLE and not _OF_PRINTABLE.issuperset(text):
            raise ValueError


def _check_extensions(extensions: bytes) -> None:
    """Raise ValueError where they are not as RFC 5280 has them, or one is there twice."""
    names: set[bytes] = set()
    for tag, extension in der.elements(extensions):
        (first, name), *critical, (last, value) = der.elements(extension)
        if (tag, first, last) != (der.SEQUENCE, der.OID, der.OCTETS) or name in names:
            raise ValueError
        if critical not in ([], [(der.BOOLEAN, b"\xff")]):
            raise ValueError
        der.check(value)
        extensions_read.check(name, value, critical=bool(critical))
        names.add(name)


def canonical(name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return what OpenSSL compares of a name that `read` took: neither case nor spaces count."""
    found = []
    for _, part in der.elements(name):
        (_, kind), (_, text) = der.elements(der.inside(part, der.SEQUENCE))
        found.append((kind, b" ".join(text.lower().split())))
    return tuple(found)


def _time(tag: int, text: bytes) -> int:
    digits = text[:-1]
    if text[-1:] != b"Z" or not digits.isdigit():
        raise ValueError
    year = 4 if tag == _GENERALIZED_TIME else 2
    if tag not in (_UTC_TIME, _GENERALIZED_TIME) or len(digits) != year + 10:
        raise ValueError
    number = int(digits[:year])
    if year == 2:  # noqa: PLR2004 - two digits
        number += 1900 if number >= _CENTURY_BEGINS else 2000
    rest = [int(digits[at : at + 2]) for at in range(year, len(digits), 2)]
    return validity.seconds(number, *rest)


def _public_key(said: bytes) -> PublicKey:
    (tag, algorithm), (other, bits) = der.elements(said)
    if (tag, other) != (der.SEQUENCE, der.BITS) or bits[:1] != b"\0":
        raise ValueError
    if algorithm == _RSA:
        n, e = whole_numbers(der.inside(bits[1:], der.SEQUENCE))
        if n.bit_length() not in _RSA_BITS or not n & e & 1 or e not in _EXPONENTS:
            raise ValueError
        kind = KeyKind(f"RSA {n.bit_length()}", rustls=True)
        return PublicKey(kind, algorithm, bits, numbers=(n, e))
    if algorithm == _ED25519:
        return PublicKey(KeyKind("Ed25519", rustls=True), algorithm, bits)
    if not algorithm.startswith(_EC) or bits[1] != _UNCOMPRESSED:
        raise ValueError
    curve = _CURVES.get(algorithm[len(_EC) :])
    if curve is None:
        raise ValueError
    return PublicKey(
        KeyKind(f"EC {curve[0]}", rustls=True), algorithm, bits, size=curve[1], order=curve[2]
    )


def whole_numbers(content: bytes) -> Sequence[int]:
    """Return the numbers that stand one after the other; raises ValueError for anything else."""
    found = der.elements(content)
    if any(tag != der.INTEGER for tag, _ in found):
        raise ValueError
    return [der.number(value) for _, value in found]
