"""Refuse a key whose opening would cost too much, before any of it is done.

A file says how often a passphrase is hashed: 10^9 rounds take ten minutes, and scrypt can ask for
all memory there is. Tools write these numbers of rounds for each derivation: OpenSSL, Windows,
macOS and older NSS 2,000 or 2,048; Java's keytool 10,000, before that 50,000 and 100,000
(`sun.security.pkcs12`); Bouncy Castle 51,200; newer GnuTLS and NSS, and OWASP's advice for PBKDF2
of 2023, 600,000. Java and Bouncy Castle read 5,000,000 at most.

The rounds of a file are added up, since a PKCS#12 has several derivations. The limits hold for what
shows without the passphrase. An encrypted part of a PKCS#12 can still hold costly keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mtls_run.errors import IdentityError
from mtls_run.identity import der, pkcs12
from mtls_run.identity.pem import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtls_run.identity.pem import Block

# A few seconds on today's machines.
MOST_ROUNDS = 10_000_000
# A fifth of a second there, and a second on a slow one.
_SLOW_ROUNDS = 1_000_000
# scrypt needs 128 bytes for each of N * r: 256 MiB, twice what OWASP advises (N = 2^17, r = 8), and
# sixteen times what OpenSSL writes. p repeats all of that.
MOST_SCRYPT_BLOCKS = 2**21
MOST_SCRYPT_WORK = 2**24
_SLOW_SCRYPT_WORK = 2**20
# PBKDF2 derives a key in blocks of 20 bytes and more, and hashes the salt once for each: 64 bytes
# and more cost as much as a round.
_PER_BLOCK, _PER_ROUND = 32, 64
# aws-lc-rs, which uv signs with, takes RSA of 8192 bits at most; OpenSSL takes a minute to check a
# key of 16384 bits.
MOST_BITS = 8192
# The encrypted PKCS#8 of an RSA key of 8192 bits has 4.8 KB.
LARGEST_KEY = 6 * 1024

_PBKDF2 = bytes.fromhex("2a864886f70d01050c")
_SCRYPT = bytes.fromhex("2b06010401da47040b")
# PBES2 (RFC 8018) and PBMAC1 (RFC 9579): a derivation, then what uses its key.
_WITH_DERIVATION = (bytes.fromhex("2a864886f70d01050d"), bytes.fromhex("2a864886f70d01050e"))
# PBES1 (RFC 8018, appendix A.3) and PKCS#12's own (RFC 7292, appendix C): salt, then rounds.
_PBE = frozenset(
    [bytes.fromhex(f"2a864886f70d0105{last:02x}") for last in (1, 3, 4, 6, 10, 11)]
    + [bytes.fromhex(f"2a864886f70d010c01{last:02x}") for last in range(1, 7)]
)


class _Cost(NamedTuple):
    """What a derivation costs: rounds of a hash, and scrypt's memory and time in blocks."""

    rounds: int = 0
    memory: int = 0
    time: int = 0


def check(block: Block) -> None:
    """Raise IdentityError where opening the block would take more than an honest file asks for."""
    if block.is_pem:
        return  # RFC 1421 derives the key in one round
    if block.kind is not Kind.PKCS12 and len(block.content) > LARGEST_KEY:
        raise too_large(block)
    try:
        found = _cost(block)
    except (ValueError, IndexError):
        what = "PKCS#12" if block.kind is Kind.PKCS12 else "an encrypted private key"
        raise IdentityError(
            f"{block.where} is {what}, but damaged, or written by an unusual tool",
            hint="copy the whole file again, or export it again",
        ) from None
    if found.rounds >= MOST_ROUNDS:
        raise _too_much(block, f"would take {MOST_ROUNDS // 10**6} million rounds or more")
    if found.memory > MOST_SCRYPT_BLOCKS or found.time > MOST_SCRYPT_WORK:
        raise _too_much(block, "would take more memory or time than any tool asks for, by scrypt")


