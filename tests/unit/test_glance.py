"""A glance takes what is ordinary, as the longer look has it, and nothing that it would refuse."""

from __future__ import annotations

import base64
import contextlib
import os
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from mtls_run import der, identity, openssl
from mtls_run.errors import IdentityError, RootsError
from mtls_run.identity import checks, glance, outline, ready, validity
from mtls_run.origin import Origin
from mtls_run.roots import certificates
from tests.pki import Authority, Issued, KeyKind, Usage, rsa_key
from tests.unit.test_identity import altered, rsa_file

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="an anonymous file is taken")

KINDS: tuple[KeyKind, ...] = ("rsa", "ec", "p384", "p521", "ed25519")
ROOT = Authority.create("Root")
ISSUER = ROOT.intermediate("Upper").intermediate("Lower")
ALICE, RSA = ISSUER.issue("alice"), ISSUER.issue("alice", key="rsa")
PATH = Path("/pki/alice.pem")


def look(data: bytes) -> ready.Ready | None:
    """Return what a glance at one file with these bytes gives."""
    return glance.look([(PATH, data)], time.time())


def closer(data: bytes) -> identity.Identity:
    """Return what the longer look gives; raises IdentityError."""
    return identity.parse([(PATH, data)]).unlock(None, checks.utc_now())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_ordinary(kind: KeyKind, depth: int) -> None:
    """Each kind of key, below the root and below intermediates, with LF and CRLF."""
    issuer = (ROOT, ISSUER, ISSUER.intermediate("Third"))[depth]
    data = issuer.issue("alice", key=kind).pem()
    for text in (data, data.replace(b"\n", b"\r\n"), data + b"\n\n"):
        found, expected = look(text), closer(text)
        assert found is not None
        assert found.ready == expected.ready == PATH
        assert (found.kind, found.fingerprint) == (expected.kind, expected.fingerprint)
        assert (found.not_before, found.not_after) == (expected.not_before, expected.not_after)
        assert found.digest == identity.digest([(PATH, text)])
        assert (found.described, found.locked) == ("", False)


@pytest.mark.parametrize("eku", ["client", None])
def test_ordinary_usages(eku: Usage | None) -> None:
    """With the client's usage, and with none at all."""
    assert look(ISSUER.issue("alice", eku=eku).pem()) is not None


def test_an_rsa_key_as_pkcs1() -> None:
    """OpenSSL's older form."""
    assert look(RSA.cert_pem + RSA.chain_pem + RSA.key_pem(form="pkcs1")) is not None


def test_a_self_signed_leaf() -> None:
    """It is the one that a server has to know."""
    data = Authority.create("alone")
    key = data.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert look(data.pem + key) is not None
    assert closer(data.pem + key).ready == PATH


def _pem(label: str, der: bytes) -> bytes:
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _small() -> bytes:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is to be too small
    return ISSUER.issue("small", key=key).pem()


