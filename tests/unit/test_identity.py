"""Read every accepted form as the same identity, and refuse what cannot work, with the reason."""

from __future__ import annotations

import codecs
import os
import re
import secrets
import ssl
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)

from mtls_run.errors import IdentityError, WrongPassphraseError
from mtls_run.identity import checks, source, validity
from mtls_run.identity.der import children, element
from mtls_run.identity.keys import kind_of
from mtls_run.identity.material import gather, parse
from mtls_run.secret import Secret
from tests.pki import Authority, Issued, KeyKind, make_key, rsa_key
from tests.unit.support import material, profile, secret

if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.identity.material import Identity, KeyMaterial

PASSPHRASE = "correct horse battery"
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
KINDS: tuple[KeyKind, ...] = ("rsa", "ec", "p384", "p521", "ed25519")
ROOT = Authority.create("Root")
TWO_LEVELS = ROOT.intermediate("Upper").intermediate("Lower")
ISSUED = {kind: TWO_LEVELS.issue(f"alice {kind}", key=kind) for kind in KINDS}
ALICE, BOB = ISSUED["ec"], ROOT.intermediate("Other").issue("bob")

Form = Callable[[Issued], "tuple[list[bytes], str | None]"]


def trusted(issued: Issued) -> bytes:
    """Return the leaf as OpenSSL's TRUSTED CERTIFICATE, then chain and key."""
    done = subprocess.run(
        ["openssl", "x509", "-trustout", "-addtrust", "clientAuth", "-setalias", "alice"],
        input=issued.cert_pem,
        capture_output=True,
        check=True,
    )
    assert b"BEGIN TRUSTED CERTIFICATE" in done.stdout
    return done.stdout + issued.chain_pem + issued.key_pem()


def with_text(data: bytes) -> bytes:
    """Return the PEM with the lines that `openssl pkcs12` writes before each block."""
    text = (
        b"Bag Attributes\n    friendlyName: -----alice-----\nsubject=/CN=alice \xe9\n\n-----BEGIN "
    )
    return data.replace(b"-----BEGIN ", text) + b"\nthe end"


FORMS: dict[str, Form] = {
    "leaf-chain-key": lambda i: ([i.pem()], None),
    "key-leaf-chain": lambda i: ([i.pem(order="key-leaf-chain")], None),
    "leaf-key-chain": lambda i: ([i.pem(order="leaf-key-chain")], None),
    "niahc-leaf-key": lambda i: ([i.pem(order="niahc-leaf-key")], None),
    "key-niahc-leaf": lambda i: ([i.pem(order="key-niahc-leaf")], None),
    "encrypted PKCS#8": lambda i: ([i.pem(PASSPHRASE)], PASSPHRASE),
    "encrypted key first": lambda i: ([i.pem(PASSPHRASE, "key-chain-leaf")], PASSPHRASE),
    "separate key": lambda i: ([i.cert_pem + i.chain_pem, i.key_pem()], None),
    "separate encrypted key": lambda i: (
        [i.cert_pem + i.chain_pem, i.key_pem(PASSPHRASE)],
        PASSPHRASE,
    ),
    "chain beside the key": lambda i: ([i.cert_pem, i.key_pem() + i.chain_pem], None),
    "DER key": lambda i: ([i.cert_pem + i.chain_pem, i.key_der()], None),
    "encrypted DER key": lambda i: ([i.cert_pem + i.chain_pem, i.key_der(PASSPHRASE)], PASSPHRASE),
    "PKCS#12": lambda i: ([i.p12(PASSPHRASE)], PASSPHRASE),
    "PKCS#12 3DES": lambda i: ([i.p12(PASSPHRASE, "3des")], PASSPHRASE),
    "PKCS#12 RC2": lambda i: ([i.p12(PASSPHRASE, "rc2")], PASSPHRASE),
    "PKCS#12 without passphrase": lambda i: ([i.p12(None)], None),
    "PKCS#12 with an empty passphrase": lambda i: ([i.p12("", "rc2")], None),
    "CRLF": lambda i: ([i.pem().replace(b"\n", b"\r\n")], None),
    "CRLF encrypted": lambda i: ([i.pem(PASSPHRASE).replace(b"\n", b"\r\n")], PASSPHRASE),
    "BOM": lambda i: ([codecs.BOM_UTF8 + i.pem()], None),
    "UTF-16": lambda i: ([i.pem().decode().encode("utf-16")], None),
    "UTF-16 BE": lambda i: ([codecs.BOM_UTF16_BE + i.pem().decode().encode("utf-16-be")], None),
    "text between": lambda i: ([with_text(i.pem())], None),
    "text between encrypted": lambda i: ([with_text(i.pem(PASSPHRASE))], PASSPHRASE),
    "TRUSTED CERTIFICATE": lambda i: ([trusted(i)], None),
    "X509 CERTIFICATE": lambda i: ([i.pem().replace(b" CERT", b" X509 CERT")], None),
    "with the root": lambda i: ([i.cert_pem + i.chain_pem + ROOT.pem + i.key_pem()], None),
    "root first": lambda i: ([ROOT.pem + i.pem()], None),
    "duplicates": lambda i: ([i.pem() + i.chain_pem + i.cert_pem], None),
    "the key twice": lambda i: ([i.pem() + i.key_pem()], None),
    "unrelated": lambda i: ([BOB.cert_pem + i.cert_pem + BOB.chain_pem + i.pem()], None),
}
RSA_ONLY: dict[str, Form] = {
    "PKCS#1": lambda i: ([i.cert_pem + i.chain_pem + i.key_pem(form="pkcs1")], None),
    "DER PKCS#1": lambda i: ([i.cert_pem + i.chain_pem, traditional(i)], None),
}
EC_ONLY: dict[str, Form] = {
    "SEC1": lambda i: ([i.cert_pem + i.chain_pem + i.key_pem(form="sec1")], None),
    "SEC1 with parameters": lambda i: (
        [i.cert_pem + i.chain_pem + PARAMETERS + i.key_pem(form="sec1")],
        None,
    ),
    "DER SEC1": lambda i: ([i.cert_pem + i.chain_pem, traditional(i)], None),
}
LEGACY: dict[str, Form] = {
    "Proc-Type": lambda i: ([i.cert_pem + i.chain_pem + legacy(i)], PASSPHRASE),
    "Proc-Type CRLF": lambda i: (
        [(legacy(i) + i.cert_pem + i.chain_pem).replace(b"\n", b"\r\n")],
        PASSPHRASE,
    ),
    "Proc-Type separate": lambda i: ([i.cert_pem + i.chain_pem, legacy(i)], PASSPHRASE),
}


