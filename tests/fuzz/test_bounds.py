"""A file that asks for more than any honest one is refused, within a bounded time and memory."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from mtls_run.config import document
from mtls_run.doctor.findings import CATALOGUE
from mtls_run.errors import IdentityError
from mtls_run.identity import der, kdf_limits, source
from mtls_run.identity import pem as formats
from tests.fuzz import mutate
from tests.pki import Authority, Issued, make_key
from tests.vectors.index import PASSPHRASE

if TYPE_CHECKING:
    from mtls_run.identity.pem import Block

pytestmark = [pytest.mark.slow, pytest.mark.fuzz]

ROOT = Path(__file__).parents[2]
ROUNDS = 1234  # what the keys' rounds are told by, to be replaced; of the MAC it is 2048
MILLIARD = 10**9
WORD = PASSPHRASE.decode()


@functools.cache
def alice() -> Issued:
    """Return the identity of these tests."""
    return Authority.create("Root").intermediate("Issuer").issue("alice")


# --- how such files are made


def element(tag: int, *contents: bytes) -> bytes:
    """Return one element of DER."""
    return mutate.written([[tag, b"".join(contents)]])


def sequence(*contents: bytes) -> bytes:
    """Return a SEQUENCE."""
    return element(0x30, *contents)


def number(value: int) -> bytes:
    """Return an INTEGER."""
    return element(0x02, mutate.number(value))


def oid(text: str) -> bytes:
    """Return an object identifier, from its hexadecimal content."""
    return element(0x06, bytes.fromhex(text))


def octets(*contents: bytes) -> bytes:
    """Return an OCTET STRING."""
    return element(0x04, *contents)


def with_number(data: bytes, old: int, new: bytes) -> bytes:
    """Return the DER with an INTEGER's content in the place of each that is `old`."""
    nodes = mutate.tree(data)
    assert nodes is not None
    places = [one for one in mutate.nodes(nodes) if one[:2] == [0x02, mutate.number(old)]]
    assert places, "there is no such number"
    for one in places:
        one[1] = new
    return mutate.written(nodes)


def p12(old: bool = False, rounds: int = ROUNDS) -> bytes:
    """Return a PKCS#12 whose keys are derived in so many rounds."""
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(rounds)
    if old:
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        builder = builder.hmac_hash(hashes.SHA1())
    issued = alice()
    return pkcs12.serialize_key_and_certificates(
        b"a", issued.key, issued.certificate, list(issued.chain), builder.build(PASSPHRASE)
    )


def openssl_key(*options: str) -> bytes:
    """Return the key as `openssl pkcs8 -topk8` encrypts it, in DER."""
    command = [
        "openssl",
        "pkcs8",
        "-topk8",
        "-outform",
        "DER",
        "-passout",
        f"pass:{WORD}",
        *options,
    ]
    return subprocess.run(command, input=alice().key_pem(), capture_output=True, check=True).stdout


def indefinite(data: bytes) -> bytes:
    """Return the BER of the same with every length left open, and every string in parts."""

    def said(nodes: list[mutate.Node]) -> bytes:
        parts = []
        for tag, content in nodes:
            if isinstance(content, list) and tag == 0x04:
                inner = mutate.written(content)
                half = len(inner) // 2
                parts += [b"\x24\x80", octets(inner[:half]), octets(inner[half:]), b"\0\0"]
            elif isinstance(content, list):
                parts += [bytes([tag, 0x80]), said(content), b"\0\0"]
            else:
                parts.append(element(tag, content))
        return b"".join(parts)

    nodes = mutate.tree(data)
    assert nodes is not None
    return said(nodes)


def in_parts(data: bytes, size: int) -> bytes:
    """Return a PKCS#12 whose content is a string in parts of this size, as NSS streams it."""
    version, safe, *mac = der.children(der.element(data).content)
    kind, content = der.children(safe.content)
    whole = der.octets(der.element(content.content))
    parts = [octets(whole[start : start + size]) for start in range(0, len(whole), size)]
    content_info = sequence(
        element(kind.tag, kind.content),
        b"\xa0\x80\x24\x80" + b"".join(parts) + b"\0\0" * 2,
    )
    return sequence(
        element(version.tag, version.content),
        content_info,
        *(element(one.tag, one.content) for one in mac),
    )