def _ed448() -> bytes:
    key = ed448.Ed448PrivateKey.generate()
    certificate = (
        x509.CertificateBuilder(ALICE.certificate.issuer, ALICE.certificate.subject)
        .serial_number(7)
        .not_valid_before(ALICE.certificate.not_valid_before_utc)
        .not_valid_after(ALICE.certificate.not_valid_after_utc)
        .public_key(key.public_key())
        .sign(ISSUER.key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM) + ALICE.chain_pem + secret


def _without_point() -> bytes:
    """Return an EC key that does not name its public half (RFC 5915 lets it)."""
    assert isinstance(ALICE.key, ec.EllipticCurvePrivateKey)
    scalar = ALICE.key.private_numbers().private_value.to_bytes(32, "big")
    inner = b"\x30\x25\x02\x01\x01\x04\x20" + scalar
    algorithm = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
    der = b"\x30\x41\x02\x01\x00" + algorithm + b"\x04\x27" + inner
    return ALICE.cert_pem + ALICE.chain_pem + _pem("PRIVATE KEY", der)


def _other_scalar() -> bytes:
    """Return a key that names alice's public half, and has somebody else's private one."""
    bob = ISSUER.issue("bob")
    assert isinstance(ALICE.key, ec.EllipticCurvePrivateKey)
    assert isinstance(bob.key, ec.EllipticCurvePrivateKey)
    mine, other = (key.private_numbers().private_value for key in (ALICE.key, bob.key))
    der = ALICE.key_der().replace(mine.to_bytes(32, "big"), other.to_bytes(32, "big"))
    return ALICE.cert_pem + ALICE.chain_pem + _pem("PRIVATE KEY", der)


def _swapped(issued: Issued) -> bytes:
    """Return a chain whose intermediate has the right name, and another key."""
    other = ROOT.intermediate("Upper").intermediate("Lower")
    return issued.cert_pem + other.issue("x").chain_pem + issued.key_pem()


ODD: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "not PEM": lambda: ALICE.cert_der,
    "no key": lambda: ALICE.cert_pem,
    "no certificate": ALICE.key_pem,
    "a locked key": lambda: ALICE.pem("secret"),
    "a locked legacy key": lambda: ALICE.cert_pem + ALICE.key_pem("secret", "legacy"),
    "key first": lambda: ALICE.pem(order="key-leaf-chain"),
    "chain backwards": lambda: ALICE.pem(order="leaf-niahc-key"),
    "chain before the leaf": lambda: ALICE.pem(order="chain-leaf-key"),
    "the root too": lambda: ALICE.cert_pem + ALICE.chain_pem + ROOT.pem + ALICE.key_pem(),
    "the root alone": lambda: ROOT.issue("x").cert_pem + ROOT.pem + ROOT.issue("x").key_pem(),
    "a gap in the chain": lambda: (
        ALICE.cert_pem + ISSUER.chain[1].public_bytes(Encoding.PEM) + ALICE.key_pem()
    ),
    "the leaf twice": lambda: ALICE.cert_pem + ALICE.pem(),
    "two keys": lambda: ALICE.pem() + RSA.key_pem(),
    "another's key": lambda: ALICE.cert_pem + ALICE.chain_pem + ISSUER.issue("bob").key_pem(),
    "another's RSA key": lambda: RSA.cert_pem + ISSUER.issue("bob", key="rsa").key_pem(),
    "another kind of key": lambda: ALICE.cert_pem + RSA.key_pem(),
    "another kind of key, PKCS#1": lambda: ALICE.cert_pem + RSA.key_pem(form="pkcs1"),
    "SEC 1": lambda: ALICE.cert_pem + ALICE.key_pem(form="sec1"),
    "a key without its public half": _without_point,
    "a key with another's public half": _other_scalar,
    "text between": lambda: ALICE.cert_pem + b"Bag Attributes\n" + ALICE.key_pem(),
    "text before": lambda: b"subject=alice\n" + ALICE.pem(),
    "text after": lambda: ALICE.pem() + b"end\n",
    "a byte order mark": lambda: b"\xef\xbb\xbf" + ALICE.pem(),
    "an indented line": lambda: ALICE.pem().replace(b"\nM", b"\n M", 1),
    "a blank line inside": lambda: ALICE.pem().replace(b"-----\nM", b"-----\n\nM", 1),
    "a broken line": lambda: ALICE.pem().replace(b"-----\nMII", b"-----\nMI", 1),
    "base64 that says more": lambda: ALICE.pem().replace(b"=\n-----END", b"==\n-----END", 1),
    "cut off": lambda: ALICE.pem()[:-30],
    "another label": lambda: ALICE.pem().replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
    "expired": lambda: ISSUER.issue("late", days=-0.5).pem(),
    "not yet valid": lambda: ISSUER.issue("early", starts=1).pem(),
    "for servers": lambda: ISSUER.issue("web", server=True).pem(),
    "for anything": lambda: ISSUER.issue("any", eku="any").pem(),
    "version 1": lambda: ISSUER.issue("old", version=1).pem(),
    "too small": _small,
    "Ed448": _ed448,
    "numbers that do not fit": lambda: rsa_file(altered(dmp1=RSA_NUMBER)),
    "another intermediate of the name": lambda: _swapped(ALICE),
}
RSA_NUMBER = 12345