def is_slow(block: Block) -> bool:
    """Tell whether a person notices how long it takes to open the block."""
    try:
        found = _cost(block)
    except (ValueError, IndexError):
        return False  # `check` says what is wrong
    return found.rounds >= _SLOW_ROUNDS or found.time >= _SLOW_SCRYPT_WORK


def _cost(block: Block) -> _Cost:
    """Return what opening the block costs; raises ValueError and IndexError for a damaged one."""
    found = [_Cost()]
    if block.kind is Kind.PKCS12:
        found += _of_pkcs12(block)
    elif block.kind is Kind.LOCKED_KEY and not block.is_pem:
        found.append(_of_encrypted_key(der.element(block.content)))
    return _Cost(*map(sum, zip(*found)))


def _of_encrypted_key(key: der.Element) -> _Cost:
    """Return the cost of an EncryptedPrivateKeyInfo: an algorithm, then what it encrypted."""
    return _of_algorithm(der.children(key.content)[0])


def _of_algorithm(identifier: der.Element) -> _Cost:
    """Return the cost of an AlgorithmIdentifier; nothing where it derives no key."""
    name, *parameters = der.children(identifier.content)
    if name.content in _WITH_DERIVATION:
        name, *parameters = der.children(der.children(parameters[0].content)[0].content)
    if name.content not in (_PBKDF2, _SCRYPT, *_PBE):
        return _Cost()
    salt, *others = der.children(parameters[0].content)
    first, *numbers = [_number(one) for one in others if one.tag == der.INTEGER]
    memory = time = 0
    if name.content == _SCRYPT:
        r, p, *numbers = numbers
        memory, time = max(first * r, r * p), first * r * p
        first = 1  # it ends with a round of PBKDF2
    blocks = -(-numbers[0] // _PER_BLOCK) if numbers else 1
    return _Cost(max(1, blocks) * (first + len(salt.content) // _PER_ROUND), memory, time)


def _of_pkcs12(block: Block) -> Iterator[_Cost]:
    """Return the costs of a PFX (RFC 7292, section 4): of its MAC, and of each encrypted part."""
    _, _safe, *mac = der.children(der.element(block.content).content)
    if mac:
        digest, _salt, *rounds = der.children(mac[0].content)
        yield _of_algorithm(der.children(digest.content)[0])  # PBMAC1
        yield _Cost(_number(rounds[0]) if rounds else 1)
    for part in pkcs12.parts(block.content):
        if part.kind == pkcs12.ENCRYPTED_DATA:
            yield _of_algorithm(der.children(der.children(part.content.content)[1].content)[1])
        elif part.kind == pkcs12.DATA:
            for bag in pkcs12.bags(part):
                if bag.kind == pkcs12.NESTED_BAGS:
                    raise ValueError
                if (
                    bag.kind in (pkcs12.KEY_BAG, pkcs12.ENCRYPTED_KEY_BAG)
                    and len(bag.content.content) > LARGEST_KEY
                ):
                    raise too_large(block)
                if bag.kind == pkcs12.ENCRYPTED_KEY_BAG:
                    yield _of_encrypted_key(bag.content)


def _number(element: der.Element) -> int:
    """Return a whole number; a negative one, which no tool writes, counts as a large one."""
    return int.from_bytes(element.content, "big")


def _too_much(block: Block, takes: str) -> IdentityError:
    kind = "pkcs12 -export" if block.kind is Kind.PKCS12 else "pkcs8 -topk8"
    return IdentityError(
        f"to open {block.where} {takes}, so mtls-run does not try it",
        hint=f"make it again with fewer rounds: openssl {kind} -iter 600000",
    )


def too_large(block: Block) -> IdentityError:
    """Return the error for a key that takes too long to check."""
    return IdentityError(
        f"the private key in {block.where} is too large: more than RSA {MOST_BITS}",
        hint="ask for a certificate with a key that tools can use: RSA 2048 to 4096, EC P-256",
        code="identity-key-kind",
    )