def rsa(p: int, q: int, e: int = 65537) -> bytes:
    """Return a PKCS#1 key of these primes."""
    d = pow(e, -1, (p - 1) * (q - 1))
    values = (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    return sequence(*map(number, values))


def scrypt(n: int, r: int, p: int) -> bytes:
    """Return an encrypted key that asks for these costs."""
    parameters = sequence(octets(b"saltsalt"), number(n), number(r), number(p))
    derived = sequence(oid("2b06010401da47040b"), parameters)
    cipher = sequence(oid("60864801650304012a"), octets(bytes(16)))
    algorithm = sequence(oid("2a864886f70d01050d"), sequence(derived, cipher))
    return sequence(algorithm, octets(bytes(160)))


def pbkdf2(rounds: int, length: int | None = None, salt: int = 8) -> bytes:
    """Return an encrypted key that asks for so many rounds, and so many bytes of a key."""
    said = [octets(bytes(salt)), number(rounds)] + ([] if length is None else [number(length)])
    derived = sequence(oid("2a864886f70d01050c"), sequence(*said))
    cipher = sequence(oid("60864801650304012a"), octets(bytes(16)))
    algorithm = sequence(oid("2a864886f70d01050d"), sequence(derived, cipher))
    return sequence(algorithm, octets(bytes(160)))


def many_safes(count: int, rounds: int) -> bytes:
    """Return a PKCS#12 of so many encrypted parts, each of so many rounds."""
    cipher = sequence(oid("2a864886f70d010c0103"), sequence(octets(bytes(8)), number(rounds)))
    content = sequence(oid("2a864886f70d010701"), cipher, element(0x80, bytes(64)))
    part = sequence(oid("2a864886f70d010706"), element(0xA0, sequence(number(0), content)))
    return unsigned(sequence(*[part] * count))


def many_bags(count: int) -> bytes:
    """Return a PKCS#12 of so many certificates, in the open."""
    certificate = octets(alice().cert_der)
    held = sequence(oid("2a864886f70d01091601"), element(0xA0, certificate))
    bag = sequence(oid("2a864886f70d010c0a0103"), element(0xA0, held))
    content = element(0xA0, octets(sequence(*[bag] * count)))
    return unsigned(sequence(sequence(oid("2a864886f70d010701"), content)))


def unsigned(safes: bytes, mac: bytes = b"") -> bytes:
    """Return a PKCS#12 of these safes, without a MAC or with this one."""
    content = element(0xA0, octets(safes))
    return sequence(number(3), sequence(oid("2a864886f70d010701"), content), mac)


def pbmac1(rounds: int) -> bytes:
    """Return a MAC of RFC 9579, whose own rounds count for nothing."""
    said = sequence(octets(bytes(8)), number(rounds), number(32))
    derived = sequence(oid("2a864886f70d01050c"), said)
    hashed = sequence(oid("2a864886f70d0209"))
    algorithm = sequence(oid("2a864886f70d01050e"), sequence(derived, hashed))
    return sequence(sequence(algorithm, octets(bytes(32))), octets(bytes(8)), number(1))


def bags_in_bags() -> bytes:
    """Return a PKCS#12 with a key of many rounds in a bag for bags."""
    key = sequence(oid("2a864886f70d010c0a0102"), element(0xA0, pbkdf2(MILLIARD)))
    outer = sequence(oid("2a864886f70d010c0a0106"), element(0xA0, sequence(key)))
    content = element(0xA0, octets(sequence(outer)))
    return unsigned(sequence(sequence(oid("2a864886f70d010701"), content)))


def nested(header: bytes, count: int) -> bytes:
    """Return that many elements, each inside the one before, as far as their ends go."""
    return sequence(number(3), header * count)


def mersenne(power: int) -> int:
    """Return 2^power - 1."""
    return (1 << power) - 1


def certificates(count: int, name: str | None = None) -> bytes:
    """Return the identity, and so many certificates beside it."""
    key = make_key("ec")
    root = Authority.create("Root of many")
    others = [root.issue(name or f"other {n}", key=key).cert_pem for n in range(count)]
    return alice().pem() + b"".join(others)


def keyed(key: bytes) -> bytes:
    """Return the identity's certificate with this key, of any form of DER."""
    kind = formats.split(key, "x").items[0].kind
    label = b"ENCRYPTED PRIVATE KEY" if kind is formats.Kind.LOCKED_KEY else b"PRIVATE KEY"
    return alice().cert_pem + mutate.block(label, key)


def locked_rsa(p: int, q: int) -> bytes:
    """Return an RSA key of these primes, encrypted by OpenSSL's own hands, which checks nothing."""
    inner = sequence(
        number(0), sequence(oid("2a864886f70d010101"), element(0x05)), octets(rsa(p, q))
    )
    derived = PBKDF2HMAC(hashes.SHA1(), 32, bytes(8), 1).derive(PASSPHRASE)
    pad = 16 - len(inner) % 16
    cipher = Cipher(algorithms.AES(derived), modes.CBC(bytes(16))).encryptor()
    data = cipher.update(inner + bytes([pad]) * pad) + cipher.finalize()
    kdf = sequence(oid("2a864886f70d01050c"), sequence(octets(bytes(8)), number(1)))
    by = sequence(oid("60864801650304012a"), octets(bytes(16)))
    return sequence(sequence(oid("2a864886f70d01050d"), sequence(kdf, by)), octets(data))


def explicit_curve() -> bytes:
    """Return an EC key whose curve is no named one, written out."""
    command = "openssl ecparam -name secp224k1 -genkey -noout -param_enc explicit -outform DER"
    return subprocess.run(command.split(), capture_output=True, check=True).stdout


MIB = 1024 * 1024
MOST = source.LARGEST

# Each with what is said of it, and the finding that it is.
ROUNDS_REFUSED = ("10 million rounds or more", "identity-unrecognised")
SCRYPT_REFUSED = ("by scrypt", "identity-unrecognised")
BUILT_ODDLY = ("or written by an unusual tool", "identity-unrecognised")
CUT_OFF = ("neither PEM, DER nor PKCS#12, or it is cut off", "identity-unrecognised")
TOO_LARGE = ("too large: more than RSA 8192", "identity-key-kind")
DAMAGED = ("damaged", "identity-unrecognised")

EVIL: dict[str, tuple[Callable[[], bytes], tuple[str, str]]] = {
    # The work of opening it.
    "pkcs12-key": (lambda: with_number(p12(), ROUNDS, mutate.number(MILLIARD)), ROUNDS_REFUSED),
    "pkcs12-mac": (lambda: with_number(p12(), 2048, mutate.number(MILLIARD)), ROUNDS_REFUSED),
    "pkcs12-limit": (lambda: with_number(p12(), 2048, mutate.number(10**7)), ROUNDS_REFUSED),
    "pkcs12-3des": (
        lambda: with_number(p12(True), ROUNDS, mutate.number(MILLIARD)),
        ROUNDS_REFUSED,
    ),
    "pkcs12-negative": (lambda: with_number(p12(), 2048, b"\x80\0\0\0"), ROUNDS_REFUSED),
    "pkcs12-thousand-bytes": (lambda: with_number(p12(), 2048, b"\x7f" * 999), ROUNDS_REFUSED),
    "pkcs12-sum": (lambda: many_safes(20, 600_000), ROUNDS_REFUSED),
    "pkcs12-open-lengths": (
        lambda: indefinite(with_number(p12(), ROUNDS, mutate.number(MILLIARD))),
        ROUNDS_REFUSED,
    ),
    "pkcs12-pbmac1": (lambda: unsigned(sequence(), pbmac1(MILLIARD)), ROUNDS_REFUSED),
    "pkcs12-bags-in-bags": (bags_in_bags, BUILT_ODDLY),
    "pkcs12-small-parts": (
        lambda: in_parts(with_number(p12(), ROUNDS, mutate.number(MILLIARD)), 1),
        ROUNDS_REFUSED,
    ),
    "pkcs12-then-noise": (lambda: many_safes(1, MILLIARD) + b"\xff" * 100, ROUNDS_REFUSED),
    "pkcs8-pbkdf2": (lambda: keyed(pbkdf2(MILLIARD)), ROUNDS_REFUSED),
    "pkcs8-2-to-31": (lambda: keyed(pbkdf2(2**31)), ROUNDS_REFUSED),
    "pkcs8-openssl": (
        lambda: keyed(
            with_number(
                openssl_key("-v2", "aes-256-cbc", "-iter", "77"), 77, mutate.number(MILLIARD)
            )
        ),
        ROUNDS_REFUSED,
    ),
    "pkcs8-pbes1": (
        lambda: keyed(
            with_number(
                openssl_key("-v1", "PBE-SHA1-3DES", "-iter", "77"), 77, mutate.number(MILLIARD)
            )
        ),
        ROUNDS_REFUSED,
    ),
    "pkcs8-length-of-key": (lambda: keyed(pbkdf2(2048, 2**31 - 1)), ROUNDS_REFUSED),
    "pkcs8-salt": (lambda: keyed(pbkdf2(1, 2**22, salt=5000)), ROUNDS_REFUSED),
    "scrypt-n": (lambda: keyed(scrypt(2**30, 8, 1)), SCRYPT_REFUSED),
    "scrypt-r": (lambda: keyed(scrypt(16384, 2**20, 1)), SCRYPT_REFUSED),
    "scrypt-p": (lambda: keyed(scrypt(16384, 8, 2**20)), SCRYPT_REFUSED),
    "scrypt-openssl": (
        lambda: keyed(
            with_number(openssl_key("-scrypt", "-scrypt_N", "64"), 64, mutate.number(2**40))
        ),
        SCRYPT_REFUSED,
    ),
    # How it is put together.
    "nested-in-order": (lambda: deep(0x30), BUILT_ODDLY),
    "nested-strings": (lambda: deep(0x04), BUILT_ODDLY),
    "nested-open": (lambda: b"\x30\x80\x02\x01\x03" + b"\x30\x80" * 500_000, CUT_OFF),
    "nested-parts": (
        lambda: nested(b"\x24\x80", 500_000),
        CUT_OFF,
    ),
    "elements": (lambda: sequence(number(3), sequence(b"\x04\x00" * 510_000)), BUILT_ODDLY),
    "bags": (lambda: many_bags(1100), ("no private key", "identity-no-key")),
    "length-of-4-GiB": (
        lambda: b"\x30\x84\xff\xff\xff\xff\x02\x01\x03\x30\x00",
        CUT_OFF,
    ),
    "length-of-lengths": (
        lambda: b"\x30\xff" + b"\xff" * 127,
        ("neither PEM, DER", "identity-unrecognised"),
    ),
    # Text.
    "begin-lines": (
        lambda: b"-----BEGIN CERTIFICATE-----\n" * 37_000,
        ("is cut off", "identity-unrecognised"),
    ),
    "begin-and-end": (
        lambda: b"-----BEGIN A-----\n" * 20_000 + b"-----END A-----\n" * 20_000,
        ("is cut off", "identity-unrecognised"),
    ),
    "empty-blocks": (
        lambda: (b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n") * 19_000,
        ("more than 256 certificates and keys", "identity-ambiguous"),
    ),
    "one-line": (
        lambda: b"-----BEGIN " + b"A" * (MOST - 20),
        ("no private key", "identity-no-key"),
    ),
    "headers": (
        lambda: (
            b"-----BEGIN EC PRIVATE KEY-----\n"
            + b"Proc-Type: 4,ENCRYPTED\n" * 40_000
            + b"-----END EC PRIVATE KEY-----\n"
        ),
        ("no certificate", "identity-no-certificate"),
    ),
    "zeros": (lambda: bytes(MOST), ("neither PEM", "identity-unrecognised")),
    "too-long": (
        lambda: alice().pem() + b"\n" * MOST,
        ("is larger than 1024 KiB", "identity-unrecognised"),
    ),
    # Certificates.
    "certificates": (
        lambda: certificates(300),
        ("more than 256 certificates", "identity-ambiguous"),
    ),
    "certificates-of-one-name": (
        lambda: certificates(40, "the same"),
        ("more than 16 certificates of one name", "identity-ambiguous"),
    ),
    # Keys.
    "rsa-16384": (lambda: keyed(rsa(mersenne(9689), mersenne(9941))), TOO_LARGE),
    "rsa-whole-file": (lambda: keyed(rsa(mersenne(44497), mersenne(86243))), TOO_LARGE),
    "rsa-uneven": (lambda: keyed(rsa(mersenne(4423), mersenne(2203))), DAMAGED),
    "rsa-hidden": (
        lambda: keyed(locked_rsa(mersenne(9689), mersenne(11213))),
        TOO_LARGE,
    ),
    "rsa-hidden-uneven": (
        lambda: keyed(locked_rsa(mersenne(4423), mersenne(607))),
        ("does not open", "passphrase-wrong"),
    ),
    "rsa-in-pkcs12": (
        lambda: bag_of_key(rsa(mersenne(9689), mersenne(9941))),
        TOO_LARGE,
    ),
    "rsa-exponent": (
        lambda: keyed(rsa(mersenne(2203), mersenne(2281), mersenne(4253))),
        DAMAGED,
    ),
    "curve-of-its-own": (lambda: keyed(explicit_curve()), ("", "identity-unrecognised")),
    "dsa": (
        lambda: keyed(sequence(*map(number, (0, mersenne(8191), mersenne(521), 4, 16, 5)))),
        ("of kind DSA", "identity-unrecognised"),
    ),
    "dh": (
        lambda: keyed(
            sequence(
                number(0),
                sequence(oid("2a864886f70d010301"), sequence(number(mersenne(8191)), number(2))),
                octets(number(5)),
            )
        ),
        ("", "identity-unrecognised"),
    ),
}


def deep(tag: int) -> bytes:
    """Return what is nested a few thousand deep, each length right."""
    data = sequence(number(3))
    for _ in range(3000):
        data = element(tag, data)
    return sequence(number(3), sequence(data))


def bag_of_key(key: bytes) -> bytes:
    """Return a PKCS#12 with this RSA key, in the open."""
    inner = sequence(number(0), sequence(oid("2a864886f70d010101"), element(0x05)), octets(key))
    bag = sequence(oid("2a864886f70d010c0a0101"), element(0xA0, inner))
    content = element(0xA0, octets(sequence(bag)))
    return unsigned(sequence(sequence(oid("2a864886f70d010701"), content)))


def read(folder: Path, kind: str, *contents: bytes) -> list[str]:
    """Return what came of reading these bytes, in a process with little memory and time."""
    paths = [folder / f"file{number}" for number, _ in enumerate(contents)]
    for path, data in zip(paths, contents):
        path.write_bytes(data)
    environ = {"HOME": str(folder), "PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(folder)}
    if "PYTHONPATH" in os.environ:
        environ["PYTHONPATH"] = os.environ["PYTHONPATH"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.limited", kind, *map(str, paths)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    assert WORD not in done.stdout
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", EVIL)
def test_refused(tmp_path: Path, name: str) -> None:
    """It ends with its own error and finding, in little time and memory, and nothing is opened."""
    make, (fact, code) = EVIL[name]
    said = read(tmp_path, "identity", make())
    assert said[0] == code, said
    assert fact in said[1]
    assert len(said) == 3
    assert said[2]
    assert code in CATALOGUE


HONEST: dict[str, Callable[[], bytes]] = {
    "pkcs12": p12,
    "pkcs12-600000": lambda: p12(rounds=600_000),
    "pkcs12-old": lambda: p12(True),
    "pkcs12-open-lengths": lambda: indefinite(p12()),
    "pkcs12-small-parts": lambda: in_parts(p12(), 1),
    "pkcs12-rc2": lambda: alice().p12(WORD, "rc2"),
    "pkcs8-openssl": lambda: keyed(openssl_key()),
    "pkcs8-600000": lambda: keyed(openssl_key("-iter", "600000")),
    "pkcs8-1000000-sha512": lambda: keyed(
        openssl_key("-iter", "1000000", "-v2prf", "hmacWithSHA512")
    ),
    "pkcs8-scrypt": lambda: keyed(openssl_key("-scrypt")),
    "pkcs8-scrypt-more": lambda: keyed(
        openssl_key("-scrypt", "-scrypt_N", "32768", "-scrypt_r", "4")
    ),
    "pkcs8-pbes1": lambda: keyed(openssl_key("-v1", "PBE-SHA1-3DES")),
    "a-bundle-beside-it": lambda: certificates(150),
}


@pytest.mark.parametrize("name", HONEST)
def test_taken(tmp_path: Path, name: str) -> None:
    """What tools write, and what is advised, is opened within the same limits."""
    assert read(tmp_path, "identity", HONEST[name]()) == ["taken"]


def block(data: bytes) -> Block:
    """Return the one block of these bytes."""
    (found,) = formats.split(data, "x").items
    return found


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (pbkdf2(kdf_limits.MOST_ROUNDS - 1), False),
        (pbkdf2(kdf_limits.MOST_ROUNDS), True),
        (pbkdf2(5_000_000), False),  # the most that Java and Bouncy Castle read
        (pbkdf2(5_000_000, 64), True),  # twice the work
        (scrypt(2**17, 8, 1), False),  # OWASP's advice
        (scrypt(2**18, 8, 1), False),
        (scrypt(2**18, 8, 9), True),
        (scrypt(2**19, 8, 1), True),
        (many_safes(9, 1_000_000), False),
        (many_safes(10, 1_000_000), True),
    ],
)
def test_the_limit(data: bytes, refused: bool) -> None:
    """The limits lie where the page of `work` says, and nothing is derived to tell."""
    if refused:
        with pytest.raises(IdentityError, match="does not try it"):
            kdf_limits.check(block(data))
    else:
        kdf_limits.check(block(data))


CONFIGURATIONS: dict[str, tuple[Callable[[], bytes], str]] = {
    "dotted-key": (
        lambda: b"a" + b".a" * 500_000 + b"=1\n",
        ":1: the configuration has a key of more",
    ),
    "dotted-with-spaces": (
        lambda: b"\n" + b"a . " * 250_000 + b"a=1\n",
        ":2: the configuration has a key",
    ),
    "dotted-header": (lambda: b"[" + b"a." * 500_000 + b"a]\n", ":1: the configuration has a key"),
    "dotted-inline": (
        lambda: b"a = {" + b"b." * 400_000 + b"b = 1}\n",
        ":1: the configuration has a key",
    ),
    "quoted-key": (lambda: b'"a"' + b'."a"' * 250_000 + b"=1\n", ":1: the configuration has a key"),
    "lists": (lambda: b"a = " + b"[" * 1_000_000, "nested too deeply"),
    "tables": (lambda: b"a = " + b"{a = " * 200_000, "nested too deeply"),
    "many-keys": (lambda: b"".join(b"a%d=1\n" % n for n in range(90_000)), "unknown key `a0`"),
    "last-key": (
        lambda: b"".join(b"[profiles.a%d]\n" % n for n in range(40_000)) + b"[b]\n",
        "unknown key `b`",
    ),
    "digits": (lambda: b"a = " + b"1" * 1_000_000, "is not valid TOML"),
    "too-long": (lambda: b"#" * (document.LARGEST + 1), "is larger than 1 MiB"),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configuration(tmp_path: Path, name: str) -> None:
    """A configuration that nobody wrote by hand is an error, soon, with its file."""
    make, fact = CONFIGURATIONS[name]
    said = read(tmp_path, "configuration", make())
    assert said[0] == "config-invalid"
    assert fact in said[1]
    assert str(tmp_path / "file0") in said[1]


BUNDLES: dict[str, tuple[Callable[[], bytes], str]] = {
    "begin-lines": (lambda: b"-----BEGIN CERTIFICATE-----\n" * 590_000, "-----BEGIN"),
    "empty-blocks": (
        lambda: b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" * 300_000,
        "certificate",
    ),
    "half-blocks": (
        lambda: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END" * 400_000,
        "-----BEGIN",
    ),
}


@pytest.mark.parametrize("kind", ["roots", "store"])
@pytest.mark.parametrize("name", BUNDLES)
def test_bundle(tmp_path: Path, name: str, kind: str) -> None:
    """The largest bundle of CAs that is read, of the worst that can stand in it, is an error."""
    make, fact = BUNDLES[name]
    said = read(tmp_path, kind, make())
    assert said[0] in ("ca-unrecognised", "roots-empty")
    assert (fact if kind == "roots" else "has no certificates") in said[1]


def test_dots_are_no_key() -> None:
    """Long lists of numbers, rows of dots and addresses are what they were."""
    text = f"# {'.' * 300}\na = [{', '.join(['1.5'] * 400)}]\nb = '{'.' * 300}'\n"
    assert document.parse(Path("x.toml"), text.encode()).tables["a"] == [1.5] * 400
