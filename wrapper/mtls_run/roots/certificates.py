"""Read CA certificates from PEM and DER, for a bundle that every pip and uv reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from mtls_run.cache import results
from mtls_run.errors import IdentityError, RootsError
from mtls_run.identity import chain, extensions, pem
from mtls_run.output.text import quoted
from mtls_run.system.digests import sha256

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from mtls_run.config.origin import Origin

_KIND = "ca"


def read_added(data: bytes, name: str, origin: Origin) -> list[bytes]:
    """Return the DER of each certificate in `data`, the bytes of a file of `ca-cert`.

    Raises RootsError for a file without a certificate, or with one that cannot be read: uv 0.12
    trusts nothing at all then. `origin` is where the profile names the file.
    """
    digest = sha256(data).hexdigest()
    known = results.find(_KIND, digest)
    if known:
        return [bytes.fromhex(der) for der in known]
    found = _parse(data, name, origin)
    results.store(_KIND, digest, [der.hex() for der in found])
    return found


def _parse(data: bytes, name: str, origin: Origin) -> list[bytes]:
    try:
        blocks = pem.split(data, name).items
        found = chain.load_all(blocks)
    except IdentityError as error:
        raise RootsError(
            f"{error.fact}; `ca-cert` at {origin} names it", hint=error.hint, code="ca-unrecognised"
        ) from None
    if not found:
        held = ", ".join(sorted({block.kind.value for block in blocks})) or "nothing of use"
        raise RootsError(
            f"{name}, `ca-cert` at {origin}, has no certificate; it holds: {held}",
            hint=f"write its certificates as PEM: openssl pkcs12 -in {quoted(name)} -nokeys "
            f"-out {quoted(name + '.pem')}"
            if held == pem.Kind.PKCS12.value
            else "name the CA's certificate, PEM or DER",
            code="ca-unrecognised",
        )
    return [chain.der(certificate) for certificate in found]


def read_store(data: bytes, name: str) -> list[bytes]:
    """Return the DER of each certificate in a store's PEM that is not damaged.

    Raises RootsError where there is none: a store without roots would trust nothing.
    """
    found = []
    for block in pem.certificates(data, name):
        try:
            found.append(chain.der(chain.load(block)))
        except IdentityError:
            continue  # uv 0.12 would trust nothing at all
    if not found:
        raise RootsError(f"{name} has no certificates", hint="name a file of PEM certificates")
    return found


def with_known_extensions(
    certificates: Iterable[bytes], known: Collection[str]
) -> tuple[list[bytes], list[str]]:
    """Return the DER of those without another critical extension, and the others' subjects."""
    fine, others = [], []
    for der in certificates:
        found = x509.load_der_x509_certificate(der)
        if set(extensions.critical(found)) - set(known):
            others.append(chain.describe(found))
        else:
            fine.append(der)
    return fine, others


def to_pem(certificates: Iterable[bytes]) -> bytes:
    """Return these certificates as PEM, each once and in their order."""
    return b"".join(pem.to_pem("CERTIFICATE", der) for der in dict.fromkeys(certificates))
