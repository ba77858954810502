"""Find the certificate of an identity without a passphrase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtls_run.errors import IdentityError
from mtls_run.identity import chain
from mtls_run.identity.keys import open_key, open_pkcs12, public_bytes
from mtls_run.identity.pem import Kind

if TYPE_CHECKING:
    from cryptography import x509

    from mtls_run.identity.material import KeyMaterial


def leaf(material: KeyMaterial) -> x509.Certificate | None:
    """Return the certificate of the key or, if the key is locked, the one that issued no other."""
    found, keys = list(material.certificates), []
    try:
        for container in material.containers:
            if not container.locked:
                key, held = open_pkcs12(container.block, None)
                keys += [key] if key else []
                found += held
        keys += [open_key(block, None) for block in material.keys if block.kind is Kind.KEY]
    except IdentityError:
        return None
    found = chain.unique(found)
    if keys:
        publics = [public_bytes(key) for key in keys]
        leaves = [one for one in found if any(chain.same_key(one, public) for public in publics)]
    else:
        leaves = [
            one
            for one in found
            if not any(other.issuer == one.subject for other in found if other != one)
        ]
    return leaves[0] if len(leaves) == 1 else None
