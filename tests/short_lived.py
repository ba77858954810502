"""Identities that live for minutes, and what a command may print of them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from tests.cli.support import ISSUER

if TYPE_CHECKING:
    from tests.pki import Issued

DAY = 86400


def living(seconds: float, *, since: float = 1.0) -> Issued:
    """Return an identity that ends in so many seconds; `since` is how long ago it began."""
    return ISSUER.issue("alice", starts=-since / DAY, days=seconds / DAY)


def credential(identity: Issued, **changes: object) -> str:
    """Return the identity as kubectl's documentation shows it."""
    status: dict[str, object] = {
        "clientCertificateData": (identity.cert_pem + identity.chain_pem).decode(),
        "clientKeyData": identity.key_pem().decode(),
        **changes,
    }
    found = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {name: value for name, value in status.items() if value is not None},
    }
    return json.dumps(found)


def stamp(ahead: float) -> str:
    """Return the time so many seconds from now, as kubectl's plugins write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + ahead))
