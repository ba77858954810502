"""Refuse a key whose cipher cryptography does not open, before a passphrase is asked for.

cryptography 45 to 50 reads encrypted PKCS#8 and RFC 1421 by itself and takes the algorithms of
`_OPENED`. Of any other it says so only when it is given a passphrase. PKCS#12 goes through OpenSSL,
which takes all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtls_run.errors import IdentityError
from mtls_run.identity import der
from mtls_run.output.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtls_run.identity.pem import Block

_PKCS, _NIST_AES = "1.2.840.113549", "2.16.840.1.101.3.4.1"
_PBES2, _PBKDF2, _SCRYPT = f"{_PKCS}.1.5.13", f"{_PKCS}.1.5.12", "1.3.6.1.4.1.11591.4.11"
_OPENED = frozenset(
    [
        # RFC 1421
        *("AES-128-CBC", "AES-256-CBC", "DES-EDE3-CBC"),
        # PBES1 and PKCS#12: MD5 with DES; SHA-1 with RC4, three-key 3DES, RC2 of 40 bits
        *(f"{_PKCS}.1.5.3", f"{_PKCS}.1.12.1.1", f"{_PKCS}.1.12.1.3", f"{_PKCS}.1.12.1.6"),
        # PBES2: derivations; HMAC with SHA-1, SHA-2; AES-CBC, 3DES, RC2
        *(_PBKDF2, _SCRYPT),
        *(f"{_PKCS}.2.{digest}" for digest in range(7, 12)),
        *(f"{_NIST_AES}.{size}" for size in (2, 22, 42)),
        *(f"{_PKCS}.3.7", f"{_PKCS}.3.2"),
    ]
)
_SIZES = (128, 192, 256)
# The names that openssl has for what `pkcs8 -topk8` writes.
_NAMES = {
    **{
        f"{arc}.{20 * number + last}": f"{name}-{size}-{mode}"
        for arc, name in ((_NIST_AES, "AES"), ("0.3.4401.5.3.1.9", "Camellia"))
        for number, size in enumerate(_SIZES)
        for last, mode in ((1, "ECB"), (3, "OFB"), (4, "CFB"), (6, "GCM"))
    },
    **{
        f"1.2.392.200011.61.1.1.1.{last}": f"Camellia-{size}-CBC"
        for last, size in enumerate(_SIZES, start=2)
    },
    **{
        f"1.2.410.200046.1.1.{5 * number + last}": f"ARIA-{size}-{mode}"
        for number, size in enumerate(_SIZES)
        for last, mode in enumerate(("ECB", "CBC", "CFB", "OFB", "CTR"), start=1)
    },
    **{
        f"1.2.156.10197.1.104.{last}": f"SM4-{mode}"
        for last, mode in enumerate(("ECB", "CBC", "OFB", "CFB"), start=1)
    },
    **{
        f"1.3.14.3.2.{last}": f"DES-{mode}"
        for last, mode in ((6, "ECB"), (7, "CBC"), (8, "OFB"), (9, "CFB"), (17, "EDE"))
    },
    "1.3.6.1.4.1.3029.1.2": "Blowfish-CBC",
    "1.2.840.113533.7.66.10": "CAST5-CBC",
    "1.2.410.200004.1.4": "SEED-CBC",
    f"{_PKCS}.3.4": "RC4",
    f"{_PKCS}.1.5.1": "PBE-MD2-DES",
    f"{_PKCS}.1.5.4": "PBE-MD2-RC2-64",
    f"{_PKCS}.1.5.6": "PBE-MD5-RC2-64",
    f"{_PKCS}.1.5.10": "PBE-SHA1-DES",
    f"{_PKCS}.1.5.11": "PBE-SHA1-RC2-64",
    f"{_PKCS}.1.12.1.2": "PBE-SHA1-RC4-40",
    f"{_PKCS}.1.12.1.4": "PBE-SHA1-2DES",
    f"{_PKCS}.1.12.1.5": "PBE-SHA1-RC2-128",
    f"{_PKCS}.2.6": "HMAC-MD5",
    f"{_PKCS}.2.12": "HMAC-SHA512-224",
    f"{_PKCS}.2.13": "HMAC-SHA512-256",
}
# OpenSSL 3 keeps these in a provider that has to be asked for.
_LEGACY = ("DES", "Blowfish", "BF-", "CAST5", "RC2", "RC4", "SEED", "IDEA", "MD2", "MD5")
_NOT_LEGACY = ("EDE", "2DES", "HMAC")


def check(block: Block) -> None:
    """Raise IdentityError, with the cipher's name, where cryptography does not open the block."""
    try:
        named = [name for name in _algorithms(block) if name not in _OPENED]
    except (ValueError, IndexError):
        return  # damaged: `kdf_limits` says so
    if named:
        raise unsupported(block, named[0])


def unsupported(block: Block, algorithm: str | None = None) -> IdentityError:
    """Return the error for a block that is encrypted by this algorithm, an OID or a name."""
    name = _NAMES.get(algorithm or "", algorithm or "an unknown algorithm")
    shown = name if name == algorithm or algorithm is None else f"{name} ({algorithm})"
    old = any(part in name for part in _LEGACY) and not any(part in name for part in _NOT_LEGACY)
    legacy = "-provider default -provider legacy " if old else ""
    file, new = quoted(block.file), quoted(f"{block.file}.aes")
    command = f"openssl pkcs8 -topk8 -v2 aes-256-cbc {legacy}-in {file} -out {new}"
    if block.label == "DER":
        command += " -inform DER"
    elif block.where != block.file:
        command += f" && sed -n '/BEGIN CERT/,/END CERT/p' {file} >> {new}"
    return IdentityError(
        f"{block.where} is encrypted in a way that is not supported: {shown}",
        hint=f"encrypt it again, and name the new file: {command}",
    )


def _algorithms(block: Block) -> Iterator[str]:
    """Return the name of each algorithm that encrypts the block: an OID, or RFC 1421's name."""
    if block.is_pem:
        headers = [line for line in block.content.splitlines() if line.startswith(b"DEK-Info:")]
        yield headers[0][len(b"DEK-Info:") :].split(b",")[0].strip().decode("ascii", "replace")
        return
    scheme, parameters = _identifier(der.children(der.element(block.content).content)[0])
    if scheme != _PBES2:
        yield scheme
        return
    for part in der.children(parameters[0].content):
        name, details = _identifier(part)
        yield name
        if name == _PBKDF2:
            for detail in der.children(details[0].content):
                if detail.tag == der.SEQUENCE:
                    yield _identifier(detail)[0]


def _identifier(element: der.Element) -> tuple[str, list[der.Element]]:
    """Return the OID of an AlgorithmIdentifier, dotted, and its parameters."""
    name, *parameters = der.children(element.content)
    return der.dotted(name.content), parameters
