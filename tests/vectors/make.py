"""Write the vectors that are missing, and the index: `python -m tests.vectors.make`.

Keys, serial numbers and dates are the same each time, and so are the signatures. What encrypts has
random salts, and openssl makes RSA and DSA keys at random: these files stay as they are once made.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import re
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mtls_run.identity import der
from mtls_run.identity.pem import to_pem
from tests.pki import Issued, PrivateKey, version_1

FOLDER = Path(__file__).parent
WORKS = "works"
PASSPHRASE = "secret pass 1"
LONG = (2026, 2099)
USAGES = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}
CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {
    "p256": ec.SECP256R1,
    "p384": ec.SECP384R1,
    "p521": ec.SECP521R1,
    "k256": ec.SECP256K1,
}
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"


# --- keys and certificates


def openssl(*words: str, given: bytes = b"") -> bytes:
    """Return what openssl prints."""
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True).stdout


def key_of(name: str) -> PrivateKey:
    """Return the key of this name, which begins with its kind: the same key each time."""
    kind = name.partition(" ")[0]
    seed = hashlib.sha256(name.encode()).digest()
    if kind in CURVES:
        return ec.derive_private_key(int.from_bytes(seed, "big") >> 1, CURVES[kind]())
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    if kind == "ed448":
        return ed448.Ed448PrivateKey.from_private_bytes(seed + seed[:25])
    path = FOLDER / f"{name.replace(' ', '-')}.key"
    if not path.exists():
        size = name.rpartition(" ")[2]
        path.write_bytes(openssl("genrsa", size))
    found = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(found, rsa.RSAPrivateKey)
    return found


def named(name: str) -> x509.Name:
    """Return the distinguished name of a vector's subject."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate(
    subject: str,
    key: PrivateKey,
    issuer: str,
    issuer_key: PrivateKey,
    *,
    years: tuple[int, int] = LONG,
    ca: bool = False,
    eku: str | None = "client",
    plain: bool = False,
) -> x509.Certificate:
    """Return a certificate: the same bytes each time."""
    begin, end = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in years)
    serial = hashlib.sha256(f"{subject} {issuer} {years}".encode()).digest()[:16]
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(int.from_bytes(serial, "big") >> 1)
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    if not plain:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), True)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(own, False).add_extension(above, False)
        if ca:
            builder = builder.add_extension(x509.KeyUsage(*_SIGNS), True)
        elif eku is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([USAGES[eku]]), False)
    if isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        return builder.sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=True)
    return builder.sign(issuer_key, None)


_SIGNS = (False, False, False, False, False, True, True, False, False)
ROOT_KEY, UPPER_KEY, LOWER_KEY = (key_of(f"p256 {name}") for name in ("root", "upper", "lower"))
ROOT = certificate("Root", ROOT_KEY, "Root", ROOT_KEY, ca=True)
UPPER = certificate("Upper", UPPER_KEY, "Root", ROOT_KEY, ca=True)
LOWER = certificate("Lower", LOWER_KEY, "Upper", UPPER_KEY, ca=True)
ROOT_PEM = ROOT.public_bytes(Encoding.PEM)


def issued(
    name: str = "alice",
    key: str = "p256 alice",
    years: tuple[int, int] = LONG,
    eku: str | None = "client",
) -> Issued:
    """Return an identity below two intermediates."""
    private = key_of(key)
    leaf = certificate(name, private, "Lower", LOWER_KEY, years=years, eku=eku)
    return Issued(leaf, private, (LOWER, UPPER))


ALICE, BOB = issued(), issued("bob", "p256 bob")
RSA, SHORT = issued("alice rsa", "rsa 2048"), issued("alice short", "rsa 1024")
EDWARDS = issued("alice ed25519", "ed25519")


def locked_by_openssl(key: bytes, *options: str) -> bytes:
    """Return the key as `openssl pkcs8 -topk8` encrypts it."""
    return openssl("pkcs8", "-topk8", "-passout", f"pass:{PASSPHRASE}", *options, given=key)


def traditional(one: Issued) -> bytes:
    """Return the key as DER in its kind's own form."""
    return one.key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def with_text(data: bytes) -> bytes:
    """Return the PEM with the lines that `openssl pkcs12` writes before each block."""
    text = b"Bag Attributes\n    friendlyName: -----alice-----\nsubject=/CN=alice \xe9\n\n"
    return data.replace(b"-----BEGIN ", text + b"-----BEGIN ") + b"\nthe end"