def legacy(issued: Issued) -> bytes:
    """Return the key under `Proc-Type: 4,ENCRYPTED`."""
    return issued.key_pem(PASSPHRASE, "legacy")


def traditional(issued: Issued) -> bytes:
    """Return the key as DER in its kind's own form."""
    return issued.key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


# What a container holds does not depend on the key's kind: three of them show that for each kind.
CONTAINERS = {name: FORMS[name] for name in ("leaf-chain-key", "encrypted PKCS#8", "PKCS#12")}


def cases() -> dict[str, tuple[KeyKind, Form]]:
    """Return every form once, and for each kind of key its own forms and three containers."""
    found = {}
    for kind in KINDS:
        forms = dict(FORMS if kind == "ec" else CONTAINERS)
        forms.update(RSA_ONLY if kind == "rsa" else {})
        forms.update(EC_ONLY if kind in ("ec", "p384", "p521") else {})
        forms.update(LEGACY if kind in ("rsa", "ec") else {})
        found.update({f"{kind}, {name}": (kind, form) for name, form in forms.items()})
    return found


CASES = cases()


def opened(*contents: bytes, passphrase: str | None = None) -> Identity:
    """Return the identity in these files."""
    held = material(*contents)
    held.check_early(checks.utc_now())
    return held.unlock(secret(passphrase), checks.utc_now())


def assert_hands_on(found: Identity, issued: Issued, folder: Path) -> None:
    """Fail unless the tool gets leaf, intermediates and PKCS#8 key, and TLS accepts them."""
    pem = found.exportable_pem().reveal()
    labels = re.findall(rb"^-----BEGIN ([A-Z0-9 ]+)-----$", pem, re.MULTILINE)
    assert labels == [b"CERTIFICATE"] * (1 + len(issued.chain)) + [b"PRIVATE KEY"]
    assert x509.load_pem_x509_certificates(pem) == [issued.certificate, *issued.chain]
    key = load_pem_private_key(pem[pem.index(b"-----BEGIN PRIVATE") :], None)
    assert key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) == issued.key_der()
    path = folder / "handed-on.pem"
    path.write_bytes(pem)
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path)


@pytest.mark.parametrize("case", CASES)
def test_accepted(tmp_path: Path, case: str) -> None:
    """The tool gets leaf, intermediates and PKCS#8 key from each form of each kind of key."""
    kind, form = CASES[case]
    issued = ISSUED[kind]
    contents, passphrase = form(issued)
    held = material(*contents)
    assert held.locked is (passphrase is not None)
    held.check_early(checks.utc_now())
    found = held.unlock(secret(passphrase), checks.utc_now())
    assert_hands_on(found, issued, tmp_path)
    assert found.fingerprint == issued.certificate.fingerprint(hashes.SHA256()).hex()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("rsa", "RSA 2048"),
        ("ec", "EC P-256"),
        ("p384", "EC P-384"),
        ("p521", "EC P-521"),
        ("ed25519", "Ed25519"),
    ],
)
def test_kind(kind: KeyKind, name: str) -> None:
    """An identity has the name of its kind of key, and whether uv can use it."""
    found = opened(ISSUED[kind].pem()).kind
    assert (found.name, found.rustls) == (name, True)