@pytest.mark.parametrize("name", ODD)
def test_odd(name: str) -> None:
    """What is not ordinary, or not in order, is left to the longer look."""
    assert look(ODD[name]()) is None


def test_two_files_are_not_ordinary() -> None:
    """They have to be made one."""
    contents = [(PATH, ALICE.cert_pem), (PATH, ALICE.key_pem())]
    assert glance.look(contents, time.time()) is None


def test_the_given_clock_counts() -> None:
    """Beside OpenSSL's own."""
    found = look(ALICE.pem())
    assert found is not None
    for now in (found.not_before - 1, found.not_after + 1):
        assert glance.look([(PATH, ALICE.pem())], now) is None


@pytest.mark.parametrize(
    "missing", ["_SSLContext", "MemoryBIO", "SSLWantReadError", "PROTOCOL_TLS_SERVER"]
)
def test_another_ssl_has_no_answer(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python whose `_ssl` is not as it is known goes the longer way."""
    import _ssl  # noqa: PLC0415

    monkeypatch.delattr(_ssl, missing)
    assert look(ALICE.pem()) is None


def test_without_ssl_or_memory_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without OpenSSL, and a system that refuses anonymous files."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "_ssl", None)
        assert look(ALICE.pem()) is None

    def refused(*_: object) -> int:
        raise OSError(1, "refused")

    monkeypatch.setattr(os, "memfd_create", refused)
    assert look(ALICE.pem()) is None


def open_files() -> list[str]:
    """Return the numbers of this process's descriptors."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def test_nothing_stays_open() -> None:
    """The anonymous file is closed again, whatever came of it."""
    before = open_files()
    for name in ("expired", "another intermediate of the name", "for servers"):
        look(ODD[name]())
    look(ALICE.pem())
    assert open_files() == before


def test_nobody_is_asked_for_a_passphrase(capfd: pytest.CaptureFixture[str]) -> None:
    """OpenSSL would ask at the terminal by itself."""
    assert not openssl.serves(ALICE.pem("secret"), ALICE.cert_der)
    assert capfd.readouterr() == ("", "")


CERTIFICATE = bytearray(ALICE.cert_der)


@given(st.integers(0, len(CERTIFICATE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_never_taken_for_more(at: int, change: int) -> None:
    """What a glance says of a certificate with one wrong byte, the library says too."""
    changed = bytes([*CERTIFICATE[:at], CERTIFICATE[at] ^ change, *CERTIFICATE[at + 1 :]])
    try:
        found = outline.read(changed)
    except (ValueError, IndexError):
        return
    parsed = x509.load_der_x509_certificate(changed)
    assert parsed.version is x509.Version.v3
    assert found.subject == x509.Name(parsed.subject.rdns).public_bytes()[2:]
    assert found.issuer == x509.Name(parsed.issuer.rdns).public_bytes()[2:]
    assert found.not_before == parsed.not_valid_before_utc.timestamp()
    assert found.not_after == parsed.not_valid_after_utc.timestamp()


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)))  # noqa: DTZ001
def test_seconds(when: datetime) -> None:
    """As datetime counts them."""
    when = when.replace(microsecond=0, tzinfo=timezone.utc)
    assert validity.seconds(*when.timetuple()[:6]) == when.timestamp()


@given(
    st.tuples(*(st.integers(-1, 61) for _ in range(5))),
    st.sampled_from([1900, 2000, 2023, 2024, 0]),
)
def test_times_that_there_are_not(rest: tuple[int, ...], year: int) -> None:
    """What datetime refuses is refused, and nothing else."""
    month, day, *clock = rest
    hour, minute, second = clock
    try:
        expected = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc).timestamp()
    except ValueError:
        with pytest.raises(ValueError, match=r"^$"):
            validity.seconds(year, month, day, *clock)
    else:
        assert validity.seconds(year, month, day, *clock) == expected


