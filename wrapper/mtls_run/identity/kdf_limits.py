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
from mtls_run.identity import der
from mtls_run.identity.pem import Kind

if TYPE_CHECKING:
    from mtls_run.identity.pem import Block

# A few seconds on today's machines.
MOST_ROUNDS = 10_000_000
# scrypt needs 128 bytes for each of N * r: 256 MiB, twice what OWASP advises (N = 2^17, r = 8), and
# sixteen times what OpenSSL writes. p repeats all of that.
MOST_SCRYPT_BLOCKS = 2**21
MOST_SCRYPT_WORK = 2**24
# PBKDF2 hashes the salt in each of its blocks; tools write 8 to 64 bytes.
_LARGEST_SALT = 1024
# A block of PBKDF2 gives 20 bytes and more.
_PER_BLOCK = 32
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
# RFC 5652: the types of a ContentInfo.
_DATA = bytes.fromhex("2a864886f70d010701")
_ENCRYPTED_DATA = bytes.fromhex("2a864886f70d010706")
# RFC 7292, section 4.2: the types of a SafeBag.
_KEY_BAG = bytes.fromhex("2a864886f70d010c0a0101")
_ENCRYPTED_KEY_BAG = bytes.fromhex("2a864886f70d010c0a0102")
_NESTED_BAGS = bytes.fromhex("2a864886f70d010c0a0106")


class _Derivation(NamedTuple):
    """What deriving one key costs: rounds of a hash, scrypt's N, r and p, bytes of salt."""

    rounds: int = 0
    scrypt: tuple[int, int, int] = (0, 0, 0)
    salt: int = 0


def check(block: Block) -> None:
    """Raise IdentityError where opening the block would take more than an honest file asks for."""
    if block.is_pem:
        return  # RFC 1421 derives the key in one round
    if block.kind is not Kind.PKCS12 and len(block.content) > LARGEST_KEY:
        raise too_large(block)
    try:
        if block.kind is Kind.PKCS12:
            found = _of_pkcs12(block)
        elif block.kind is Kind.LOCKED_KEY:
            found = [_of_encrypted_key(der.element(block.content).content)]
        else:
            return
    except (ValueError, IndexError):
        what = "PKCS#12" if block.kind is Kind.PKCS12 else "an encrypted private key"
        raise IdentityError(
            f"{block.where} is {what}, but damaged, or built in a way that no tool builds it",
            hint="copy the whole file again, or export it again",
        ) from None
    if sum(one.rounds for one in found) >= MOST_ROUNDS:
        raise _too_much(block, f"would take {MOST_ROUNDS // 10**6} million rounds or more")
    costs = [one.scrypt for one in found]
    if any(max(n * r, r * p) > MOST_SCRYPT_BLOCKS for n, r, p in costs):
        raise _too_much(block, "would take more memory than any tool asks for, by scrypt")
    if sum(n * r * p for n, r, p in costs) > MOST_SCRYPT_WORK:
        raise _too_much(block, "would take more time than any tool asks for, by scrypt")
    if any(one.salt > _LARGEST_SALT for one in found):
        raise _too_much(block, f"would take a salt of more than {_LARGEST_SALT} bytes")


def _of_encrypted_key(content: bytes) -> _Derivation:
    """Return the cost of an EncryptedPrivateKeyInfo: an algorithm, then what it encrypted."""
    return _of_algorithm(der.children(content)[0].content)


def _of_algorithm(identifier: bytes) -> _Derivation:
    """Return what this AlgorithmIdentifier costs; nothing where it derives no key from a word."""
    name, *parameters = der.children(identifier)
    if name.content in _WITH_DERIVATION:
        name, *parameters = der.children(der.children(parameters[0].content)[0].content)
    if name.content not in (_PBKDF2, _SCRYPT, *_PBE):
        return _Derivation()
    salt, *others = der.children(parameters[0].content)
    numbers = [_number(one) for one in others if one.tag == der.INTEGER]
    used = 3 if name.content == _SCRYPT else 1
    rounds = numbers[0] if used == 1 else 1
    blocks = -(-numbers[used] // _PER_BLOCK) if len(numbers) > used else 1
    scrypt = (numbers[0], numbers[1], numbers[2]) if used > 1 else (0, 0, 0)
    return _Derivation(rounds * max(1, blocks), scrypt, len(salt.content))


def _of_pkcs12(block: Block) -> list[_Derivation]:
    """Return the costs of a PFX (RFC 7292, section 4): of its MAC, and of each encrypted part."""
    _, safe, *mac = der.children(der.element(block.content).content)
    found = []
    if mac:
        digest, salt, *rounds = der.children(mac[0].content)
        found.append(_of_algorithm(der.children(digest.content)[0].content))  # PBMAC1
        found.append(_Derivation(_number(rounds[0]) if rounds else 1, salt=len(salt.content)))
    for part in _listed(der.octets(_typed(safe)[1])):
        kind, content = _typed(part)
        if kind == _ENCRYPTED_DATA:
            encrypted = der.children(content.content)[1]
            found.append(_of_algorithm(der.children(encrypted.content)[1].content))
        elif kind == _DATA:
            found += [_of_bag(*_typed(bag), block) for bag in _listed(der.octets(content))]
    return found


def _of_bag(kind: bytes, value: der.Element, block: Block) -> _Derivation:
    """Return the cost of one SafeBag; raise IdentityError where its key is too large."""
    if kind == _NESTED_BAGS:
        raise ValueError
    if kind in (_KEY_BAG, _ENCRYPTED_KEY_BAG) and len(value.content) > LARGEST_KEY:
        raise too_large(block)
    return _of_encrypted_key(value.content) if kind == _ENCRYPTED_KEY_BAG else _Derivation()


def _listed(data: bytes) -> list[der.Element]:
    """Return the elements of the SEQUENCE that `data` starts with."""
    return der.children(der.element(data).content)


def _typed(element: der.Element) -> tuple[bytes, der.Element]:
    """Return type and content of SEQUENCE { OBJECT IDENTIFIER, [0] content, … }."""
    kind, content, *_ = der.children(element.content)
    return kind.content, der.element(content.content)


def _number(element: der.Element) -> int:
    """Return a whole number; a negative one, which no tool writes, counts as a large one."""
    return int.from_bytes(element.content, "big")


def _too_much(block: Block, takes: str) -> IdentityError:
    kind = "pkcs12 -export" if block.kind is Kind.PKCS12 else "pkcs8 -topk8"
    return IdentityError(
        f"to open {block.where} {takes}: it is not tried",
        hint=f"have it made again with fewer rounds, as by: openssl {kind} -iter 600000",
    )


def too_large(block: Block) -> IdentityError:
    """Return the error for a key that takes too long to check."""
    return IdentityError(
        f"the private key in {block.where} is too large: more than RSA {MOST_BITS}",
        hint="ask for a certificate with a key that tools can use: RSA 2048 to 4096, EC P-256",
        code="identity-key-kind",
    )