def test_kinds_that_uv_cannot_use() -> None:
    """A short RSA key, an unusual curve and Ed448 do not work in uv."""
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # the point
    odd = ec.generate_private_key(ec.SECP256K1())
    kinds = [kind_of(key) for key in (short, odd, ed448.Ed448PrivateKey.generate())]
    assert [(kind.name, kind.rustls) for kind in kinds] == [
        ("RSA 1024", False),
        ("EC secp256k1", False),
        ("Ed448", False),
    ]


@pytest.mark.parametrize("passphrase", ["pässwörd ☃", "x", "a" * 200, " leading and trailing "])
@pytest.mark.parametrize("form", ["pkcs8", "p12", "3des", "legacy"])
def test_passphrases(tmp_path: Path, passphrase: str, form: str) -> None:
    """Short and long passphrases, and those with blanks or beyond ASCII, open their key."""
    if form == "pkcs8":
        data = ALICE.pem(passphrase)
    elif form == "legacy":
        data = ALICE.cert_pem + ALICE.chain_pem + ALICE.key_pem(passphrase, "legacy")
    else:
        data = ALICE.p12(passphrase, "3des" if form == "3des" else "modern")
    assert_hands_on(opened(data, passphrase=passphrase), ALICE, tmp_path)
    for wrong in (passphrase + " ", passphrase[1:] or "y", passphrase.swapcase() + "1"):
        with pytest.raises(WrongPassphraseError):
            material(data).unlock(secret(wrong), checks.utc_now())


@pytest.mark.parametrize("kind", ["rsa", "ec"])
@pytest.mark.parametrize("name", ["Proc-Type", "encrypted PKCS#8", "encrypted DER key", "PKCS#12"])
def test_wrong_passphrases(kind: KeyKind, name: str) -> None:
    """A wrong passphrase is reported as wrong, whatever bytes it decrypts to."""
    contents, _ = {**FORMS, **LEGACY}[name](ISSUED[kind])
    held = material(*contents)
    # One in 256 passes for padding in the old form; the others derive a key, which takes its time.
    for _ in range(1500 if name == "Proc-Type" else 5):
        guess = secrets.token_hex(8)
        with pytest.raises(WrongPassphraseError) as caught:
            held.unlock(Secret(guess.encode()), checks.utc_now())
        assert guess not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("passphrase", [None, ""])
@pytest.mark.parametrize("name", ["Proc-Type", "encrypted PKCS#8", "PKCS#12", "PKCS#12 RC2"])
def test_no_passphrase(name: str, passphrase: str | None) -> None:
    """A locked key without a passphrase, or with an empty one, asks for another."""
    contents, _ = {**FORMS, **LEGACY}[name](ALICE)
    with pytest.raises(WrongPassphraseError):
        material(*contents).unlock(secret(passphrase), checks.utc_now())


RSA_KEY = rsa_key("numbers")
RSA = RSA_KEY.private_numbers()


