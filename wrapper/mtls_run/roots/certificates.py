"""CA certificates out of PEM and DER, for a bundle that every pip and uv reads."""

from __future__ import annotations

import binascii

from mtls_run.cache import results
from mtls_run.errors import IdentityError, RootsError
from mtls_run.identity.der import LONG_FORM, first_element
from mtls_run.system.digests import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mtls_run.config.origin import Origin

_KIND = "ca"
_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")


def read_added(data: bytes, name: str, said: Origin) -> list[bytes]:
    """Return the DER of each certificate in `data`, the bytes of a file of `ca-cert`.

    Every one is parsed, since it is the user's own file and a mistake in it is to be named: uv
    0.12 trusts nothing at all where it cannot read one. Raises RootsError for a file that holds no
    certificate, or something that is none; `said` is where the profile names it.
    """
    named = sha256(data).hexdigest()
    known = results.find(_KIND, named)
    if known:
        return [bytes.fromhex(der) for der in known]
    found = parsed(data, name, said)
    results.store(_KIND, named, [der.hex() for der in found])
    return found


def parsed(data: bytes, name: str, said: Origin) -> list[bytes]:
    """Return the DER of the certificates, whatever form they have; raises as `read_added`."""
    from mtls_run.identity import chain, pem  # noqa: PLC0415 - cryptography is not always needed

    try:
        blocks = pem.split(data, name).items
        found = [chain.load(block) for block in blocks if block.kind is pem.Kind.CERTIFICATE]
    except IdentityError as error:
        raise RootsError(
            f"{error.fact}; `ca-cert` at {said} names it", hint=error.hint, code="ca-unrecognised"
        ) from None
    if not found:
        held = ", ".join(sorted({block.kind.value for block in blocks})) or "nothing of use"
        raise RootsError(
            f"{name}, `ca-cert` at {said}, has no certificate; it holds: {held}",
            hint="name the CA's certificate, PEM or DER",
            code="ca-unrecognised",
        )
    return [chain.der(certificate) for certificate in found]


def read_store(data: bytes, name: str) -> list[bytes]:
    """Return the DER of each certificate in a store's PEM; what is damaged is passed over.

    Raises RootsError where there is none: a store without roots would trust nothing.
    """
    found = []
    for part in data.split(b"-----BEGIN ")[1:]:
        label, _, rest = part.partition(b"-----")
        body, end, _ = rest.partition(b"-----END")
        if label not in _LABELS or not end or b"-" in body:
            continue
        try:
            decoded = _decoded(b"".join(body.split()))
        except (binascii.Error, ValueError):
            continue
        der = first_element(decoded)
        if der is not None and _holds_sequence(der):
            found.append(der)
    if not found:
        raise RootsError(
            f"{name} has no certificates", hint="it has to be a file of PEM certificates"
        )
    return found


def _decoded(text: bytes) -> bytes:
    """Return what the base64 says; raises ValueError for what is none."""
    decoded = binascii.a2b_base64(text)
    if binascii.b2a_base64(decoded, newline=False) == text:
        return decoded
    import base64  # noqa: PLC0415 - it judges what is odd, and imports `re`

    return base64.b64decode(text, validate=True)


def _holds_sequence(der: bytes) -> bool:
    """Tell whether a SEQUENCE starts with another, as every certificate does."""
    inner = der[2:] if der[1] < LONG_FORM else der[2 + der[1] - LONG_FORM :]
    return first_element(inner) is not None


def to_pem(certificates: Iterable[bytes]) -> bytes:
    """Return these certificates, each once and in their order, as PEM."""
    parts = []
    for der in dict.fromkeys(certificates):
        text = binascii.b2a_base64(der, newline=False).decode("ascii")
        body = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
        parts.append(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    return "".join(parts).encode("ascii")
