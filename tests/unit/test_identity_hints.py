"""What refuses an identity names the cause, and its hint mends the file when it is pasted."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from mtls_run.config.origin import Origin
from mtls_run.doctor.identity_report import IdentityReport
from mtls_run.errors import IdentityError, RootsError, WrongPassphraseError
from mtls_run.identity import chain, checks
from mtls_run.identity.material import parse
from mtls_run.net.tls import presentation_error
from mtls_run.roots import certificates
from mtls_run.secret import Secret
from tests.vectors.index import FOLDER, PASSPHRASE, VECTORS
from tests.vectors.make import ALICE, EDWARDS, LOWER, ROOT, UPPER

if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.identity.material import Identity

CIPHERS = {
    "cipher-camellia-256-cbc": "Camellia-256-CBC (1.2.392.200011.61.1.1.1.4)",
    "cipher-aria-256-cbc": "ARIA-256-CBC (1.2.410.200046.1.1.12)",
    "cipher-aes-256-cfb": "AES-256-CFB (2.16.840.1.101.3.4.1.44)",
    "cipher-aes-256-ofb": "AES-256-OFB (2.16.840.1.101.3.4.1.43)",
    "cipher-aes-256-ecb": "AES-256-ECB (2.16.840.1.101.3.4.1.41)",
    "cipher-des": "DES-CBC (1.3.14.3.2.7)",
    "cipher-bf": "Blowfish-CBC (1.3.6.1.4.1.3029.1.2)",
    "cipher-cast5-cbc": "CAST5-CBC (1.2.840.113533.7.66.10)",
    "cipher-seed": "SEED-CBC (1.2.410.200004.1.4)",
    "cipher-sm4": "SM4-CBC (1.2.156.10197.1.104.2)",
    "cipher-rc4": "RC4 (1.2.840.113549.3.4)",
    "cipher-pbe-sha1-rc4-40": "PBE-SHA1-RC4-40 (1.2.840.113549.1.12.1.2)",
    "cipher-pbe-sha1-2des": "PBE-SHA1-2DES (1.2.840.113549.1.12.1.4)",
}
JOINED = {
    "joined-by-backslash-n": r"the two characters `\n` where its lines should end",
    "joined-by-blanks": "blanks or nothing where its lines should end",
    "joined": "blanks or nothing where its lines should end",
    "lone-cr": "a lone CR where its lines should end",
    "base64-of-pem": "is base64 of a PEM file",
    "base64-of-pkcs12": "is base64 of a DER or PKCS#12 file",
}


def opened(path: Path) -> Identity:
    """Return the identity in the file, opened with the vectors' passphrase."""
    held = parse([(path, path.read_bytes())])
    return held.unlock(Secret(PASSPHRASE) if held.locked else None, checks.utc_now())


def placed(name: str, directory: Path) -> Path:
    """Return the path of a copy of the vector, which a shell has to have quoted."""
    (file,) = next(vector.files for vector in VECTORS if vector.name == name)
    (directory / "it's").mkdir()
    path = directory / "it's" / file
    shutil.copy(FOLDER / file, path)
    return path


def mended(name: str, directory: Path) -> tuple[str, Path]:
    """Return why the vector is refused, and the file that its hint made of it."""
    path = placed(name, directory)
    with pytest.raises(IdentityError) as caught:
        parse([(path, path.read_bytes())])  # nobody is asked for a passphrase before this
    assert not isinstance(caught.value, WrongPassphraseError)
    command = caught.value.hint.split(": ", 1)[1]
    asks = "openssl pkcs8 -topk8"
    answers = "-passin 'pass:secret pass 1' -passout 'pass:secret pass 1'"
    script = command.replace(asks, f"{asks} {answers}")
    subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    (made,) = set(path.parent.iterdir()) - {path}
    return caught.value.fact, made


@pytest.mark.parametrize("name", CIPHERS)
def test_unsupported_cipher(name: str, tmp_path: Path) -> None:
    """A cipher that is not read is named, and the hint encrypts the key by one that is."""
    fact, made = mended(name, tmp_path)
    assert fact.endswith(f"block 4 is encrypted in a way that is not supported: {CIPHERS[name]}")
    assert opened(made).leaf == ALICE.certificate