def rsa_file(numbers: rsa.RSAPrivateNumbers) -> bytes:
    """Return an identity whose key has these numbers, whatever they are worth."""
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    issued = TWO_LEVELS.issue("alice", key=RSA_KEY)
    form = (Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return issued.cert_pem + issued.chain_pem + key.private_bytes(*form)


def altered(**changes: int) -> rsa.RSAPrivateNumbers:
    """Return the numbers of a good key, with these changed."""
    names = ("p", "q", "d", "dmp1", "dmq1", "iqmp")
    values = {name: changes.get(name, getattr(RSA, name)) for name in names}
    return rsa.RSAPrivateNumbers(**values, public_numbers=RSA.public_numbers)


@pytest.mark.parametrize("name", ["d", "dmp1", "dmq1", "iqmp"])
def test_rsa_numbers_that_do_not_fit(name: str) -> None:
    """A key with one number that does not fit the others is damaged."""
    data = rsa_file(altered(**{name: getattr(RSA, name) ^ 2}))
    with pytest.raises(IdentityError) as caught:
        opened(data)
    assert "is damaged" in caught.value.fact
    assert opened(rsa_file(altered())).kind.name == "RSA 2048"


def test_rsa_factor_that_is_no_prime() -> None:
    """A factor that is two primes is found: its numbers fit, but its signature does not verify."""
    first, second = (
        rsa.generate_private_key(
            public_exponent=65537, key_size=1024
        ).private_numbers()  # halves of a factor
        for _ in range(2)
    )
    p, q, e = first.p * second.p, RSA.q, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    with pytest.raises(IdentityError) as caught:
        opened(rsa_file(numbers))
    assert "is damaged" in caught.value.fact


# --- chains


def pems(*certificates: x509.Certificate) -> bytes:
    """Return the certificates as PEM."""
    return b"".join(found.public_bytes(Encoding.PEM) for found in certificates)


def test_two_leaves_for_the_key() -> None:
    """Two certificates for one key are an error that names both."""
    second = TWO_LEVELS.issue("alice renewed", key=ALICE.key)
    with pytest.raises(IdentityError) as caught:
        opened(second.cert_pem + ALICE.pem())
    assert "holds 2 certificates for the one key" in caught.value.fact
    for issued in (ALICE, second):
        serial = f"{issued.certificate.serial_number:x}"[:8]
        assert serial in caught.value.fact


def test_chain_of_a_leaf_below_the_root(tmp_path: Path) -> None:
    """A leaf that the root itself issued has no intermediates."""
    issued = ROOT.issue("direct")
    assert_hands_on(opened(ROOT.pem + issued.pem() + BOB.chain_pem), issued, tmp_path)


def test_self_signed_leaf(tmp_path: Path) -> None:
    """A self-signed certificate can be an identity."""
    root = Authority.create("self")
    issued = Issued(root.certificate, root.key, ())
    assert_hands_on(opened(issued.pem()), issued, tmp_path)


def test_cross_signed_intermediates() -> None:
    """The tool gets both certificates of an intermediate that two roots signed."""
    other = Authority.create("Other Root")
    lower = ROOT.intermediate("Lower")
    crossed = other.intermediate("Lower")
    builder = (
        x509.CertificateBuilder()
        .subject_name(lower.certificate.subject)
        .issuer_name(other.certificate.subject)
        .public_key(lower.key.public_key())
        .serial_number(7)
        .not_valid_before(crossed.certificate.not_valid_before_utc)
        .not_valid_after(crossed.certificate.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    cross = builder.sign(other.key, hashes.SHA256())
    issued = lower.issue("carol")
    found = opened(pems(cross) + issued.pem())
    assert found.leaf == issued.certificate
    assert set(found.intermediates) == {cross, lower.certificate}


def test_certificate_of_the_same_name_is_not_the_issuer() -> None:
    """An intermediate is known by its signature, not by its name alone."""
    impostor = Authority.create("x").intermediate("Lower")
    found = opened(pems(impostor.certificate) + ALICE.pem())
    assert found.intermediates == ALICE.chain


# --- ready


READY: dict[str, bytes] = {
    "plain": ALICE.pem(),
    "key first": ALICE.pem(order="key-leaf-chain"),
    "key in the middle": ALICE.pem(order="leaf-key-chain"),
    "CRLF": ALICE.pem().replace(b"\n", b"\r\n"),
    "text before": with_text(ALICE.pem()),
    "no end of line": ALICE.pem().rstrip(b"\n"),
    "PKCS#1": ISSUED["rsa"].cert_pem
    + ISSUED["rsa"].chain_pem
    + ISSUED["rsa"].key_pem(form="pkcs1"),
    "SEC1": ALICE.cert_pem + ALICE.chain_pem + ALICE.key_pem(form="sec1"),
    "blank lines between": ALICE.pem().replace(b"-----\n-----BEGIN", b"-----\n\n\n-----BEGIN"),
}

# Measured with uv 0.9.30 and 0.13.9 and with Python's ssl module: uv ignores each of the first
# ten, and goes on without an identity, or OpenSSL ends on it.
NOT_READY: dict[str, bytes] = {
    "indented": re.sub(rb"(?m)^", b"  ", ALICE.pem()),
    "BEGIN indented": ALICE.pem().replace(b"-----BEGIN", b" -----BEGIN"),
    "text before BEGIN": ALICE.pem().replace(b"-----BEGIN", b"pem: -----BEGIN"),
    "tab after the boundary": ALICE.pem().replace(b"-----\n", b"-----\t\n"),
    "boundaries on one line": ALICE.pem().replace(b"-----\n-----BEGIN", b"----------BEGIN"),
    "END on the last line": ALICE.pem().replace(b"\n-----END", b"-----END"),
    "END indented": ALICE.pem().replace(b"\n-----END", b"\n -----END"),
    "text after END": re.sub(rb"(END [A-Z ]+-----)", rb"\1 # end", ALICE.pem()),
    "a header within": ALICE.pem().replace(b"E-----\n", b"E-----\nComment: x\n\n"),
    "blank line before END": ALICE.pem().replace(b"\n-----END", b"\n\n-----END"),
    "chain backwards": ALICE.pem(order="leaf-niahc-key"),
    "chain first": ALICE.pem(order="chain-leaf-key"),
    "with the root": ALICE.pem() + ROOT.pem,
    "duplicate": ALICE.pem() + ALICE.cert_pem,
    "unrelated": ALICE.pem() + BOB.cert_pem,
    "BOM": codecs.BOM_UTF8 + ALICE.pem(),
    "UTF-16": ALICE.pem().decode().encode("utf-16"),
    "X509 CERTIFICATE": ALICE.pem().replace(b" CERT", b" X509 CERT"),
    "TRUSTED CERTIFICATE": trusted(ALICE),
    "PKCS#12": ALICE.p12(None),
}


@pytest.mark.parametrize("name", READY)
def test_ready(tmp_path: Path, name: str) -> None:
    """The tool gets the path of a file that is one unencrypted PEM in the right order."""
    path = tmp_path / "id.pem"
    path.write_bytes(READY[name])
    found = parse([(path, READY[name])]).unlock(None, checks.utc_now())
    assert found.ready == path
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path)


@pytest.mark.parametrize("name", NOT_READY)
def test_ready_only_when_every_tool_reads_it(tmp_path: Path, name: str) -> None:
    """A file that pip or uv would not read, or would read differently, is converted."""
    found = opened(NOT_READY[name])
    assert found.ready is None
    assert_hands_on(found, ALICE, tmp_path)


def test_two_files_are_never_ready() -> None:
    """Certificate and key in two files are joined."""
    assert opened(ALICE.cert_pem + ALICE.chain_pem, ALICE.key_pem()).ready is None


def test_locked_is_never_ready() -> None:
    """A file that had to be unlocked is never handed on by its path."""
    assert opened(ALICE.pem(PASSPHRASE), passphrase=PASSPHRASE).ready is None


# --- what cannot work


def der(pem: bytes) -> bytes:
    """Return what `openssl crl2pkcs7` makes of these certificates: PKCS#7, DER."""
    return pkcs7.serialize_certificates(x509.load_pem_x509_certificates(pem), Encoding.DER)


def openssh() -> bytes:
    """Return the key in OpenSSH's own form."""
    return ALICE.key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def dsa_key() -> bytes:
    """Return a key that signs for no TLS."""
    key = dsa.generate_private_key(key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def request() -> bytes:
    """Return a certificate request, DER."""
    name = x509.Name([])
    found = (
        x509.CertificateSigningRequestBuilder().subject_name(name).sign(ALICE.key, hashes.SHA256())
    )
    return found.public_bytes(Encoding.DER)


def damaged(data: bytes) -> bytes:
    """Return DER with nothing but zeros in the place of its last element."""
    outer = element(data)
    *_, last = children(outer.content)
    return data[: -len(last.content)] + bytes(len(last.content))


REFUSED: list[tuple[str, tuple[bytes, ...], str]] = [
    ("empty", (b"",), "/pki/file1 is empty"),
    ("blank", (b" \n\t\n",), "/pki/file1 is empty"),
    ("empty key file", (ALICE.cert_pem, b""), "/pki/file2 is empty"),
    ("garbage", (b"garbage",), "/pki/file1 is neither PEM, DER nor PKCS#12"),
    ("random", (os.urandom(2000),), "/pki/file1 is "),
    ("no key", (ALICE.cert_pem + ALICE.chain_pem,), "/pki/file1 has no private key"),
    ("no certificate", (ALICE.key_pem(),), "/pki/file1 has no certificate, only a key"),
    ("no certificate, locked", (ALICE.key_pem("x"),), "/pki/file1 has no certificate, only a key"),
    ("two keys", (ALICE.pem() + BOB.key_pem(),), "/pki/file1 holds 2 private keys"),
    (
        "a key in each file",
        (ALICE.pem(), BOB.key_pem()),
        "/pki/file1 and /pki/file2 holds 2 private keys",
    ),
    ("two locked keys", (ALICE.pem("x") + BOB.key_pem("x"),), "/pki/file1 holds 2 private keys"),
    (
        "key of another",
        (ALICE.cert_pem + BOB.key_pem(),),
        "the private key does not belong to the certificate in /pki/file1: CN=alice ec",
    ),
    (
        "key of another in a file of its own",
        (ALICE.cert_pem, BOB.key_pem()),
        "the private key does not belong to the certificate in /pki/file1 and /pki/file2",
    ),
    (
        "key of the issuer",
        (ALICE.cert_pem + TWO_LEVELS.issue("x").key_pem(),),
        "the private key does not belong",
    ),
    ("truncated PEM", (ALICE.pem()[:-40],), "/pki/file1 is cut off"),
    (
        "truncated certificate",
        (ALICE.pem().replace(ALICE.cert_pem[200:400], b""),),
        "/pki/file1, block 1 is",
    ),
    ("truncated DER", (ALICE.cert_der[:-10], ALICE.key_pem()), "/pki/file1 is neither PEM, DER"),
    (
        "truncated key",
        (ALICE.cert_pem, ALICE.key_der()[:-10]),
        "/pki/file2 is neither PEM, DER nor PKCS#12, or it is cut off",
    ),
    (
        "truncated PKCS#12",
        (ALICE.p12(None)[:-30],),
        "/pki/file1 is neither PEM, DER nor PKCS#12, or it is cut off",
    ),
    ("damaged key", (ALICE.cert_pem, damaged(ALICE.key_der())), "the private key in /pki/file2 is"),
    ("damaged PKCS#12", (damaged(ALICE.p12(None)),), "/pki/file1 is PKCS#12, but damaged"),
    ("not base64", (ALICE.pem().replace(b"MII", b"M!I"),), "/pki/file1, block 1 is damaged"),
    ("Java keystore", (b"\xfe\xed\xfe\xed\0\0\0\2",), "/pki/file1 is a Java keystore"),
    ("JCEKS", (b"\xce\xce\xce\xce\0\0\0\2",), "/pki/file1 is a Java keystore"),
    ("PKCS#7", (der(ALICE.cert_pem),), "/pki/file1 is PKCS#7"),
    (
        "PKCS#7 PEM",
        (b"-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n" + ALICE.key_pem(),),
        "/pki/file1, block 1 is PKCS#7",
    ),
    (
        "OpenSSH",
        (ALICE.cert_pem + openssh(),),
        "/pki/file1, block 2 is a key in OpenSSH's own form",
    ),
    ("OpenSSH in a file of its own", (ALICE.cert_pem, openssh()), "/pki/file2 is a key in OpenSSH"),
    ("DSA", (ALICE.cert_pem + dsa_key(),), "the private key in /pki/file1, block 2 is of kind DSA"),
    ("request", (request(), ALICE.key_pem()), "/pki/file1 is not an X.509 certificate"),
    (
        "SSH public key",
        (b"ssh-ed25519 AAAA alice\n",),
        "/pki/file1 is neither PEM, DER nor PKCS#12",
    ),
    (
        "PGP",
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nxxx\n-----END PGP PRIVATE KEY BLOCK-----\n",),
        "/pki/file1 is a `PGP PRIVATE KEY BLOCK`, which is neither",
    ),
    (
        "public key alone",
        (b"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",),
        "/pki/file1 has no private key",
    ),
    (
        "PKCS#12 without key",
        (
            pkcs12.serialize_key_and_certificates(
                None, None, ALICE.certificate, None, NoEncryption()
            ),
        ),
        "/pki/file1 has no private key",
    ),
    (
        "PKCS#12 without certificate",
        (pkcs12.serialize_key_and_certificates(None, ALICE.key, None, None, NoEncryption()),),
        "/pki/file1 has no certificate",
    ),
    (
        "PKCS#12 beside the key of another",
        (ALICE.p12(None), BOB.key_pem()),
        "/pki/file1 and /pki/file2 holds 2 private keys",
    ),
]


@pytest.mark.parametrize(("name", "contents", "fact"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(name: str, contents: tuple[bytes, ...], fact: str) -> None:
    """An identity that cannot work is an error with file and reason, not a wrong passphrase."""
    del name
    with pytest.raises(IdentityError) as caught:
        opened(*contents, passphrase=None)
    assert not isinstance(caught.value, WrongPassphraseError)
    assert caught.value.fact.startswith(fact)
    assert caught.value.status == 125


def test_pkcs12_with_its_key_once_more(tmp_path: Path) -> None:
    """The same key in PKCS#12 and in a file of its own counts once."""
    assert_hands_on(opened(ALICE.p12(None), ALICE.key_pem()), ALICE, tmp_path)


def test_certificate_and_key_as_der(tmp_path: Path) -> None:
    """A single certificate in DER with its key in DER is enough."""
    issued = ROOT.issue("alone")
    assert_hands_on(opened(issued.cert_der, issued.key_der()), issued, tmp_path)


def camellia() -> bytes:
    """Return the key as PKCS#8 that only OpenSSL can decrypt."""
    command = f"openssl pkcs8 -topk8 -v2 camellia-128-cbc -passout env:{PASS_IN}"
    return subprocess.run(
        command.split(),
        input=ALICE.key_pem(),
        env={**os.environ, PASS_IN: PASSPHRASE},
        capture_output=True,
        check=True,
    ).stdout


PASS_IN = "TEST_PASSPHRASE"


@pytest.mark.parametrize("form", ["Proc-Type", "PKCS#8"])
def test_unsupported_encryption(form: str) -> None:
    """A key that is encrypted in an unsupported way does not ask for another passphrase."""
    data = camellia() if form == "PKCS#8" else legacy(ALICE).replace(b"AES-256", b"ROT-130")
    with pytest.raises(IdentityError, match="encrypted in a way that is not supported") as caught:
        material(ALICE.cert_pem + data).unlock(secret(PASSPHRASE), checks.utc_now())
    assert not isinstance(caught.value, WrongPassphraseError)


# --- the checks


CHECKED: list[tuple[str, Issued, str | None]] = [
    ("expired", ROOT.issue("x", starts=-10, days=-2), "expired on "),
    ("not yet", ROOT.issue("x", starts=2, days=10), "is valid only from "),
    ("version 1", ROOT.issue("x", version=1), "is X.509 v1; uv accepts only v3"),
    (
        "server",
        ROOT.issue("x", eku="server"),
        "is not for client authentication: its extended key usage is serverAuth",
    ),
    ("client", ROOT.issue("x", eku="client"), None),
    ("any", ROOT.issue("x", eku="any"), None),
    ("no usage", ROOT.issue("x", eku=None), None),
    ("ends today", ROOT.issue("x", days=0.01), None),
    ("since a minute", ROOT.issue("x", starts=-0.0005), None),
]


def checked(held: KeyMaterial) -> None:
    """Check what shows before a passphrase is asked for."""
    held.check_early(checks.utc_now())


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
@pytest.mark.parametrize(("name", "issued", "fact"), CHECKED, ids=[row[0] for row in CHECKED])
def test_checks(name: str, issued: Issued, fact: str | None, passphrase: str | None) -> None:
    """A certificate that no server accepts is an error, if possible before any question."""
    del name
    held = material(issued.pem(passphrase))
    if fact is None:
        held.check_early(checks.utc_now())
        assert held.unlock(secret(passphrase), checks.utc_now()).leaf == issued.certificate
        return
    with pytest.raises(IdentityError) as caught:
        checked(held) if passphrase is not None else held.unlock(None, checks.utc_now())
    assert fact in caught.value.fact
    assert "CN=x" in caught.value.fact
    assert caught.value.hint


def test_checks_of_locked_pkcs12() -> None:
    """A certificate in a locked PKCS#12 is checked as soon as that is unlocked."""
    issued = ROOT.issue("x", starts=-10, days=-2)
    with pytest.raises(IdentityError, match="expired on "):
        opened(issued.p12(PASSPHRASE), passphrase=PASSPHRASE)


def test_validity_is_told_by_the_given_clock() -> None:
    """A certificate is valid at its first and last second, and not a second beyond."""
    issued = ROOT.issue("x", days=5)
    held = material(issued.pem())
    begins = issued.certificate.not_valid_before_utc
    ends = issued.certificate.not_valid_after_utc
    for now in (begins, ends):
        held.unlock(None, now)
    for now in (begins - timedelta(seconds=1), ends + timedelta(seconds=1)):
        with pytest.raises(IdentityError):
            held.unlock(None, now)


DAY = 86400


@pytest.mark.parametrize(
    ("life", "days", "ahead"),
    [
        (365 * DAY, 14, 14 * DAY),
        (15 * DAY, 14, 14 * DAY),
        (14 * DAY, 14, 14 * DAY),
        (14 * DAY - 3, 14, 14 * DAY / 3 - 1),
        (DAY, 14, DAY / 3),  # the last eight hours
        (3600, 14, 1200),
        (0, 14, 0),
        (DAY, 1, DAY),
        (DAY, 0, 0),
    ],
)
def test_when_a_notice_is_due(life: int, days: int, ahead: float) -> None:
    """A notice is due within the days of the setting, or in the last third of a shorter life."""
    begins = 1_700_000_000
    assert validity.notice_due_at(begins, begins + life, days) == begins + life - ahead


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=14, seconds=1), None),
        (timedelta(days=14), "expires in 14 days"),
        (timedelta(days=13, hours=5), "expires in 13 days"),
        (timedelta(days=1), "expires in 1 day,"),
        (timedelta(hours=5), "expires in 5 hours"),
        (timedelta(minutes=1), "expires in 1 minute,"),
        (timedelta(seconds=3), "expires in less than a minute"),
    ],
)
def test_expiry_notice(left: timedelta, words: str | None) -> None:
    """Once it is due, the notice names the certificate, its file and the time that is left."""
    leaf = ALICE.certificate
    notice = checks.expiry_notice(leaf, "/pki/a.pem", leaf.not_valid_after_utc - left, 14)
    if words is None:
        assert notice is None
    else:
        assert notice is not None
        assert words in notice
        assert "/pki/a.pem" in notice
        assert "CN=alice" in notice


def test_expiry_notice_of_a_short_life() -> None:
    """A certificate of a day gets its notice in its last eight hours."""
    leaf = ROOT.issue("x", starts=0, days=1).certificate
    ends = leaf.not_valid_after_utc
    for hours, is_due in ((23, False), (8.01, False), (7.99, True), (1, True)):
        notice = checks.expiry_notice(leaf, "x.pem", ends - timedelta(hours=hours), 14)
        assert (notice is not None) is is_due, hours


# --- files


def test_gather(tmp_path: Path) -> None:
    """The files of a profile are read and named together."""
    certificate, key = tmp_path / "a.pem", tmp_path / "a.key"
    certificate.write_bytes(ALICE.cert_pem + ALICE.chain_pem)
    key.write_bytes(ALICE.key_pem(PASSPHRASE))
    held = gather(profile(client_cert=certificate, client_key=key))
    assert held is not None
    assert held.where == f"{certificate} and {key}"
    assert held.locked
    assert held.unlock(secret(PASSPHRASE), checks.utc_now()).leaf == ALICE.certificate
    assert gather(profile()) is None


def test_source(tmp_path: Path) -> None:
    """The files of a profile are read, each once."""
    certificate, key = tmp_path / "a.pem", tmp_path / "a.key"
    certificate.write_bytes(ALICE.cert_pem)
    key.write_bytes(ALICE.key_pem())
    found = source.read(profile(client_cert=certificate, client_key=key))
    assert found == [(certificate, ALICE.cert_pem), (key, ALICE.key_pem())]
    assert source.read(profile()) == []


def test_key_in_the_certificate_s_file(tmp_path: Path) -> None:
    """A client-key that names the certificate's file counts as that one file."""
    path = tmp_path / "a.pem"
    path.write_bytes(ALICE.pem())
    held = gather(profile(client_cert=path, client_key=path))
    assert held is not None
    assert held.unlock(None, checks.utc_now()).ready == path


def test_digest_is_of_the_bytes() -> None:
    """The digest depends on every byte and on the file that holds it."""
    digests = {
        material(*contents).digest
        for contents in (
            (ALICE.cert_pem, ALICE.key_pem()),
            (ALICE.key_pem(), ALICE.cert_pem),
            (ALICE.cert_pem + ALICE.key_pem(),),
            (ALICE.cert_pem, ALICE.key_pem() + b"\n"),
        )
    }
    assert len(digests) == 4
    assert material(ALICE.pem()).digest == material(ALICE.pem()).digest


def unusable(tmp_path: Path, kind: str) -> Path:
    """Return a path at which no file can be read."""
    path = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "dangling":
        path.symlink_to("nowhere")
    elif kind == "huge":
        path.write_bytes(b"x" * (2 * 1024 * 1024))
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "No such file or directory"),
        ("dangling", "No such file or directory"),
        ("fifo", "it is not a regular file"),
        ("directory", "Is a directory"),
        ("huge", "is larger than 1024 KiB"),
    ],
)
@pytest.mark.parametrize("name", ["client-cert", "client-key"])
def test_unreadable(tmp_path: Path, kind: str, words: str, name: str) -> None:
    """A file that cannot be read is an error with the reason and the setting that names it."""
    path = unusable(tmp_path, kind)
    good = tmp_path / "good.pem"
    good.write_bytes(ALICE.pem())
    given = profile(client_cert=path)
    if name == "client-key":
        given = profile(client_cert=good, client_key=path)
    with pytest.raises(IdentityError) as caught:
        gather(given)
    assert str(path) in caught.value.fact
    assert words in caught.value.fact
    assert f"`{name}` at the test" in caught.value.fact


def test_nothing_secret_in_words() -> None:
    """The repr of material and identity shows nothing of the key."""
    held = material(ALICE.pem())
    found = held.unlock(None, checks.utc_now())
    shown = f"{held!r} {found!r} {held.keys!r}".encode()
    for trace in ALICE.traces:
        assert trace not in shown
        assert repr(trace).encode() not in shown
    assert b"\\x30" not in shown


def test_legacy_passphrase_of_bytes() -> None:
    """A passphrase that is not UTF-8 opens its key."""
    odd = b"\xff\xfe passphrase"
    data = ALICE.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(odd))
    found = material(ALICE.cert_pem + data).unlock(Secret(odd), checks.utc_now())
    assert found.leaf == ALICE.certificate


def test_new_key_is_made_for_every_test() -> None:
    """The test authority makes a new key each time, so a mismatch is real."""
    assert make_key("ec") != make_key("ec")