def trusted() -> bytes:
    """Return the identity with the leaf as OpenSSL's TRUSTED CERTIFICATE."""
    options = ("-trustout", "-addtrust", "clientAuth", "-setalias", "alice")
    leaf = openssl("x509", *options, given=ALICE.cert_pem)
    return leaf + ALICE.chain_pem + ALICE.key_pem()


def request() -> bytes:
    """Return a certificate request, DER."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(named("alice"))
    assert isinstance(ALICE.key, ec.EllipticCurvePrivateKey)
    return builder.sign(ALICE.key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(
        Encoding.DER
    )


def version_1_identity() -> Issued:
    """Return an identity whose certificate is X.509 v1."""
    plain = certificate("alice v1", ALICE.key, "Lower", LOWER_KEY, plain=True)
    return Issued(version_1(plain, LOWER_KEY), ALICE.key, (LOWER, UPPER))


def damaged_rsa() -> bytes:
    """Return an identity with an RSA key one of whose numbers does not fit the others."""
    assert isinstance(RSA.key, rsa.RSAPrivateKey)
    good = RSA.key.private_numbers()
    numbers = rsa.RSAPrivateNumbers(
        good.p, good.q, good.d ^ 2, good.dmp1, good.dmq1, good.iqmp, good.public_numbers
    )
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    form = (Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return RSA.cert_pem + RSA.chain_pem + key.private_bytes(*form)


def dsa_key() -> bytes:
    """Return a DSA key, which signs for no TLS."""
    key = dsa.generate_private_key(2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def version_2(key: ed25519.Ed25519PrivateKey) -> bytes:
    """Return the key as PKCS#8 of version 2, with its public half (RFC 5958), as ring writes it."""
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = der.encode(0x81, b"\0" + key.public_key().public_bytes_raw())
    return der.encode(der.SEQUENCE, b"\2\1\1" + der.element(plain).content[3:] + public)


def encrypted(plain: bytes) -> bytes:
    """Return PKCS#8 encrypted by openssl, which need not read it."""
    model = der.element(EDWARDS.key_der(LOCK)).content  # PBES2: PBKDF2, HMAC-SHA-256, AES-256-CBC
    algorithm, _data = der.children(model)
    derivation, cipher = der.children(der.children(algorithm.content)[1].content)
    salt, rounds, *_prf = der.children(der.children(derivation.content)[1].content)
    count = int.from_bytes(rounds.content, "big")
    key = hashlib.pbkdf2_hmac("sha256", LOCK.encode(), salt.content, count, 32).hex()
    vector = der.children(cipher.content)[1].content.hex()
    data = openssl("enc", "-aes-256-cbc", "-K", key, "-iv", vector, given=plain)
    content = model[: algorithm.after] + der.encode(der.OCTETS, data)
    return to_pem("ENCRYPTED PRIVATE KEY", der.encode(der.SEQUENCE, content))


def pss() -> bytes:
    """Return an identity with an encrypted key for RSA-PSS alone, with parameters."""
    options = ("rsa_keygen_bits:2048", "rsa_pss_keygen_md:sha256", "rsa_pss_keygen_mgf1_md:sha256")
    words = [word for option in options for word in ("-pkeyopt", option)]
    key = openssl(
        "genpkey", "-algorithm", "rsa-pss", *words, "-pkeyopt", "rsa_pss_keygen_saltlen:32"
    )
    request = ("-x509", "-key", "/dev/stdin", "-subj", "/CN=alice pss", "-days", "26000")
    leaf = openssl("req", *request, "-addext", "extendedKeyUsage=clientAuth", given=key)
    return leaf + locked_by_openssl(key)


def ciphered(*options: str) -> Make:
    """Return what makes an identity whose key `openssl pkcs8` encrypts by these options."""
    legacy = ("-provider", "default", "-provider", "legacy")
    return lambda: CHAIN + locked_by_openssl(A.key_pem(), *options, *legacy)


# --- the vectors: each with its verdicts and what makes its files

Make = Callable[[], bytes]


@dataclass(frozen=True)
class Made:
    """One vector: its name, its verdicts, and for each of its files the suffix and its maker."""

    name: str
    verdicts: dict[str, str]
    files: dict[str, Make]
    locked: bool = False

    def write(self) -> None:
        """Write the files that are missing."""
        for suffix, make in self.files.items():
            path = FOLDER / f"{self.name}{suffix}"
            if not path.exists():
                path.write_bytes(make())

    def table(self) -> str:
        """Return the table of the index."""
        files = ", ".join(f'"{self.name}{suffix}"' for suffix in self.files)
        lines = [f"[vectors.{self.name}]", f"files = [{files}]"]
        lines += [f'{who} = "{verdict}"' for who, verdict in self.verdicts.items()]
        lines += ["locked = true"] * self.locked
        return "\n".join(lines)


