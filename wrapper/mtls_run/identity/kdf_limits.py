"""What opening a key would cost, read from its structure before any of it is done.

Whoever writes a file says how often a passphrase is hashed: 10^9 rounds are ten minutes without an
answer, and scrypt can ask for all memory there is. What tools write, a file's derivations each:
OpenSSL, Windows, macOS and older NSS 2,000 or 2,048; Java's keytool 10,000, in older ones 50,000
and 100,000 (`sun.security.pkcs12`); Bouncy Castle 51,200; newer GnuTLS and NSS, and OWASP's advice
for PBKDF2 of 2023, 600,000. Java and Bouncy Castle read 5,000,000 at most.

The rounds of a file are added up, since a PKCS#12 has several derivations. What is inside of what
is encrypted is not seen here; whoever wrote that knows the passphrase, and its size is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mtls_run.errors import IdentityError
from mtls_run.identity.pem import Kind

if TYPE_CHECKING:
    from mtls_run.identity.pem import Block

# A few seconds on today's machines.
MOST_ROUNDS = 10_000_000
# scrypt keeps 128 bytes for each of N * r: 256 MiB, twice what OWASP advises (N = 2^17, r = 8), and
# sixteen times what OpenSSL writes. p is how often all of that is done.
MOST_SCRYPT_BLOCKS = 2**21
MOST_SCRYPT_WORK = 2**24
# The passphrase is hashed with it in each of PBKDF2's blocks; tools write 8 to 64 bytes.
_LARGEST_SALT = 1024
# aws-lc-rs, which uv signs with, takes RSA of 8192 bits at most; to check a key of 16384 bits takes
# OpenSSL a minute.
MOST_BITS = 8192
_LARGEST_INTEGER = MOST_BITS // 8 + 1  # a zero before the sign
# The PKCS#8 of an RSA key of 8192 bits has 4.7 KB.
LARGEST_KEY = 16 * 1024
# PKCS#12 nests some 16 deep, and a certificate in it 10 more; OpenSSL itself ends at 30 for a type.
_DEEPEST = 64
_MOST_ELEMENTS = 100_000

_INTEGER, _OCTETS, _OID, _SEQUENCE, _CONSTRUCTED = 0x02, 0x04, 0x06, 0x30, 0x20
_HIGH_TAG, _LONG = 0x1F, 0x80
_END, _END_OF_CONTENTS = 0x00, b"\0\0"
_PBKDF2 = bytes.fromhex("2a864886f70d01050c")
_SCRYPT = bytes.fromhex("2b06010401da47040b")
# PBES1 (RFC 8018, appendix A.3) and PKCS#12's own (RFC 7292, appendix C): salt, then rounds.
_PBE = frozenset(
    [bytes.fromhex(f"2a864886f70d0105{last:02x}") for last in (1, 3, 4, 6, 10, 11)]
    + [bytes.fromhex(f"2a864886f70d010c01{last:02x}") for last in range(1, 7)]
)
# A block of PBKDF2 gives 20 bytes and more.
_PER_BLOCK = 32


class _TooDeepError(Exception):
    """There is more in it than in any key's file."""


class _Element(NamedTuple):
    tag: int
    start: int
    end: int
    content: bytes  # what `start` and `end` count in

    @property
    def value(self) -> bytes:
        return self.content[self.start : self.end]

    @property
    def number(self) -> int:
        """Return a whole number; what is negative is none that anybody may ask for."""
        return int.from_bytes(self.value, "big")


_NOTHING = _Element(_OCTETS, 0, 0, b"")