@pytest.mark.parametrize("name", JOINED)
def test_joined_lines_and_base64(name: str, tmp_path: Path) -> None:
    """What a CI's variable made of a file is named, and the hint restores the file."""
    fact, made = mended(name, tmp_path)
    assert fact.endswith(JOINED[name])
    assert opened(made).leaf == ALICE.certificate


def test_pkcs7_alone(tmp_path: Path) -> None:
    """PKCS#7 alone holds no key: the hint writes its certificates, from DER too."""
    fact, made = mended("pkcs7", tmp_path)
    assert "is PKCS#7, which holds certificates and no key" in fact
    assert x509.load_pem_x509_certificate(made.read_bytes()) == ALICE.certificate


def test_pkcs12_for_a_ca(tmp_path: Path) -> None:
    """A PKCS#12 file in the place of CA certificates gets the command that writes them."""
    path = placed("pkcs12-open", tmp_path)
    with pytest.raises(RootsError) as caught:
        certificates.read_added(path.read_bytes(), str(path), Origin("the test"))
    script = caught.value.hint.split(": ", 1)[1] + " -passin pass:"
    subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert b"-----BEGIN CERTIFICATE-----" in path.with_name(f"{path.name}.pem").read_bytes()


def test_cut_off_is_still_said() -> None:
    """A file that is cut off is not taken for one whose lines were joined."""
    path = FOLDER / "cut-off.pem"
    text = path.read_bytes() + b"\nsubject=/CN=alice of the works\n"
    with pytest.raises(IdentityError, match="is cut off"):
        parse([(path, text)])


def test_several_entries_of_pkcs12() -> None:
    """All keys of a PKCS#12 are named before a passphrase is asked for."""
    path = FOLDER / "pkcs12-two-keys.p12"
    with pytest.raises(IdentityError) as caught:
        parse([(path, path.read_bytes())])
    assert caught.value.fact == f"{path} holds 2 private keys: bob, alice"
    assert "-srcalias bob " in caught.value.hint


@pytest.mark.parametrize("name", ["pkcs8-version-2", "pkcs8-version-2-locked"])
def test_version_2_is_handed_on_as_version_1(name: str) -> None:
    """PKCS#8 of version 2 is read, and handed on as OpenSSL 3.0 reads it."""
    found = opened(FOLDER / f"{name}.pem")
    assert found.ready is None
    pem = found.exportable_pem().reveal()
    assert EDWARDS.key_pem() in pem


def test_wrong_passphrase_of_version_2() -> None:
    """A wrong passphrase stays one."""
    path = FOLDER / "pkcs8-version-2-locked.pem"
    with pytest.raises(WrongPassphraseError):
        parse([(path, path.read_bytes())]).unlock(Secret(b"wrong"), checks.utc_now())


def test_rsa_pss_stays_rsa_pss(tmp_path: Path) -> None:
    """A key for RSA-PSS alone keeps its algorithm and parameters, as OpenSSL asks of a pair."""
    found = opened(FOLDER / "rsa-pss-locked.pem")
    assert (found.kind.name, found.kind.rustls) == ("RSA-PSS 2048", False)
    pem = found.exportable_pem().reveal()
    show = ["openssl", "pkey", "-noout", "-text"]
    text = subprocess.run(show, input=pem, capture_output=True, check=True).stdout
    assert b"Minimum Salt Length: 32" in text
    client = IdentityReport(found).client
    assert client is not None
    assert presentation_error(client) is None  # nor does doctor's own TLS refuse it
    handed_on = tmp_path / "identity.pem"
    handed_on.write_bytes(pem)
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(handed_on)


def test_pkcs7_beside_certificates() -> None:
    """The certificates of a PKCS#7 block beside others are read, for identities and CAs."""
    assert opened(FOLDER / "pkcs7-beside.pem").intermediates == (LOWER, UPPER)
    data = (FOLDER / "ca-pkcs7-beside.pem").read_bytes()
    found = certificates.read_added(data, "ca.pem", Origin("the test"))
    assert found == [chain.der(ROOT), chain.der(UPPER)]
