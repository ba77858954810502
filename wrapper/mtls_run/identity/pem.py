"""Find certificates and keys in bytes: PEM, DER and PKCS#12, in any order.

This needs no passphrase. The bytes decide what a file is, and its name does not.
"""

from __future__ import annotations

import base64
import codecs
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from mtls_run.errors import IdentityError
from mtls_run.identity import der
from mtls_run.output.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

COPY_AGAIN = "copy the whole file again"
_PKCS12_VERSION = b"\x03"


class Kind(Enum):
    """What a block of a file holds."""

    CERTIFICATE = "certificate"
    KEY = "private key"
    LOCKED_KEY = "encrypted private key"
    PKCS12 = "PKCS#12"
    PKCS7 = "PKCS#7"
    OTHER = "other"


@dataclass(frozen=True)
class Block:
    """One certificate, key or PKCS#12, as DER, or as PEM where only PEM says how it is encrypted.

    `where` names the file and, where it has several, the block: `alice.pem, block 2`.
    """

    kind: Kind
    label: str
    content: bytes
    is_pem: bool
    where: str
    file: str

    def __repr__(self) -> str:
        return f"Block({self.kind.value}, {self.where})"


@dataclass(frozen=True)
class Blocks:
    """The blocks of one file; `plain` says that every tool reads its bytes as they are."""

    items: tuple[Block, ...]
    plain: bool


class Section(NamedTuple):
    """One PEM block as it stands in a text; `body` is None where no END line closes it.

    `line` is the rest of the BEGIN line, which holds all where the lines were joined.
    """

    label: str
    body: bytes | None
    line: bytes


_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 #]+)-----")
# The end of a BEGIN line.
_LINE_END = re.compile(rb"[ \t]*\r?\n")
# What variables, YAML and old editors leave of the ends of lines, and what mends it.
_JOINED = (
    (rb"\\[rn]", r"the two characters `\n`", "printf '%b\\n' \"$(cat {})\" > {}"),
    (rb"\r(?!\r*\n)", "a lone CR", "tr '\\r' '\\n' < {} > {}"),
    (
        rb"\A[ \t]*[A-Za-z0-9+/=]|[A-Za-z0-9+/=][ \t]+[A-Za-z0-9+/=]",
        "blanks or nothing",
        r"perl -0pe 's/\s*(-----[^-]+-----)\s*|\s+/\n$1\n/g; s/\n+/\n/g' {} > {}",
    ),
)
# The one way to write a block that every tool reads. uv ignores any other, and OpenSSL fails on it
# (uv 0.9.30, 0.13.9; OpenSSL 3.0: indented lines, a boundary that shares its line, blank lines and
# headers in the body). mtls-run converts such a file.
_CANONICAL = re.compile(
    rb"^-----BEGIN ([A-Z0-9 #]+)-----\r?\n(?:[A-Za-z0-9+/=]+\r?\n)+-----END \1-----\r?$",
    re.MULTILINE,
)
_CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY")
_PKCS7 = ("PKCS7", "PKCS #7 SIGNED DATA", "CMS")
# Labels of what may stand beside a key or certificate, and is ignored.
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
# Labels that every pip and uv reads (uv since 0.2.11).
_PLAIN_LABELS = ("CERTIFICATE", "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
# OneAsymmetricKey (RFC 5958), as Bouncy Castle and ring write it. uv reads it; OpenSSL 3.0, under
# pip, does not. So mtls-run hands on version 1.
_VERSION_2 = "PRIVATE KEY, version 2"
_JAVA_KEYSTORES = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")


def split(data: bytes, name: str) -> Blocks:
    """Return the blocks in `data`, the bytes of the file `name`.

    Raises IdentityError for a file that is empty, cut off, or of a form that is not accepted.
    """
    if not data.strip():
        raise IdentityError(f"{name} is empty", hint="name the file with the certificate")
    text = _without_bom(data)
    if b"-----BEGIN " in text:
        return _split_pem(text, name, untouched=text is data)
    within = _from_base64(text)
    if within is not None:
        what = "DER or PKCS#12" if within.startswith(b"\x30") else "PEM"
        raise IdentityError(
            f"{name} is base64 of a {what} file",
            hint=f"decode it: tr -d '\\r' < {quoted(name)} | base64 --decode "
            f"> {quoted(name + '.decoded')}",
        )
    return Blocks((_from_der(data, name),), plain=False)


def _from_base64(text: bytes) -> bytes | None:
    """Return the PEM, DER or PKCS#12 that `text` is base64 of, as variables of a CI hold it."""
    try:
        within = base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        return None
    found = b"-----BEGIN " in _without_bom(within) or within.startswith(b"\x30")
    return within if found else None


def _without_bom(data: bytes) -> bytes:
    for bom, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(bom):
            return data.decode(encoding, "replace").encode("utf-8")
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :]
    return data


