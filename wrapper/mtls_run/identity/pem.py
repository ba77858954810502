"""Certificates and keys told from bytes: PEM, DER and PKCS#12, in any order.

Nothing here needs a passphrase, and nothing is decided by a file's name.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from dataclasses import dataclass
from enum import Enum

from mtls_run.errors import IdentityError
from mtls_run.identity.der import INTEGER, OCTETS, OID, SEQUENCE, first_element, first_two

COPY_AGAIN = "copy the whole file again"
PKCS12_VERSION = 3


class Kind(Enum):
    """What a block of a file holds."""

    CERTIFICATE = "certificate"
    KEY = "private key"
    LOCKED_KEY = "encrypted private key"
    PKCS12 = "PKCS#12"
    OTHER = "other"


@dataclass(frozen=True)
class Block:
    """One certificate, key or PKCS#12: its DER, or the PEM where only PEM can say it.

    `where` names the file and, where it has several, the block: `alice.pem, block 2`.
    """

    kind: Kind
    label: str
    content: bytes
    is_pem: bool
    where: str

    def __repr__(self) -> str:
        return f"Block({self.kind.value}, {self.where})"


@dataclass(frozen=True)
class Blocks:
    """The blocks of one file; `plain` tells that every tool reads its bytes as they are."""

    items: tuple[Block, ...]
    plain: bool


_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 #]+)-----")
# What ends the line that a block begins on.
_LINE_END = re.compile(rb"[ \t]*\r?\n")
# The one way of writing a block that every reader reads. uv passes over what deviates and goes on
# without it; OpenSSL ends (uv 0.9.30, 0.13.9; OpenSSL 3.0: indented lines, a boundary that shares
# its line, blank lines and headers in the body). Whatever deviates is converted.
_CANONICAL = re.compile(
    rb"^-----BEGIN ([A-Z0-9 #]+)-----\r?\n(?:[A-Za-z0-9+/=]+\r?\n)+-----END \1-----\r?$",
    re.MULTILINE,
)
_CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY")
# What stands beside a key or certificate without a meaning for it.
_PASSED_OVER = (
    "EC PARAMETERS",
    "DSA PARAMETERS",
    "DH PARAMETERS",
    "PUBLIC KEY",
    "RSA PUBLIC KEY",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
    "X509 CRL",
)
# Labels that every pip and uv reads where they stand (uv 0.2.11 on).
_PLAIN_LABELS = ("CERTIFICATE", "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
_JAVA_KEYSTORES = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")


def split(data: bytes, name: str) -> Blocks:
    """Return what `data`, the bytes of the file `name`, holds.

    Raises IdentityError for a file that is empty, cut off, or of a form that is not accepted.
    """
    if not data.strip():
        raise IdentityError(f"{name} is empty", hint="name the file with the certificate")
    text = _without_bom(data)
    if b"-----BEGIN " in text:
        return _split_pem(text, name, untouched=text is data)
    return Blocks((_from_der(data, name),), plain=False)


def _without_bom(data: bytes) -> bytes:
    for bom, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(bom):
            return data.decode(encoding, "replace").encode("utf-8")
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :]
    return data


def _split_pem(text: bytes, name: str, *, untouched: bool) -> Blocks:
    begun = list(_BEGIN.finditer(text))
    ends = [match.start() for match in begun[1:]] + [len(text)]
    blocks = []
    for number, (match, end) in enumerate(zip(begun, ends), start=1):
        where = name if len(begun) == 1 else f"{name}, block {number}"
        blocks.append(
            _from_pem(match.group(1).decode("ascii"), _body(text, match, end, name), where)
        )
    plain = (
        untouched
        and len(_CANONICAL.findall(text)) == len(blocks)
        and all(
            block.label in _PLAIN_LABELS and block.kind is not Kind.LOCKED_KEY for block in blocks
        )
    )
    return Blocks(tuple(block for block in blocks if block.kind is not Kind.OTHER), plain)


def _body(text: bytes, begun: re.Match[bytes], end: int, name: str) -> bytes:
    """Return what stands between a block's boundaries, the second of which comes before `end`.

    Each byte is looked at once: a file of boundaries without an end must not cost a minute.
    """
    line_end = _LINE_END.match(text, begun.end(), end)
    last = text.find(b"-----END " + begun.group(1) + b"-----", begun.end(), end)
    if line_end is None or last < line_end.end():
        raise IdentityError(
            f"{name} is cut off: a `-----BEGIN` line has no matching `-----END` line",
            hint=COPY_AGAIN,
        )
    return text[line_end.end() : last]


def _from_pem(label: str, body: bytes, where: str) -> Block:
    if label == "OPENSSH PRIVATE KEY":
        raise IdentityError(
            f"{where} is a key in OpenSSH's own form",
            hint="rewrite it as PKCS#8: ssh-keygen -p -m PKCS8 -f KEY",
        )
    if label in ("PKCS7", "PKCS #7 SIGNED DATA", "CMS"):
        raise _pkcs7(where)
    if label in _PASSED_OVER:
        return Block(Kind.OTHER, label, b"", is_pem=True, where=where)
    lines = [line.strip() for line in body.splitlines()]
    if any(line.startswith(b"Proc-Type:") and b"ENCRYPTED" in line for line in lines):
        # RFC 1421 headers: only the PEM says how the key is encrypted.
        _check_initial_value(lines, where)
        name = label.encode("ascii")
        whole = b"\n".join(
            [b"-----BEGIN " + name + b"-----", *lines, b"-----END " + name + b"-----"]
        )
        return Block(Kind.LOCKED_KEY, label, whole + b"\n", is_pem=True, where=where)
    if label not in (*_CERTIFICATES, *_KEYS, "ENCRYPTED PRIVATE KEY"):
        raise IdentityError(
            f"{where} is a `{label}`, which is neither a certificate nor a key",
            hint="accepted: PEM, DER and PKCS#12 of an X.509 certificate and its private key",
        )
    der = _decode(b"".join(line for line in lines if b":" not in line), where)
    if label in _CERTIFICATES:
        element = first_element(der) if label == "TRUSTED CERTIFICATE" else der
        if element is None:
            raise IdentityError(f"{where} is damaged: it is not DER", hint=COPY_AGAIN)
        return Block(Kind.CERTIFICATE, label, element, is_pem=False, where=where)
    if label == "ENCRYPTED PRIVATE KEY":
        return Block(Kind.LOCKED_KEY, label, der, is_pem=False, where=where)
    return Block(Kind.KEY, label, der, is_pem=False, where=where)


def _check_initial_value(lines: list[bytes], where: str) -> None:
    """Raise IdentityError for an initial value that is not as long as its cipher's block.

    cryptography panics on one that is too short, and Rust writes that to stderr (50.0).
    """
    for line in lines:
        if line.startswith(b"DEK-Info:"):
            cipher, _, value = line[len(b"DEK-Info:") :].strip().partition(b",")
            size = 8 if cipher.startswith(b"DES") else 16
            if cipher.startswith((b"AES", b"DES")) and not re.fullmatch(
                rb"[0-9A-Fa-f]{%d}" % (2 * size), value.strip()
            ):
                raise IdentityError(
                    f"{where} is damaged: its `DEK-Info` is not of its cipher", hint=COPY_AGAIN
                )


def _decode(body: bytes, where: str) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise IdentityError(
            f"{where} is damaged: its text is not base64", hint=COPY_AGAIN
        ) from None


def _from_der(data: bytes, name: str) -> Block:
    tags = first_two(data)
    if tags is None:
        if data.startswith(_JAVA_KEYSTORES):
            raise IdentityError(
                f"{name} is a Java keystore",
                hint="make it PKCS#12: keytool -importkeystore -srckeystore FILE "
                "-destkeystore FILE.p12 -deststoretype pkcs12",
            )
        raise IdentityError(
            f"{name} is neither PEM, DER nor PKCS#12",
            hint="name the certificate's file as it came from your PKI",
        )
    (first, number), second = tags
    if first == OID:
        raise _pkcs7(name)
    if first == INTEGER and second == SEQUENCE and number == PKCS12_VERSION:
        kind = Kind.PKCS12
    elif first == SEQUENCE and second == OCTETS:
        kind = Kind.LOCKED_KEY
    elif first == SEQUENCE and second == SEQUENCE:
        kind = Kind.CERTIFICATE
    elif first == INTEGER and second in (SEQUENCE, INTEGER, OCTETS):
        kind = Kind.KEY
    else:
        raise IdentityError(
            f"{name} is DER, but neither a certificate, a key nor PKCS#12",
            hint="name the certificate's file as it came from your PKI",
        )
    return Block(kind, "DER", data, is_pem=False, where=name)


def _pkcs7(where: str) -> IdentityError:
    return IdentityError(
        f"{where} is PKCS#7, which holds certificates and no key",
        hint="make it PEM: openssl pkcs7 -print_certs -in FILE -out certs.pem",
    )