# --- certificates and keys that somebody made on purpose

EKU = bytes.fromhex("30130603551d25040c300a06082b06010505070302")
ECDSA = bytes.fromhex("300a06082a8648ce3d040302")


def element(tag: int, *parts: bytes) -> bytes:
    """Return a DER element made of these."""
    return der.encoded(tag, b"".join(parts))


def named(text: bytes, tag: int = 0x0C, kind: bytes = b"\x55\x04\x03") -> bytes:
    """Return a name of one part."""
    pair = element(0x30, element(0x06, kind), element(tag, text))
    return element(0x30, element(0x31, pair))


def extension(name: str, value: bytes, *, critical: bool = False) -> bytes:
    """Return an extension with this object identifier, in hexadecimal."""
    flag = b"\x01\x01\xff" if critical else b""
    return element(0x30, element(0x06, bytes.fromhex(name)), flag, element(0x04, value))


def made(
    key: ec.EllipticCurvePrivateKey,
    *extensions: bytes,
    subject: bytes = named(b"alice"),
    issuer: bytes = named(b"CA"),
    signer: ec.EllipticCurvePrivateKey | None = None,
    algorithm: bytes = ECDSA,
) -> bytes:
    """Return a certificate of just these parts."""
    now = time.time()
    times = [time.strftime("%y%m%d%H%M%SZ", time.gmtime(now + d)) for d in (-9999, 9999999)]
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    body = element(
        0x30,
        bytes.fromhex("a003020102020105"),
        algorithm,
        issuer,
        element(0x30, *(element(0x17, text.encode()) for text in times)),
        subject,
        public,
        element(0xA3, element(0x30, *(extensions or (EKU,)))),
    )
    signature = (signer or key).sign(body, ec.ECDSA(hashes.SHA256()))
    return element(0x30, body, algorithm, element(0x03, b"\0" + signature))


def of(*certificates: bytes, key: bytes = b"", label: str = "PRIVATE KEY") -> bytes:
    """Return the PEM of these certificates and this key, or the first one's."""
    parts = [_pem("CERTIFICATE", one) for one in certificates]
    return b"".join([*parts, _pem(label, key or _pkcs8(KEY))])