def certificates(data: bytes, name: str) -> Iterator[Block]:
    """Return each certificate in a PEM file that is not damaged.

    A store of roots can hold hundreds, and one that is damaged must not hide the others.
    """
    for section in _sections(data):
        if section.label not in _CERTIFICATES or section.body is None:
            continue
        try:
            yield _from_pem(section.label, section.body, name, name)
        except IdentityError:
            continue


def _split_pem(text: bytes, name: str, *, untouched: bool) -> Blocks:
    sections = list(_sections(text))
    blocks = []
    for number, (label, body, line) in enumerate(sections, start=1):
        if body is None:
            _check_line_ends(line, name)
            raise IdentityError(
                f"{name} is cut off: a `-----BEGIN` line has no matching `-----END` line",
                hint=COPY_AGAIN,
            )
        where = name if len(sections) == 1 else f"{name}, block {number}"
        blocks.append(_from_pem(label, body, where, name))
    plain = (
        untouched
        and len(_CANONICAL.findall(text)) == len(blocks)
        and all(
            block.label in _PLAIN_LABELS and block.kind is not Kind.LOCKED_KEY for block in blocks
        )
    )
    return Blocks(tuple(block for block in blocks if block.kind is not Kind.OTHER), plain)


def _check_line_ends(text: bytes, name: str) -> None:
    """Raise IdentityError where the lines of a PEM file were joined, with the command for it."""
    file, new = quoted(name), quoted(f"{name}.new")
    for pattern, what, command in _JOINED:
        if re.search(pattern, text):
            raise IdentityError(
                f"{name} has {what} where its lines should end",
                hint=f"mend it: {command.format(file, new)}",
            )


def _sections(text: bytes) -> Iterator[Section]:
    """Return each PEM block in `text`.

    Each byte is looked at once: a file of BEGIN lines without an end must not cost a minute.
    """
    begin = _BEGIN.search(text)
    while begin is not None:
        following = _BEGIN.search(text, begin.end())
        end = following.start() if following else len(text)
        line_end = _LINE_END.match(text, begin.end(), end)
        last = text.find(b"-----END " + begin.group(1) + b"-----", begin.end(), end)
        start = line_end.end() if line_end else len(text)
        body = text[start:last] if start <= last else None
        line = text[begin.end() : end].partition(b"\n")[0]
        yield Section(begin.group(1).decode("ascii"), body, line)
        begin = following


def _from_pem(label: str, body: bytes, where: str, name: str) -> Block:
    if label == "OPENSSH PRIVATE KEY":
        raise IdentityError(
            f"{where} is a key in OpenSSH's own format",
            hint="convert it to PKCS#8: ssh-keygen -p -m PKCS8 -f KEY",
        )
    if label in _PASSED_OVER:
        return Block(Kind.OTHER, label, b"", is_pem=True, where=where, file=name)
    lines = [line.strip() for line in body.splitlines()]
    if any(line.startswith(b"Proc-Type:") and b"ENCRYPTED" in line for line in lines):
        # RFC 1421: the headers say how the key is encrypted.
        _check_initial_value(lines, where)
        begin, end = (f"-----{word} {label}-----".encode("ascii") for word in ("BEGIN", "END"))
        whole = b"\n".join([begin, *lines, end, b""])
        return Block(Kind.LOCKED_KEY, label, whole, is_pem=True, where=where, file=name)
    if label not in (*_CERTIFICATES, *_KEYS, *_PKCS7, "ENCRYPTED PRIVATE KEY"):
        raise IdentityError(
            f"{where} is a `{label}`, which is neither a certificate nor a key",
            hint="name a PEM, DER or PKCS#12 file of an X.509 certificate and its private key",
        )
    try:
        content = base64.b64decode(
            b"".join(line for line in lines if b":" not in line), validate=True
        )
        if label == "TRUSTED CERTIFICATE":  # OpenSSL's: what it is trusted for follows it
            content = content[: der.element(content).after]
    except ValueError:
        _check_line_ends(b"\n" + body, name)
        raise IdentityError(
            f"{where} is damaged: its text is not base64", hint=COPY_AGAIN
        ) from None
    if label in _CERTIFICATES:
        kind = Kind.CERTIFICATE
    elif label in _PKCS7:
        kind = Kind.PKCS7
    elif label == "ENCRYPTED PRIVATE KEY":
        kind = Kind.LOCKED_KEY
    else:
        return _key(label, content, where, name)
    return Block(kind, label, content, is_pem=False, where=where, file=name)