def works(
    name: str,
    make: Make,
    suffix: str = ".pem",
    *,
    locked: bool = False,
    uv: str = WORKS,
    key: Make | None = None,
) -> Made:
    """Return a vector that works for pip, and for uv unless a code says why not."""
    files = {suffix: make} if key is None else {suffix: make, ".key": key}
    return Made(name, {"pip": WORKS, "uv": uv}, files, locked)


def refused(
    name: str,
    code: str,
    make: Make,
    suffix: str = ".pem",
    *,
    locked: bool = False,
    key: Make | None = None,
) -> Made:
    """Return a vector that is refused, with this finding, whatever the tool."""
    files = {suffix: make} if key is None else {suffix: make, ".key": key}
    return Made(name, {"pip": code, "uv": code}, files, locked)


def ca(name: str, verdict: str, make: Make, suffix: str = ".pem") -> Made:
    """Return a file of CA certificates with its verdict."""
    return Made(name, {"ca": verdict}, {suffix: make})


def committed() -> bytes:
    """Stand for a file that openssl, or keytool (pkcs12-two-keys), made for this."""
    raise AssertionError("this file is missing from the repository")


NOT_AN_IDENTITY = "identity-unrecognised"
P12 = ".p12"
A, LOCK = ALICE, PASSPHRASE
CHAIN = A.cert_pem + A.chain_pem
assert isinstance(EDWARDS.key, ed25519.Ed25519PrivateKey)
V2 = version_2(EDWARDS.key)
PKCS8_V2 = to_pem("PRIVATE KEY", V2)
MANY = [
    # PEM that every tool reads as it stands.
    works("leaf-chain-key", A.pem),
    works("key-leaf-chain", lambda: A.pem(order="key-leaf-chain")),
    works("leaf-key-chain", lambda: A.pem(order="leaf-key-chain")),
    works("crlf", lambda: A.pem().replace(b"\n", b"\r\n")),
    works("text-between", lambda: with_text(A.pem())),
    works("no-end-of-line", lambda: A.pem().rstrip(b"\n")),
    works("ec-sec1", lambda: CHAIN + A.key_pem(form="sec1")),
    works("ec-sec1-parameters", lambda: CHAIN + PARAMETERS + A.key_pem(form="sec1")),
    works("rsa-pkcs1", lambda: RSA.cert_pem + RSA.chain_pem + RSA.key_pem(form="pkcs1")),
    works("openssl-plain", committed),
    # PEM that is put in order first.
    works("chain-backwards", lambda: A.pem(order="leaf-niahc-key")),
    works("key-chain-backwards-leaf", lambda: A.pem(order="key-niahc-leaf")),
    works("with-root", lambda: ROOT_PEM + A.pem()),
    works("duplicates", lambda: A.pem() + A.chain_pem + A.cert_pem + A.key_pem()),
    works("unrelated", lambda: BOB.cert_pem + A.pem()),
    works("bom", lambda: codecs.BOM_UTF8 + A.pem()),
    works("utf-16", lambda: A.pem().decode().encode("utf-16")),
    works("x509-certificate", lambda: A.pem().replace(b" CERT", b" X509 CERT")),
    works("trusted-certificate", trusted),
    works("indented", lambda: re.sub(rb"(?m)^", b"  ", A.pem())),
    works("text-after-end", lambda: re.sub(rb"(END [A-Z ]+-----)", rb"\1 # end", A.pem())),
    works("header-within", lambda: A.pem().replace(b"E-----\n", b"E-----\nComment: x\n\n")),
    # Files of their own.
    works("separate", lambda: CHAIN, key=A.key_pem),
    works("separate-locked", lambda: CHAIN, key=lambda: A.key_pem(LOCK), locked=True),
    works("chain-beside-key", lambda: A.cert_pem, key=lambda: A.key_pem() + A.chain_pem),
    works("der", lambda: A.cert_der, ".der", key=A.key_der),
    works("der-sec1", lambda: CHAIN, key=lambda: traditional(A)),
    works("der-pkcs1", lambda: RSA.cert_pem, key=lambda: traditional(RSA)),
    works("der-locked", lambda: CHAIN, key=lambda: A.key_der(LOCK), locked=True),
    # Encrypted keys.
    works("locked", lambda: A.pem(LOCK), locked=True),
    works("locked-first", lambda: A.pem(LOCK, "key-chain-leaf"), locked=True),
    works("locked-crlf", lambda: A.pem(LOCK).replace(b"\n", b"\r\n"), locked=True),
    works("locked-scrypt", lambda: CHAIN + locked_by_openssl(A.key_pem(), "-scrypt"), locked=True),
    works(
        "locked-pbes1",
        lambda: CHAIN + locked_by_openssl(A.key_pem(), "-v1", "PBE-SHA1-3DES"),
        locked=True,
    ),
    works("proc-type", lambda: CHAIN + A.key_pem(LOCK, "legacy"), locked=True),
    works(
        "proc-type-rsa",
        lambda: RSA.cert_pem + RSA.chain_pem + RSA.key_pem(LOCK, "legacy"),
        locked=True,
    ),
    works("pkcs8-version-2", lambda: EDWARDS.cert_pem + PKCS8_V2),
    works("pkcs8-version-2-locked", lambda: EDWARDS.cert_pem + encrypted(V2), locked=True),
    works("rsa-pss-locked", pss, uv="identity-key-kind", locked=True),
    works("locked-rc2-40", ciphered("-v2", "rc2-40-cbc"), locked=True),
    *(
        refused(f"cipher-{name.lower()}", NOT_AN_IDENTITY, ciphered(option, name), locked=True)
        for option, name in (
            *(("-v2", f"{cipher}-256-cbc") for cipher in ("camellia", "aria")),
            *(("-v2", f"aes-256-{mode}") for mode in ("cfb", "ofb", "ecb")),
            *(("-v2", cipher) for cipher in ("des", "bf", "cast5-cbc", "seed", "sm4", "rc4")),
            *(("-v1", cipher) for cipher in ("PBE-SHA1-RC4-40", "PBE-SHA1-2DES")),
        )
    ),
    # PKCS#12.
    refused("pkcs12-two-keys", "identity-ambiguous", committed, P12, locked=True),
    works("pkcs12", lambda: A.p12(LOCK), P12, locked=True),
    works("pkcs12-3des", lambda: A.p12(LOCK, "3des"), P12, locked=True),
    works("pkcs12-rc2", lambda: A.p12(LOCK, "rc2"), P12, locked=True),
    works("pkcs12-open", lambda: A.p12(None), P12),
    works("pkcs12-empty-passphrase", lambda: A.p12("", "rc2"), P12),
    works("pkcs12-rsa", lambda: RSA.p12(LOCK), P12, locked=True),
    # Kinds of keys.
    works("rsa-2048", RSA.pem),
    works("ed25519", EDWARDS.pem),
    works("ed25519-locked", lambda: EDWARDS.pem(LOCK), locked=True),
    works("p384", issued("alice p384", "p384").pem),
    works("p521", issued("alice p521", "p521").pem),
    works("rsa-1024", SHORT.pem, uv="identity-key-kind"),
    works("secp256k1", issued("alice k256", "k256").pem, uv="identity-key-kind"),
    works("ed448", issued("alice ed448", "ed448").pem, uv="identity-key-kind"),
    # Extended key usage.
    works("no-usage", issued("alice any", eku=None).pem),
    refused("server-usage", "identity-not-for-clients", issued("web", eku="server").pem),
    # Validity and version.
    refused("expired", "identity-expired", issued("old", years=(2020, 2021)).pem),
    refused(
        "expired-pkcs12",
        "identity-expired",
        lambda: issued("old", years=(2020, 2021)).p12(LOCK),
        P12,
        locked=True,
    ),
    refused("not-yet-valid", "identity-not-yet-valid", issued("new", years=(2098, 2099)).pem),
    refused("version-1", "identity-version", lambda: version_1_identity().pem()),
    # Parts that are missing, or too many.
    refused("no-key", "identity-no-key", lambda: CHAIN),
    refused("no-certificate", "identity-no-certificate", A.key_pem),
    refused("two-keys", "identity-ambiguous", lambda: A.pem() + BOB.key_pem()),
    refused("two-locked-keys", "identity-ambiguous", lambda: A.pem(LOCK) + BOB.key_pem(LOCK)),
    refused(
        "two-certificates",
        "identity-ambiguous",
        lambda: issued("alice renewed").cert_pem + A.pem(),
    ),
    refused("key-of-another", "identity-key-mismatch", lambda: CHAIN + BOB.key_pem()),
    refused(
        "pkcs12-without-key",
        "identity-no-key",
        lambda: pkcs12.serialize_key_and_certificates(
            None, None, A.certificate, None, NoEncryption()
        ),
        P12,
    ),
    refused(
        "pkcs12-without-certificate",
        "identity-no-certificate",
        lambda: pkcs12.serialize_key_and_certificates(None, A.key, None, None, NoEncryption()),
        P12,
    ),
    # Files that are no identity.
    refused("empty", NOT_AN_IDENTITY, lambda: b""),
    refused("blank", NOT_AN_IDENTITY, lambda: b" \n\t\n"),
    refused("noise", NOT_AN_IDENTITY, lambda: bytes(range(256)) * 8, ".bin"),
    refused("cut-off", NOT_AN_IDENTITY, lambda: A.pem()[:-40]),
    refused("cut-certificate", NOT_AN_IDENTITY, lambda: A.pem().replace(A.cert_pem[200:400], b"")),
    refused("cut-der", NOT_AN_IDENTITY, lambda: A.cert_der[:-10], ".der", key=A.key_pem),
    refused("cut-key", NOT_AN_IDENTITY, lambda: A.cert_pem, key=lambda: A.key_der()[:-10]),
    refused("cut-pkcs12", NOT_AN_IDENTITY, lambda: A.p12(None)[:-30], P12),
    refused("not-base64", NOT_AN_IDENTITY, lambda: A.pem().replace(b"MII", b"M!I")),
    refused("damaged-rsa", NOT_AN_IDENTITY, damaged_rsa),
    refused("keystore", NOT_AN_IDENTITY, lambda: b"\xfe\xed\xfe\xed\0\0\0\2", ".jks"),
    refused(
        "pkcs7",
        NOT_AN_IDENTITY,
        lambda: pkcs7.serialize_certificates([A.certificate], Encoding.DER),
        ".p7b",
    ),
    works(
        "pkcs7-beside",
        lambda: A.cert_pem + A.key_pem() + pkcs7.serialize_certificates([*A.chain], Encoding.PEM),
    ),
    # Text that lost its line ends, or was encoded.
    refused("joined-by-backslash-n", NOT_AN_IDENTITY, lambda: A.pem().replace(b"\n", b"\\n")),
    refused("joined-by-blanks", NOT_AN_IDENTITY, lambda: A.pem().replace(b"\n", b" ")),
    refused("joined", NOT_AN_IDENTITY, lambda: A.pem().replace(b"\n", b"")),
    refused("lone-cr", NOT_AN_IDENTITY, lambda: A.pem().replace(b"\n", b"\r")),
    refused("base64-of-pem", NOT_AN_IDENTITY, lambda: base64.b64encode(A.pem()), ".txt"),
    refused("base64-of-pkcs12", NOT_AN_IDENTITY, lambda: base64.encodebytes(A.p12(LOCK)), ".txt"),
    refused(
        "openssh",
        NOT_AN_IDENTITY,
        lambda: (
            A.cert_pem + A.key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        ),
    ),
    refused("dsa", NOT_AN_IDENTITY, lambda: A.cert_pem + dsa_key()),
    refused("request", NOT_AN_IDENTITY, request, ".der", key=A.key_pem),
    refused("ssh-public-key", NOT_AN_IDENTITY, lambda: b"ssh-ed25519 AAAA alice\n", ".pub"),
    # CA certificates.
    ca("ca", WORKS, lambda: ROOT_PEM),
    ca("ca-der", WORKS, lambda: ROOT.public_bytes(Encoding.DER), ".der"),
    ca("ca-bundle", WORKS, lambda: ROOT_PEM + A.chain_pem),
    ca("ca-with-text", WORKS, lambda: with_text(ROOT_PEM)),
    ca("ca-crlf", WORKS, lambda: ROOT_PEM.replace(b"\n", b"\r\n")),
    ca("openssl-root", WORKS, committed),
    ca("openssl-issuing", WORKS, committed),
    ca(
        "ca-pkcs7-beside",
        WORKS,
        lambda: ROOT_PEM + pkcs7.serialize_certificates([UPPER], Encoding.PEM),
    ),
    ca("ca-empty", "ca-unrecognised", lambda: b""),
    ca("ca-key-alone", "ca-unrecognised", A.key_pem),
    ca("ca-cut-off", "ca-unrecognised", lambda: ROOT_PEM[:-40]),
    ca("ca-noise", "ca-unrecognised", lambda: bytes(range(256)) * 8, ".bin"),
    ca(
        "ca-pkcs7",
        "ca-unrecognised",
        lambda: pkcs7.serialize_certificates([ROOT], Encoding.DER),
        ".p7b",
    ),
]


def main() -> None:
    """Write what is missing, and the index."""
    for one in MANY:
        one.write()
    head = f'# Written by `python -m tests.vectors.make`.\npassphrase = "{PASSPHRASE}"\n'
    tables = [one.table() for one in MANY]
    (FOLDER / "index.toml").write_text("\n\n".join([head, *tables]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