def _pkcs8(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


KEY, CA_KEY, OTHER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
CA = extension("551d13", bytes.fromhex("30030101ff"), critical=True)


def _scalar_beyond() -> bytes:
    key = ec.derive_private_key(5, ec.SECP256R1())
    good = _pkcs8(key)
    wrong = good.replace((5).to_bytes(32, "big"), (5 + P256).to_bytes(32, "big"))
    assert wrong != good
    return of(made(key), key=wrong)


def _long_exponent() -> bytes:
    numbers = RSA_KEY.private_numbers()
    p, q, n = numbers.p, numbers.q, numbers.public_numbers.n
    d = numbers.d + (p - 1) * (q - 1)
    values = (0, n, 65537, d, p, q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    whole = [element(0x02, one.to_bytes(one.bit_length() // 8 + 1, "big")) for one in values]
    issued = ISSUER.issue("alice", key=RSA_KEY)
    return of(issued.cert_der, key=element(0x30, *whole), label="RSA PRIVATE KEY")


def _small_exponent() -> bytes:
    key = rsa.generate_private_key(3, 2048)
    return ISSUER.issue("alice", key=key).pem()


def _decoy(spelt: bytes) -> bytes:
    """Return a chain that OpenSSL goes along without its second certificate."""
    return of(
        made(KEY, issuer=named(b"CA"), signer=OTHER_KEY),
        made(CA_KEY, CA, subject=named(b"CA"), issuer=named(spelt)),
        made(OTHER_KEY, CA, subject=named(spelt), issuer=named(b"Root")),
    )


RSA_KEY = rsa_key("made on purpose")
MADE: dict[str, Callable[[], bytes]] = {
    "an EC number beyond the group": _scalar_beyond,
    "an RSA exponent that is too long": _long_exponent,
    "an RSA exponent that ring does not take": _small_exponent,
    "an @ in a PrintableString": lambda: of(made(KEY, subject=named(b"alice@corp", 0x13))),
    "ECDSA with a NULL": lambda: of(
        made(KEY, algorithm=bytes.fromhex("300c06082a8648ce3d0403020500"))
    ),
    "an algorithm of nothing": lambda: of(made(KEY, algorithm=b"\x30\x00")),
    "a part of a name's kind that is too long": lambda: of(
        made(KEY, subject=named(b"alice", kind=b"\x55" + b"\xff" * 19 + b"\x01"))
    ),
    "another certificate of the name, in small letters": lambda: _decoy(b"ca"),
    "another certificate of the name, with spaces": lambda: _decoy(b" CA "),
    "an intermediate with the leaf's key": lambda: of(
        made(KEY, issuer=named(b"CA")),
        made(KEY, CA, subject=named(b"CA"), issuer=named(b"Root"), signer=CA_KEY),
    ),
    "more after a usage": lambda: of(
        made(KEY, extension("551d25", bytes.fromhex("300a06082b060105050703020500")))
    ),
    "a usage that contradicts itself": lambda: of(
        made(KEY, EKU, extension("551d0f", bytes.fromhex("03020081")))
    ),
    "constraints written out": lambda: of(
        made(KEY, EKU, extension("551d13", bytes.fromhex("3003010100")))
    ),
    "an issuer without a key": lambda: of(
        made(KEY, EKU, extension("551d23", bytes.fromhex("3003820105")))
    ),
    "policies that are critical": lambda: of(
        made(KEY, EKU, extension("551d20", bytes.fromhex("3006300406022a03"), critical=True))
    ),
    "policies that are none": lambda: of(made(KEY, EKU, extension("551d20", b"\x05\x00"))),
    "an issuer's address that is none": lambda: of(
        made(KEY, EKU, extension("2b06010505070101", b"\x05\x00"))
    ),
    "a name of a kind that is not known": lambda: of(
        made(KEY, EKU, extension("551d11", bytes.fromhex("3006a5048102" + "4141")))
    ),
    "a TLS feature that is not known": lambda: of(
        made(KEY, EKU, extension("2b06010505070118", bytes.fromhex("3003020163")))
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_made_on_purpose(name: str) -> None:
    """What the libraries make different things of is not ordinary; the longer look has words."""
    data = MADE[name]()
    assert look(data) is None
    with contextlib.suppress(IdentityError):  # and nothing else comes from it
        closer(data)


def test_what_is_made_here_would_be_taken() -> None:
    """The builder's own certificates are ordinary ones."""
    assert look(of(made(KEY))) is not None
    chain = made(CA_KEY, CA, subject=named(b"CA"), issuer=named(b"Root"), signer=OTHER_KEY)
    assert look(of(made(KEY, signer=CA_KEY), chain)) is not None


USUAL = {
    "551d13": "3000",
    "551d0f": "03020780",
    "551d0e": "040401020304",
    "551d23": "3006800401020304",
    "551d11": "300c820161810161870401020304",
    "551d1f": "300b3009a007a0058603613a2f",
    "551d20": "3017301506022a03300f300d06082b06010505070201160161",
    "2b06010505070101": "3010300e06082b060105050730028602613a",
    "2b0601040182371507": "300a06022a03020101020102",
    "2b0601040182371902": "3000",
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_extensions(name: str) -> None:
    """Those that companies' certificates have do not send anybody the longer way."""
    data = of(made(KEY, EKU, extension(name, bytes.fromhex(USUAL[name]))))
    assert closer(data).ready == PATH
    assert look(data) is not None


def test_a_ca_whose_algorithm_no_tool_reads() -> None:
    """It would make the whole bundle unreadable to pip."""
    for algorithm in (b"\x30\x00", bytes.fromhex("3003020105")):
        data = _pem("CERTIFICATE", made(CA_KEY, CA, algorithm=algorithm))
        assert certificates.glanced(data) == []
        with pytest.raises(RootsError):
            certificates.parsed(data, "ca.pem", Origin("the test"))