class _Costs:
    """The sum over one file."""

    def __init__(self) -> None:
        self.rounds = 0
        self.scrypt_blocks = 0
        self.scrypt_work = 0
        self.largest_salt = 0
        self.largest_integer = 0

    def add_mac(self, parts: list[_Element]) -> None:
        """Add what a MAC of these parts asks for."""
        for one in parts[1:]:
            if one.tag == _INTEGER:
                self.rounds += one.number
            else:
                self.largest_salt = max(self.largest_salt, one.end - one.start)

    def take(self, algorithm: bytes, parameters: list[_Element]) -> None:
        """Add what this algorithm asks for with these parameters, if it derives a key."""
        numbers = [one.number for one in parameters if one.tag == _INTEGER]
        salts = [one.end - one.start for one in parameters if one.tag & ~_CONSTRUCTED == _OCTETS]
        if algorithm == _PBKDF2 and numbers:
            length = numbers[1] if len(numbers) > 1 else 1
            self.rounds += numbers[0] * max(1, -(-length // _PER_BLOCK))
        elif algorithm in _PBE and numbers:
            self.rounds += numbers[-1]
        elif algorithm == _SCRYPT and len(numbers) > 2:  # noqa: PLR2004 - N, r and p
            n, r, p = numbers[:3]
            self.scrypt_blocks = max(self.scrypt_blocks, n * r, r * p)
            self.scrypt_work += n * r * p
        else:
            return
        self.largest_salt = max([self.largest_salt, *salts])


def check(block: Block) -> None:
    """Raise IdentityError where opening the block would take more than an honest file asks for."""
    if block.is_pem:
        return  # RFC 1421 derives the key in one round
    if block.kind is not Kind.PKCS12 and len(block.content) > LARGEST_KEY:
        raise too_large(block)
    try:
        costs = _costs(block)
    except _TooDeepError:
        raise IdentityError(
            f"{block.where} is nested too deeply, or has too many parts: no key has",
            hint="name the file with the certificate and its key, and nothing else",
        ) from None
    if costs.rounds >= MOST_ROUNDS:
        raise _too_much(block, f"would take {MOST_ROUNDS // 10**6} million rounds or more")
    if costs.scrypt_blocks > MOST_SCRYPT_BLOCKS:
        raise _too_much(block, "would take more memory than any tool asks for, by scrypt")
    if costs.scrypt_work > MOST_SCRYPT_WORK:
        raise _too_much(block, "would take more time than any tool asks for, by scrypt")
    if costs.largest_salt > _LARGEST_SALT:
        raise _too_much(block, f"would take a salt of more than {_LARGEST_SALT} bytes")
    if costs.largest_integer > _LARGEST_INTEGER:
        raise too_large(block)


def _costs(block: Block) -> _Costs:
    """Return what the whole of the block's structure asks for.

    Every encoding is followed that OpenSSL reads: BER of indefinite length, strings in parts, and
    whatever follows a structure or ends it early is left to the reader itself.
    """
    costs = _Costs()
    left = [(0, one) for one in _children(block.content, 0, len(block.content))[:1]]
    if left and block.kind is Kind.PKCS12:
        # The MAC (RFC 7292, section 4): a digest, a salt, and the rounds.
        costs.add_mac(_below((*_below(left[0][1]), _NOTHING, _NOTHING, _NOTHING)[2]))
    count = 0
    while left:
        depth, element = left.pop()
        below = _below(element)
        count += len(below)
        if depth > _DEEPEST or count > _MOST_ELEMENTS:
            raise _TooDeepError
        if len(below) > 1 and below[0].tag == _OID:
            costs.take(below[0].value, _below(below[1]))
        if below and element.tag == _SEQUENCE and below[0].tag == _INTEGER:
            # The numbers of a key, or of what it is made from: not what ciphertext looks like.
            numbers = [one.end - one.start for one in below if one.tag == _INTEGER]
            costs.largest_integer = max(costs.largest_integer, *numbers)
        left += [(depth + 1, one) for one in below]
    return costs


def _below(element: _Element) -> list[_Element]:
    """Return the elements in this one; in a string of bytes, those that it may be made of."""
    tag, start, end, content = element
    if tag == _OCTETS | _CONSTRUCTED:
        whole = _joined(element)
        return _children(whole, 0, len(whole))
    if tag & _CONSTRUCTED or tag == _OCTETS:
        return _children(content, start, end)
    return []


def _joined(string: _Element) -> bytes:
    """Return a string of bytes that is written in parts, and these in parts again."""
    parts, left = [], [string]
    while left:
        one = left.pop()
        if one.tag & _CONSTRUCTED:
            left += reversed(_children(one.content, one.start, one.end))
        else:
            parts.append(one.value)
    return b"".join(parts)


def _children(content: bytes, start: int, end: int) -> list[_Element]:
    """Return the elements that stand there one after the other, as far as they are whole."""
    found = []
    while start < end:
        header = _header(content, start, end)
        if header is None or header[0] == _END:
            break
        tag, start, length = header
        stop = start + length if length >= 0 else _end_of_indefinite(content, start, end)
        if stop is None or stop > end:
            break
        found.append(_Element(tag, start, stop, content))
        if len(found) > _MOST_ELEMENTS:
            raise _TooDeepError
        start = stop + (len(_END_OF_CONTENTS) if length < 0 else 0)
    return found


def _header(content: bytes, start: int, end: int) -> tuple[int, int, int] | None:
    """Return the first byte of the tag, where the content starts, and its length; -1: indefinite.

    A tag's number and a length may take any number of bytes, with zeros before them.
    """
    tag = content[start]
    start += 1
    if tag & _HIGH_TAG == _HIGH_TAG:
        while start < end and content[start] & _LONG:
            start += 1
        start += 1
    if start >= end:
        return None
    length = content[start]
    start += 1
    if length == _LONG:
        return (tag, start, -1) if tag & _CONSTRUCTED else None
    if length > _LONG:
        size = length - _LONG
        length = int.from_bytes(content[start : start + size], "big")
        start += size
    return (tag, start, length) if start <= end else None


def _end_of_indefinite(content: bytes, start: int, end: int) -> int | None:
    """Return where the content that starts there is ended, or None where it is not."""
    open_ones = 1
    while start < end and open_ones <= _DEEPEST:
        header = _header(content, start, end)
        if header is None:
            return None
        tag, inside, length = header
        if tag == _END:
            open_ones -= 1
            if not open_ones:
                return start
        open_ones += length < 0
        start = inside + max(length, 0)
    if open_ones > _DEEPEST:
        raise _TooDeepError
    return None


def _too_much(block: Block, takes: str) -> IdentityError:
    kind = "pkcs12 -export" if block.kind is Kind.PKCS12 else "pkcs8 -topk8"
    return IdentityError(
        f"to open {block.where} {takes}: it is not tried",
        hint=f"have it made anew with fewer rounds, as by: openssl {kind} -iter 600000",
    )


def too_large(block: Block) -> IdentityError:
    """Return the error for a key that takes too long to check."""
    return IdentityError(
        f"the private key in {block.where} is too large: more than RSA {MOST_BITS}",
        hint="ask for a certificate with a key that tools can use: RSA 2048 to 4096, EC P-256",
        code="identity-key-kind",
    )