def _key(label: str, content: bytes, where: str, name: str) -> Block:
    """Return the block of an unencrypted key, as version 1 where it is PKCS#8 of version 2."""
    try:
        body = der.element(content).content
        version, algorithm, private, *_others = der.children(body)
    except ValueError:
        pass  # not PKCS#8, or damaged
    else:
        if (version.content, algorithm.tag, private.tag) == (b"\x01", der.SEQUENCE, der.OCTETS):
            label = _VERSION_2
            first = der.encode(der.INTEGER, b"\0") + body[version.after : private.after]
            content = der.encode(der.SEQUENCE, first)
    return Block(Kind.KEY, label, content, is_pem=False, where=where, file=name)


def _check_initial_value(lines: list[bytes], where: str) -> None:
    """Raise IdentityError where the initial value is not as long as a block of its cipher.

    cryptography 50.0 panics on one that is too short, and Rust writes that to stderr.
    """
    for line in lines:
        if line.startswith(b"DEK-Info:"):
            cipher, _, value = line[len(b"DEK-Info:") :].strip().partition(b",")
            size = 8 if cipher.startswith(b"DES") else 16
            if cipher.startswith((b"AES", b"DES")) and not re.fullmatch(
                rb"[0-9A-Fa-f]{%d}" % (2 * size), value.strip()
            ):
                raise IdentityError(
                    f"{where} is damaged: its `DEK-Info` does not fit its cipher", hint=COPY_AGAIN
                )


def _from_der(data: bytes, name: str) -> Block:
    if data.startswith(_JAVA_KEYSTORES):
        raise IdentityError(
            f"{name} is a Java keystore",
            hint="convert it to PKCS#12: keytool -importkeystore -srckeystore FILE "
            "-destkeystore FILE.p12 -deststoretype pkcs12",
        )
    try:
        outer = der.element(data)
        first, *others = der.children(outer.content) if outer.tag == der.SEQUENCE else []
    except ValueError:
        raise IdentityError(
            f"{name} is neither PEM, DER nor PKCS#12, or it is cut off",
            hint="copy the whole file again, as your PKI issued it",
        ) from None
    second = others[0].tag if others else 0
    if first.tag == der.OID:
        kind = Kind.PKCS7
    elif first.tag == der.INTEGER and second == der.SEQUENCE and first.content == _PKCS12_VERSION:
        kind = Kind.PKCS12
    elif first.tag == der.SEQUENCE and second == der.OCTETS:
        kind = Kind.LOCKED_KEY
    elif first.tag == der.SEQUENCE and second == der.SEQUENCE:
        kind = Kind.CERTIFICATE
    elif first.tag == der.INTEGER and second in (der.SEQUENCE, der.INTEGER, der.OCTETS):
        return _key("DER", data, name, name)
    else:
        raise IdentityError(
            f"{name} is DER, but neither a certificate, a key nor PKCS#12",
            hint="name the certificate's file as your PKI issued it",
        )
    return Block(kind, "DER", data, is_pem=False, where=name, file=name)


def to_pem(label: str, content: bytes) -> bytes:
    """Return a block of PEM."""
    text = base64.b64encode(content).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()
